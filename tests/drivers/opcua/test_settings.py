# ruff: noqa: E501 - a table of mistakes is read one per line
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from subprocess import run

import pytest

from edge_agent.config import golden
from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.section import Section
from edge_agent.config.settings import (
    Expected,
    Given,
    GoldenTest,
    Group,
    Login,
    NodeLimits,
    OpcUaConnection,
    Profile,
    Tag,
)
from edge_agent.config.syntax import Origin, Surroundings
from edge_agent.config.yaml_nodes import read
from edge_agent.core.nodes import Method, Node, Spot
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.opcua.connection import connection
from edge_agent.drivers.opcua.settings import KIND, group

PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: opcua
title: A press
namespaces: {plc: "urn:acme:press", other: "urn:acme:other"}
defaults: {type: Int16, group: fast}
groups: {fast: {publishing: 1s}}
tags:
  t: TAG
"""
OPEN = 'security: {policy: "None", mode: none}'
DOUBT = "nothing is signed or encrypted: anyone on the way can read and change it"


# --- connections ------------------------------------------------------------------------


def test_a_connection_has_defaults_but_for_its_security() -> None:
    made, problems = _connection(f'{{endpoint: "opc.tcp://10.3.7.12", {OPEN}}}')

    assert made == OpcUaConnection("plc", "opc.tcp://10.3.7.12:4840", None, 5.0)
    assert [(problem.severity, problem.message) for problem in problems] == [("warning", DOUBT)]


def test_a_connection_takes_what_is_written() -> None:
    text = f'{{endpoint: "opc.tcp://plc7:4841/press/ua", {OPEN}, timeout: 250ms, user: {{name: edge, password: "${{env:PLC}}"}}, insecure: true}}'

    made, problems = _connection(text)

    assert made == OpcUaConnection(
        "plc", "opc.tcp://plc7:4841/press/ua", Login("edge", "geheim"), 0.25, insecure=True
    )
    assert [problem.message for problem in problems] == [DOUBT]
    assert "geheim" not in repr(made)


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ("opc.tcp://plc7", "opc.tcp://plc7:4840"),
        ("opc.tcp://plc7/", "opc.tcp://plc7:4840/"),
        ("opc.tcp://plc7:1/", "opc.tcp://plc7:1/"),
        ("opc.tcp://[fe80::1]", "opc.tcp://[fe80::1]:4840"),
        ("opc.tcp://[fe80::1]:4841/ua", "opc.tcp://[fe80::1]:4841/ua"),
    ],
)
def test_an_endpoint_has_a_port(written: str, endpoint: str) -> None:
    made, _ = _connection(f'{{endpoint: "{written}", {OPEN}}}')

    assert made is not None
    assert made.endpoint == endpoint


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        (f'{{{OPEN}}}', "plc", "missing key 'endpoint'"),
        ('{endpoint: "opc.tcp://a"}', "plc", "missing key 'security'"),
        (f'{{endpoint: "10.3.7.12:4840", {OPEN}}}', '"10.3', "'10.3.7.12:4840' is not an endpoint; write for example opc.tcp://10.3.7.12:4840"),
        (f'{{endpoint: "https://a", {OPEN}}}', '"https', "'https://a' is not an endpoint; write for example opc.tcp://10.3.7.12:4840"),
        (f'{{endpoint: "opc.tcp://user@a", {OPEN}}}', '"opc', "'opc.tcp://user@a' is not an endpoint; write for example opc.tcp://10.3.7.12:4840"),
        (f'{{endpoint: "opc.tcp://a?b", {OPEN}}}', '"opc', "'opc.tcp://a?b' is not an endpoint; write for example opc.tcp://10.3.7.12:4840"),
        (f'{{endpoint: "opc.tcp://a:70000", {OPEN}}}', '"opc', "port '70000' is not a number from 1 to 65535"),
        (f'{{endpoint: "opc.tcp://10.3.7.300", {OPEN}}}', '"opc', "'10.3.7.300' is not an IPv4 address; it has four numbers from 0 to 255"),
        (f'{{endpoint: "opc.tcp://fe80::1", {OPEN}}}', '"opc', "'fe80::1': write an IPv6 address in brackets, for example [fe80::1]:4840"),
        (f'{{endpoint: "opc.tcp://a", {OPEN}, timeout: 50ms}}', "50ms", "'50ms' is too small; at least 0.1s"),
        (f'{{endpoint: "opc.tcp://a", {OPEN}, timeout: 61s}}', "61s", "'61s' is too large; at most 60s"),
        (f'{{endpoint: "opc.tcp://a", {OPEN}, time_out: 1s}}', "time_out", "unknown key 'time_out' - did you mean 'timeout'?"),
        (f'{{endpoint: "opc.tcp://a", {OPEN}, user: {{name: edge}}}}', "user", "missing key 'password'"),
        ('{endpoint: "opc.tcp://a", security: none}', "none", "keys with values are expected here, not 'none'"),
    ],
)  # fmt: skip
def test_a_connection_is_refused_with(text: str, at: str, message: str) -> None:
    made, problems = _connection(text)

    errors = [problem for problem in problems if problem.severity == "error"]
    assert made is None
    assert [problem.message for problem in errors] == [message]
    assert f"plc: {text}"[errors[0].column - 1 :].startswith(at)


def test_a_password_in_plain_text_is_doubted() -> None:
    text = f'{{endpoint: "opc.tcp://127.0.0.1", {OPEN}, user: {{name: edge, password: geheim}}}}'

    made, problems = _connection(text)

    assert made is not None
    (doubt,) = [problem for problem in problems if problem.message != DOUBT]
    assert doubt.severity == "warning"
    assert doubt.message == (
        "the password stands here for everyone to read; write ${file:path}, ${env:NAME} or ${cred:NAME}"
    )
    assert f"plc: {text}"[doubt.column - 1 :].startswith("geheim")


# --- groups -----------------------------------------------------------------------------


def test_a_group_is_subscribed_to_unless_it_says_otherwise() -> None:
    assert _group("{publishing: 2s}") == Group(
        "g",
        2.0,
        time_resolution_s=0.001,
        mode="subscribe",
        timestamp="source",
        sampling_s=2.0,
        queue=10,
        keepalive_s=5.0,
        lifetime_s=120.0,
    )


def test_a_group_that_is_read_has_an_interval() -> None:
    made = _group("{mode: read, interval: 10s, phase: 2s, register: true, timestamp: server}")

    assert (made.mode, made.interval_s, made.phase_s, made.register, made.timestamp) == (
        "read",
        10.0,
        2.0,
        True,
        "server",
    )


def test_a_group_takes_what_is_written() -> None:
    made = _group(
        "{mode: subscribe, publishing: 500ms, sampling: 50ms, queue: 7, keepalive: 3s, lifetime: 60s, timestamp: agent,"
        " report: on_change, heartbeat: 1min, time_resolution: 10ms}"
    )

    assert made == Group(
        "g",
        0.5,
        report="on_change",
        heartbeat_s=60.0,
        time_resolution_s=0.01,
        mode="subscribe",
        timestamp="agent",
        sampling_s=0.05,
        queue=7,
        keepalive_s=3.0,
        lifetime_s=60.0,
    )


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        ("{publishing: 1s, sampling: 1s}", 10),
        ("{publishing: 1s, sampling: 200ms}", 10),
        ("{publishing: 1s, sampling: 100ms}", 20),
        ("{publishing: 1s, sampling: 30ms}", 68),
        ("{publishing: 1s, sampling: 0s}", 10),
        ("{publishing: 1s, sampling: 30ms, queue: 2}", 2),
    ],
)
def test_a_queue_holds_what_is_sampled_in_two_publishing_intervals(text: str, queue: int) -> None:
    assert _group(text).queue == queue


def test_a_sign_of_life_is_not_asked_for_more_often_than_the_server_publishes() -> None:
    made = _group("{publishing: 60s}")

    assert (made.keepalive_s, made.lifetime_s) == (60.0, 180.0)


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("{}", "g", "a group with mode: subscribe needs publishing; write for example publishing: 1s"),
        ("{mode: read}", "g", "a group with mode: read needs interval; write for example interval: 1s"),
        ("{interval: 1s}", "interval", "'interval' is for mode: read; this group is mode: subscribe"),
        ("{publishing: 1s, phase: 0s}", "phase", "'phase' is for mode: read; this group is mode: subscribe"),
        ("{publishing: 1s, register: true}", "register", "'register' is for mode: read; this group is mode: subscribe"),
        ("{mode: read, interval: 1s, publishing: 1s}", "publishing", "'publishing' is for mode: subscribe or events; this group is mode: read"),
        ("{mode: read, interval: 1s, sampling: 1s}", "sampling", "'sampling' is for mode: subscribe; this group is mode: read"),
        ("{mode: read, interval: 1s, queue: 5}", "queue", "'queue' is for mode: subscribe or events; this group is mode: read"),
        ("{mode: read, interval: 1s, keepalive: 5s}", "keepalive", "'keepalive' is for mode: subscribe or events; this group is mode: read"),
        ("{mode: read, interval: 1s, lifetime: 5s}", "lifetime", "'lifetime' is for mode: subscribe or events; this group is mode: read"),
        ("{mode: read, interval: 1s, phase: 1s}", "1s}", "the phase is 1 s; it lies within the interval of 1 s"),
        ("{mode: poll, interval: 1s}", "poll", "unknown mode 'poll'; there are: subscribe, read, events"),
        ("{publishing: 1s, timestamp: sauce}", "sauce", "unknown timestamp 'sauce' - did you mean 'source'?"),
        ("{publishing: 1s, queue: 0}", "0}", "0 is too small; at least 1"),
        ("{publishing: 5ms}", "5ms", "'5ms' is too small; at least 0.01s"),
        ("{publishing: 1}", "1}", "1 has no unit; write 1ms or 1s"),
        ("{publishing: 1s, keep_alive: 5s}", "keep_alive", "unknown key 'keep_alive' - did you mean 'keepalive'?"),
        ("{publishing: 1s, lifetime: 14s}", "lifetime", "the lifetime is at least three times the keepalive of 5 s"),
        ("{mode: read, interval: 1s, history: 1h}", "history", "'history' is for mode: subscribe; this group is mode: read"),
        ("{publishing: 1s, history: 1h, timestamp: agent}", "history", "what a server has recorded has the times of its sources; write timestamp: source"),
        ("{publishing: 1s, keepalive: 41s}", "keepalive", "the lifetime is at least three times the keepalive of 41 s"),
        ("{publishing: 10s, lifetime: 29s}", "lifetime", "the lifetime is at least three times the keepalive of 10 s"),
    ],
)  # fmt: skip
def test_a_group_is_refused_with(text: str, at: str, message: str) -> None:
    _, problems = _grouped(text, None)

    assert problems[0].message == message
    assert len(problems) == 1, render(problems)
    assert f"g: {text}"[problems[0].column - 1 :].startswith(at)


def test_a_queue_whose_overflow_no_server_tells_is_doubted() -> None:
    made, problems = _grouped("{publishing: 1s, sampling: 30ms, queue: 1}", None)

    assert made is not None
    assert [each.severity for each in problems] == ["warning"]
    assert problems[0].message == (
        "of a queue of 1 no server tells that it dropped samples; write 2 or more, "
        "or sampling: 1s where the newest will do"
    )
    assert _group("{publishing: 1s, queue: 1}").queue == 1


BEFORE = Group(
    "g", 1.0, time_resolution_s=0.001, mode="subscribe", timestamp="source", sampling_s=0.1, queue=20
)
POLLED = Group("g", 60.0, 20.0, "on_change", 30.0, 0.001, "read", "server", register=True)


def test_a_device_changes_what_it_names_and_nothing_else() -> None:
    assert _group("{}", BEFORE) == BEFORE
    assert _group("{queue: 50}", BEFORE) == replace(BEFORE, queue=50)
    assert _group("{report: on_change}", BEFORE) == replace(BEFORE, report="on_change")
    assert _group("{sampling: 200ms}", BEFORE) == replace(BEFORE, sampling_s=0.2, queue=10)
    assert _group("{timestamp: agent}", POLLED) == replace(POLLED, timestamp="agent")
    assert _group("{interval: 30s, register: false}", POLLED) == replace(
        POLLED, interval_s=30.0, register=False
    )


def test_what_the_profile_did_not_write_follows_what_the_device_writes() -> None:
    plain = replace(BEFORE, sampling_s=1.0, queue=10)

    assert _group("{publishing: 100ms}", plain) == replace(plain, interval_s=0.1, sampling_s=0.1)
    assert _group("{publishing: 10s}", BEFORE) == replace(
        BEFORE, interval_s=10.0, queue=200, keepalive_s=10.0
    )


def test_what_the_profile_wrote_stays_when_the_device_writes_something_else() -> None:
    written = replace(BEFORE, queue=33)

    assert _group("{publishing: 2s}", written) == replace(written, interval_s=2.0)


def test_a_device_that_reads_what_its_profile_subscribes_to_needs_an_interval() -> None:
    made = _group("{mode: read, interval: 10s}", replace(BEFORE, report="on_change", heartbeat_s=30.0))

    assert made == Group("g", 10.0, None, "on_change", 30.0, 0.001, "read", "source")
    _, problems = _grouped("{mode: read}", BEFORE)
    assert [problem.message for problem in problems] == [
        "a group with mode: read needs interval; write for example interval: 1s"
    ]


def test_a_device_that_subscribes_to_what_its_profile_reads_is_told_its_news() -> None:
    made = _group("{mode: subscribe, publishing: 1s}", POLLED)

    assert made == Group("g", 1.0, None, "on_change", 30.0, 0.001, "subscribe", "server", sampling_s=1.0)


# --- which node a tag is ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "namespace", "id_"),
    [
        ("plc:s=GVL.x", "urn:acme:press", "s=GVL.x"),
        ("plc:i=7", "urn:acme:press", "i=7"),
        ("plc:i=4294967295", "urn:acme:press", "i=4294967295"),
        ("plc:g=12345678-9abc-def0-1234-56789ABCDEF0", "urn:acme:press", "g=12345678-9abc-def0-1234-56789ABCDEF0"),
        ("plc:b=AP8=", "urn:acme:press", "b=AP8="),
        ('plc:s="DB_Press"."Force"', "urn:acme:press", 's="DB_Press"."Force"'),
        ("plc:s=a:b=c;d", "urn:acme:press", "s=a:b=c;d"),
        ("nsu=urn:acme:press;s=GVL.x", "urn:acme:press", "s=GVL.x"),
        ("nsu=http://example.com/a:b;s=x;y", "http://example.com/a:b", "s=x;y"),
        ("i=2258", "", "i=2258"),
        ("ns=0;i=2258", "", "i=2258"),
        ("nsu=http://opcfoundation.org/UA/;i=2258", "", "i=2258"),
    ],
)  # fmt: skip
def test_a_node_is_known_by_the_uri_of_its_namespace(
    tmp_path: Path, written: str, namespace: str, id_: str
) -> None:
    node = _tag(tmp_path, f"{{node: '{written}'}}").opcua

    assert (node.namespace, node.id) == (namespace, id_)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "ns=4;s=GVL.x",
            "'ns=4;s=GVL.x': the index of a namespace changes with the server; name its URI under `namespaces: {plc: \"...\"}` and write plc:s=GVL.x",
        ),
        ("plk:s=GVL.x", "unknown namespace 'plk' - did you mean 'plc'?"),
        ("drive:s=GVL.x", "unknown namespace 'drive'; there are: plc, other"),
        ("GVL.x", "'GVL.x' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:GVL.x", "'plc:GVL.x' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:s=", "'plc:s=' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:i=x", "'plc:i=x' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:i=-1", "'plc:i=-1' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:i=4294967296", "'plc:i=4294967296' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:g=1234", "'plc:g=1234' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:b=AP8", "'plc:b=AP8' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("plc:b=?", "'plc:b=?' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("nsu=;s=x", "'nsu=;s=x' is not a node; write for example plc:s=GVL.x or i=2258"),
        ("ns=0;x", "'ns=0;x' is not a node; write for example plc:s=GVL.x or i=2258"),
    ],
)  # fmt: skip
def test_a_node_is_refused_with(tmp_path: Path, written: str, message: str) -> None:
    _refused(tmp_path, f"{{node: '{written}'}}", f"'{written}'", message)


def test_a_file_without_namespaces_is_told_to_write_them(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    lines = [line for line in PRESS.splitlines() if not line.startswith("namespaces")]
    path.write_text("\n".join(lines).replace("TAG", "{node: 'plc:s=x'}") + "\n")

    _, problems = load_profile(path, kinds())

    assert [problem.message for problem in problems] == [
        "unknown namespace 'plc'; write its URI under `namespaces`"
    ]


# --- what a tag means -------------------------------------------------------------------


def test_a_tag_becomes_a_node_with_what_is_written(tmp_path: Path) -> None:
    tag = _tag(
        tmp_path,
        "{node: 'plc:s=x', type: Float, valid: [-40, 150], unit: Cel, quantity: Temperature, deadband: 0.5, access: rw}",
    )

    assert tag.opcua == Node(
        "t", "urn:acme:press", "s=x", "Float", valid=(-40.0, 150.0), deadband=0.5, on_change=True
    )
    assert (tag.type, tag.unit, tag.quantity, tag.access, tag.deadband, tag.group) == (
        "Float",
        "Cel",
        "Temperature",
        "rw",
        0.5,
        "fast",
    )


def test_a_tag_takes_the_defaults_it_does_not_name(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    defaults = "{type: UInt32, kind: counter, access: rw, report: on_change, group: fast}"
    path.write_text(PRESS.replace("{type: Int16, group: fast}", defaults).replace("TAG", "{node: 'plc:i=1'}"))

    profile, problems = load_profile(path, kinds())

    assert profile is not None, render(problems)
    (tag,) = profile.tags
    assert tag.opcua == Node("t", "urn:acme:press", "i=1", "UInt32", on_change=True)
    assert (tag.kind, tag.access, tag.report) == ("counter", "rw", "on_change")


def test_an_enum_keeps_its_texts(tmp_path: Path) -> None:
    tag = _tag(tmp_path, "{node: 'plc:i=1', enum: {0: \"off\", -1: fault}, enum_else: unknown}")

    assert tag.opcua.enum == frozenset({0, -1})
    assert tag.enum == {0: "off", -1: "fault"}
    assert tag.enum_else == "unknown"


@pytest.mark.parametrize(
    ("tag", "at", "message"),
    [
        ("{type: Int16}", "t:", "where is its value? write node: plc:s=GVL.x, or path: plc:Line1/plc:Speed from Objects on"),
        ("{node: 'i=1', type: Real}", "Real", "unknown type 'Real'; a REAL of a PLC is Float"),
        ("{node: 'i=1', type: 'DINT[8]'}", "'DINT", "unknown type 'DINT'; a DINT of a PLC is Int32"),
        ("{node: 'i=1', type: int16}", "int16", "unknown type 'int16' - did you mean 'Int16'?"),
        ("{node: 'i=1', group: fst}", "fst", "unknown group 'fst' - did you mean 'fast'?"),
        ("{node: 'i=1', address: 5}", "address", None),
        ("{node: 'i=1', unit: °C}", "°C", "'°C' is not a UCUM unit; write Cel"),
        ("{node: 'i=1', valid: [5, 1.5]}", "valid", "the lower bound 5 is above the upper bound 1.5"),
        ("{node: 'i=1', valid: [5]}", "valid", "too few entries: at least 2"),
        ("{node: 'i=1', valid: [5, a]}", "a]", "'a' is not a number"),
        ("{node: 'i=1', type: String, valid: [0, 1]}", "valid", "'valid' is for numbers; this is String"),
        ("{node: 'i=1', type: Boolean, valid: [0, 1]}", "valid", "'valid' is for numbers; this is Boolean"),
        ("{node: 'i=1', enum: {32768: a}}", "32768", "32768 is outside of Int16, which goes from -32768 to 32767"),
        ("{node: 'i=1', type: Byte, enum: {-1: a}}", "-1", "-1 is outside of Byte, which goes from 0 to 255"),
        ("{node: 'i=1', type: Float, enum: {1: a}}", "enum", "'enum' names whole numbers; this is Float"),
        ("{node: 'i=1', type: Boolean, enum: {1: a}}", "enum", "'enum' names whole numbers; this is Boolean"),
        ("{node: 'i=1', enum: {}}", "enum", "too few entries: at least 1"),
        ("{node: 'i=1', enum: {a: b}}", "a: b", "'a' is not a whole number"),
        ("{node: 'i=1', enum_else: a}", "enum_else", "'enum_else' is the text for numbers that are not in 'enum'; there is none"),
        ("{node: 'i=1', deadband: -1}", "-1", "a deadband is not negative"),
        ("{node: 'i=1', type: String, deadband: 1}", "deadband", "a deadband is for measured numbers; this is String"),
        ("{node: 'i=1', enum: {1: a}, deadband: 1}", "deadband", "a deadband is for measured numbers; this is a number with texts"),
        ("{node: 'i=1', deadband: 1, report: always}", "deadband", "a deadband reports on change; leave out report: always, or the deadband"),
    ],
)  # fmt: skip
def test_a_tag_is_refused_with(tmp_path: Path, tag: str, at: str, message: str | None) -> None:
    _refused(tmp_path, tag, at, message)


@pytest.mark.parametrize(
    ("defaults", "line", "message"),
    [
        ("{type: Int16}", 10, "'t' has no group; write group: in it or in defaults"),
        ("{group: fast}", 10, "'t' has no type; write type: in it or in defaults"),
        ("{type: Int16, group: fats}", 7, "unknown group 'fats' - did you mean 'fast'?"),
        ("{type: Int16, group: fast, node: x}", 7, "unknown key 'node'; there are: type, kind, access, report, group"),
    ],
)  # fmt: skip
def test_what_defaults_lack_or_mistake_is_told_once(
    tmp_path: Path, defaults: str, line: int, message: str
) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("TAG", "{node: 'i=1'}").replace("{type: Int16, group: fast}", defaults)
    path.write_text(text)

    _, problems = load_profile(path, kinds())

    assert [(problem.line, problem.message) for problem in problems] == [(line, message)]


def test_a_group_with_a_mistake_blames_no_tag(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(PRESS.replace("TAG", "{node: 'i=1'}").replace("publishing: 1s", "interval: 1s"))

    _, problems = load_profile(path, kinds())

    assert [problem.message for problem in problems] == [
        "'interval' is for mode: read; this group is mode: subscribe"
    ]


def test_limits_are_those_of_the_server(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("TAG", "{node: 'i=1'}")
    path.write_text(text + "limits: {items_per_call: 100, nodes_per_read: 7}\n")

    profile, problems = load_profile(path, kinds())

    assert profile is not None, render(problems)
    assert profile.limits == NodeLimits(100, 7)
    path.write_text(text)
    profile, _ = load_profile(path, kinds())
    assert profile is not None
    assert profile.limits == NodeLimits(1000, 1000)


def test_methods_are_nodes_of_an_object(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    written = "methods: {start: {object: 'plc:s=Press', method: 'nsu=urn:acme:other;i=7'}}\n"
    path.write_text(PRESS.replace("TAG", "{node: 'i=1'}") + written)

    profile, problems = load_profile(path, kinds())

    assert profile is not None, render(problems)
    method = Method("start", Spot("urn:acme:press", "s=Press"), Spot("urn:acme:other", "i=7"))
    assert profile.methods == (method,)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("{object: 'plc:s=Press'}", "missing key 'method'"),
        ("{object: 'ns=3;s=Press', method: 'i=7'}", "'ns=3;s=Press': the index of a namespace changes"),
        ("{object: 'i=85', method: 'plk:s=x'}", "unknown namespace 'plk' - did you mean 'plc'?"),
        ("{object: 'i=85', method: start}", "'start' is not a node; write for example plc:s=GVL.x or i=2258"),
    ],
)
def test_a_method_is_refused_with(tmp_path: Path, method: str, message: str) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(PRESS.replace("TAG", "{node: 'i=1'}") + f"methods: {{start: {method}}}\n")

    profile, (problem,) = load_profile(path, kinds())

    assert profile is None
    assert problem.message.startswith(message)


def test_limits_of_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(PRESS.replace("TAG", "{node: 'i=1'}") + "limits: {items_per_call: 0}\n")

    _, problems = load_profile(path, kinds())

    assert [(problem.line, problem.column, problem.message) for problem in problems] == [
        (11, 26, "0 is too small; at least 1")
    ]


# --- golden tests -----------------------------------------------------------------------


def test_answers_of_a_server_are_values_with_a_status(tmp_path: Path) -> None:
    profile = _profile(
        tmp_path,
        "values: {t: {value: 7, status: 0x408F0000}}\n    expect: {t: {value: 7, quality: uncertain}}",
    )

    assert profile.tests == (
        GoldenTest("x", {}, {"t": Expected(7, "uncertain")}, {"t": Given(7, 0x408F0000)}),
    )


@pytest.mark.parametrize(
    ("tag", "values", "expect"),
    [
        ("type: Int16", "7", "7"),
        ("type: Float", "812.1", "812.1"),
        ("type: Float", "70", "70"),
        ("type: Boolean", "true", "true"),
        ("type: String", "SX-1", "SX-1"),
        ("type: Int16", "{status: 0x80340000}", "{quality: bad, reason: BadNodeIdUnknown}"),
        ("type: Int16", "{value: 0, status: 0x80340000}", "{quality: bad, reason: BadNodeIdUnknown}"),
        ("type: Int16", "{value: 7, status: 0x480}", "7"),
        ("type: Int16", "70000", "{quality: bad, reason: out_of_range}"),
        ("type: Int16", "7.5", '{quality: bad, reason: "wrong_answer:Double"}'),
        ("type: Int16, enum: {1: auto}", "1", "{value: 1, text: auto}"),
        ("type: Int16, enum: {1: auto}, enum_else: odd", "2", "{value: 2, text: odd, quality: uncertain, reason: not_in_enum}"),
        ("type: Float, valid: [0, 0.1]", "0.1", "0.1"),
        ("type: Float, valid: [0, 0.1]", "0.11", "{value: 0.11, quality: uncertain, reason: out_of_range}"),
    ],
)  # fmt: skip
def test_a_golden_test_holds(tmp_path: Path, tag: str, values: str, expect: str) -> None:
    profile = _profile(
        tmp_path, f"values: {{t: {values}}}\n    expect: {{t: {expect}}}", f"{{node: 'plc:i=1', {tag}}}"
    )

    assert golden.run(profile, KIND.decoded) == []


@pytest.mark.parametrize(
    ("values", "expect", "failure"),
    [
        ("7", "8", "test 'x': t: expected 8, got 7"),
        ("{value: 7, status: 0x40000000}", "7", "test 'x': t: expected good, got uncertain:Uncertain (7)"),
        ("{status: 0x80000000}", "7", "test 'x': t: expected good, got bad:Bad (no value)"),
        ("text", "text", "test 'x': t: expected good, got bad:wrong_answer:String (no value)"),
    ],
)
def test_a_golden_test_fails_with(tmp_path: Path, values: str, expect: str, failure: str) -> None:
    profile = _profile(tmp_path, f"values: {{t: {values}}}\n    expect: {{t: {expect}}}")

    assert golden.run(profile, KIND.decoded) == [failure]


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("values: {tt: 1}", "tt", "unknown tag 'tt' - did you mean 't'?"),
        ("values: {t: [[1]]}", "t: [[1]]", "one value is expected here: a number, a text, true or false, or for an array a list"),
        ("values: {t: {value: []}}", "value: []", "one value is expected here: a number, a text, true or false, or for an array a list"),
        ("values: {t: {val: 1}}", "val", "unknown key 'val' - did you mean 'value'?"),
        ("values: {t: {value: 1, status: -1}}", "-1", "-1 is too small; at least 0"),
        ("values: {t: {value: 1, status: 0x100000000}}", "0x1", "4294967296 is too large; at most 4294967295"),
        ("values: {t: {value: 1, status: Bad}}", "Bad", "'Bad' is not a whole number"),
        ("values: {}", "values", "too few entries: at least 1"),
        ("expect: {tt: 1}", "tt", "unknown tag 'tt' - did you mean 't'?"),
        ("expect: {t: {quality: bad, value: 1}}", "1}", "what is bad has no value; leave it out"),
        ("registers: {holding: {1: 1}}", "registers", None),
    ],
)  # fmt: skip
def test_a_golden_test_is_refused_with(tmp_path: Path, text: str, at: str, message: str | None) -> None:
    lines = {"values": "values: {t: 1}", "expect": "expect: {t: 1}"}
    lines[text.partition(":")[0]] = text

    profile, problems = _tested(tmp_path, "\n    ".join(lines.values()))

    assert profile is None
    assert len(problems) == 1, render(problems)
    assert message is None or problems[0].message == message
    assert f"    {text}"[problems[0].column - 1 :].startswith(at)


def test_an_answer_nobody_expects_anything_of_is_no_failure(tmp_path: Path) -> None:
    profile = _profile(tmp_path, "values: {t: {value: 1}}\n    expect: {t: {value: 1}}")
    silent = replace(profile, tests=(replace(profile.tests[0], values={}),))

    assert golden.run(silent, KIND.decoded) == ["test 'x': t: the test gives nothing for it"]


def test_settings_load_no_protocol_library() -> None:
    code = (
        "import sys; from edge_agent.drivers.kinds import kinds; kinds(); sys.exit('asyncua' in sys.modules)"
    )

    assert run([sys.executable, "-c", code], check=False).returncode == 0


# --- helpers ----------------------------------------------------------------------------


def _section(text: str, key: str) -> Section:
    document = read(f"{key}: {text}".encode(), Path("agent.yaml"))
    return Section(document, Origin(Path(), Surroundings({"PLC": "geheim"}, "box"))).inside(key)


def _connection(text: str) -> tuple[OpcUaConnection | None, list[Problem]]:
    section = _section(text, "plc")
    return connection("plc", section), section.document.problems


def _grouped(text: str, before: Group | None) -> tuple[Group | None, list[Problem]]:
    section = _section(text, "g")
    return group(section, "g", before), section.document.problems


def _group(text: str, before: Group | None = None) -> Group:
    made, problems = _grouped(text, before)
    assert made is not None
    assert problems == [], render(problems)
    return made


def _load(folder: Path, tag: str) -> tuple[Mapping[str, Tag], tuple[Problem, ...]]:
    path = folder / "press.yaml"
    path.write_text(PRESS.replace("TAG", tag))
    profile, problems = load_profile(path, kinds())
    return {each.name: each for each in profile.tags} if profile else {}, problems


def _tag(folder: Path, tag: str) -> Tag:
    tags, problems = _load(folder, tag)
    assert problems == (), render(problems)
    return tags["t"]


def _refused(folder: Path, tag: str, at: str, message: str | None) -> None:
    tags, problems = _load(folder, tag)

    assert tags == {}
    assert len(problems) == 1, render(problems)
    assert message is None or problems[0].message == message
    assert problems[0].line == 10
    assert f"  t: {tag}"[problems[0].column - 1 :].startswith(at)


def _tested(
    folder: Path, test: str, tag: str = "{node: 'plc:i=1'}"
) -> tuple[Profile | None, tuple[Problem, ...]]:
    path = folder / "press.yaml"
    path.write_text(f"{PRESS.replace('TAG', tag)}tests:\n  - name: x\n    {test}\n")
    return load_profile(path, kinds())


def _profile(folder: Path, test: str, tag: str = "{node: 'plc:i=1'}") -> Profile:
    profile, problems = _tested(folder, test, tag)
    assert profile is not None, render(problems)
    return profile
