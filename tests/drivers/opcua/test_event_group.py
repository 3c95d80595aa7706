# ruff: noqa: E501 - a table of mistakes is read one per line
"""A group with `mode: events` as it is written, and what is said of nonsense."""

from pathlib import Path

import pytest

from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.section import Section
from edge_agent.config.settings import Group
from edge_agent.config.syntax import Origin, Surroundings
from edge_agent.config.yaml_nodes import read
from edge_agent.core.events import CONDITION, SERVER, EventField, EventSource
from edge_agent.core.nodes import Spot, Step
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.opcua.settings import group

ACME = "urn:acme:press"


def test_a_source_has_defaults_for_everything() -> None:
    made = _group("{mode: events}")

    assert made == Group(
        "g",
        1.0,
        mode="events",
        timestamp="source",
        queue=1000,
        keepalive_s=5.0,
        lifetime_s=120.0,
        lane="alarm",
        events=EventSource(SERVER, (), 0, ()),
    )


def test_a_source_takes_what_is_written() -> None:
    made = _group(
        "{mode: events, source: plc:s=Press, types: [plc:i=1001, i=2915], severity: 300, conditions: true, "
        "publishing: 500ms, queue: 50, keepalive: 2s, lifetime: 1min, lane: data, "
        'fields: {batch: {path: "plc:Batch/plc:Number", type: UInt32}, limit: {path: HighLimit, type: Double}}}'
    )

    assert (made.interval_s, made.queue, made.keepalive_s, made.lifetime_s, made.lane) == (
        0.5,
        50,
        2.0,
        60.0,
        "data",
    )
    assert made.events == EventSource(
        Spot(ACME, "s=Press"),
        (Spot(ACME, "i=1001"), Spot("", "i=2915")),
        300,
        (
            *CONDITION,
            EventField("batch", (Step(ACME, "Batch"), Step(ACME, "Number")), "UInt32"),
            EventField("limit", (Step("", "HighLimit"),), "Double"),
        ),
    )


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("ActiveState/Id", (Step("", "ActiveState"), Step("", "Id"))),
        ("0:ActiveState/0:Id", (Step("", "ActiveState"), Step("", "Id"))),
        ("plc:Öl Druck (bar)", (Step(ACME, "Öl Druck (bar)"),)),
        ("plc:A&/B/plc:C&:D", (Step(ACME, "A/B"), Step(ACME, "C:D"))),
        ("plc:A&&/plc:B", (Step(ACME, "A&"), Step(ACME, "B"))),
        ("ua:Retain", (Step("", "Retain"),)),
    ],
)
def test_a_path_is_browse_names_with_aliases(path: str, steps: tuple[Step, ...]) -> None:
    made = _group(f'{{mode: events, fields: {{f: {{path: "{path}", type: String}}}}}}')

    assert made.events is not None
    assert made.events.fields[0].path == steps


def test_a_sign_of_life_is_not_asked_for_more_often_than_the_server_publishes() -> None:
    made = _group("{mode: events, publishing: 60s}")

    assert (made.keepalive_s, made.lifetime_s) == (60.0, 180.0)


def test_a_device_changes_what_it_names_and_nothing_else() -> None:
    before = _group(
        "{mode: events, source: plc:s=Press, conditions: true, fields: {a: {path: A, type: Byte}}, queue: 7}"
    )

    changed = _group("{severity: 700, publishing: 2s}", before)

    assert changed.events is not None
    assert before.events is not None
    assert (changed.events.severity, changed.interval_s, changed.queue, changed.lane) == (
        700,
        2.0,
        7,
        "alarm",
    )
    assert changed.events.node == before.events.node
    assert changed.events.fields == before.events.fields
    assert _group("{}", before) == before
    without = _group("{conditions: false}", before)
    assert without.events is not None
    assert [field.name for field in without.events.fields] == ["a"]


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("{mode: events, interval: 1s}", "interval", "'interval' is for mode: read; this group is mode: events"),
        ("{mode: events, sampling: 1s}", "sampling", "'sampling' is for mode: subscribe; this group is mode: events"),
        ("{mode: events, register: true}", "register", "'register' is for mode: read; this group is mode: events"),
        ("{mode: events, heartbeat: 5min}", "heartbeat", "'heartbeat' is for mode: subscribe or read; this group is mode: events"),
        ("{mode: events, report: on_change}", "report", "'report' is for mode: subscribe or read; this group is mode: events"),
        ("{mode: events, timestamp: agent}", "timestamp", "'timestamp' is for mode: subscribe or read; this group is mode: events"),
        ("{mode: events, time_resolution: 1s}", "time_resolution", "'time_resolution' is for mode: subscribe or read; this group is mode: events"),
        ("{publishing: 1s, severity: 5}", "severity", "'severity' is for mode: events; this group is mode: subscribe"),
        ("{mode: read, interval: 1s, source: i=1}", "source", "'source' is for mode: events; this group is mode: read"),
        ("{mode: events, severity: 0}", "0}", "0 is too small; at least 1"),
        ("{mode: events, severity: 1001}", "1001", "1001 is too large; at most 1000"),
        ("{mode: events, source: Press}", "Press", "'Press' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("{mode: events, types: [xyz:i=1]}", "xyz", "unknown namespace 'xyz'; there are: plc, ua"),
        ("{mode: events, types: ['ns=3;i=1']}", "'ns", "'ns=3;i=1': the index of a namespace changes with the server; name its URI under `namespaces: {plc: \"...\"}` and write plc:i=1"),
        ("{mode: events, types: []}", "types", "too few entries: at least 1"),
        ("{mode: events, fields: {a: {path: A}}}", "a: {path", "missing key 'type'"),
        ("{mode: events, fields: {a: {type: Byte}}}", "a: {type", "missing key 'path'"),
        ("{mode: events, fields: {a: {path: A, type: Real}}}", "Real", None),
        ("{mode: events, fields: {message: {path: A, type: Byte}}}", "message", "'message' is what events have already; give the field another name"),
        ("{mode: events, conditions: true, fields: {acked: {path: A, type: Byte}}}", "acked", "'acked' is what events have already; give the field another name"),
        ("{mode: events, fields: {a: {path: /, type: Byte}}}", "/,", "'/' has an empty name; write for example plc:Line1/plc:Speed, and a slash that is part of a name as &/"),
        ("{mode: events, fields: {a: {path: 'xyz:A', type: Byte}}}", "'xyz", "unknown namespace 'xyz'; there are: plc, ua"),
        ("{mode: events, fields: {a: {path: '4:A', type: Byte}}}", "'4:A", "'4:A': the index of a namespace changes with the server; name its URI under `namespaces: {plc: \"...\"}` and write plc:A"),
        ("{mode: events, lifetime: 14s}", "lifetime", "the lifetime is at least three times the keepalive of 5 s"),
        ("{mode: events, lane: fast}", "fast", "unknown lane 'fast'; there are: alarm, data"),
    ],
)  # fmt: skip
def test_a_source_is_refused_with(text: str, at: str, message: str | None) -> None:
    made, problems = _grouped(text, None)

    assert len(problems) == 1, render(problems)
    assert made is None or "lifetime" in text
    assert message is None or problems[0].message == message
    assert f"  g: {text}"[problems[0].column - 1 :].startswith(at)


def test_a_group_of_tags_never_becomes_one_of_events() -> None:
    _, problems = _grouped("{mode: events}", _group("{publishing: 1s}"))

    assert (
        problems[0].message
        == "mode: subscribe of the profile stays; a group of tags never becomes one of events"
    )


def test_a_source_has_no_tags(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(
        "schema: edge-agent/profile/1\nid: acme/press\nversion: 1.0.0\nprotocol: opcua\ntitle: x\n"
        "groups: {alarms: {mode: events}}\ntags:\n  t: {node: i=1, type: Byte, group: alarms}\n"
    )

    profile, problems = load_profile(path, kinds())

    assert profile is None
    assert [problem.message for problem in problems] == [
        "'t' is in group 'alarms', which is mode: events and has no tags; write another group"
    ]
    assert (problems[0].line, problems[0].column) == (8, 3)


def test_a_profile_may_have_events_alone(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(
        "schema: edge-agent/profile/1\nid: acme/press\nversion: 1.0.0\nprotocol: opcua\ntitle: x\n"
        "params: {node: {type: string, default: Press}}\n"
        'namespaces: {plc: "urn:acme:press"}\n'
        'groups: {alarms: {mode: events, source: "plc:s={node}"}}\ntags: {}\n'
    )

    profile, problems = load_profile(path, kinds())

    assert problems == ()
    assert profile is not None
    assert profile.groups["alarms"].events == EventSource(Spot(ACME, "s=Press"))


def _grouped(text: str, before: Group | None) -> tuple[Group | None, list[Problem]]:
    spaces = f'{{plc: "{ACME}", ua: "http://opcfoundation.org/UA/"}}'
    document = read(f"namespaces: {spaces}\ngroups:\n  g: {text}\n".encode(), Path("press.yaml"))
    section = Section(document, Origin(Path(), Surroundings({}, "box"))).inside("groups", "g")
    return group(section, "g", before), document.problems


def _group(text: str, before: Group | None = None) -> Group:
    made, problems = _grouped(text, before)
    assert made is not None, render(problems)
    assert problems == [], render(problems)
    return made
