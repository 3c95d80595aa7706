import json
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim.signals import shortest, signals, tick_at
from edge_agent.sim.truth import Truth

MakeTag = Callable[..., Tag]

NOW_MS = 1_760_000_000_050  # 50 ms into a tick
NOW_NS = NOW_MS * 1_000_000


def test_every_column_is_right_when_it_is(sixty: Sequence[Tag]) -> None:
    truth = Truth(sixty)

    for second in range(0, 900, 7):
        at_ms = NOW_MS + second * 1000
        for column in truth.columns:
            value = json.loads(json.dumps(truth.expected(column, at_ms * 1_000_000)))
            assert truth.check(column, value, at_ms) is None


def test_the_time_may_be_off_by_the_tolerance(sixty: Sequence[Tag]) -> None:
    truth = Truth(sixty)
    value = truth.expected("number_4", NOW_NS)  # true for 50 ms already, and for 150 ms to come

    assert truth.check("number_4", value, NOW_MS - 350) is None
    assert truth.check("number_4", value, NOW_MS - 351) == "early: 0.4 s ahead"
    assert truth.check("number_4", value, NOW_MS + 449.999) is None
    assert truth.check("number_4", value, NOW_MS + 450) == "stale: 0.4 s old"


def test_a_stale_value_is_caught_with_its_age(sixty: Sequence[Tag]) -> None:
    truth = Truth(sixty)
    old = truth.expected("number_2", NOW_NS - 3_400_000_000)

    assert truth.check("number_2", old, NOW_MS) == "stale: 3.4 s old"


def test_a_neighbours_value_is_caught_by_name(sixty: Sequence[Tag]) -> None:
    truth = Truth(sixty)
    other = truth.expected("voltage_2", NOW_NS)

    assert truth.check("voltage", other, NOW_MS) == "neighbour: is voltage_2's"


def test_every_swap_of_two_numbers_is_caught(sixty: Sequence[Tag]) -> None:
    truth = Truth(sixty)
    numbers = [column for column in truth.columns if column.startswith(("number", "text"))]

    for column in numbers:
        for other in numbers:
            verdict = truth.check(column, truth.expected(other, NOW_NS), NOW_MS)
            assert (verdict is None) == (column == other)


def test_a_shifted_register_is_caught(tag: MakeTag) -> None:
    # given two numbers of two registers each, and an answer that starts one register late
    tags = [tag("a", "uint32", 0), tag("b", "uint32", 2), tag("c", "uint32", 4)]
    truth = Truth(tags)
    a, b = (int(str(signals(tags)[name].raw(tick_at(NOW_NS)))) for name in "ab")
    shifted = (a & 0xFFFF) << 16 | b >> 16

    assert str(truth.check("a", shifted, NOW_MS)).startswith("wrong")


def test_a_frozen_bit_is_caught_within_a_few_seconds(sixty: Sequence[Tag]) -> None:
    truth = Truth(sixty)
    frozen = truth.expected("bit_3", NOW_NS)

    verdicts = [truth.check("bit_3", frozen, NOW_MS + later) for later in range(0, 60_000, 200)]

    assert verdicts[0] is None
    assert any(verdict is not None for verdict in verdicts)


def test_a_float32_is_compared_as_such(tag: MakeTag) -> None:
    tags = [tag("a", "float32", 0, valid=(0.1, 0.2))]
    truth = Truth(tags)
    exact = signals(tags)["a"].raw(tick_at(NOW_NS))
    assert isinstance(exact, float)
    text = shortest(exact)

    assert text != repr(exact)
    assert truth.check("a", float(text), NOW_MS) is None
    assert truth.check("a", 1e300, NOW_MS) == "wrong: 1e+300"


def test_a_scaled_value_must_be_exact(tag: MakeTag) -> None:
    truth = Truth([tag("a", "uint16", 0, scale=Fraction(1, 10))])
    value = truth.expected("a", NOW_NS)

    assert isinstance(value, float)
    assert truth.check("a", value, NOW_MS) is None
    assert truth.check("a", value * (1 + 1e-15), NOW_MS) is not None


def test_a_whole_number_beyond_the_reach_of_json_is_text(tag: MakeTag) -> None:
    truth = Truth([tag("a", "uint64", 0, scale=Fraction(10**13))])
    value = truth.expected("a", NOW_NS)

    assert truth.check("a", str(value), NOW_MS) is None
    assert truth.check("a", value, NOW_MS) is not None


def test_an_array_is_right_when_every_number_is(tag: MakeTag) -> None:
    truth = Truth([tag("a", "uint32", 0, elements=3), tag("b", "float32", 6, elements=2, valid=(0.1, 0.2))])
    a, b = (truth.expected(name, NOW_NS) for name in "ab")
    assert isinstance(a, tuple)
    assert isinstance(b, tuple)

    assert truth.check("a", list(a), NOW_MS) is None
    assert truth.check("b", [float(shortest(float(each))) for each in b], NOW_MS) is None
    assert truth.check("a", [*a[1:], a[0]], NOW_MS) == f"wrong: {[*a[1:], a[0]]!r}"
    assert truth.check("a", list(a[:2]), NOW_MS) == f"wrong: {list(a[:2])!r}"
    assert truth.check("a", a[0], NOW_MS) == f"wrong: {a[0]!r}"


def test_a_stale_array_is_caught_with_its_age(tag: MakeTag) -> None:
    truth = Truth([tag("a", "uint32", 0, elements=3)])
    old = truth.expected("a", NOW_NS - 3_400_000_000)

    assert truth.check("a", old, NOW_MS) == "stale: 3.4 s old"


@pytest.mark.parametrize("value", [None, True, "4096", 1.5, [4096]])
def test_a_value_of_another_kind_is_wrong(tag: MakeTag, value: object) -> None:
    truth = Truth([tag("a", "uint32", 0)])

    assert truth.check("a", value, NOW_MS) == f"wrong: {value!r}"


def test_another_units_value_is_stale(sixty: Sequence[Tag]) -> None:
    first, second = Truth(sixty), Truth(sixty, unit=2)
    value = second.expected("number_4", NOW_NS)

    assert second.check("number_4", value, NOW_MS) is None
    assert first.check("number_4", value, NOW_MS) == "early: 3.2 s ahead"


def test_an_unknown_column_is_named(sixty: Sequence[Tag]) -> None:
    assert Truth(sixty).check("no_such", 1, NOW_MS) == "no such column: no_such"
