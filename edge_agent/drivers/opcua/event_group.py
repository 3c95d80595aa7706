"""A group with `mode: events` as it is written -> which events are wanted; contradictions are all named."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from edge_agent.config.groups import merged
from edge_agent.config.section import Section
from edge_agent.config.settings import Group
from edge_agent.core.events import CONDITION, OF_ALL, EventField, EventSource
from edge_agent.core.nodes import Spot
from edge_agent.drivers.opcua.keys import EventFieldKeys, OpcUaGroupKeys
from edge_agent.drivers.opcua.spots import node_of, steps_of

QUEUE = 1000
"""Events that a server holds for us unless written: a storm of alarms is no reason to lose the first ones."""


def event_group(section: Section, name: str, keys: OpcUaGroupKeys, before: Group | None) -> Group | None:
    """The group, put over that of the profile where a device changes it; None with mistakes."""
    base = before or Group(name, 1.0, mode="events", timestamp="source", queue=QUEUE, lane="alarm")
    mistakes = len(section.document.problems)
    source = _source(section, keys, base.events or EventSource())
    if len(section.document.problems) > mistakes:
        return None
    interval_s = keys.publishing or base.interval_s
    return replace(
        merged(base, keys),
        interval_s=interval_s,
        mode="events",
        timestamp="source",
        queue=keys.queue or base.queue,
        # A sign of life goes with an empty publishing interval: none comes more often.
        keepalive_s=max(keys.keepalive or base.keepalive_s, interval_s),
        lifetime_s=keys.lifetime or max(base.lifetime_s, 3 * interval_s),
        events=source,
    )


def _source(section: Section, keys: OpcUaGroupKeys, base: EventSource) -> EventSource:
    namespaces = _namespaces(section)
    node, types = base.node, base.types
    if keys.source is not None:
        node = _spot(section, "source", keys.source, namespaces) or node
    if keys.types is not None:
        inside = section.inside("types")
        types = tuple(filter(None, (_spot(inside, i, text, namespaces) for i, text in enumerate(keys.types))))
    own = tuple(field for field in base.fields if field not in CONDITION)
    conditions = base.fields[: len(CONDITION)] == CONDITION if keys.conditions is None else keys.conditions
    taken = [each.name for each in (*OF_ALL, *(CONDITION if conditions else ()))]
    if keys.fields is not None:
        entries = section.inside("fields").entries()
        own = tuple(filter(None, (_field(entry, name, taken, namespaces) for name, entry in entries)))
    return EventSource(
        node, types, keys.severity or base.severity, (*(CONDITION if conditions else ()), *own)
    )


def _namespaces(section: Section) -> Mapping[str, str]:
    """The aliases of the file that the group stands in."""
    top = section.document.value
    aliases = top.get("namespaces") if isinstance(top, dict) else None
    return aliases if isinstance(aliases, dict) else {}


def _spot(section: Section, key: str | int, text: str, namespaces: Mapping[str, str]) -> Spot | None:
    found = node_of(section, key, text, namespaces)
    return None if found is None else Spot(*found)


def _field(
    section: Section, name: str, taken: Iterable[str], namespaces: Mapping[str, str]
) -> EventField | None:
    keys = section.check(EventFieldKeys)
    if keys is None:
        return None
    if name in taken:
        section.error_at_key(f"'{name}' is what events have already; give the field another name")
        return None
    path = steps_of(section, keys.path, namespaces)
    return EventField(name, path, keys.type) if path else None
