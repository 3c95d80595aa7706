# ruff: noqa: E501 - a table of mistakes is read one per line
from pathlib import Path

import pytest

from edge_agent.config.golden import run as run_tests
from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.core.registers import Field
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.modbus.settings import KIND

PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: modbus
title: A press
addressing: STYLE
defaults: {table: holding, type: uint16, group: fast}
groups: {fast: {interval: 1s}}
tags:
  t: TAG
"""


def _with_factor(
    folder: Path, tag: str, factor: str, more: str = ""
) -> tuple[Field | None, tuple[Problem, ...]]:
    """The tag 't' of a profile that has a tag 'sf' behind it."""
    path = folder / "press.yaml"
    text = (
        PRESS.replace("STYLE", "protocol")
        .replace("TAG", f"{tag}\n  sf: {factor}")
        .replace("groups: {", "groups: {slow: {interval: 9s}, ")
    )
    path.write_text(text + more)
    profile, problems = load_profile(path, kinds())
    return (profile.tags[0].modbus if profile else None), problems


@pytest.mark.parametrize(
    ("tag", "factor", "first", "lead", "size"),
    [(7, 8, 7, 0, 2), (8, 7, 7, 1, 2), (7, 20, 7, 0, 14), (20, 7, 7, 13, 14), (7, 7, 7, 0, 1)],
)
def test_a_tag_and_its_factor_are_read_as_one(
    tmp_path: Path, tag: int, factor: int, first: int, lead: int, size: int
) -> None:
    field, problems = _with_factor(
        tmp_path,
        f"{{address: {tag}, scale_from: sf}}",
        f"{{address: {factor}, type: int16, sentinels: [0x8000]}}",
    )

    assert field is not None, render(problems)
    assert field.factor == Field("sf", "holding", factor, "int16", sentinels=frozenset({0x8000}))
    assert (field.address, field.lead, field.at, field.size) == (first, lead, tag, size)


SF = "{address: 8, type: int16}"


@pytest.mark.parametrize(
    ("tag", "factor", "message"),
    [
        ("{address: 7, scale_from: fs}", SF, "unknown tag 'fs'; there are: t, sf"),
        ("{address: 7, scale_from: t}", SF, "a tag cannot be its own factor"),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, type: float32}",
            "'sf' is float32; a factor is a whole number, usually int16",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, type: bcd16}",
            "'sf' is bcd16; a factor is a whole number, usually int16",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, type: string, length: 1}",
            "'sf' is string; a factor is a whole number, usually int16",
        ),
        (
            "{address: 7, scale_from: sf}",
            '{address: 8, type: "int16[2]"}',
            "'sf' is int16[2]; a factor is a whole number, usually int16",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, scale: 2}",
            "'sf' has 'scale'; a factor is the power of ten as it stands in its register",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, bits: {a: 0}}",
            "'sf' has 'bits'; a factor is the power of ten as it stands in its register",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, group: slow}",
            "'sf' is in group slow and 't' in fast; both are read in one request",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, table: input}",
            "'sf' is in table input and 't' in holding; both are read in one request",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 132, type: int16}",
            "'t' and its factor 'sf' are read in one request, which takes 126 registers; limits.max_registers reads only 125",
        ),
        (
            "{address: 7, type: float32, scale_from: sf}",
            SF,
            "'scale_from' is for whole numbers; this is float32",
        ),
        (
            "{address: 7, type: string, length: 1, scale_from: sf}",
            SF,
            "'scale_from' is for numbers; this is string",
        ),
        (
            "{address: 7, enum: {0: a}, scale_from: sf}",
            SF,
            "'enum' names whole numbers; leave out 'scale' and 'offset'",
        ),
        (
            "{address: 7, flags: {0: a}, scale_from: sf}",
            SF,
            "'flags' names bits; leave out 'scale' and 'offset'",
        ),
        (
            '{address: 7, bits: {a: 0}, unit: "1", scale_from: sf}',
            SF,
            "a tag with 'bits' has no 'scale_from'; write two tags",
        ),
        (
            "{address: 7, bits: {a: 0}, scale_from: sf}",
            SF,
            "'scale_from' has no effect: only the bits are sent; give the tag a unit to send it as well",
        ),
        (
            "{address: 7, scale_from: sf}",
            "{address: 8, type: unit16}",
            "unknown type 'unit16' - did you mean 'uint16'?",
        ),
    ],
)
def test_a_factor_is_refused_with(tmp_path: Path, tag: str, factor: str, message: str) -> None:
    field, problems = _with_factor(tmp_path, tag, factor)

    assert field is None
    assert [problem.message for problem in problems] == [message]


def test_a_chain_of_factors_is_refused(tmp_path: Path) -> None:
    _, problems = _with_factor(
        tmp_path, "{address: 7, scale_from: sf}", "{address: 8, scale_from: t}\n  u: {address: 9}"
    )

    assert [problem.message for problem in problems] == [
        "'sf' has 'scale_from'; a factor is the power of ten as it stands in its register",
        "'t' has 'scale_from'; a factor is the power of ten as it stands in its register",
    ]


def test_a_golden_test_says_value_and_factor(tmp_path: Path) -> None:
    test = """tests:
  - name: x
    registers: {holding: {7: 2302, 8: "FFFF"}}
    expect: {t: 230.2, sf: -1}
  - name: not there
    registers: {holding: {7: 2302, 8: "8000"}}
    expect: {t: {quality: bad, reason: sentinel}}
"""
    _, problems = _with_factor(
        tmp_path, "{address: 7, scale_from: sf}", "{address: 8, type: int16, sentinels: [0x8000]}", test
    )

    profile, _ = load_profile(tmp_path / "press.yaml", kinds())
    assert profile is not None, render(problems)
    assert run_tests(profile, KIND.decoded) == []
