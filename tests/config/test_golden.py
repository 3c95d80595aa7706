# ruff: noqa: E501 - a table of mistakes is read one per line
from dataclasses import replace

import pytest

from edge_agent.config.golden import Failure, failures, run
from edge_agent.config.settings import Expected, GoldenTest, Group, Limits, Profile, Tag
from edge_agent.core.claims import Claim
from edge_agent.core.registers import Bit, Field
from edge_agent.drivers.modbus.replay import decoded

STATE = Tag(
    "state", "fast", "uint16", Field("state", "holding", 0, "uint16", enum=frozenset({1, 2})),
    enum={1: "starting", 2: "running"}, enum_else="unknown",
)  # fmt: skip
ALARMS = Tag(
    "alarms", "slow", "uint16", Field("alarms", "holding", 1, "uint16"), flags={5: "belt", 0: "temp"}
)
WORD = Tag(
    "word", "fast", "uint16", Field("word", "input", 0, "uint16", bits=(Bit("a", 0), Bit("lamp", 4, 2)), whole=False),
    parts={"a": {}, "lamp": {2: "yellow"}},
)  # fmt: skip
VOLTS = Tag("volts", "fast", "float32", Field("volts", "input", 4, "float32"))
LEVEL = Tag("level", "fast", "float16", Field("level", "input", 7, "float16"))
CURVE = Tag("curve", "fast", "float32[2]", Field("curve", "input", 8, "float32", elements=2))
LAMP = Tag("lamp", "fast", "bool", Field("lamp", "coil", 8, "bool"))
PROFILE = Profile(
    "a/b",
    "1.0.0",
    "",
    "modbus",
    "x",
    {"fast": Group("fast", 1.0)},
    (STATE, ALARMS, WORD, VOLTS, LEVEL, CURVE, LAMP),
    Limits(),
)


@pytest.mark.parametrize(
    ("tables", "column", "expected"),
    [
        ({"holding": {0: 2}}, "state", Expected(2, text="running")),
        ({"holding": {0: 7}}, "state", Expected(7, "uncertain", "not_in_enum", "unknown")),
        ({"holding": {1: 0b100001}}, "alarms", Expected(text=("temp", "belt"))),
        ({"input": {0: 0b100001}}, "word.a", Expected(value=True)),
        ({"input": {0: 0b100001}}, "word.lamp", Expected(2, text="yellow")),
        ({"input": {4: 0x4366, 5: 0x3333}}, "volts", Expected(230.2)),
        ({"input": {4: 0x4366}}, "volts", Expected(230)),
        ({"input": {4: 0x7FC0}}, "volts", Expected(quality="bad", reason="nan")),
        ({"input": {7: 0x2E66}}, "level", Expected(0.1)),
        ({"coil": {8: 1, 9: 0}}, "lamp", Expected(value=True)),
        ({"input": {8: 0x3DCC, 9: 0xCCCD, 10: 0x4000}}, "curve", Expected((0.1, 2))),
    ],
)
def test_an_expectation_that_holds_says_nothing(
    tables: dict[str, dict[int, int]], column: str, expected: Expected
) -> None:
    assert run(_with(tables, column, expected), decoded) == []


@pytest.mark.parametrize(
    ("tables", "column", "expected", "message"),
    [
        ({"holding": {0: 2}}, "state", Expected(1), "expected 1, got 2"),
        ({"holding": {0: 2}}, "state", Expected(2, text="stopped"), "expected the text stopped, got running"),
        ({"holding": {0: 7}}, "state", Expected(7), "expected good, got uncertain:not_in_enum (7)"),
        ({"holding": {1: 1}}, "alarms", Expected(text=("belt",)), "expected the text [belt], got [temp]"),
        ({"holding": {1: 1}}, "state", Expected(0), "the test gives nothing for it"),
        ({"input": {0: 1}}, "word.a", Expected(1), "expected 1, got true"),
        (
            {"input": {4: 0x7FC0}},
            "volts",
            Expected(text="x", quality="bad"),
            "expected the text x, got no value",
        ),
        ({"input": {8: 0x4000}}, "curve", Expected((2,)), "expected [2], got [2.0, 0.0]"),
        ({"input": {8: 0x4000}}, "curve", Expected((2, 1)), "expected [2, 1], got [2.0, 0.0]"),
        ({"input": {8: 0x4000}}, "curve", Expected(2), "expected 2, got [2.0, 0.0]"),
        ({"input": {4: 0x4000}}, "volts", Expected((2,)), "expected [2], got 2.0"),
        ({"input": {4: 0x7FC0}}, "volts", Expected(1.0), "expected good, got bad:nan (no value)"),
        ({"input": {4: 0x4366}}, "volts", Expected(1e300), "expected 1e+300, got 230.0"),
        (
            {"input": {4: 0x4366}},
            "volts",
            Expected(230.0, "uncertain", "out_of_range"),
            "expected uncertain:out_of_range, got good (230.0)",
        ),
    ],
)
def test_an_expectation_that_does_not_hold_says_what_came(
    tables: dict[str, dict[int, int]], column: str, expected: Expected, message: str
) -> None:
    profile = _with(tables, column, expected)

    assert run(profile, decoded) == [f"test 'shift start': {column}: {message}"]
    assert failures(profile, decoded) == [Failure(0, column, message)]


CODE = Field("holding 9", "holding", 9, "uint16")
CLAIMED = replace(PROFILE, identify=(Claim("vendor", ("Acme",)), Claim(CODE, (112,))))


@pytest.mark.parametrize(
    ("tables", "failed"),
    [
        ({"holding": {0: 2, 9: 112}}, []),
        ({"holding": {0: 2}}, []),  # the dump does not hold it
        ({"holding": {0: 2, 9: 5}}, ["test 'shift start': holding 9: identify expects 112, got 5"]),
    ],
)
def test_a_dump_that_holds_what_is_claimed_has_to_say_it(
    tables: dict[str, dict[int, int]], failed: list[str]
) -> None:
    profile = replace(CLAIMED, tests=(GoldenTest("shift start", tables, {"state": Expected(2)}),))

    assert run(profile, decoded) == failed


def _with(tables: dict[str, dict[int, int]], column: str, expected: Expected) -> Profile:
    return replace(PROFILE, tests=(GoldenTest("shift start", tables, {column: expected}),))
