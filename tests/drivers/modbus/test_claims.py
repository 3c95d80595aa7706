# ruff: noqa: E501 - a table of mistakes is read one per line
"""What a profile says of how its devices are told from others, and every way to say it wrong."""

from pathlib import Path

import pytest

from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile
from edge_agent.core.claims import Claim
from edge_agent.core.registers import Field
from edge_agent.drivers.kinds import kinds

METER = """\
schema: edge-agent/profile/1
id: acme/meter
version: 1.0.0
protocol: modbus
title: A meter
addressing: STYLE
limits: {LIMITS}
defaults: {DEFAULTS}
groups: {fast: {interval: 1s}}
tags:
  t: {address: 40001, table: holding, type: uint16, group: fast}
identify:
  - CLAIM
"""


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (
            "{read: {table: holding, address: 0xFC02, type: uint16}, equals: 0x0070}",
            Claim(Field("holding 64514", "holding", 0xFC02, "uint16"), (0x70,)),
        ),
        (
            "{read: {table: input, address: 4, type: int32, order: CDAB}, one_of: [-1, 7]}",
            Claim(Field("input 4", "input", 4, "int32", "CDAB"), (-1, 7)),
        ),
        (
            "{read: {table: holding, address: 4, type: string, length: 8}, contains: SDM}",
            Claim(Field("holding 4", "holding", 4, "string", length=8), ("SDM",), within=True),
        ),
        (
            "{read: {table: coil, address: 4, type: bool}, equals: true}",
            Claim(Field("coil 4", "coil", 4, "bool"), (True,)),
        ),
        (
            "{read: {table: holding, address: 4, type: float32}, equals: 0.1}",
            Claim(Field("holding 4", "holding", 4, "float32"), (0.10000000149011612,)),
        ),
        ("{object: product, equals: SDM630}", Claim("product", ("SDM630",))),
        ('{object: revision, one_of: ["1.0", "1.1"]}', Claim("revision", ("1.0", "1.1"))),
        ("{object: vendor, contains: Eastron}", Claim("vendor", ("Eastron",), within=True)),
    ],
)
def test_a_claim_is_taken_as_it_is_written(tmp_path: Path, claim: str, expected: Claim) -> None:
    assert _claims(tmp_path, claim) == (expected,)


@pytest.mark.parametrize(
    ("style", "address", "wire", "name"),
    [
        ("protocol", "7", 7, "holding 7"),
        ("one_based", "7", 6, "holding 7"),
        ("modicon", "40008", 7, "holding 40008"),
    ],
)
def test_addresses_of_claims_are_counted_as_those_of_the_file(
    tmp_path: Path, style: str, address: str, wire: int, name: str
) -> None:
    table = "" if style == "modicon" else "table: holding, "
    claim = f"{{read: {{{table}address: {address}, type: uint16}}, equals: 1}}"

    (found,) = _claims(tmp_path, claim, style=style)

    assert found.place == Field(name, "holding", wire, "uint16")


def test_what_holds_for_every_tag_holds_for_what_a_claim_reads(tmp_path: Path) -> None:
    (found,) = _claims(
        tmp_path, "{read: {address: 7}, equals: 1}", defaults="table: input, type: uint32, order: CDAB"
    )

    assert found.place == Field("input 7", "input", 7, "uint32", "CDAB")


def test_parameters_stand_in_claims_too(tmp_path: Path) -> None:
    profile, problems = _load(
        tmp_path,
        '{read: {table: holding, address: "{base+2}", type: uint16}, equals: "{base}"}',
        "params: {base: {type: int, default: 5}}\n",
    )

    assert profile is not None, render(problems)
    assert profile.identify == (Claim(Field("holding 7", "holding", 7, "uint16"), (5,)),)


def test_a_profile_without_claims_claims_nothing(tmp_path: Path) -> None:
    path = tmp_path / "meter.yaml"
    path.write_text(_text("CLAIM").partition("identify:")[0])

    profile, _ = load_profile(path, kinds())

    assert profile is not None
    assert profile.identify == ()


READ = "read: {table: holding, address: 4, type: uint16}"


@pytest.mark.parametrize(
    ("claim", "at", "message"),
    [
        ("{object: vendor}", "{object", "nothing says what it is; write equals:, one_of: or contains:"),
        ("{equals: 1}", "{equals", "nothing says where; write read: {address: ...}, or object: vendor"),
        (f"{{{READ}, object: vendor, equals: a}}", "object", "'read' and 'object' do not go together; leave one out"),
        ("{object: vendor, equals: a, contains: b}", "contains", "'equals' and 'contains' do not go together; leave one out"),
        ("{object: vendor, equals: a, one_of: [b]}", "one_of", "'equals' and 'one_of' do not go together; leave one out"),
        ("{object: vendor, one_of: []}", "one_of", "too few entries: at least 1"),
        ("{object: vendor, one_of: a}", "a}", "a list such as [a, b] is expected here, not 'a'"),
        ("{object: vendro, equals: a}", "vendro", "unknown object 'vendro' - did you mean 'vendor'?"),
        ("{object: vendor, eqals: a}", "eqals", "unknown key 'eqals' - did you mean 'equals'?"),
        ("{object: vendor, equals: null}", "equals", "'equals' has no value; write one, or leave it out"),
        ("{object: vendor, equals: 5}", "5}", '5 is not a text; write "5" in quotes'),
        ("{object: vendor, equals: {a: 1}}", "equals", "one value is expected here: a number, a text, true or false"),
        ("{object: vendor, contains: 5}", "5}", '5 is not a text; write "5" in quotes'),
        ("vendor", "vendor", "keys with values are expected here, not 'vendor'"),
        ("{read: 5, equals: 5}", "5,", "keys with values are expected here, not 5"),
        ("{read: {table: holding, adress: 4, type: uint16}, equals: 5}", "adress", "unknown key 'adress' - did you mean 'address'?"),
        ("{read: {table: holding, address: 4, typ: uint16}, equals: 5}", "typ", "unknown key 'typ' - did you mean 'type'?"),
        ("{read: {table: holding, address: 4, type: unit16}, equals: 5}", "unit16", "unknown type 'unit16' - did you mean 'uint16'?"),
        ("{read: {table: holding, address: 4}, equals: 5}", "read", "'read' has no type; write type: in it or in defaults"),
        ("{read: {address: 4, type: uint16}, equals: 5}", "read", "'read' has no table; write table: in it or in defaults"),
        ("{read: {table: holding, type: uint16}, equals: 5}", "read", "missing key 'address'"),
        ("{read: {table: holding, address: 70000, type: uint16}, equals: 5}", "70000", "address 70000 is beyond 65535"),
        ("{read: {table: holding, address: 4, type: string}, equals: a}", "read", "'read' is a string without a length; write length: in registers"),
        ("{read: {table: holding, address: 4, type: bool}, equals: true}", "bool", None),
        (f"{{{READ}, equals: 65536}}", "65536", "65536 is outside of uint16, which goes from 0 to 65535"),
        (f"{{{READ}, equals: -1}}", "-1", "-1 is outside of uint16, which goes from 0 to 65535"),
        (f"{{{READ}, one_of: [1, 70000]}}", "70000", "70000 is outside of uint16, which goes from 0 to 65535"),
        (f"{{{READ}, equals: 1.5}}", "1.5", "1.5 is not a whole number; this is uint16"),
        (f"{{{READ}, equals: '5'}}", "'5'", "'5' is not a number; this is uint16"),
        (f"{{{READ}, equals: true}}", "true", "true is not a number; this is uint16"),
        (f"{{{READ}, contains: a}}", "contains", "'contains' is for texts; this is uint16"),
        ("{read: {table: holding, address: 4, type: float32}, equals: 1000000000000000000000000000000000000000}", "1000000000000000000000000000000000000000", "1000000000000000000000000000000000000000 is outside of float32"),
        ("{read: {table: coil, address: 4, type: bool}, equals: 1}", "1}", "1 is no bit; write true or false"),
        ("{read: {table: holding, address: 4, type: string, length: 2}, equals: SDM630}", "SDM630", "'SDM630' takes 6 bytes; 2 registers hold 4"),
        ("{read: {table: holding, address: 4, type: string, length: 2}, equals: '€'}", "'€'", "'€' cannot be written in latin-1"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_claim_has_its_place_and_its_message(
    tmp_path: Path, claim: str, at: str, message: str | None
) -> None:
    profile, problems = _load(tmp_path, claim)

    assert profile is None
    assert len(problems) == 1, render(problems)
    line = f"  - {claim}"
    assert problems[0].line == 13
    assert line[problems[0].column - 1 :].startswith(at)
    if message is not None:
        assert problems[0].message == message


def test_what_no_request_reaches_cannot_be_claimed(tmp_path: Path) -> None:
    path = tmp_path / "meter.yaml"
    claim = "{read: {table: holding, address: 200, type: uint16}, equals: 5}"
    path.write_text(_text(claim, limits="from_zero: true").replace("address: 40001", "address: 1"))

    _, problems = load_profile(path, kinds())

    assert [each.message for each in problems] == [
        "holding 200 takes 201 registers from 0 on, one request reads 125"
    ]


def test_something_else_than_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "meter.yaml"
    path.write_text(_text("").replace("\n  - ", " vendor"))

    _, problems = load_profile(path, kinds())

    assert [each.message for each in problems] == ["a list such as [a, b] is expected here, not 'vendor'"]


def _text(claim: str, more: str = "", style: str = "protocol", limits: str = "", defaults: str = "") -> str:
    text = METER.replace("STYLE", style).replace("LIMITS", limits).replace("DEFAULTS", defaults)
    return text.replace("CLAIM", claim) + more


def _load(
    folder: Path, claim: str, more: str = "", style: str = "protocol", defaults: str = ""
) -> tuple[Profile | None, tuple[Problem, ...]]:
    path = folder / "meter.yaml"
    text = _text(claim, more, style, defaults=defaults)
    if style == "modicon":
        text = text.replace("address: 40001, table: holding,", "address: 40001,")
    path.write_text(text)
    return load_profile(path, kinds())


def _claims(folder: Path, claim: str, style: str = "protocol", defaults: str = "") -> tuple[Claim, ...]:
    profile, problems = _load(folder, claim, style=style, defaults=defaults)
    assert profile is not None, render(problems)
    return profile.identify
