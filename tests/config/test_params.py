# ruff: noqa: E501 - a table of mistakes is read one per line
from fractions import Fraction
from pathlib import Path

import pytest

from edge_agent.config.gateway import Loaded, load
from edge_agent.config.metadata import device_document
from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Gateway, Profile
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds

PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: modbus
title: A press
params:
  base: {type: int, default: 0, min: 0, max: 70000, help: where the block begins}
  ratio: {type: float, default: 0.1, min: 0.01, max: 10}
  name: {type: string, default: press, choice: [press, pump]}
  signed: {type: bool, default: false}
defaults: {table: holding, type: uint16, group: fast}
groups: {fast: {interval: 1s}}
tags:
  force: {address: "{base+4}", scale: "{ratio}", quantity: "{name}-{signed}"}
tests: [{name: x, registers: {holding: {4: 70}}, expect: {force: 7}}]
"""
GATEWAY = """\
schema: edge-agent/gateway/1
gateway: {id: gw17}
connections:
  plc: {modbus: {tcp: "10.3.7.20"}}
devices:
  d1: {profile: acme/press@1, connection: plc, params: {base: 1}}
"""


def test_a_profile_by_itself_takes_the_defaults(tmp_path: Path) -> None:
    tag = _profile(tmp_path, PRESS).tags[0]

    assert (tag.modbus.address, tag.modbus.scale.denominator, tag.quantity) == (4, 10, "press-false")


def test_a_device_fills_in_what_the_profile_leaves_open(tmp_path: Path) -> None:
    gateway = _right(tmp_path, "{base: 10, ratio: 2, name: pump, signed: true}")

    tag = gateway.devices["d1"].tags[0]
    assert (tag.modbus.address, tag.modbus.scale, tag.quantity) == (14, Fraction(2), "pump-true")


def test_devices_with_equal_parameters_share_a_profile(tmp_path: Path) -> None:
    more = "  d2: {profile: acme/press@1, connection: plc, unit: 2, params: {ratio: 0.1, base: 1}}\n  d3: {profile: acme/press@1, connection: plc, unit: 3}\n"

    gateway = _right(tmp_path, "{base: 1}", more)

    first, second, third = gateway.devices.values()
    assert first.profile is second.profile
    assert first.tags[0] is second.tags[0]
    assert third.profile is not first.profile


def test_the_hash_in_the_metadata_follows_the_parameters(tmp_path: Path) -> None:
    more = "  d2: {profile: acme/press@1, connection: plc, unit: 2}\n"

    gateway = _right(tmp_path, "{base: 1}", more)

    first, second = gateway.devices.values()
    assert first.profile.digest != second.profile.digest
    assert first.profile.digest[:12].encode() in device_document(gateway, first)


def test_the_parameters_of_a_family_of_devices_count(tmp_path: Path) -> None:
    text = GATEWAY.replace("d1: {", 'd{n}: {for: {n: "1..3"}, unit: "{n}", ').replace(
        "base: 1", 'base: "{n*100}"'
    )

    loaded = _load(tmp_path, text)

    assert loaded.gateway is not None, render(loaded.problems)
    assert [device.tags[0].modbus.address for device in loaded.gateway.devices.values()] == [104, 204, 304]


def test_a_parameter_that_is_a_text_takes_a_placeholder_as_one(tmp_path: Path) -> None:
    _shelved(tmp_path, PRESS.replace("default: press, choice: [press, pump]", "default: x"))
    text = GATEWAY.replace("d1: {", 'd{n}: {for: {n: "1..1"}, ').replace("base: 1", 'name: "{n}"')

    loaded = _load(tmp_path, text, shelved=False)

    assert loaded.gateway is not None, render(loaded.problems)
    assert loaded.gateway.devices["d1"].tags[0].quantity == "1-false"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ("{bas: 1}", (57, "profile acme/press has no parameter 'bas' - did you mean 'base'?")),
        ("{base: 1.5}", (63, "1.5 is not a whole number")),
        ('{base: "1"}', (63, "'1' is not a whole number")),
        ("{base: true}", (63, "true is not a whole number")),
        ("{base: -1}", (63, "-1 is too small for 'base'; at least 0")),
        ("{base: 70001}", (63, "70001 is too large for 'base'; at most 70000")),
        ("{ratio: a}", (64, "'a' is not a number")),
        ("{ratio: 10.5}", (64, "10.5 is too large for 'ratio'; at most 10")),
        ("{name: pumpe}", (63, "'pumpe' cannot be used for 'name' - did you mean 'pump'?")),
        ("{name: 5}", (63, '5 is not a text; write "5" in quotes')),
        ('{name: "a\\nb"}', (63, "the text has a line break or a control character in it")),
        ("{signed: 1}", (65, "1 is neither true nor false")),
        ("{base: }", (57, "'base' has no value; write one, or leave it out")),
        ("{base: [1]}", (57, "a list is not a whole number")),
        ("5", (56, "keys with values are expected here, not 5")),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told_at_the_device(
    tmp_path: Path, params: str, problem: tuple[int, str]
) -> None:
    loaded = _load(tmp_path, GATEWAY.replace("{base: 1}", params))

    assert loaded.gateway is None
    assert [(each.file.name, each.line, each.column, each.message) for each in loaded.problems] == [
        ("agent.yaml", 6, *problem)
    ]


def test_what_else_is_wrong_with_the_device_is_told_too(tmp_path: Path) -> None:
    loaded = _load(tmp_path, GATEWAY.replace("params: {base: 1}", "params: {base: a}, disable: [farce]"))

    assert [(each.line, each.column) for each in loaded.problems] == [(6, 63), (6, 77)]


def test_a_profile_without_parameters_takes_none(tmp_path: Path) -> None:
    loaded = _load(tmp_path, GATEWAY.replace("acme/press@1", "eastron/sdm630-v2@1"))

    assert [each.message for each in loaded.problems] == ["profile eastron/sdm630-v2 has no parameters"]


@pytest.mark.parametrize(("params", "column"), [(", params: {ratio: 1}", 48), ("", 3)])
def test_a_parameter_without_a_default_must_be_given(tmp_path: Path, params: str, column: int) -> None:
    _shelved(tmp_path, PRESS.replace("type: int, default: 0,", "type: int,"))

    loaded = _load(tmp_path, GATEWAY.replace(", params: {base: 1}", params), shelved=False)

    assert [(each.line, each.column, each.message) for each in loaded.problems] == [
        (6, column, "profile acme/press needs a value for 'base'; write params: {base: ...}")
    ]


def test_a_profile_that_needs_parameters_is_right_when_its_devices_give_them(tmp_path: Path) -> None:
    _shelved(tmp_path, PRESS.replace("type: int, default: 0,", "type: int,"))

    loaded = _load(tmp_path, GATEWAY, shelved=False)

    assert loaded.gateway is not None, render(loaded.problems)
    assert loaded.gateway.devices["d1"].tags[0].modbus.address == 5
    assert loaded.profiles == {}


@pytest.mark.parametrize(
    ("declared", "address"),
    [("min: 3, max: 9", 7), ("max: 9", 13), ("choice: [5, 6]", 9), ("help: x", 5)],
)
def test_without_a_default_a_profile_is_looked_at_with_a_value_that_may_be(
    tmp_path: Path, declared: str, address: int
) -> None:
    text = PRESS.replace("default: 0, min: 0, max: 70000, help: where the block begins", declared)

    assert _profile(tmp_path, text.partition("tests")[0]).tags[0].modbus.address == address


def test_a_mistake_of_some_parameters_only_says_which(tmp_path: Path) -> None:
    loaded = _load(tmp_path, GATEWAY.replace("base: 1", "base: 70000"))

    assert [(each.file.name, each.line, each.message) for each in loaded.problems] == [
        (
            "press.yaml",
            14,
            "address 70004 is beyond 65535 (with base: 70000, ratio: 0.1, name: 'press', signed: false)",
        )
    ]


def test_a_mistake_whatever_the_parameters_is_told_once(tmp_path: Path) -> None:
    _shelved(tmp_path, PRESS.replace("quantity:", "quantiti:"))

    loaded = _load(tmp_path, GATEWAY, shelved=False)

    assert [each.message for each in loaded.problems] == ["unknown key 'quantiti' - did you mean 'quantity'?"]


def test_golden_tests_hold_for_the_defaults(tmp_path: Path) -> None:
    _shelved(tmp_path, PRESS)

    loaded = _load(tmp_path, GATEWAY, shelved=False)

    assert loaded.gateway is not None
    assert loaded.gateway.devices["d1"].profile.tests == ()
    assert [len(profile.tests) for profile in loaded.profiles.values()] == [1]


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("base: {type: integer}", (7, 16, "unknown type 'integer' - did you mean 'int'?")),
        ("base: {}", (7, 3, "missing key 'type'")),
        ("base: {type: int, defaultt: 5}", (7, 21, "unknown key 'defaultt' - did you mean 'default'?")),
        ("base: {type: int, default: a}", (7, 30, "'a' is not a whole number")),
        ("base: {type: int, default: 5, max: 4}", (7, 30, "5 is too large for 'base'; at most 4")),
        ("base: {type: int, default: 5, choice: [4, 6]}", (7, 30, "5 cannot be used for 'base'; there are: 4, 6")),
        ("base: {type: int, choice: [4, a]}", (7, 33, "'a' is not a whole number")),
        ("base: {type: int, min: 5, max: 4}", (7, 34, "the largest value 4 is below the smallest, 5")),
        ("base: {type: string, min: 5}", (7, 24, "'min' is for numbers; this is string")),
        ("0base: {type: int}", (7, 3, "'0base' cannot name a parameter; begin with a letter, go on with letters, digits, '_'")),
    ],
)  # fmt: skip
def test_a_declaration_is_refused_with_one_mistake(
    tmp_path: Path, declared: str, problem: tuple[int, int, str]
) -> None:
    text = PRESS.replace(
        "base: {type: int, default: 0, min: 0, max: 70000, help: where the block begins}", declared
    )
    path = tmp_path / "press.yaml"
    path.write_text(text.partition("tests")[0].replace('"{base+4}"', "4"))

    profile, problems = load_profile(path, kinds())

    assert profile is None
    assert [(each.line, each.column, each.message) for each in problems] == [problem]


def test_a_range_and_a_key_that_use_a_wrong_parameter_are_not_blamed(tmp_path: Path) -> None:
    text = PRESS.replace("type: int, default: 0", "type: int, default: a").partition("tests")[0]
    path = tmp_path / "press.yaml"
    path.write_text(text + '  a_{n}: {address: 1, for: {n: "0..{base}"}}\n  b_{base}: {address: 2}\n')

    _, problems = load_profile(path, kinds())

    assert [each.message for each in problems] == ["'a' is not a whole number"]


def test_a_device_of_a_profile_with_a_wrong_parameter_is_not_blamed(tmp_path: Path) -> None:
    _shelved(tmp_path, PRESS.replace("type: int, default: 0", "type: int, default: a"))

    loaded = _load(tmp_path, GATEWAY, shelved=False)

    assert [(each.file.name, each.message) for each in loaded.problems] == [
        ("press.yaml", "'a' is not a whole number")
    ]


def _shelved(folder: Path, text: str) -> None:
    vendor = folder / "profiles" / "acme"
    vendor.mkdir(parents=True, exist_ok=True)
    (vendor / "press.yaml").write_text(text)


def _load(folder: Path, text: str, *, shelved: bool = True) -> Loaded:
    if shelved:
        _shelved(folder, PRESS)
    path = folder / "agent.yaml"
    path.write_text(text)
    return load(path, kinds(), surroundings=Surroundings({}, "box7"))


def _right(folder: Path, params: str, more: str = "") -> Gateway:
    loaded = _load(folder, GATEWAY.replace("{base: 1}", params) + more)
    assert loaded.problems == (), render(loaded.problems)
    assert loaded.gateway is not None
    return loaded.gateway


def _profile(folder: Path, text: str) -> Profile:
    path = folder / "press.yaml"
    path.write_text(text)
    profile, problems = load_profile(path, kinds())
    assert profile is not None, _shown(problems)
    return profile


def _shown(problems: tuple[Problem, ...]) -> str:
    return render(problems)
