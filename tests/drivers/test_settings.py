# ruff: noqa: E501 - a table of mistakes is read one per line
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from subprocess import run

import pytest

from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Limits, Tag
from edge_agent.core.registers import Bit, Field
from edge_agent.drivers.kinds import kinds

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


# --- where a tag stands -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "address", "table", "expected"),
    [
        ("protocol", "0", "holding", 0),
        ("protocol", "0xFFFF", "holding", 65535),
        ("one_based", "1", "holding", 0),
        ("one_based", "65536", "holding", 65535),
        ("modicon", "40001", "holding", 0),
        ("modicon", '"40101"', "holding", 100),
        ("modicon", "30017", "input", 16),
        ("modicon", "465536", "holding", 65535),
        ("modicon", "300001", "input", 0),
    ],
)
def test_an_address_is_counted_as_the_file_says(
    tmp_path: Path, style: str, address: str, table: str, expected: int
) -> None:
    field = _tag(tmp_path, f"{{address: {address}}}", style).modbus

    assert (field.table, field.address) == (table, expected)


def test_modicon_bits_come_from_their_first_digit(tmp_path: Path) -> None:
    coil = _tag(tmp_path, '{address: "00001", type: bool}', "modicon").modbus
    discrete = _tag(tmp_path, "{address: 10008, type: bool}", "modicon").modbus

    assert (coil.table, coil.address) == ("coil", 0)
    assert (discrete.table, discrete.address) == ("discrete", 7)


@pytest.mark.parametrize(
    ("style", "tag", "at", "message"),
    [
        ("protocol", "{address: 70000}", "70000", "address 70000 is beyond 65535"),
        (
            "protocol",
            "{address: 440001}",
            "440001",
            "address 440001 is beyond 65535; write the address without the leading 4: 40000, or addressing: modicon",
        ),
        (
            "one_based",
            "{address: 300017}",
            "300017",
            "address 300017 is beyond 65536; write the address without the leading 3: 17, or addressing: modicon",
        ),
        ("protocol", "{address: -1}", "-1", "address -1 is too small; with addressing: protocol the first one is 0"),
        ("one_based", "{address: 0}", "0}", "address 0 is too small; with addressing: one_based the first one is 1"),
        ("protocol", "{address: true}", "true", "true is not an address; write a number, decimal or 0x..."),
        ("protocol", '{address: "1"}', '"1"', "'1' is not an address; write a number, decimal or 0x..."),
        (
            "modicon",
            "{address: 101}",
            "101",
            "101 is not a modicon address; write it as printed: \"00001\", 10001, 30001 or 40001",
        ),
        (
            "modicon",
            "{address: 20001}",
            "20001",
            "20001 is not a modicon address; write it as printed: \"00001\", 10001, 30001 or 40001",
        ),
        (
            "modicon",
            "{address: 30001, table: holding}",
            "holding}",
            "address 30001 is in table input, not holding; leave 'table' out",
        ),
        (
            "protocol",
            "{address: 65535, type: uint32}",
            "65535",
            "uint32 takes 2 registers, 65535 to 65536; the last one of a table is 65535",
        ),
    ],
)  # fmt: skip
def test_an_address_is_refused_with(tmp_path: Path, style: str, tag: str, at: str, message: str) -> None:
    _refused(tmp_path, tag, at, message, style)


def test_printed_addresses_in_a_file_that_does_not_say_so_are_doubted_once(tmp_path: Path) -> None:
    text = PRESS.replace("addressing: STYLE\n", "").replace(
        "  t: TAG", "  a: {address: 40001}\n  b: {address: 40002}"
    )
    path = tmp_path / "press.yaml"
    path.write_text(text)

    profile, problems = load_profile(path, kinds())

    assert profile is not None
    assert [(problem.severity, problem.line, problem.message) for problem in problems] == [
        (
            "warning",
            9,
            "holding 40001 looks like a printed address; write addressing: modicon, or addressing: protocol when it is the number on the wire",
        )
    ]


def test_a_misspelt_addressing_blames_no_tag(tmp_path: Path) -> None:
    _, problems = _load(tmp_path, "{address: 40001}", "modicom")

    assert [problem.message for problem in problems] == [
        "unknown addressing 'modicom' - did you mean 'modicon'?"
    ]


# --- what a tag means -------------------------------------------------------------------


def test_a_tag_becomes_a_field_with_what_is_written(tmp_path: Path) -> None:
    tag = _tag(
        tmp_path,
        "{address: 7, type: int16, order: BADC, scale: 0.1, offset: -40, sentinels: [-32768], valid: [-40, 150],"
        " unit: Cel, quantity: Temperature, deadband: 0.5, access: rw}",
    )

    assert tag.modbus == Field(
        "t",
        "holding",
        7,
        "int16",
        order="BADC",
        scale=Fraction(1, 10),
        offset=Fraction(-40),
        sentinels=frozenset({0x8000}),
        valid=(-40.0, 150.0),
        deadband=0.5,
        on_change=True,
    )
    assert (tag.unit, tag.quantity, tag.access, tag.deadband, tag.group) == (
        "Cel",
        "Temperature",
        "rw",
        0.5,
        "fast",
    )


@pytest.mark.parametrize(
    ("deadband", "expected"), [("2%", 3.8), ("0.5 %", 0.95), ("100%", 190.0), ("2", 2.0), ("0", 0.0)]
)
def test_a_deadband_in_percent_is_a_share_of_what_is_valid(
    tmp_path: Path, deadband: str, expected: float
) -> None:
    tag = _tag(tmp_path, f"{{address: 7, valid: [-40, 150], deadband: {deadband}}}")

    assert (tag.deadband, tag.address.deadband) == (expected, expected)
    assert tag.address.on_change is (expected > 0)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("type: uint16, sentinels: [0xFFFF, 65534]", {0xFFFF, 0xFFFE}),
        ("type: int16, sentinels: [0x8000, -1]", {0x8000, 0xFFFF}),
        ("type: int8, sentinels: [0x80, -128, 127]", {0x80, 0x7F}),
        ("type: int32, sentinels: [0x80000000]", {0x80000000}),
        ("type: uint64, sentinels: [0xFFFFFFFFFFFFFFFF]", {2**64 - 1}),
        ("type: float32, sentinels: [0x7FC00000, 0x7F7FFFFF]", {0x7FC00000, 0x7F7FFFFF}),
        ("type: float32, sentinels: [-9999, 0.1]", {0xC61C3C00, 0x3DCCCCCD}),
        ("type: float32, sentinels: [0]", {0, 0x80000000}),
        ("type: float16, sentinels: [65504, 0x7E00]", {0x7BFF, 0x7E00}),
        ("type: float64, sentinels: [-1, 0.5]", {0xBFF0000000000000, 0x3FE0000000000000}),
        ("type: bcd16, sentinels: [0xFFFF, 9999]", {0xFFFF, 0x9999}),
    ],
)
def test_a_sentinel_is_a_number_or_in_hexadecimal_what_the_registers_hold(
    tmp_path: Path, written: str, expected: set[int]
) -> None:
    assert _tag(tmp_path, f"{{address: 1, {written}}}").modbus.sentinels == expected


def test_a_tag_takes_the_defaults_it_does_not_name(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    defaults = "{table: input, type: float32, order: CDAB, group: fast, nan: quiet, report: on_change, kind: counter}"
    path.write_text(
        PRESS.replace("STYLE", "protocol")
        .replace("{table: holding, type: uint16, group: fast}", defaults)
        .replace("t: TAG", "t: {address: 4}")
    )

    profile, _ = load_profile(path, kinds())

    assert profile is not None
    assert profile.tags[0].address == Field(
        "t", "input", 4, "float32", order="CDAB", on_change=True, counter=True
    )
    assert profile.tags[0].kind == "counter"


@pytest.mark.parametrize(
    "other", ["type: string, length: 2", "flags: {0: a}", "enum: {0: a}", "bits: {a: 0}"]
)
def test_a_default_kind_is_for_what_can_count(tmp_path: Path, other: str) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("group: fast}", "group: fast, kind: counter}")
    path.write_text(text.replace("TAG", f"{{address: 4, {other}}}"))

    profile, problems = load_profile(path, kinds())

    assert profile is not None, render(problems)
    assert (profile.tags[0].kind, profile.tags[0].modbus.counter) == (None, False)


@pytest.mark.parametrize(("table", "access"), [("holding", "rw"), ("input", "r")])
def test_a_default_access_is_for_tables_that_can_be_written(tmp_path: Path, table: str, access: str) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("group: fast}", "group: fast, access: rw}")
    path.write_text(text.replace("TAG", f"{{address: 4, table: {table}}}"))

    profile, problems = load_profile(path, kinds())

    assert profile is not None, render(problems)
    assert profile.tags[0].access == access


def test_a_default_word_order_does_not_touch_strings(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(
        PRESS.replace("STYLE", "protocol")
        .replace("type: uint16,", "type: uint16, order: CDAB,")
        .replace("t: TAG", "t: {address: 4, type: string, length: 2, pad: [0, 32], encoding: ascii}")
    )

    profile, problems = load_profile(path, kinds())

    assert profile is not None, render(problems)
    assert profile.tags[0].address == Field(
        "t", "holding", 4, "string", length=2, pad=(0, 32), encoding="ascii"
    )


def test_bits_become_parts(tmp_path: Path) -> None:
    tag = _tag(
        tmp_path,
        '{address: 1, bits: {door: 0, lamp: {bits: [5, 4], enum: {0: "off", 1: green}}, ok: {bits: [9]}}}',
    )

    assert tag.modbus.bits == (Bit("door", 0), Bit("lamp", 4, 2, frozenset({0, 1})), Bit("ok", 9))
    assert tag.modbus.whole is False
    assert tag.parts == {"door": {}, "lamp": {0: "off", 1: "green"}, "ok": {}}


@pytest.mark.parametrize("extra", ['unit: "1"', "enum: {0: a}", "flags: {0: a}"])
def test_a_tag_with_bits_is_sent_too_when_it_means_something_itself(tmp_path: Path, extra: str) -> None:
    assert _tag(tmp_path, f"{{address: 1, bits: {{a: 0}}, {extra}}}").address.whole


def test_an_array_says_how_many_numbers_it_has(tmp_path: Path) -> None:
    tag = _tag(
        tmp_path,
        '{address: 7, type: "int32[8]", order: CDAB, scale: 0.1, valid: [0, 9], sentinels: [-1], unit: A}',
    )

    assert tag.type == "int32[8]"
    assert tag.modbus == Field(
        "t",
        "holding",
        7,
        "int32",
        order="CDAB",
        scale=Fraction(1, 10),
        sentinels=frozenset({0xFFFFFFFF}),
        valid=(0.0, 9.0),
        elements=8,
    )
    assert (tag.modbus.size, tag.modbus.end) == (16, 23)


def test_decimal_digits_may_have_texts(tmp_path: Path) -> None:
    tag = _tag(tmp_path, "{address: 1, type: bcd16, enum: {0: none, 9999: all}}")

    assert tag.modbus == Field("t", "holding", 1, "bcd16", enum=frozenset({0, 9999}))


def test_an_enum_keeps_its_texts(tmp_path: Path) -> None:
    tag = _tag(tmp_path, "{address: 1, enum: {0: stopped, 2: running}, enum_else: unknown}")

    assert tag.enum == {0: "stopped", 2: "running"}
    assert tag.enum_else == "unknown"
    assert tag.modbus.enum == frozenset({0, 2})


@pytest.mark.parametrize(
    ("tag", "at", "message"),
    [
        ("{address: 1, type: bcd64}", "bcd64", "unknown type 'bcd64' - did you mean 'bcd16'?"),
        (
            "{address: 1, type: bool}",
            "bool",
            "table holding has registers, no single bits; write type: uint16 and name the bit under `bits`",
        ),
        ("{address: 1, table: coil}", "{address", None),
        ("{address: 1, table: coil, type: int16}", "int16", "table coil has single bits; write type: bool, not int16"),
        ("{address: 1, type: string}", "t:", "'t' is a string without a length; write length: in registers"),
        ("{address: 1, length: 2}", "length", "only a string has a length; uint16 has its own"),
        (
            "{address: 1, type: string, length: 2, order: CDAB}",
            "CDAB",
            "a string has no word order; write ABCD, or BADC when its bytes are swapped",
        ),
        ("{address: 1, pad: [0]}", "pad", "'pad' is for strings; this is uint16"),
        ("{address: 1, pad: [256]}", "256", "256 is too large; at most 255"),
        ("{address: 1, encoding: ebcdic}", "ebcdic", None),
        ("{address: 1, group: fst}", "fst", "unknown group 'fst' - did you mean 'fast'?"),
        ("{address: 1, scale: 0}", "0}", "scale 0 makes every value 0; leave it out, or write the factor"),
        ('{address: 1, scale: "0.1"}', '"0.1"', "'0.1' is not a number"),
        ("{address: 1, type: string, length: 2, scale: 2}", "scale", "'scale' is for numbers; this is string"),
        ("{address: 1, valid: [5, 1.5]}", "valid", "the lower bound 5 is above the upper bound 1.5"),
        ("{address: 1, valid: [5]}", "valid", "too few entries: at least 2"),
        ("{address: 1, valid: [5, a]}", "a]", "'a' is not a number"),
        ("{address: 1, sentinels: [0, 65536]}", "65536", "65536 is outside of uint16, which goes from 0 to 65535"),
        (
            "{address: 1, type: int16, sentinels: [32768]}",
            "32768",
            "32768 is outside of int16, which goes from -32768 to 32767; 0x8000 would be its bits",
        ),
        ("{address: 1, type: int16, sentinels: [0x18000]}", "0x18000", "0x18000 is no content of 16 bits, as int16 has"),
        ("{address: 1, type: int16, sentinels: [-0x8000]}", "-0x8000", "-0x8000 is no content of 16 bits, as int16 has"),
        ("{address: 1, type: int16, sentinels: [-0.5]}", "-0.5", "-0.5 is not a whole number; this is int16"),
        (
            "{address: 1, type: bcd16, sentinels: [65535]}",
            "65535",
            "65535 is outside of bcd16, which goes from 0 to 9999; 0xFFFF would be its bits",
        ),
        (
            "{address: 1, type: float32, sentinels: [4294967295]}",
            "4294967295",
            "4294967295 is no value of float32; bits are written as 0x...",
        ),
        (
            "{address: 1, type: float16, sentinels: [65520.0]}",
            "65520.0",
            "65520.0 is no value of float16; bits are written as 0x...",
        ),
        ('{address: 1, sentinels: ["0xFFFF"]}', '"0xFFFF"', "'0xFFFF' is not a number"),
        ("{address: 1, sentinels: [true]}", "true", "true is not a number"),
        ("{address: 1, type: bcd16, bits: {a: 1}}", "bits", "'bits' names parts of an unsigned number; this is bcd16"),
        ("{address: 1, type: bcd32, flags: {1: a}}", "flags", "'flags' names the bits of an unsigned number; this is bcd32"),
        ("{address: 1, type: bcd16, enum: {10000: a}}", "10000", "10000 is outside of bcd16, which goes from 0 to 9999"),
        ("{address: 1, type: float16, enum: {1: a}}", "enum", "'enum' names whole numbers; this is float16"),
        ("{address: 1, type: bcd16, length: 1}", "length", "only a string has a length; bcd16 has its own"),
        ("{address: 1, unit: °C}", "°C", "'°C' is not a UCUM unit; write Cel"),
        ("{address: 1, deadband: -1}", "-1", "a deadband is not negative"),
        ("{address: 1, deadband: 1, enum: {0: a}}", "deadband", "a deadband is for measured numbers; this is a number with texts"),
        (
            "{address: 1, deadband: 1, type: string, length: 1}",
            "deadband",
            "a deadband is for measured numbers; this is string",
        ),
        (
            "{address: 1, deadband: 2%}",
            "2%",
            "a deadband in percent is a share of the span of 'valid'; write valid: [low, high] beside it",
        ),
        ("{address: 1, deadband: 2 percent}", "2 p", "'2 percent' is not a deadband; write a number, or a share such as \"2%\""),
        ("{address: 1, valid: [0, 9], deadband: 0%}", "0%", "'0%': a share is more than 0 % and at most 100 %"),
        ("{address: 1, valid: [0, 9], deadband: 101%}", "101%", "'101%': a share is more than 0 % and at most 100 %"),
        (
            "{address: 1, deadband: 1, report: always}",
            "always",
            "a deadband reports on change; leave out report: always, or the deadband",
        ),
        ("{address: 1, enum: {70000: a}}", "70000", "70000 is outside of uint16, which goes from 0 to 65535"),
        ("{address: 1, enum: {a: b}}", "a: b", "'a' is not a whole number"),
        ('{address: 1, enum: {1: ""}}', '""', "the text is empty"),
        ("{address: 1, enum: {}}", "enum", "too few entries: at least 1"),
        ("{address: 1, type: float32, enum: {1: a}}", "enum", "'enum' names whole numbers; this is float32"),
        ("{address: 1, scale: 0.5, enum: {1: a}}", "enum", "'enum' names whole numbers; leave out 'scale' and 'offset'"),
        ("{address: 1, enum_else: a}", "enum_else", "'enum_else' is the text for numbers that are not in 'enum'; there is none"),
        ("{address: 1, table: coil, type: bool, enum: {1: a}}", "enum", "a bool is 0 or 1; give both a text"),
        ("{address: 1, table: coil, type: bool, order: ABCD}", "order", "'order' is for registers; a bool is a single bit"),
        ("{address: 1, flags: {16: a}}", "16", "uint16 has bits 0 to 15, not 16"),
        ("{address: 1, type: int16, flags: {1: a}}", "flags", "'flags' names the bits of an unsigned number; this is int16"),
        ("{address: 1, flags: {1: a}, enum: {1: a}}", "flags", "a tag has 'flags' or 'enum', not both"),
        ("{address: 1, flags: {1: a}, scale: 2}", "flags", "'flags' names bits; leave out 'scale' and 'offset'"),
        ("{address: 1, type: float32, bits: {a: 1}}", "bits", "'bits' names parts of an unsigned number; this is float32"),
        ("{address: 1, bits: {a: 16}}", "16", "bit 16 is outside: uint16 has bits 0 to 15"),
        ("{address: 1, bits: {}}", "bits", "'bits' names no bit"),
        ("{address: 1, bits: {a: x}}", "x}", "'x' is not a bit; write its number, or {bits: [4, 5]} for several"),
        ("{address: 1, bits: {a: 1, b: {bits: [0, 1]}}}", "a: 1", "bit 1 is in 'b' already"),
        ("{address: 1, bits: {a: {bits: [4, 6]}}}", "bits: [4", "the bits of a part stand side by side; write [4, 5, 6]"),
        ("{address: 1, bits: {a: {bits: [4, 5], enum: {4: x}}}}", "4: x", "4 needs more than 2 bits; they go from 0 to 3"),
        ("{address: 1, bits: {a: {bit: 4}}}", "bit: 4", "unknown key 'bit' - did you mean 'bits'?"),
        (
            "{address: 1, bits: {a: 1}, scale: 2}",
            "scale",
            "'scale' has no effect: only the bits are sent; give the tag a unit to send it as well",
        ),
        ("{address: 1, table: coil, type: bool, kind: counter}", "kind", "a counter is a number that rises; this is bool"),
        ("{address: 1, type: string, length: 2, kind: counter}", "kind", "a counter is a number that rises; this is string"),
        ("{address: 1, enum: {0: a}, kind: counter}", "kind", "a counter is a number that rises; this is a number with texts"),
        ("{address: 1, scale: -0.1, kind: counter}", "-0.1", "a counter rises; with a scale below 0 it falls"),
        (
            "{address: 1, bits: {a: 1}, kind: counter}",
            "kind",
            "'kind' has no effect: only the bits are sent; give the tag a unit to send it as well",
        ),
        ("{address: 1, table: input, access: rw}", "rw", "table input can only be read; leave out access: rw"),
        ('{address: 1, type: "uint16[0]"}', '"uint16[0]"', "'uint16[0]' is not an array; write for example uint16[8]"),
        ('{address: 1, type: "uint16[8"}', '"uint16[8"', "'uint16[8' is not an array; write for example uint16[8]"),
        ('{address: 1, type: "unit16[8]"}', '"unit16[8]"', "unknown type 'unit16' - did you mean 'uint16'?"),
        ("{address: 1, type: 16}", "16}", None),
        ("{address: 1, type: [uint16]}", "type", None),
        (
            '{address: 1, type: "uint8[6]"}',
            '"uint8[6]"',
            "'uint8[6]': it does not say whether a register has one or two of them; read whole registers as uint16[...]",
        ),
        ('{address: 1, type: "string[6]"}', '"string[6]"', "'string[6]': a text says its registers with length:"),
        ('{address: 1, table: coil, type: "bool[6]"}', '"bool[6]"', "'bool[6]': bits are named one by one, with `for` in one line"),
        ('{address: 1, type: "uint32[63]"}', '"uint32[63]"', "'t' takes 126 registers; limits.max_registers reads only 125"),
        ('{address: 65535, type: "uint16[2]"}', "65535", "uint16[2] takes 2 registers, 65535 to 65536; the last one of a table is 65535"),
        ('{address: 1, type: "uint16[2]", enum: {0: a}}', "enum", "'enum' is for single numbers; this is uint16[2]"),
        ('{address: 1, type: "uint16[2]", flags: {0: a}}', "flags", "'flags' is for single numbers; this is uint16[2]"),
        ('{address: 1, type: "uint16[2]", bits: {a: 0}}', "bits", "'bits' is for single numbers; this is uint16[2]"),
        ('{address: 1, type: "uint16[2]", deadband: 2}', "deadband", "'deadband' is for single numbers; this is uint16[2]"),
        ('{address: 1, type: "uint16[2]", kind: counter}', "kind", "a counter is a number that rises; this is uint16[2]"),
        ('{address: 1, type: "uint16[2]", length: 2}', "length", "only a string has a length; uint16[2] has its own"),
        ("{address: 1, nan: loud}", "loud", "'loud' cannot be used for 'nan'; write quiet"),
    ],
)  # fmt: skip
def test_a_tag_is_refused_with(tmp_path: Path, tag: str, at: str, message: str | None) -> None:
    _refused(tmp_path, tag, at, message)


@pytest.mark.parametrize(
    ("defaults", "message"),
    [
        ("{table: holding, type: uint16}", "'t' has no group; write group: in it or in defaults"),
        ("{table: holding, group: fast}", "'t' has no type; write type: in it or in defaults"),
        ("{type: uint16, group: fast}", "'t' has no table; write table: in it or in defaults"),
        ("{table: holding, type: uint16, group: fats}", "unknown group 'fats' - did you mean 'fast'?"),
    ],
)
def test_what_neither_tag_nor_defaults_say_is_missed_at_the_tag(
    tmp_path: Path, defaults: str, message: str
) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("TAG", "{address: 1}")
    path.write_text(text.replace("{table: holding, type: uint16, group: fast}", defaults))

    _, problems = load_profile(path, kinds())

    assert [problem.message for problem in problems] == [message]


def test_limits_are_those_of_the_device(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("TAG", "{address: 1}")
    path.write_text(text + "limits: {max_registers: 10, max_bits: 16, max_gap: 0, min_registers: 2}\n")

    profile, _ = load_profile(path, kinds())

    assert profile is not None
    assert profile.limits == Limits(max_registers=10, max_bits=16, max_gap=0, min_registers=2)


def test_quirks_of_a_device_are_limits(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("TAG", "{address: 1}")
    path.write_text(text + "limits: {from_zero: true, one_tag_per_request: true}\n")

    profile, _ = load_profile(path, kinds())

    assert profile is not None
    assert profile.limits == Limits(from_zero=True, one_tag_per_request=True)
    assert profile.limits.max_gap is None


def test_what_nobody_has_named_is_read_along_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(PRESS.replace("STYLE", "protocol").replace("TAG", "{address: 1}"))

    profile, _ = load_profile(path, kinds())

    assert profile is not None
    assert profile.limits == Limits(max_gap=32)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            "{max_registers: 10, min_registers: 11}",
            "one request reads 10 registers at most, as 'max_registers' says",
        ),
        ("{max_gap: 4, from_zero: true}", "'max_gap' has no effect with 'from_zero'; leave it out"),
        (
            "{max_gap: 4, one_tag_per_request: true}",
            "'max_gap' has no effect with 'one_tag_per_request'; leave it out",
        ),
        ("{max_registers: 7, from_zero: true}", "'t' ends with register 7; from_zero reads only 0 to 6"),
        ("{from_zero: 1}", "1 is neither true nor false"),
    ],
)
def test_limits_that_contradict_each_other_are_told(tmp_path: Path, limits: str, message: str) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("TAG", "{address: 6, type: uint32}")
    path.write_text(f"{text}limits: {limits}\n")

    _, problems = load_profile(path, kinds())

    assert [problem.message for problem in problems] == [message]


def test_a_bit_that_no_request_from_zero_reaches_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("TAG", "{address: 16, table: coil, type: bool}")
    path.write_text(text + "limits: {max_bits: 16, from_zero: true}\n")

    _, problems = load_profile(path, kinds())

    assert [problem.message for problem in problems] == ["'t' ends with bit 16; from_zero reads only 0 to 15"]


def test_a_tag_wider_than_one_request_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("TAG", "{address: 1, type: string, length: 11}")
    path.write_text(text + "limits: {max_registers: 10}\n")

    _, problems = load_profile(path, kinds())

    assert [problem.message for problem in problems] == [
        "'t' takes 11 registers; limits.max_registers reads only 10"
    ]


def test_settings_load_no_protocol_library() -> None:
    code = (
        "import sys; from edge_agent.drivers.kinds import kinds; kinds(); sys.exit('pymodbus' in sys.modules)"
    )

    assert run([sys.executable, "-c", code], check=False).returncode == 0


# --- helpers ----------------------------------------------------------------------------


def _load(folder: Path, tag: str, style: str = "protocol") -> tuple[Mapping[str, Tag], tuple[Problem, ...]]:
    path = folder / "press.yaml"
    path.write_text(PRESS.replace("STYLE", style).replace("TAG", tag))
    profile, problems = load_profile(path, kinds())
    return {each.name: each for each in profile.tags} if profile else {}, problems


def _tag(folder: Path, tag: str, style: str = "protocol") -> Tag:
    tags, problems = _load(folder, tag, style)
    assert problems == (), render(problems)
    return tags["t"]


def _refused(folder: Path, tag: str, at: str, message: str | None, style: str = "protocol") -> None:
    tags, problems = _load(folder, tag, style)

    assert tags == {}
    assert len(problems) == 1, render(problems)
    if message is not None:
        assert problems[0].message == message
        line = f"  t: {tag}"
        assert line[problems[0].column - 1 :].startswith(at)
