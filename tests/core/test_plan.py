import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.cost import FRAMES, Cost, serial
from edge_agent.core.plan import Block, Limits, Unreadable, plan
from edge_agent.core.registers import Field

METER_LINE = serial(11 / 9600, FRAMES["rtu"], turnaround_s=0.009)
"""9600 bit/s, even parity: a request costs as much as 14.8 registers."""
TEN = Cost(request_s=0.010, byte_s=0.0005)
"""A request costs as much as ten registers."""


def field(address: int, type_: str = "uint16", *, table: str = "holding", length: int = 0) -> Field:
    return Field(f"t{address}", table, address, type_, length=length)  # type: ignore[arg-type]  # literals of the tests


def ranges(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in blocks]


def test_neighbours_share_one_request() -> None:
    blocks = plan([field(10), field(11, "float32"), field(13)])

    assert [(b.table, b.address, b.count) for b in blocks] == [("holding", 10, 4)]


def test_registers_are_read_along_as_long_as_they_cost_less_than_a_request() -> None:
    assert ranges(plan([field(0), field(15)], cost=METER_LINE)) == [(0, 16)]
    assert ranges(plan([field(0), field(16)], cost=METER_LINE)) == [(0, 1), (16, 1)]


def test_of_equal_cost_fewer_requests_are_taken() -> None:
    assert ranges(plan([field(0), field(11)], cost=TEN)) == [(0, 12)]


def test_on_a_network_a_request_costs_more_than_all_that_it_can_read() -> None:
    assert ranges(plan([field(0), field(124)])) == [(0, 125)]


def test_not_the_first_gap_is_filled_but_the_narrowest_one() -> None:
    # From left to right, what fits would be joined: 0 to 7, then 10 and 11, three registers more.
    fields = [field(0), field(6, "float32"), field(10, "float32")]

    assert ranges(plan(fields, Limits(max_registers=8), cost=TEN)) == [(0, 1), (6, 6)]


def test_a_gap_wider_than_the_profile_allows_starts_a_new_request() -> None:
    assert ranges(plan([field(0), field(9)], Limits(max_gap=8))) == [(0, 10)]
    assert ranges(plan([field(0), field(10)], Limits(max_gap=8))) == [(0, 1), (10, 1)]


def test_without_gaps_only_what_touches_is_read_together() -> None:
    assert ranges(plan([field(0), field(1), field(3)], Limits(max_gap=0))) == [(0, 2), (3, 1)]


def test_a_gap_that_another_field_covers_is_none() -> None:
    fields = [field(0, "string", length=20), field(1), field(19)]

    assert ranges(plan(fields, Limits(max_gap=0))) == [(0, 20)]


def test_value_is_never_split_over_two_requests() -> None:
    blocks = plan([field(0), field(3, "float64")], Limits(max_registers=6))

    assert ranges(blocks) == [(0, 1), (3, 4)]


def test_tables_do_not_mix() -> None:
    blocks = plan([field(0, table="input"), field(0), field(0, "bool", table="coil")])

    assert [(b.table, b.count, b.size_bytes) for b in blocks] == [
        ("coil", 1, 1),
        ("holding", 1, 2),
        ("input", 1, 2),
    ]


def test_bits_cost_as_much_as_the_bytes_they_take() -> None:
    # Ten registers are 20 bytes, 160 bits: bits 0 to 167 are 21 bytes, for the price of two requests with 1.
    bits = [field(0, "bool", table="coil"), field(167, "bool", table="coil")]

    assert ranges(plan(bits, cost=TEN)) == [(0, 168)]
    assert ranges(plan([bits[0], field(184, "bool", table="coil")], cost=TEN)) == [(0, 1), (184, 1)]


def test_hundred_floats_take_two_requests() -> None:
    blocks = plan([field(2 * i, "float32") for i in range(100)])

    assert ranges(blocks) == [(0, 124), (124, 76)]


def test_fields_may_overlap() -> None:
    blocks = plan([field(0, "uint32"), field(1), field(0, "string", length=4)])

    assert [(b.address, b.count, len(b.fields)) for b in blocks] == [(0, 4, 3)]


def test_field_wider_than_a_request_is_refused_by_name() -> None:
    with pytest.raises(Unreadable, match="t5 takes 130 registers, one request reads 125") as refused:
        plan([field(0), field(5, "string", length=130)])

    assert refused.value.field.name == "t5"


# --- what devices do not bear


def test_a_single_register_is_read_with_the_one_behind() -> None:
    limits = Limits(min_registers=2, max_gap=0)

    blocks = plan([field(7), field(20, "float32")], limits)

    assert ranges(blocks) == [(7, 2), (20, 2)]
    assert [[each.name for each in block.fields] for block in blocks] == [["t7"], ["t20"]]


def test_the_last_register_is_read_with_the_one_in_front() -> None:
    assert ranges(plan([field(65535)], Limits(min_registers=3))) == [(65533, 3)]


def test_registers_that_must_be_read_anyhow_cost_nothing_more() -> None:
    # Each alone would be read with nine neighbours: one request for both is cheaper, 12 apart as they are.
    fields = [field(0), field(13)]

    assert ranges(plan(fields, Limits(min_registers=10), cost=TEN)) == [(0, 14)]
    assert ranges(plan(fields, cost=TEN)) == [(0, 1), (13, 1)]


def test_a_single_bit_is_no_single_register() -> None:
    assert ranges(plan([field(3, "bool", table="coil")], Limits(min_registers=2))) == [(3, 1)]


def test_a_device_that_is_read_from_zero_is_asked_once() -> None:
    blocks = plan([field(40), field(90)], Limits(from_zero=True), cost=TEN)

    assert ranges(blocks) == [(0, 91)]


def test_what_one_request_from_zero_does_not_reach_is_refused() -> None:
    with pytest.raises(Unreadable, match="t124 takes 126 registers from 0 on, one request reads 125"):
        plan([field(0), field(124, "float32")], Limits(from_zero=True))


def test_one_tag_per_request_holds_for_tags_that_share_registers_too() -> None:
    fields = [field(0, "uint32"), field(1), field(2)]

    blocks = plan(fields, Limits(one_tag_per_request=True))

    assert [(b.address, b.count, len(b.fields)) for b in blocks] == [(0, 2, 1), (1, 1, 1), (2, 1, 1)]


# --- addresses to avoid


def test_no_request_reads_an_address_to_avoid() -> None:
    fields = [field(0), field(4), field(9), field(4, table="input"), field(6, table="input")]

    blocks = plan(fields, avoid={"holding": [(6, 8), (5, 7), (100, 65536)]})

    assert [(b.table, b.address, b.count) for b in blocks] == [
        ("holding", 0, 5),
        ("holding", 9, 1),
        ("input", 4, 3),
    ]


def test_a_field_at_an_address_to_avoid_is_refused_by_name() -> None:
    with pytest.raises(Unreadable, match="t4 cannot be read without an address that is to be avoided"):
        plan([field(0), field(4, "float32")], avoid={"holding": [(5, 6)]})
    with pytest.raises(Unreadable, match="t4"):
        plan([field(4)], avoid={"holding": [(0, 65536)]})
    with pytest.raises(Unreadable, match="t4"):
        plan([field(4)], Limits(from_zero=True), avoid={"holding": [(2, 3)]})


def test_neighbours_to_avoid_are_not_read_along() -> None:
    limits = Limits(min_registers=2)

    assert ranges(plan([field(7)], limits, avoid={"holding": [(8, 9)]})) == [(6, 2)]
    with pytest.raises(Unreadable, match="t7 has no neighbours to be read with, in all 2"):
        plan([field(7)], limits, avoid={"holding": [(8, 9), (6, 7)]})


# --- for all maps

TYPES = {"uint16": 1, "float32": 2, "int64": 4}
ROWS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(sorted(TYPES))), min_size=1, max_size=6)
LIMITS = st.builds(
    Limits,
    max_registers=st.integers(4, 45),
    max_gap=st.none() | st.integers(0, 10),
    min_registers=st.integers(1, 4),
    one_tag_per_request=st.booleans(),
)
COSTS = st.builds(
    Cost, request_s=st.integers(0, 40).map(lambda ms: ms / 1000), byte_s=st.sampled_from([0.0005, 0.001])
)
AVOID = st.lists(st.tuples(st.integers(0, 45), st.integers(1, 3)), max_size=3)


@given(ROWS, LIMITS, COSTS, AVOID)
def test_no_other_plan_costs_less_or_takes_fewer_requests(
    rows: list[tuple[int, str]], limits: Limits, cost: Cost, avoid: list[tuple[int, int]]
) -> None:
    shunned = {address for first, count in avoid for address in range(first, first + count)}
    fields = [
        Field(f"t{number}", "holding", address, kind)  # type: ignore[arg-type]  # as drawn
        for number, (address, kind) in enumerate(rows)
        if _windows([(address, address + TYPES[kind])], limits, shunned)
    ]

    blocks = plan(fields, limits, cost=cost, avoid={"holding": [(at, at + count) for at, count in avoid]})

    assert sorted(f.name for b in blocks for f in b.fields) == sorted(f.name for f in fields)
    assert all(b.address <= f.address and f.end <= b.address + b.count for b in blocks for f in b.fields)
    assert all(shunned.isdisjoint(range(b.address, b.address + b.count)) for b in blocks)
    assert all(limits.min_registers <= b.count <= limits.max_registers for b in blocks)
    asked = round(sum(cost.of(2 * b.count) for b in blocks), 6), len(blocks)
    assert asked == _least([(f.address, f.end) for f in fields], limits, cost, shunned)


@given(st.permutations([field(7 * at % 90, kind) for at, kind in enumerate(list(TYPES) * 8)]))
def test_the_order_of_the_fields_does_not_matter(fields: list[Field]) -> None:
    assert plan(fields, cost=TEN) == plan(sorted(fields, key=lambda each: each.address), cost=TEN)


@given(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=80), st.integers(4, 125), COSTS)
def test_a_map_without_gaps_takes_the_fewest_requests(kinds: list[str], longest: int, cost: Cost) -> None:
    starts = [sum(TYPES[kind] for kind in kinds[:at]) for at in range(len(kinds))]

    blocks = plan(map(field, starts, kinds), Limits(max_registers=longest), cost=cost)

    room, fewest = 0, 0
    for kind in kinds:
        if TYPES[kind] > room:
            room, fewest = longest, fewest + 1
        room -= TYPES[kind]
    assert len(blocks) == fewest
    assert all(one.address + one.count == two.address for one, two in pairwise(blocks))


def test_five_hundred_tags_are_planned_at_once() -> None:
    registers = [field(3 * i) for i in range(500)]
    bits = [field(2 * i, "bool", table="coil") for i in range(500)]

    began = time.process_time()
    for fields in (registers, bits):
        plan(fields, cost=METER_LINE)

    assert time.process_time() - began < 0.5  # measured 0.03 s; a machine of the shop floor takes longer


def _least(
    places: Sequence[tuple[int, int]], limits: Limits, cost: Cost, shunned: set[int]
) -> tuple[float, int]:
    """The cost and the number of requests of the best of all ways to share out the fields."""
    ways = (
        [count for group in way for count in _windows(group, limits, shunned)[:1]]
        for way in _partitions(list(places))
        if all(_windows(group, limits, shunned) for group in way)
    )
    return min((round(sum(cost.of(2 * count) for count in counts), 6), len(counts)) for counts in ways)


def _windows(group: Sequence[tuple[int, int]], limits: Limits, shunned: set[int]) -> list[int]:
    """The lengths of the requests that may read a group, shortest first: none, or one for each place."""
    if limits.one_tag_per_request and len(group) > 1:
        return []
    start, end = min(first for first, _ in group), max(behind for _, behind in group)
    used = {address for first, behind in group for address in range(first, behind)}
    gaps = "".join("x" if address in used else "." for address in range(start, end)).split("x")
    if limits.max_gap is not None and max(map(len, gaps)) > limits.max_gap:
        return []
    count = max(end - start, limits.min_registers)
    places = range(max(0, end - count), start + 1)
    free = [at for at in places if shunned.isdisjoint(range(at, at + count))]
    return [count for _ in free] if count <= limits.max_registers else []


def _partitions(places: list[tuple[int, int]]) -> Iterator[list[list[tuple[int, int]]]]:
    if not places:
        yield []
        return
    first, *others = places
    for way in _partitions(others):
        yield [[first], *way]
        for at, group in enumerate(way):
            yield [*way[:at], [first, *group], *way[at + 1 :]]
