"""Tags -> fewest requests: which ranges of a device's tables are read to get a set of fields."""

from collections.abc import Iterable
from dataclasses import dataclass

from edge_agent.core.registers import BIT_TABLES, Field, Table


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
        return (self.count + 7) // 8 if self.table in BIT_TABLES else self.count * 2


def plan(
    fields: Iterable[Field], *, max_registers: int = 125, max_bits: int = 2000, gap: int = 16
) -> list[Block]:
    """Group fields into requests of at most `max_registers` registers or `max_bits` bits.

    Fields further apart than `gap` unused addresses go into separate requests; a field is never split, and
    fields may overlap. The result is ordered by table and address and has the fewest requests these rules
    allow. 125 and 2000 are the limits of functions 3/4 and 1/2 (Modbus Application Protocol 1.1b3, 6.1-6.4).
    Raises ValueError for a field that is wider than one request.
    """
    blocks: list[Block] = []
    pending: list[Field] = []
    for item in sorted(fields, key=lambda each: (each.table, each.address, each.end, each.name)):
        longest = max_bits if item.table in BIT_TABLES else max_registers
        if item.size > longest:
            msg = f"{item.name} takes {item.size} registers, one request reads {longest}"
            raise ValueError(msg)
        if pending and not _joins(pending, item, longest, gap):
            blocks.append(_block(pending))
            pending = []
        pending.append(item)
    if pending:
        blocks.append(_block(pending))
    return blocks


def _joins(pending: list[Field], item: Field, longest: int, gap: int) -> bool:
    start, end = pending[0].address, max(each.end for each in pending)
    near = pending[0].table == item.table and item.address - end <= gap
    return near and max(end, item.end) - start <= longest


def _block(fields: list[Field]) -> Block:
    start = fields[0].address
    return Block(fields[0].table, start, max(each.end for each in fields) - start, tuple(fields))
