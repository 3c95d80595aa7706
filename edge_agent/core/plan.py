"""Fields -> the cheapest requests: which ranges of a device's tables are read to get the values of a group.

A table falls apart into stretches without anything to avoid, and a stretch where a gap is wider than allowed.
In what is left there is always the choice between one more request and the registers between two fields. A
field within another one comes along with it; then starts and ends both rise, a request of the cheapest plan
holds neighbours, and the cheapest way to read all fields from one on follows from the cheapest ways to read
those behind it. So every request that can begin at a field is tried once (dynamic programming, from the end).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from types import MappingProxyType

from edge_agent.core.cost import Cost, network
from edge_agent.core.registers import BIT_TABLES, Field, Table

ADDRESSES = 65536
"""Addresses have 16 bits on the wire."""

Ranges = Sequence[tuple[int, int]]
"""Ranges of addresses: the first one, and the first one behind."""

NOTHING: Mapping[Table, Ranges] = MappingProxyType({})
WHOLE = (0, ADDRESSES)
NETWORK = network()

COUNT_BITS = 17
"""Bits that can count more requests than a table has addresses."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device bears in one request.

    At most `max_registers` registers or `max_bits` bits, and at least `min_registers` registers: where fewer
    are wanted, neighbours are read along. Of unused addresses in a row at most `max_gap` are read along; None
    leaves that to the cost. With `from_zero` every request begins at address 0, with `one_tag_per_request` it
    is what the name says.
    """

    max_registers: int = 125
    max_bits: int = 2000
    max_gap: int | None = None
    min_registers: int = 1
    from_zero: bool = False
    one_tag_per_request: bool = False

    def longest(self, table: Table) -> int:
        """Addresses of a table that one request may read."""
        return self.max_bits if table in BIT_TABLES else self.max_registers

    def shortest(self, table: Table) -> int:
        """Addresses of a table that one request has to read."""
        return 1 if table in BIT_TABLES else self.min_registers


USUAL = Limits()


class Unreadable(ValueError):  # noqa: N818 - it says of the field what it is
    """No request within the limits reads `field`; the other ones can still be planned."""

    def __init__(self, field: Field, why: str) -> None:
        super().__init__(f"{field.name} {why}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Block:
    """The range of one request.

    `count` registers (bits in a bit table) from `address`, and what lies in it.
    """

    table: Table
    address: int
    count: int
    fields: tuple[Field, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the data in a right answer."""
        return _size_bytes(self.table, self.count)


def plan(
    fields: Iterable[Field],
    limits: Limits = USUAL,
    *,
    cost: Cost = NETWORK,
    avoid: Mapping[Table, Ranges] = NOTHING,
) -> list[Block]:
    """The requests that read all fields at the least total cost; of equally dear ones the fewest.

    A field is never split, and fields may overlap. No request touches an address of `avoid`. The result is
    ordered by table and address, and follows from the arguments alone. Raises Unreadable for the first field
    that is wider than a request, or that lies so that nothing can read it without an address of `avoid`.
    """
    free = {table: _free(ranges) for table, ranges in avoid.items()}
    placed = [(each.table, _stretch(each, limits, free), each) for each in sorted(fields, key=_place)]
    blocks: list[Block] = []
    for (table, stretch), rows in groupby(placed, key=lambda each: each[:2]):
        those = [each for _, _, each in rows]
        spans = [[each] for each in those] if limits.one_tag_per_request else _spans(those)
        prices = _prices(table, limits, cost)
        blocks += [_block(group, limits, stretch) for group in _cheapest(spans, limits, prices)]
    return blocks


def _place(item: Field) -> tuple[Table, int, int, str]:
    return item.table, item.address, -item.end, item.name


def _free(ranges: Ranges) -> list[tuple[int, int]]:
    """The stretches between what is to be avoided."""
    free, at = [], 0
    for first, end in (*sorted(ranges), (ADDRESSES, ADDRESSES)):
        if at < first:
            free.append((at, first))
        at = max(at, end)
    return free


def _stretch(item: Field, limits: Limits, free: Mapping[Table, Ranges]) -> tuple[int, int]:
    """The stretch in which a request can read the field."""
    first = 0 if limits.from_zero else item.address
    taken, longest = item.end - first, limits.longest(item.table)
    if taken > longest:
        whence = " from 0 on" if limits.from_zero else ""
        raise Unreadable(item, f"takes {taken} registers{whence}, one request reads {longest}")
    for stretch in free.get(item.table, (WHOLE,)):
        if stretch[0] <= first and item.end <= stretch[1]:
            if stretch[1] - stretch[0] >= limits.shortest(item.table):
                return stretch
            raise Unreadable(item, f"has no neighbours to be read with, in all {limits.min_registers}")
    raise Unreadable(item, "cannot be read without an address that is to be avoided")


def _spans(fields: Iterable[Field]) -> list[list[Field]]:
    """Each field with those that lie within it."""
    spans: list[list[Field]] = []
    for item in fields:
        if spans and item.end <= spans[-1][0].end:
            spans[-1].append(item)
        else:
            spans.append([item])
    return spans


def _prices(table: Table, limits: Limits, cost: Cost) -> list[int]:
    """What requests for 0, 1, 2, ... addresses cost, up to the longest.

    Nanoseconds, and behind them bits to count requests: whole numbers, whose sums are equal when the costs
    are, and smaller for fewer requests.
    """
    request, byte = round(cost.request_s * 1e9), round(cost.byte_s * 1e9)
    sizes = (max(count, limits.shortest(table)) for count in range(limits.longest(table) + 1))
    return [((request + byte * _size_bytes(table, size)) << COUNT_BITS) + 1 for size in sizes]


def _cheapest(
    spans: Sequence[Sequence[Field]], limits: Limits, prices: Sequence[int]
) -> Iterator[list[Field]]:
    """The fields of each request."""
    starts = [0 if limits.from_zero else span[0].address for span in spans]
    ends = [span[0].end for span in spans]
    apart = _apart(starts, ends, limits)
    rest = [0] * (len(spans) + 1)
    behind = [0] * len(spans)
    for at in reversed(range(len(spans))):
        most = bisect_right(ends, starts[at] + len(prices) - 1, at, apart[at])
        behind_each = zip(ends[at:most], rest[at + 1 : most + 1], strict=True)
        totals = [prices[end - starts[at]] + more for end, more in behind_each]
        rest[at] = min(totals)
        behind[at] = most - totals[::-1].index(rest[at])  # the longest of equally dear ones
    at = 0
    while at < len(spans):
        yield list(chain.from_iterable(spans[at : behind[at]]))
        at = behind[at]


def _apart(starts: Sequence[int], ends: Sequence[int], limits: Limits) -> list[int]:
    """For each span the next one that cannot be in a request with it, or the number of spans."""
    widest = ADDRESSES if limits.max_gap is None else limits.max_gap
    apart = [len(starts)] * len(starts)
    for at in reversed(range(len(starts) - 1)):
        alone = limits.one_tag_per_request or starts[at + 1] - ends[at] > widest
        apart[at] = at + 1 if alone else apart[at + 1]
    return apart


def _block(fields: Sequence[Field], limits: Limits, stretch: tuple[int, int]) -> Block:
    table = fields[0].table
    start = 0 if limits.from_zero else fields[0].address
    count = max(limits.shortest(table), max(each.end for each in fields) - start)
    ordered = sorted(fields, key=lambda each: (each.address, each.end, each.name))
    # What is too short is made longer behind, and in front where nothing behind may be read.
    return Block(table, min(start, stretch[1] - count), count, tuple(ordered))


def _size_bytes(table: Table, count: int) -> int:
    return (count + 7) // 8 if table in BIT_TABLES else count * 2
