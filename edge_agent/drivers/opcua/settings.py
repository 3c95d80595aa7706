"""How OPC UA is configured: what becomes of its part of the files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TypeVar, cast

from edge_agent.config.expect import expected
from edge_agent.config.groups import check_phase, merged
from edge_agent.config.hints import hint
from edge_agent.config.kinds import Contents, Kind
from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import (
    Given,
    GoldenTest,
    Group,
    NodeLimits,
    Profile,
    Tag,
    Way,
)
from edge_agent.config.syntax import quoted
from edge_agent.core.model import Value
from edge_agent.core.nodes import Method
from edge_agent.drivers.opcua.connection import at_home, connection
from edge_agent.drivers.opcua.event_group import event_group
from edge_agent.drivers.opcua.given import check
from edge_agent.drivers.opcua.keys import (
    ConnectionKeys,
    DefaultKeys,
    GivenKeys,
    LimitKeys,
    MethodKeys,
    OpcUaGroupKeys,
    OpcUaProfile,
    TagKeys,
    TestKeys,
)
from edge_agent.drivers.opcua.load import overloads
from edge_agent.drivers.opcua.presets import PRESETS
from edge_agent.drivers.opcua.tags import Draft, make_method, make_tags

QUEUES = 2
"""Publishing intervals that the server's queue of a tag holds: one may be late without a loss."""
LEAST_QUEUE = 10

K = TypeVar("K", bound=Keys)


def group(section: Section, name: str, before: Group | None) -> Group | None:
    """The group of a section, put over that of the profile where a device changes it; None with mistakes."""
    keys = section.check(OpcUaGroupKeys)
    if keys is None:
        return None
    mode: Way = keys.mode or (before.mode if before else "subscribe")
    if not _fits_mode(section, keys, mode, before):
        return None
    if mode == "events":
        told = event_group(section, name, keys, before)
        if told is not None:
            _check_times(section, told)
        return told
    interval_s = (keys.interval if mode == "read" else keys.publishing) or (
        before.interval_s if before else 1.0
    )
    base = _base(name, mode, interval_s, before)
    made = replace(
        merged(base, keys),
        interval_s=interval_s,
        mode=mode,
        timestamp=keys.timestamp or base.timestamp,
        register=base.register if keys.register_ is None else keys.register_,
    )
    if mode == "subscribe":
        made = _with_times(made, keys, base)
        _check_times(section, made)
    check_phase(section, made)
    return made


def _base(name: str, mode: Way, interval_s: float, before: Group | None) -> Group:
    """What holds where a section says nothing; of another mode's group only what both modes have."""
    if before is not None and before.mode == mode:
        return before
    fresh = Group(
        name, interval_s, time_resolution_s=0.001, mode=mode, timestamp="source", sampling_s=interval_s
    )
    if before is None:
        return fresh
    return replace(
        fresh,
        report=before.report,
        heartbeat_s=before.heartbeat_s,
        time_resolution_s=before.time_resolution_s,
        timestamp=before.timestamp,
        lane=before.lane,
    )


def _with_times(made: Group, keys: OpcUaGroupKeys, base: Group) -> Group:
    """The group with what a server is asked for; what nobody has written follows what is written now."""
    follows = base.sampling_s == base.interval_s
    sampling_s = made.interval_s if follows else base.sampling_s
    sampling_s = sampling_s if keys.sampling is None else keys.sampling
    queue = _queue(made.interval_s, sampling_s)
    if base.queue != _queue(base.interval_s, base.sampling_s):
        queue = base.queue
    keepalive_s = base.keepalive_s if keys.keepalive is None else keys.keepalive
    return replace(
        made,
        sampling_s=sampling_s,
        queue=keys.queue or queue,
        # A sign of life goes with an empty publishing interval: none comes more often.
        keepalive_s=max(keepalive_s, made.interval_s),
        lifetime_s=max(base.lifetime_s, 3 * made.interval_s) if keys.lifetime is None else keys.lifetime,
        history_s=base.history_s if keys.history is None else keys.history,
    )


def _queue(publishing_s: float, sampling_s: float) -> int:
    """Samples that come together within the publishing intervals a queue has to hold."""
    return max(LEAST_QUEUE, math.ceil(publishing_s / sampling_s) * QUEUES) if sampling_s else LEAST_QUEUE


_USED: Mapping[str, Sequence[Way]] = {
    **dict.fromkeys(("interval", "phase", "register"), ("read",)),
    **dict.fromkeys(("report", "heartbeat", "time_resolution", "timestamp"), ("subscribe", "read")),
    **dict.fromkeys(("sampling", "history"), ("subscribe",)),
    **dict.fromkeys(("publishing", "queue", "keepalive", "lifetime"), ("subscribe", "events")),
    **dict.fromkeys(("source", "types", "severity", "conditions", "fields"), ("events",)),
}
"""In which modes a key means anything; what is not here does in all."""


def _fits_mode(section: Section, keys: OpcUaGroupKeys, mode: str, before: Group | None) -> bool:
    """Whether no key stands there that this mode has no use for, and the one it needs does."""
    if before is not None and "events" in {mode, before.mode} and mode != before.mode:
        section.error(
            f"mode: {before.mode} of the profile stays; a group of tags never becomes one of events", "mode"
        )
        return False
    fits = True
    for key, modes in _USED.items():
        if mode not in modes and section.inside(key).present:
            section.error_at_key(
                f"'{key}' is for mode: {' or '.join(modes)}; this group is mode: {mode}", key
            )
            fits = False
    if mode == "events":
        return fits
    needed = "interval" if mode == "read" else "publishing"
    given = keys.interval if mode == "read" else keys.publishing
    if fits and given is None and (before is None or before.mode != mode):
        section.error_at_key(f"a group with mode: {mode} needs {needed}; write for example {needed}: 1s")
        return False
    return fits


def _check_times(section: Section, made: Group) -> None:
    if made.history_s and made.timestamp != "source":
        message = "what a server has recorded has the times of its sources; write timestamp: source"
        section.error_at_key(message, "history" if section.inside("history").present else "timestamp")
    if made.lifetime_s < 3 * made.keepalive_s:
        # OPC UA Part 4, 5.13.2: a server takes three times the keep-alive where less is asked for.
        message = f"the lifetime is at least three times the keepalive of {made.keepalive_s:g} s"
        at = "lifetime" if section.inside("lifetime").present else "keepalive"
        section.error_at_key(message, at)
    if made.mode == "subscribe" and made.queue == 1 and made.sampling_s < made.interval_s:
        # OPC UA Part 4, 5.13.1.5: the bit that tells of an overflow is for longer queues.
        message = "of a queue of 1 no server tells that it dropped samples; write 2 or more"
        section.warning(f"{message}, or sampling: {made.interval_s:g}s where the newest will do", "queue")


def contents(section: Section, groups: Mapping[str, Group | None]) -> Contents:
    """Tags, limits and golden tests of an OPC UA profile."""
    limits = _checked(section.inside("limits"), LimitKeys()) or LimitKeys()
    defaults = _checked(section.inside("defaults"), DefaultKeys())
    namespaces = section.inside("namespaces").value
    entries = section.inside("tags")
    written = [(name, entry, entry.check(TagKeys)) for name, entry in entries.entries()]
    tags: list[Tag] = []
    if defaults is not None:
        if defaults.group is not None and defaults.group not in groups:
            message = f"unknown group {quoted(defaults.group)}{hint(defaults.group, list(groups))}"
            section.error(message, "defaults", "group")
        aliases = namespaces if isinstance(namespaces, dict) else {}
        drafts = [Draft(name, entry, keys, defaults, aliases) for name, entry, keys in written if keys]
        tags = [tag for draft in drafts for tag in make_tags(draft, groups)]
    return Contents(
        tags=tuple(tags),
        limits=_limits(limits),
        tests=_golden_tests(section.inside("tests"), _columns(written)),
        methods=_methods(section.inside("methods"), namespaces),
    )


def _methods(section: Section, namespaces: object) -> tuple[Method, ...]:
    aliases = namespaces if isinstance(namespaces, dict) else {}
    written = [(name, entry, entry.check(MethodKeys)) for name, entry in section.entries()]
    made = [make_method(name, entry, keys, aliases) for name, entry, keys in written if keys]
    return tuple(each for each in made if each is not None)


def _limits(keys: LimitKeys) -> NodeLimits:
    """Those of the maker's servers, and what is written put over them."""
    made = PRESETS[keys.server] if keys.server else NodeLimits()
    written = {
        "items_per_call": keys.items_per_call,
        "nodes_per_read": keys.nodes_per_read,
        "items": keys.items,
        "sampling_s": keys.sampling,
        "filters": keys.filters,
    }
    return replace(made, **{name: each for name, each in written.items() if each is not None})  # type: ignore[arg-type]  # each has the type of its own key


def _columns(written: Sequence[tuple[str, Section, TagKeys | None]]) -> list[str]:
    """The names that golden tests know, also of tags with mistakes of their own."""
    names: list[str] = []
    for name, _, keys in written:
        fields = None if keys is None else keys.fields
        names += [name] if fields is None else [f"{name}.{field}" for field in fields]
    return names


def _checked(section: Section, default: K) -> K | None:
    return default if section.value is None else section.check(type(default))


def _golden_tests(section: Section, names: Sequence[str]) -> tuple[GoldenTest, ...]:
    found: list[GoldenTest] = []
    count = len(section.value) if isinstance(section.value, list) else 0
    for entry in (section.inside(index) for index in range(count)):
        keys = entry.check(TestKeys)
        if keys is None:
            continue
        given = {name: _given(entry.inside("values", name), name, names) for name in keys.values}
        expect = {name: expected(entry.inside("expect", name), name, names, {}) for name in keys.expect}
        values = {name: each for name, each in given.items() if each}
        found.append(GoldenTest(keys.name, {}, {name: each for name, each in expect.items() if each}, values))
    return tuple(found)


def _given(section: Section, name: str, names: Sequence[str]) -> Given | None:
    if name not in names:
        section.error_at_key(f"unknown tag {quoted(name)}{hint(name, list(names))}")
        return None
    if not isinstance(section.value, dict):
        return Given(_value(section))
    keys = section.check(GivenKeys)
    return None if keys is None else Given(_value(section.inside("value")), keys.status)


def _value(section: Section) -> Value:
    value = section.value
    if isinstance(value, list) and value and all(isinstance(each, int | float | str) for each in value):
        return tuple(float(each) if isinstance(each, float) else each for each in value)
    if isinstance(value, dict | list):
        section.error("one value is expected here: a number, a text, true or false, or for an array a list")
        return None
    return float(value) if isinstance(value, float) else cast("Value", value)


def _decoded(profile: Profile, test: GoldenTest) -> Mapping[str, tuple[Value, str]]:
    # The names of status codes come with the library, which is loaded for a profile with tests only.
    values = import_module("edge_agent.drivers.opcua.values")
    tags = {tag.name: tag.opcua for tag in profile.tags}
    return {name: values.judged(tags[name], given.value, given.status) for name, given in test.values.items()}


KIND = Kind(
    name="opcua",
    connection_model=ConnectionKeys,
    profile_model=OpcUaProfile,
    tag_model=TagKeys,
    connection=connection,
    contents=contents,
    decoded=_decoded,
    group_model=OpcUaGroupKeys,
    group=group,
    overloads=overloads,
    writable=check,
    at_home=at_home,
)
