import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.settings import Tag
from edge_agent.core.counters import Counters
from edge_agent.core.model import Column, Range
from edge_agent.core.registers import Bit, with_factor
from edge_agent.sim.signals import TICKS, nearest, scaled, shortest, signals, sources, tick_at

MakeTag = Callable[..., Tag]


def test_a_tick_lasts_200_ms_and_comes_round_after_4096() -> None:
    assert tick_at(0) == 0
    assert tick_at(199_999_999) == 0
    assert tick_at(200_000_000) == 1
    assert tick_at(4096 * 200_000_000) == 0


def test_every_unit_runs_at_a_tick_of_its_own() -> None:
    ticks = {tick_at(1_760_000_000_000_000_000, unit) for unit in range(256)}

    assert len(ticks) == 256
    assert tick_at(0, 2) == 16


def test_a_wide_number_is_index_times_4096_plus_step(tag: MakeTag) -> None:
    kinds = ["int32", "uint32", "int64", "uint64", "float32", "float64"]
    held = sources([tag(kind, kind, 4 * at) for at, kind in enumerate(kinds)])

    assert [source.raw(0) for source in held] == [4096, 8192, 12288, 16384, 20480.0, 24576.0]
    assert held[5].raw(4095) == 28671.0
    assert [type(source.raw(7)) for source in held] == [int] * 4 + [float] * 2


def test_each_number_of_an_array_counts_as_a_tag(tag: MakeTag) -> None:
    held = sources([tag("a", "uint32", 0), tag("b", "uint32", 2, elements=3), tag("c", "float32", 8)])

    assert [source.raw(7) for source in held] == [4103, (8199, 12295, 16391), 20487.0]
    assert [source.steps for source in held] == [4096, 4096, 4096]


def test_an_array_is_scaled_number_by_number(tag: MakeTag) -> None:
    by_name = signals([tag("a", "uint16", 0, elements=2, scale=Fraction(1, 10))])

    assert by_name["a"].raw(0) == (4096, 8192)
    assert by_name["a"].expected(0) == (409.6, 819.2)


def test_a_number_with_a_factor_is_expected_at_the_power_of_its_tick(tag: MakeTag) -> None:
    held = tag("a", "uint16", 0), tag("sf", "int16", 1)
    tags = [replace(held[0], address=with_factor(held[0].modbus, held[1].modbus)), held[1]]
    by_name = signals(tags)

    pairs = {(by_name["sf"].expected(tick), by_name["a"].expected(tick)) for tick in (0, 1, 2, 3, 4, 5, 6)}

    assert {power for power, _ in pairs} == {-1, 0, 1}
    assert all(
        by_name["a"].expected(tick)
        == {-1: raw / 10, 0: raw, 1: raw * 10}[cast("int", by_name["sf"].expected(tick))]
        for tick in range(50)
        for raw in [cast("int", by_name["a"].raw(tick))]
    )


def test_the_factor_of_a_counter_stands_still(tag: MakeTag) -> None:
    held = tag("a", "uint32", 0, counter=True), tag("sf", "int16", 2)
    tags = [replace(held[0], address=with_factor(held[0].modbus, held[1].modbus)), held[1]]
    by_name = signals(tags)

    assert {by_name["sf"].expected(tick) for tick in range(TICKS)} == {1}
    assert by_name["a"].expected(7) == 41030.0


def test_a_valid_range_holds_for_every_power_of_the_factor(tag: MakeTag) -> None:
    held = tag("a", "uint16", 0, valid=(1.0, 500.0)), tag("sf", "int16", 1)
    tags = [replace(held[0], address=with_factor(held[0].modbus, held[1].modbus)), held[1]]
    expected = signals(tags)["a"].expected

    assert all(1.0 <= cast("float", expected(tick)) <= 500.0 for tick in range(TICKS))


def test_a_factor_that_is_not_there_is_refused(tag: MakeTag) -> None:
    held = tag("a", "uint16", 0), tag("sf", "int16", 1)

    with pytest.raises(ValueError, match="sf is a factor of other tags and not among them"):
        sources([replace(held[0], address=with_factor(held[0].modbus, held[1].modbus))])


@pytest.mark.parametrize("kind", ["uint32", "float32", "uint16", "bcd16"])
@pytest.mark.parametrize("every", [1, 5, 50, 140])
def test_a_counter_is_never_seen_to_fall_but_to_nought(tag: MakeTag, kind: str, every: int) -> None:
    tags = [tag(f"t{at}", kind, 2 * at, counter=True) for at in range(8)]
    by_name = signals(tags)
    watch = Counters([Column(name, "d", counter=Range(0, 0, 1e300)) for name in by_name])

    for at in range(0, 3 * TICKS, every):
        values = [by_name[name].expected(at % TICKS) for name in by_name]
        assert watch.judged(values, None, at / 5) is None


def test_all_pairs_of_sixty_mixed_tags_differ_at_every_tick(sixty: Sequence[Tag]) -> None:
    # Ranges and enums share their few numbers with others; these 44 have all the room of their types.
    held = [source for source in sources(sixty)[:52] if source.steps]

    assert len(held) == 44
    for tick in range(TICKS):
        assert len({source.raw(tick) for source in held}) == 44


def test_tags_of_one_range_differ_at_every_tick(sixty: Sequence[Tag]) -> None:
    one, other = sources(sixty)[55:57]

    assert one.tag.name == "voltage"
    assert other.tag.name == "voltage_2"
    assert not any(one.raw(tick) == other.raw(tick) for tick in range(TICKS))


def test_bits_of_neighbours_follow_different_sequences(sixty: Sequence[Tag]) -> None:
    held = [source for source in sources(sixty) if source.tag.type == "bool"]
    rows = [[source.raw(tick) for tick in range(TICKS)] for source in held]

    for one, other in combinations(rows, 2):
        assert 1800 < sum(a != b for a, b in zip(one, other, strict=True)) < 2300


def test_a_bit_never_stands_still_for_long(sixty: Sequence[Tag]) -> None:
    for source in sources(sixty)[40:48]:
        row = "".join("1" if source.raw(tick) else "0" for tick in range(TICKS))

        assert "0" * 20 not in row
        assert "1" * 20 not in row


def test_narrow_signed_types_take_their_negative_half_for_the_later_tags(tag: MakeTag) -> None:
    held = sources([tag(f"t{at}", "int16", at) for at in range(60)])

    assert held[0].raw(0) == 1024 + 512
    assert held[59].raw(0) == 60 * 1024 + 512 - 65536
    assert all(-32768 <= int(str(source.raw(tick))) < 0 for source in held[32:] for tick in range(TICKS))


def test_a_narrow_value_does_not_stand_still_although_it_has_few_steps(sixty: Sequence[Tag]) -> None:
    source = sources(sixty)[1]

    assert source.tag.type == "uint8"
    assert source.steps == 4
    assert all(len({source.raw(tick + more) for more in range(16)}) > 1 for tick in range(4000))


def test_a_hundred_narrow_tags_still_move_and_near_neighbours_differ(tag: MakeTag) -> None:
    held = sources([tag(f"t{at}", "uint8", at) for at in range(100)])

    for tick in range(0, TICKS, 37):
        row = [source.raw(tick) for source in held]
        assert all(len(set(row[at : at + 60])) == len(row[at : at + 60]) for at in range(100))


@given(
    kind=st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]),
    low=st.integers(-(10**6), 10**6),
    width=st.integers(0, 10**7),
    scale=st.sampled_from([Fraction(1), Fraction(1, 10), Fraction(-1, 4), Fraction(7)]),
    tick=st.integers(0, TICKS - 1),
)
def test_a_valid_range_of_a_whole_number_is_kept(
    tag: MakeTag, kind: str, low: int, width: int, scale: Fraction, tick: int
) -> None:
    # given a range that the type can reach
    bits = int(kind.lstrip("uint"))
    floor, top = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" else (0, (1 << bits) - 1)
    raws = max(floor, min(top, low)), min(top, max(floor, low) + width)
    ends = sorted(float(raw * scale) for raw in raws)
    tags = [tag("a", kind, 0), tag("b", kind, 4, valid=tuple(ends), scale=scale), tag("c", kind, 8)]

    expected = signals(tags)["b"].expected(tick)

    assert isinstance(expected, int | float)
    assert ends[0] <= expected <= ends[1]


@given(
    kind=st.sampled_from(["float16", "float32", "float64"]),
    low=st.floats(-3e4, 3e4, width=16),
    width=st.floats(16, 3e4, width=16),
    tick=st.integers(0, TICKS - 1),
)
def test_a_valid_range_of_a_real_number_is_kept_exactly(
    tag: MakeTag, kind: str, low: float, width: float, tick: int
) -> None:
    tags = [tag("a", kind, 0), tag("b", kind, 4, valid=(low, low + width)), tag("c", kind, 8)]

    raw = signals(tags)["b"].raw(tick)

    assert isinstance(raw, float)
    assert low <= raw <= low + width
    assert kind == "float64" or nearest(raw, int(kind[5:])) == raw


def test_a_small_range_of_a_half_is_played_in_the_steps_it_has(tag: MakeTag) -> None:
    held = sources([tag("a", "float16", 0, valid=(0.0, 0.00001))])[0]

    seen = {held.raw(tick) for tick in range(TICKS)}

    assert seen <= {step * 2.0**-24 for step in range(168)}  # 0.00001 is 167.8 of the smallest steps
    assert len(seen) > 60


def test_decimal_numbers_go_as_far_as_their_digits(tag: MakeTag) -> None:
    held = sources([tag(f"t{at}", "bcd16", at) for at in range(12)])
    wide = sources([tag("wide", "bcd32", 0)])[0]

    seen = {source.raw(tick) for source in held for tick in range(TICKS)}

    assert len(seen) == 12 * 512  # 9 bits of step: 13 * 512 are below 10000, 13 * 1024 are not
    assert max(seen) == 13 * 512 - 1
    assert wide.raw(0) == 4096


def test_values_within_a_range_tell_index_and_step_where_it_has_room(tag: MakeTag) -> None:
    tags = [tag(f"v{at}", "float32", 2 * at, valid=(45.0, 65.0)) for at in range(12)]
    held = sources(tags)

    seen = {source.raw(tick) for source in held for tick in range(TICKS)}

    assert len(seen) == 12 * TICKS


def test_a_tiny_range_is_wandered_through(tag: MakeTag) -> None:
    held = sources([tag("a", "uint16", 0, valid=(0.0, 2.0)), tag("b", "uint16", 1, valid=(5.0, 5.0))])

    assert {held[0].raw(tick) for tick in range(50)} == {0, 1, 2}
    assert {held[1].raw(tick) for tick in range(50)} == {5}


def test_no_sentinel_is_ever_shown(tag: MakeTag) -> None:
    sentinels = frozenset({0xFFFF, 0xFFFE, 0x8000, 0xFC00, 0})
    tags = [tag(f"t{at}", "int16" if at % 2 else "uint16", at, sentinels=sentinels) for at in range(63)]

    for source in sources(tags):
        for tick in range(TICKS):
            raw = int(str(source.raw(tick)))
            assert raw not in sentinels
            assert raw % 65536 not in sentinels


def test_a_tag_without_a_value_left_is_refused(tag: MakeTag) -> None:
    with pytest.raises(ValueError, match="a: its sentinels and bounds leave no value"):
        sources([tag("a", "uint16", 0, valid=(3.0, 4.0), sentinels=frozenset({3, 4}))])


def test_an_enum_shows_its_known_numbers_only(sixty: Sequence[Tag]) -> None:
    state = signals(sixty)["state"]

    assert {state.expected(tick) for tick in range(100)} == {0, 1, 2, 7}


def test_an_enum_after_a_scale_stands_for_the_raw_number(tag: MakeTag) -> None:
    mode = signals([tag("mode", "uint16", 0, scale=Fraction(1, 10), enum=frozenset({1, 2}))])["mode"]

    assert {mode.raw(tick) for tick in range(50)} == {10, 20}
    assert {mode.expected(tick) for tick in range(50)} == {1.0, 2.0}


def test_flags_switch_known_flags_only_each_by_itself(sixty: Sequence[Tag]) -> None:
    alarms = signals(sixty)["alarms"]

    seen = {alarms.expected(tick) for tick in range(200)}

    assert seen == {a + b + c for a in (0, 1) for b in (0, 32) for c in (0, 1 << 31)}


def test_bits_are_the_columns_of_a_word_that_is_not_sent_itself(sixty: Sequence[Tag]) -> None:
    columns = [name for name in signals(sixty) if name.startswith("word")]

    assert columns == ["word.door", "word.guard", "word.lamp", "word.level"]


def test_parts_follow_from_the_word(sixty: Sequence[Tag]) -> None:
    by_name = signals(sixty)

    for tick in range(200):
        word = int(str(by_name["word.door"].raw(tick)))
        assert by_name["word.door"].expected(tick) is (word % 2 == 1)
        assert by_name["word.guard"].expected(tick) is (word // 2 % 2 == 1)
        assert by_name["word.lamp"].expected(tick) == word // 16 % 4
        assert by_name["word.lamp"].expected(tick) in {0, 1, 3}
        assert by_name["word.level"].expected(tick) == word // 256


def test_a_word_sent_whole_comes_with_its_parts(tag: MakeTag) -> None:
    by_name = signals([tag("w", "uint16", 0, bits=(Bit("on", 3),), enum=frozenset({0, 8}))])

    assert list(by_name) == ["w", "w.on"]
    assert {(by_name["w"].expected(tick), by_name["w.on"].expected(tick)) for tick in range(50)} == {
        (0, False),
        (8, True),
    }


def test_a_text_names_index_and_step_as_far_as_it_fits(tag: MakeTag) -> None:
    tags = [
        tag("long", "string", 0, length=6),
        tag("short", "string", 6, length=2),
        tag("spaced", "string", 8, length=6, pad=(0, 0x20)),
    ]
    by_name = signals(tags)

    assert by_name["long"].expected(4095) == "T1-4095"
    assert by_name["short"].expected(4095) == "T2-4"
    assert by_name["spaced"].expected(7) == "T3-7"


@pytest.mark.parametrize(
    ("kind", "raw", "scale", "offset", "value"),
    [
        ("int16", 2302, Fraction(1, 10), Fraction(0), 230.2),
        ("int16", -3, Fraction(10), Fraction(5), -25),
        ("uint64", 2**63 + 1, Fraction(2), Fraction(0), 2**64 + 2),
        ("int32", 3, Fraction(1, 3), Fraction(0), 1.0),
        ("int32", 7, Fraction(1), Fraction(1, 2), 7.5),
        ("float32", 230.1999969482422, Fraction(10), Fraction(0), 2302.0),
        ("float32", 0.10000000149011612, Fraction(1), Fraction(1, 5), 0.3),
        ("float64", 0.5, Fraction(1, 10), Fraction(0), 0.05),
        ("float16", 0.0999755859375, Fraction(10), Fraction(0), 1.0),
        ("bcd16", 1234, Fraction(1, 10), Fraction(0), 123.4),
    ],
)
def test_scale_and_offset_are_exact(
    tag: MakeTag, kind: str, raw: float, scale: Fraction, offset: Fraction, value: float
) -> None:
    result = scaled(raw, tag("t", kind, 0, scale=scale, offset=offset).modbus)

    assert result == value
    assert type(result) is type(value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_gives_the_float32_again(value: float) -> None:
    assert struct.pack(">f", float(shortest(value))) == struct.pack(">f", value)


@given(st.floats(width=16, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_gives_the_float16_again(value: float) -> None:
    assert struct.pack(">e", float(shortest(value, 16))) == struct.pack(">e", value)


def test_the_shortest_decimal_is_short() -> None:
    assert shortest(0.0999755859375, 16) == "0.1"
    assert shortest(230.1999969482422) == "230.2"
    assert float(shortest(16777216.0)) == 16777216.0
