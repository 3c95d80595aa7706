# ruff: noqa: E501 - a table of mistakes is read one per line
"""What a tag of an OPC UA profile can be: a node or a path, an array, the fields of a structure."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_agent.config.gateway import load
from edge_agent.config.golden import run
from edge_agent.config.metadata import device_document
from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import BufferSettings, Device, Gateway, NodeLimits, Profile, Tag
from edge_agent.core.model import Column
from edge_agent.core.nodes import Node, Place, Step
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.opcua.columns import column

PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: opcua
title: A press
namespaces: {plc: "urn:acme:press", di: "http://opcfoundation.org/UA/DI/"}
groups: {fast: {publishing: 1s}}
defaults: {type: Int16, group: fast}
tags:
  t: TAG
"""
SPEED = (Step("urn:acme:press", "Line1"), Step("urn:acme:press", "Speed"))


# --- paths --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("path: 'plc:Line1/plc:Speed'", Place("", "i=85", SPEED)),
        ("path: '/plc:Line1/plc:Speed'", Place("", "i=85", SPEED)),
        ("path: 'plc:Line1/plc:Speed', start: 'plc:i=1001'", Place("urn:acme:press", "i=1001", SPEED)),
        ("path: 'Server/0:ServerStatus'", Place("", "i=85", (Step("", "Server"), Step("", "ServerStatus")))),
        ("path: 'plc:a&/b/plc:c && d: e'", Place("", "i=85", (Step("urn:acme:press", "a/b"), Step("urn:acme:press", "c & d: e")))),
        ("path: 'di:DeviceSet'", Place("", "i=85", (Step("http://opcfoundation.org/UA/DI/", "DeviceSet"),))),
        ("node: 'plc:i=1', range: 3", Place("urn:acme:press", "i=1", (), "3")),
    ],
)  # fmt: skip
def test_a_tag_is_a_node_or_a_path_to_one(tmp_path: Path, written: str, place: Place) -> None:
    assert _tags(tmp_path, f"{{{written}}}")["t"].opcua.place == place


@pytest.mark.parametrize(
    ("written", "at", "message"),
    [
        ("node: 'i=1', path: 'plc:a'", "path", "a tag has a node or a path; leave one of them out"),
        ("node: 'i=1', start: 'i=2'", "start", "'start' is the node where a path begins; there is no path"),
        ("path: '2:Line1/2:Speed'", "'2:Line1", """'2:Line1': the index of a namespace changes with the server; name its URI under `namespaces: {plc: "..."}` and write plc:Line1"""),
        ("path: 'plc:a', start: 'ns=2;i=5'", "'ns=2", """'ns=2;i=5': the index of a namespace changes with the server; name its URI under `namespaces: {plc: "..."}` and write plc:i=5"""),
        ("path: 'plx:Line1'", "'plx", "unknown namespace 'plx' - did you mean 'plc'?"),
        ("path: 'plc:a//plc:b'", "'plc:a//", "'plc:a//plc:b' has an empty name; write for example plc:Line1/plc:Speed, and a slash that is part of a name as &/"),
    ],
)  # fmt: skip
def test_a_path_is_refused_with(tmp_path: Path, written: str, at: str, message: str) -> None:
    _refused(tmp_path, f"{{{written}}}", at, message)


# --- arrays -------------------------------------------------------------------------------


def test_an_array_is_kept_as_its_numbers(tmp_path: Path) -> None:
    tag = _tags(tmp_path, "{node: 'i=1', type: 'Float[8]', valid: [0, 5]}")["t"]

    assert (tag.type, tag.opcua.type, tag.opcua.elements) == ("Float[8]", "Float", 8)
    assert column(tag.opcua) == Column("t", "8f")


@pytest.mark.parametrize(
    ("type_", "range_", "elements"),
    [
        ("Int16", "3", 0),
        ("Boolean[4]", "'2:5'", 4),
        ("Byte[6]", "'0:1,2:4'", 6),
        ("String", "0", 0),
        ("ByteString", "'0:3'", 0),
    ],
)
def test_a_range_takes_elements_of_an_array(tmp_path: Path, type_: str, range_: str, elements: int) -> None:
    tag = _tags(tmp_path, f"{{node: 'i=1', type: '{type_}', range: {range_}}}")["t"]

    assert (tag.opcua.range, tag.opcua.elements) == (range_.strip("'"), elements)


@pytest.mark.parametrize(
    ("written", "at", "message"),
    [
        ("type: 'Float[0]'", "'Float[0]", "'Float[0]' is not an array; write for example Float[8], at most 10000"),
        ("type: 'Float[99999]'", "'Float[9", "'Float[99999]' is not an array; write for example Float[8], at most 10000"),
        ("type: 'String[2]'", "'String", "'String[2]': an array is kept of numbers and Booleans; take its elements one by one, each with range: and its index"),
        ("type: Number", "Number", "'Number': it leaves open what a value is; write the type that the server sends, such as Double"),
        ("type: Structure", "Structure", "'Structure': a structure is taken apart: leave out the type and name its fields under fields:"),
        ("type: Float, range: '2:5'", "'2:5'", "the range takes 4 elements; write type: Float[4]"),
        ("type: 'Float[3]', range: '2:5'", "'2:5'", "the range takes 4 elements and Float[3] has 3; write Float[4]"),
        ("type: 'Float[1]', range: 2", "2}", "the index of one element gives one value; leave out the brackets"),
        ("range: '5:2'", "'5:2'", """'5:2' is no range of an array; write the index of one element, "2:5" for several, "0:1,4" in two dimensions; they are counted from 0"""),
        ("range: -1", "-1", None),
        ("type: 'Float[2]', deadband: 1", "deadband", "a deadband is for measured numbers; this is Float[2]"),
        ("type: 'Int16[2]', enum: {0: a}", "enum", "'enum' names whole numbers; this is Int16[2]"),
        ("type: 'UInt32[2]', access: rw", "rw", "parts of nodes, and arrays, are only read; leave access out"),
        ("range: 2, access: rw", "rw", "parts of nodes, and arrays, are only read; leave access out"),
        ("type: 'UInt32[2]', kind: counter", "kind", "a counter is one number; this is an array"),
    ],
)  # fmt: skip
def test_an_array_is_refused_with(tmp_path: Path, written: str, at: str, message: str | None) -> None:
    _refused(tmp_path, f"{{node: 'i=1', {written}}}", at, message)


# --- structures ---------------------------------------------------------------------------


def test_the_fields_of_a_structure_are_tags_of_one_node(tmp_path: Path) -> None:
    tags = _tags(
        tmp_path,
        "{path: 'plc:Axis', fields: {id: String, speed: {field: Actual/Speed, type: Double, unit: m/s, deadband: 0.5}, "
        "limits: {type: 'Float[2]'}, mode: {enum: {0: a}}}}",
    )

    assert list(tags) == ["t.id", "t.speed", "t.limits", "t.mode"]
    assert {tag.opcua.place for tag in tags.values()} == {
        Place("", "i=85", (Step("urn:acme:press", "Axis"),))
    }
    assert tags["t.speed"].opcua == Node(
        "t.speed",
        "",
        "i=85",
        "Double",
        deadband=0.5,
        on_change=True,
        path=(Step("urn:acme:press", "Axis"),),
        field=("Actual", "Speed"),
    )
    assert [tag.opcua.field for tag in tags.values()][:1] == [("id",)]
    assert tags["t.mode"].type == "Int16"
    assert tags["t.limits"].opcua.elements == 2


@pytest.mark.parametrize(
    ("written", "at", "message"),
    [
        ("unit: m, fields: {a: Int16}", "unit", "'unit' is said of each field; this is a structure"),
        ("type: Int16, fields: {a: Int16}", "type", "'type' is said of each field; this is a structure"),
        ("access: rw, fields: {a: Int16}", "rw", "the fields of a structure cannot be written; leave access out"),
        ("fields: {a: Int17}", "Int17", "unknown type 'Int17' - did you mean 'Int16'?"),
        ("fields: {a: {typ: Int16}}", "typ", "unknown key 'typ' - did you mean 'type'?"),
        ("fields: {a: {field: x//y}}", "x//y", "'x//y' has an empty name; write for example Actual/Speed"),
        ("fields: {a.b: Int16}", "a.b", None),
        ("fields: {}", "fields", None),
    ],
)  # fmt: skip
def test_fields_are_refused_with(tmp_path: Path, written: str, at: str, message: str | None) -> None:
    _refused(tmp_path, f"{{node: 'i=1', {written}}}", at, message)


def test_a_field_without_any_type_is_told_to_write_one(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("{type: Int16, group: fast}", "{group: fast}")
    path.write_text(text.replace("TAG", "{node: 'i=1', fields: {a: {unit: m}}}"))

    _, problems = load_profile(path, kinds())

    assert [each.message for each in problems] == ["'a' has no type; write type: in it or in defaults"]


# --- what the cloud is told, and what tests of a profile say ------------------------------


def test_the_cloud_is_told_of_every_field_and_of_a_share_as_it_is_written(tmp_path: Path) -> None:
    profile = _profile(
        tmp_path,
        "{node: 'i=1', fields: {a: Int64, b: {type: 'Float[2]'}, c: {type: Double, deadband: 2.5%}}}",
    )
    device = Device("d", profile, "c", 1, profile.groups, profile.tags)
    gateway = Gateway("gw", {}, {}, {"d": device}, {}, BufferSettings(tmp_path))

    document = device_document(gateway, device).decode()

    assert '"t.a":{"group":"fast","report":"always","type":"Int64","wide":true}' in document
    assert '"t.b":{"group":"fast","report":"always","type":"Float[2]"}' in document
    assert '"t.c":{"deadband":"2.5%","group":"fast","report":"on_change","type":"Double"}' in document


@pytest.mark.parametrize(
    ("tag", "test", "failures"),
    [
        ("type: 'Float[2]'", "values: {t: [1, 2.5]}\n    expect: {t: [1, 2.5]}", 0),
        ("type: 'Float[2]'", "values: {t: [1]}\n    expect: {t: {quality: bad, reason: 'wrong_answer:Float[1]'}}", 0),
        ("type: 'Float[2]'", "values: {t: 1}\n    expect: {t: {quality: bad, reason: 'wrong_answer:Int64'}}", 0),
        ("type: 'Boolean[2]'", "values: {t: [true, false]}\n    expect: {t: [true, false]}", 0),
        ("type: 'Float[2]', valid: [0, 2]", "values: {t: [1, 2.5]}\n    expect: {t: {value: [1, 2.5], quality: uncertain, reason: out_of_range}}", 0),
        ("type: 'Byte[2]'", "values: {t: [1, 256]}\n    expect: {t: {quality: bad, reason: out_of_range}}", 0),
        ("fields: {a: Int16, b: Double}", "values: {t.a: 5, t.b: {value: 0, status: 0x80340000}}\n    expect: {t.a: 5, t.b: {quality: bad, reason: BadNodeIdUnknown}}", 0),
        ("fields: {a: Int16}", "values: {t.a: 5}\n    expect: {t.a: 6}", 1),
    ],
)  # fmt: skip
def test_a_golden_test_judges_arrays_and_fields(tmp_path: Path, tag: str, test: str, failures: int) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(f"{PRESS.replace('TAG', f'{{node: i=1, {tag}}}')}tests:\n  - name: x\n    {test}\n")

    profile, problems = load_profile(path, kinds())

    assert profile is not None, render(problems)
    assert len(run(profile, kinds()["opcua"].decoded)) == failures


def test_a_golden_test_knows_the_fields_of_a_structure(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    test = "tests:\n  - {name: x, values: {t.speeed: 5}, expect: {t.speed: 5}}\n"
    path.write_text(PRESS.replace("TAG", "{node: 'i=1', fields: {speed: Int16}}") + test)

    _, problems = load_profile(path, kinds())

    assert [each.message for each in problems] == ["unknown tag 't.speeed' - did you mean 't.speed'?"]


@pytest.mark.parametrize(
    ("disabled", "left"),
    [
        ("axis", ["force"]),
        ("axis.a", ["axis.b", "force"]),
        ("force", ["axis.a", "axis.b"]),
    ],
)
def test_a_device_may_leave_out_a_structure_or_one_field(
    tmp_path: Path, disabled: str, left: list[str]
) -> None:
    folder = tmp_path / "profiles" / "acme"
    folder.mkdir(parents=True)
    tags = "  axis: {node: 'i=1', fields: {a: Int16, b: Int16}}\n  force: {node: 'i=2'}\n"
    (folder / "press.yaml").write_text(PRESS.replace("  t: TAG\n", tags))
    (tmp_path / "agent.yaml").write_text(
        "schema: edge-agent/gateway/1\ngateway: {id: gw}\n"
        "connections: {plc: {opcua: {endpoint: 'opc.tcp://h', security: {policy: None, mode: none}}}}\n"
        f"devices: {{d: {{profile: acme/press@1, connection: plc, disable: [{disabled}]}}}}\n"
        "destinations: {cloud: {mqtt: {url: 'mqtt://b', insecure: true}}}\n"
    )

    loaded = load(tmp_path / "agent.yaml", kinds())

    assert loaded.gateway is not None, render(loaded.problems)
    assert [tag.name for tag in loaded.gateway.devices["d"].tags] == left


# --- what a server bears ------------------------------------------------------------------


def test_the_limits_of_a_maker_are_those_of_its_servers(tmp_path: Path) -> None:
    limits = _limited(tmp_path, "{server: siemens-s7-1200}")

    assert (limits.items_per_call, limits.items, limits.filters) == (100, 1000, False)


def test_what_is_written_beside_a_maker_counts(tmp_path: Path) -> None:
    limits = _limited(tmp_path, "{server: siemens-s7-1200, items_per_call: 50, filters: true}")

    assert (limits.items_per_call, limits.items, limits.filters) == (50, 1000, True)


def test_a_maker_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(PRESS.replace("TAG", "{node: 'i=1'}") + "limits: {server: siemens-s7-1300}\n")

    _, problems = load_profile(path, kinds())

    assert [each.message for each in problems] == [
        "unknown server 'siemens-s7-1300' - did you mean 'siemens-s7-1500'?"
    ]


def _load(folder: Path, tag: str) -> tuple[Profile | None, tuple[Problem, ...]]:
    path = folder / "press.yaml"
    path.write_text(PRESS.replace("TAG", tag))
    return load_profile(path, kinds())


def _profile(folder: Path, tag: str) -> Profile:
    profile, problems = _load(folder, tag)
    assert profile is not None, render(problems)
    return profile


def _tags(folder: Path, tag: str) -> Mapping[str, Tag]:
    return {each.name: each for each in _profile(folder, tag).tags}


def _limited(folder: Path, limits: str) -> NodeLimits:
    path = folder / "press.yaml"
    path.write_text(PRESS.replace("TAG", "{node: 'i=1'}") + f"limits: {limits}\n")
    profile, problems = load_profile(path, kinds())
    assert profile is not None, render(problems)
    assert isinstance(profile.limits, NodeLimits)
    return profile.limits


def _refused(folder: Path, tag: str, at: str, message: str | None) -> None:
    profile, problems = _load(folder, tag)

    assert profile is None or not profile.tags
    assert len(problems) == 1, render(problems)
    assert message is None or problems[0].message == message
    assert f"  t: {tag}"[problems[0].column - 1 :].startswith(at)
