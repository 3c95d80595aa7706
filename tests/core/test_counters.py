from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.codec import columns_of
from edge_agent.core.counters import FELL, Counters
from edge_agent.core.model import Column, Range
from edge_agent.core.registers import Field, with_factor

U16 = Range(0, 0, 65535)


def judged(
    *readings: tuple[float, float | None], of: Range = U16, quality: dict[int, str] | None = None
) -> list[str]:
    """The quality of readings (time in s, value) of one counter; `quality` of those that are not good."""
    counters = Counters([Column("c", "H", counter=of)])
    found = []
    for at, (time_s, value) in enumerate(readings):
        given = (quality or {}).get(at)
        got = counters.judged((value,), (given,) if given else None, time_s)
        found.append(got[0] if got else "")
    return found


def test_a_counter_that_rises_or_stands_is_good() -> None:
    assert judged((0, 5), (1, 5), (2, 9), (3, 9)) == ["", "", "", ""]


def test_a_fall_is_doubted_once_and_the_new_value_is_the_base() -> None:
    assert judged((0, 5000), (1, 5001), (2, 4000), (3, 4001), (4, 4001)) == ["", "", FELL, "", ""]


def test_a_reset_to_nothing_is_good() -> None:
    assert judged((0, 5000), (1, 0), (2, 1)) == ["", "", ""]


def test_a_reset_may_have_counted_since_at_twice_its_fastest_pace() -> None:
    # given ten a second, and a reset seen after three seconds
    assert judged((0, 5000), (1, 5010), (2, 5011), (5, 60)) == ["", "", "", ""]
    assert judged((0, 5000), (1, 5010), (2, 5011), (5, 61)) == ["", "", "", FELL]


def test_a_counter_that_was_never_seen_to_count_is_reset_to_nothing_only() -> None:
    assert judged((0, 5000), (1, 1)) == ["", FELL]


def test_readings_close_together_make_no_fast_pace() -> None:
    assert judged((0, 5000), (0.001, 5001), (1, 5001), (2, 2)) == ["", "", "", ""]
    assert judged((0, 5000), (0.001, 5001), (1, 5001), (2, 3)) == ["", "", "", FELL]


def test_one_value_that_is_too_high_is_noticed_by_the_fall_behind_it() -> None:
    assert judged((0, 10), (1, 11), (2, 30000), (3, 12), (4, 13)) == ["", "", "", FELL, ""]


def test_a_reset_leaves_less_than_half_however_fast_it_counts() -> None:
    assert judged((0, 1000), (1, 30000), (2, 30001), (3, 15000)) == ["", "", "", ""]
    assert judged((0, 1000), (1, 30000), (2, 30001), (3, 15001)) == ["", "", "", FELL]


def test_a_pace_is_learned_anew_behind_a_fall() -> None:
    readings = (0, 1000), (1, 30000), (2, 30001), (3, 29000), (4, 29001), (5, 29001)

    assert judged(*readings, (6, 3)) == ["", "", "", FELL, "", "", FELL]
    assert judged(*readings, (6, 2)) == ["", "", "", FELL, "", "", ""]


@pytest.mark.parametrize(
    ("last", "new", "quality"),
    [
        (61440, 4095, ""),  # 65535 / 16 is 4095.9: from 61439.1 on, up to 4095.9
        (61439, 4095, FELL),
        (61440, 4096, FELL),
        (65535, 1, ""),
    ],
)
def test_a_wrap_around_goes_from_the_highest_sixteenth_to_the_lowest(
    last: int, new: int, quality: str
) -> None:
    assert judged((0, last), (1, new)) == ["", quality]


def test_a_signed_counter_wraps_to_its_negative_end() -> None:
    signed = Range(0, -32768, 32767)

    assert judged((0, 32767), (1, -32768), (2, -32767), of=signed) == ["", "", ""]
    assert judged((0, 100), (1, -100), of=signed) == ["", FELL]


def test_what_does_not_end_does_not_wrap() -> None:
    endless = Range(0.0, 0.0, float("inf"))

    assert judged((0, 3.4e38), (1, 1e30), of=endless) == ["", FELL]
    assert judged((0, 3.4e38), (1, 0.0), of=endless) == ["", ""]


def test_an_empty_counter_may_show_another_number_than_nought() -> None:
    assert judged((0, 1500), (1, 1000), of=Range(1000, 1000, 66535)) == ["", ""]
    assert judged((0, 1500), (1, 0), of=Range(1000, 0, 66535)) == ["", FELL]


def test_what_is_not_good_is_not_looked_at() -> None:
    readings = (0, 500), (1, None), (2, 400), (3, 501), (4, 400)

    assert judged(*readings, quality={1: "bad:timeout", 2: "uncertain:out_of_range"}) == [
        "",
        "bad:timeout",
        "uncertain:out_of_range",
        "",
        FELL,
    ]


def test_only_the_column_that_fell_is_doubted() -> None:
    columns = [Column("a", "H"), Column("b", "H", counter=U16), Column("c", "H", counter=U16)]
    counters = Counters(columns)

    assert counters.judged((9, 50, 50), None, 0.0) is None
    assert counters.judged((1, 40, 51), None, 1.0) == ("", FELL, "")
    assert counters.judged((None, 30, 52), ("bad:nan", "", ""), 2.0) == ("bad:nan", FELL, "")
    assert counters.judged((None, 31, 53), ("bad:nan", "", ""), 3.0) == ("bad:nan", "", "")


def test_a_group_without_counters_says_so() -> None:
    assert not Counters([Column("a", "H")])
    assert Counters([Column("a", "H", counter=U16)])


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("uint16", {}, Range(0, 0, 65535)),
        ("int32", {}, Range(0, -(2**31), 2**31 - 1)),
        ("bcd16", {}, Range(0, 0, 9999)),
        ("uint16", {"scale": Fraction("0.1"), "offset": Fraction(5)}, Range(5, 5, 6558.5)),
        ("float32", {"offset": Fraction(5)}, Range(5, 5, float("inf"))),
    ],
)
def test_the_range_of_a_counter_follows_from_its_tag(
    kind: Any, more: dict[str, Any], expected: Range
) -> None:
    assert columns_of(Field("t", "input", 0, kind, counter=True, **more))[0].counter == expected
    assert columns_of(Field("t", "input", 0, kind, **more))[0].counter is None


def test_a_counter_with_a_factor_does_not_wrap_around() -> None:
    counter = with_factor(Field("t", "input", 0, "uint16", counter=True), Field("sf", "input", 1, "int16"))

    assert columns_of(counter)[0].counter == Range(0, 0, float("inf"))


@given(st.lists(st.tuples(st.floats(1, 100), st.integers(0, 3000)), max_size=60), st.integers(0, 65535))
def test_a_counter_that_goes_round_is_never_doubted(steps: list[tuple[float, int]], start: int) -> None:
    time_s, value, readings = 0.0, start, [(0.0, start)]
    for passed_s, more in steps:
        time_s, value = time_s + passed_s, (value + more) % 65536
        readings.append((time_s, value))

    assert set(judged(*readings)) == {""}
