"""A group with `mode: events` as it is written -> which events are wanted; contradictions are all named."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from edge_agent.config.groups import merged
from edge_agent.config.section import Section
from edge_agent.config.settings import Group
from edge_agent.config.syntax import quoted
from edge_agent.core.browsed import OPC_UA
from edge_agent.core.events import CONDITION, OF_ALL, EventField, EventSource
from edge_agent.core.nodes import Spot
from edge_agent.drivers.opcua.keys import EventFieldKeys, OpcUaGroupKeys
from edge_agent.drivers.opcua.tags import spot, unknown

QUEUE = 1000
"""Events that a server holds for us unless written: a storm of alarms is no reason to lose the first ones."""
_PART = re.compile(r"(?:[^&/]|&.)+")
_STEP = re.compile(r"(?:(?P<alias>[A-Za-z0-9._-]+):)?(?P<name>(?:[^&:]|&.)+)")


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
        node = _place(keys.source, section.inside("source"), namespaces) or node
    if keys.types is not None:
        places = [_place(text, section.inside("types", i), namespaces) for i, text in enumerate(keys.types)]
        types = tuple(place for place in places if place is not None)
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


def _place(text: str, section: Section, namespaces: Mapping[str, str]) -> Spot | None:
    return spot(text, section, namespaces)


def _field(
    section: Section, name: str, taken: Iterable[str], namespaces: Mapping[str, str]
) -> EventField | None:
    keys = section.check(EventFieldKeys)
    if keys is None:
        return None
    if name in taken:
        section.error_at_key(f"'{name}' is what events have already; give the field another name")
        return None
    path = _path(keys.path, section.inside("path"), namespaces)
    return EventField(name, path, keys.type) if path else None


def _path(text: str, section: Section, namespaces: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Browse names with the URI of each; empty with a mistake."""
    parts = [_STEP.fullmatch(part) for part in _PART.findall(text)]
    steps = [_step(part, section, namespaces) for part in parts if part is not None]
    if None in parts or "/".join(_PART.findall(text)) != text:
        section.error(f"{quoted(text)} is no path of browse names; write for example plc:Batch/plc:Number")
        return ()
    known = tuple(step for step in steps if step is not None)
    return known if len(known) == len(steps) else ()


def _step(written: re.Match[str], section: Section, namespaces: Mapping[str, str]) -> tuple[str, str] | None:
    alias, name = written["alias"] or "0", written["name"]
    if alias == "0":
        return "", _plain(name)
    if alias.isdecimal():
        section.error(
            f"{quoted(written[0])}: the index of a namespace changes with the server; name its URI under "
            f'`namespaces: {{plc: "..."}}` and write plc:{name}'
        )
        return None
    if alias not in namespaces:
        section.error(unknown(alias, namespaces))
        return None
    uri = str(namespaces[alias])
    return "" if uri == OPC_UA else uri, _plain(name)


def _plain(name: str) -> str:
    return re.sub("&(.)", r"\1", name)
