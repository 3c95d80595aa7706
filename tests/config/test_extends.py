# ruff: noqa: E501 - a table of mistakes is read one per line
from pathlib import Path

import pytest

from edge_agent.config.gateway import load
from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Group, Profile
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds

PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.2.0
protocol: modbus
title: A press
params: {base: {type: int, default: 0}}
defaults: {table: holding, type: uint16, group: fast}
groups: {fast: {interval: 1s}, slow: {interval: 1min}}
tags:
  force: {address: "{base+1}", unit: kN, valid: [0, 900]}
  heat: {address: 2, unit: Cel, group: slow}
  mode: {address: 3, enum: {0: idle, 1: run}}
  tools_{n}: {address: "{base+10+n}", for: {n: "0..2"}}
tests: [{name: x, registers: {holding: {1: 7, 2: 8}}, expect: {force: 7, heat: 8}}]
"""
CHILD = """\
schema: edge-agent/profile/1
id: acme/big-press
version: 2.0.0
extends: acme/press@1
params: {base: {default: 100}}
groups: {fast: {interval: 2s}}
tags:
  force: {unit: MN, valid: [0, 2]}
  heat: null
  mode: {enum: {1: null, 2: auto}}
  oil: {address: 5}
"""


def test_a_child_says_what_is_different(tmp_path: Path) -> None:
    profile = _right(tmp_path, CHILD)

    assert (profile.id, profile.version, profile.title) == ("acme/big-press", "2.0.0", "A press")
    assert profile.groups == {"fast": Group("fast", 2.0), "slow": Group("slow", 60.0)}
    assert [(tag.name, tag.modbus.address, tag.unit) for tag in profile.tags] == [
        ("force", 101, "MN"),
        ("mode", 3, None),
        ("tools_0", 110, None),
        ("tools_1", 111, None),
        ("tools_2", 112, None),
        ("oil", 5, None),
    ]
    assert profile.tags[0].modbus.valid == (0.0, 2.0)
    assert profile.tags[1].enum == {0: "idle", 2: "auto"}


def test_tests_are_not_inherited(tmp_path: Path) -> None:
    assert _right(tmp_path, CHILD).tests == ()


def test_a_family_is_changed_and_deleted_by_its_key(tmp_path: Path) -> None:
    changed = _right(tmp_path, CHILD + '  "tools_{n}": {unit: "1", for: {n: "1..1"}}\n')
    deleted = _right(tmp_path, CHILD + "  tools_{n}: null\n")

    assert [(tag.name, tag.unit) for tag in changed.tags if tag.name.startswith("tools")] == [
        ("tools_1", "1")
    ]
    assert [tag.name for tag in deleted.tags] == ["force", "mode", "oil"]


def test_a_grandchild_goes_on(tmp_path: Path) -> None:
    _shelved(tmp_path, "big-press.yaml", CHILD)
    text = CHILD.replace("big-press", "huge-press").replace("acme/press@1", "acme/big-press@2.0")

    profile, problems = _load(
        tmp_path, text.partition("params")[0] + "tags: {oil: {unit: bar}, mode: null}\n"
    )

    assert profile is not None, render(problems)
    assert [(tag.name, tag.unit) for tag in profile.tags if not tag.name.startswith("tools")] == [
        ("force", "MN"),
        ("oil", "bar"),
    ]


def test_a_mistake_is_told_in_the_file_that_has_it(tmp_path: Path) -> None:
    _, problems = _load(
        tmp_path,
        CHILD.replace("unit: MN", "unit: °C"),
        parent=PRESS.replace("address: 3,", "adress: 3,").replace("unit: kN", "unit: kWh"),
    )

    assert _placed(problems) == [
        ("child.yaml", 8, 17, "'°C' is not a UCUM unit; write Cel"),
        ("press.yaml", 12, 10, "unknown key 'adress' - did you mean 'address'?"),
    ]
    assert "    12 |   mode: {adress: 3, enum: {0: idle, 1: run}}\n" in render(problems)


def test_what_neither_says_is_missed_where_the_child_stands(tmp_path: Path) -> None:
    _, problems = _load(tmp_path, CHILD.replace("version: 2.0.0\n", "") + "  air: {unit: bar}\n")

    assert _placed(problems) == [
        ("child.yaml", 1, 1, "missing key 'version'"),
        ("child.yaml", 11, 3, "missing key 'address'"),
    ]


def test_syntax_of_the_parent_is_told_too(tmp_path: Path) -> None:
    _, problems = _load(tmp_path, CHILD, parent=PRESS + "title: x\n")
    _, unreadable = _load(tmp_path, CHILD, parent="a: [")

    assert _placed(problems) == [("press.yaml", 15, 1, "duplicate key 'title'; it stands in line 5 already")]
    assert [problem.file.name for problem in unreadable] == ["press.yaml"]


def test_a_parent_that_is_no_profile_is_told_where_it_is_named(tmp_path: Path) -> None:
    _, problems = _load(tmp_path, CHILD, parent="just text")

    assert _placed(problems) == [
        ("child.yaml", 4, 10, "'acme/press@1' is a file without keys; nothing can extend it")
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("  air: null", (12, 3, "null deletes nothing: acme/press@1 has no 'air' here; leave it out")),
        ("  air: {address: 1, unit: null}", (12, 21, "null deletes nothing: acme/press@1 has no 'unit' here; leave it out")),
        ("  tools_1: null", (12, 3, "null deletes nothing: acme/press@1 has no 'tools_1' here; leave it out")),
        ("tests: null", (12, 1, "null deletes nothing: acme/press@1 has no 'tests' here; leave it out")),
        ("models: [null]", (12, 10, "0")),
    ],
)  # fmt: skip
def test_null_is_for_deleting(tmp_path: Path, line: str, problem: tuple[int, int, str]) -> None:
    profile, problems = _load(tmp_path, CHILD + line + "\n")

    assert profile is None
    assert [problem[:2] for _, *problem in _placed(problems)] == [list(problem[:2])]
    assert problems[0].message.startswith(problem[2]) or "no value" in problems[0].message


def test_what_cannot_be_read_deletes_nothing(tmp_path: Path) -> None:
    _, problems = _load(tmp_path, CHILD.replace("heat: null", "heat: *gone"))

    assert _placed(problems) == [
        ("child.yaml", 9, 9, "'*gone': aliases are not supported; write the value out")
    ]


def test_null_in_a_file_that_extends_nothing_is_a_missing_value(tmp_path: Path) -> None:
    _, problems = _load(tmp_path, PRESS.replace("unit: Cel", "unit: null"))

    assert [problem.message for problem in problems] == ["'unit' has no value; write one, or leave it out"]


def test_a_circle_is_shown(tmp_path: Path) -> None:
    _shelved(tmp_path, "big-press.yaml", CHILD.replace("acme/press@1", "acme/huge-press@1"))
    text = PRESS.replace("acme/press", "acme/huge-press") + "extends: acme/big-press@2\n"
    path = _shelved(tmp_path, "huge-press.yaml", text)

    profile, problems = load_profile(path, kinds())

    assert profile is None
    assert _placed(problems) == [
        (
            "big-press.yaml",
            4,
            10,
            "a profile cannot extend itself: acme/huge-press extends acme/big-press extends acme/huge-press",
        )
    ]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("acme/press", "profile 'acme/press' is named without a version; write acme/press@1 for 1.2.0"),
        ("acme/press@2", "profile 'acme/press' has no version 2; write acme/press@1 for 1.2.0"),
        ("acme/prss@1", "unknown profile 'acme/prss' - did you mean 'acme/press'?"),
        ("press", "'press' is not a profile; write vendor/model@1, such as eastron/sdm630-v2@1"),
        ("5", '5 is not a text; write "5" in quotes'),
    ],
)
def test_a_parent_is_named_as_devices_name_it(tmp_path: Path, reference: str, message: str) -> None:
    _, problems = _load(tmp_path, CHILD.replace("acme/press@1", reference))

    assert (problems[0].line, problems[0].column) == (4, 10)
    assert problems[0].message == message


def test_a_parent_may_be_a_shipped_one(tmp_path: Path) -> None:
    text = CHILD.partition("params")[0].replace("acme/press@1", "eastron/sdm630-v2@1")

    profile, problems = _load(tmp_path, text + "tags: {frequency: null}\n")

    assert profile is not None, render(problems)
    assert len(profile.tags) == 11


def test_the_digest_follows_the_parent(tmp_path: Path) -> None:
    first = _right(tmp_path, CHILD).digest
    again = _right(tmp_path, CHILD).digest
    other, _ = _load(tmp_path, CHILD, parent=PRESS + "# a comment\n")

    assert first == again
    assert other is not None
    assert other.digest != first


def test_devices_of_a_child_and_its_parent_are_told_of_a_mistake_of_the_parent_once(tmp_path: Path) -> None:
    _shelved(tmp_path, "press.yaml", PRESS.replace("address: 3,", "adress: 3,"))
    _shelved(tmp_path, "big-press.yaml", CHILD)
    path = tmp_path / "agent.yaml"
    path.write_text(
        "schema: edge-agent/gateway/1\ngateway: {id: gw}\nconnections: {plc: {modbus: {tcp: a}}}\ndevices:\n"
        "  a: {profile: acme/press@1, connection: plc}\n  b: {profile: acme/big-press@2, connection: plc}\n"
    )

    loaded = load(path, kinds(), surroundings=Surroundings({}, "box"))

    assert _placed(loaded.problems) == [
        ("press.yaml", 12, 10, "unknown key 'adress' - did you mean 'address'?")
    ]


def _shelved(folder: Path, name: str, text: str) -> Path:
    vendor = folder / "profiles" / "acme"
    vendor.mkdir(parents=True, exist_ok=True)
    (vendor / name).write_text(text)
    return vendor / name


def _load(folder: Path, text: str, parent: str = PRESS) -> tuple[Profile | None, tuple[Problem, ...]]:
    _shelved(folder, "press.yaml", parent)
    path = folder / "child.yaml"
    path.write_text(text)
    return load_profile(path, kinds())


def _right(folder: Path, text: str) -> Profile:
    profile, problems = _load(folder, text)
    assert profile is not None, render(problems)
    return profile


def _placed(problems: tuple[Problem, ...]) -> list[tuple[str, int, int, str]]:
    return [(problem.file.name, problem.line, problem.column, problem.message) for problem in problems]
