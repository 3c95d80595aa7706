"""What a device refuses to give of its profile, as far as is known: bad addresses, holes, a smaller limit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from edge_agent.core.plan import Block
from edge_agent.core.registers import Field, Table

Ranges = tuple[tuple[int, int], ...]
"""Ranges of addresses: the first, and the first behind."""


@dataclass(frozen=True, slots=True)
class Refused:
    """`fields` are refused on their own, each with the reason of its values; `holes` lie between fields.

    `longest` is how many addresses of a table one request may read, where that is less than the profile says.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    holes: Mapping[Table, Ranges] = field(default_factory=dict)
    longest: Mapping[Table, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is refused."""
        return bool(self.fields or self.holes or self.longest)

    def merged(self, other: "Refused") -> "Refused":
        """Both together."""
        tables = {**self.holes, **other.holes}
        return Refused(
            {**self.fields, **other.fields},
            {table: (*self.holes.get(table, ()), *other.holes.get(table, ())) for table in tables},
            {
                table: min(each.longest[table] for each in (self, other) if table in each.longest)
                for table in {**self.longest, **other.longest}
            },
        )

    def left(self, fields: Iterable[Field]) -> tuple[Field, ...]:
        """Those of some fields that are worth asking for."""
        return tuple(each for each in fields if each.name not in self.fields)

    def avoid(self, fields: Sequence[Field]) -> dict[Table, Ranges]:
        """What no request may touch when all these fields but the refused ones are read."""
        found: dict[Table, list[tuple[int, int]]] = {
            table: list(ranges) for table, ranges in self.holes.items()
        }
        good = {(each.table, at) for each in self.left(fields) for at in range(each.address, each.end)}
        for each in fields:
            if each.name in self.fields:
                # Where a field that is given lies over it, those registers are not what is wrong.
                alone = [at for at in range(each.address, each.end) if (each.table, at) not in good]
                found.setdefault(each.table, []).extend((at, at + 1) for at in alone)
        return {table: tuple(ranges) for table, ranges in found.items()}


def halves(block: Block) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """The fields of a block of two at least, in two parts of neighbours."""
    fields = sorted(block.fields, key=lambda each: (each.address, each.end))
    middle = len(fields) // 2
    return tuple(fields[:middle]), tuple(fields[middle:])


def between(blocks: Sequence[Block]) -> Refused:
    """Why these blocks of one table are given and the block they were cut from is not.

    A hole between two of them holds what is refused. When there is none, the block was too long.
    """
    ordered = sorted(blocks, key=lambda each: each.address)
    holes = tuple(
        (before.address + before.count, behind.address)
        for before, behind in pairwise(ordered)
        if before.address + before.count < behind.address
    )
    if holes:
        return Refused(holes={ordered[0].table: holes})
    return Refused(longest={ordered[0].table: max(each.count for each in ordered)})
