"""One unit of a simulated PLC: what it shows at a moment, and what was written to it."""

import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge_agent.core.registers import BIT_TABLES, Table
from edge_agent.ports import Clock
from edge_agent.sim.image import FUNCTIONS, ILLEGAL_ADDRESS, ILLEGAL_VALUE, Contents, Image, answer, refusal
from edge_agent.sim.signals import tick_at

WRITES: Mapping[int, Table] = {5: "coil", 6: "holding", 15: "coil", 16: "holding", 22: "holding"}

MAX_WRITTEN_BITS = 1968  # of function 15 (Modbus Application Protocol 1.1b3, 6.11)
MAX_WRITTEN_REGISTERS = 123  # of function 16 (6.12)

Written = Mapping[tuple[Table, int], int]
"""What addresses hold instead of the simulated signal: 0 or 1, or 16 bits."""


class Unit:
    """All tables of one unit, for reading and writing.

    What is written holds until it is forgotten: it takes the place of the simulated signal at its addresses.
    `number` moves its ticks against those of its neighbours; `clock` gives UTC in ns.
    """

    def __init__(self, number: int, image: Image, clock: Clock = time.time_ns) -> None:
        self._number = number
        self._image = image
        self._clock = clock
        self._written: dict[tuple[Table, int], int] = {}
        self._shown: tuple[int, Contents] | None = None

    def answer(self, request: bytes) -> bytes:
        """The response PDU to a request PDU of at least one byte; what it writes is written."""
        contents = self._contents()
        if request[0] not in WRITES:
            return answer(request, contents)
        written = written_by(request, contents)
        if isinstance(written, int):
            return refusal(request[0], written)
        self._written.update(written)
        self._shown = None
        return request[:5] if request[0] in {15, 16} else request

    def forget(self) -> None:
        """Show the simulated signals everywhere again."""
        self._written.clear()
        self._shown = None

    def _contents(self) -> Contents:
        tick = tick_at(self._clock(), self._number)
        if self._shown is None or self._shown[0] != tick:
            self._shown = tick, overlaid(self._image.at(tick), self._written)
        return self._shown[1]


@dataclass(frozen=True, slots=True)
class Span:
    """The addresses a request is about."""

    table: Table
    first: int
    count: int


def touched(request: bytes) -> Span | None:
    """What a request reads or writes; None for one that names no addresses."""
    table = FUNCTIONS.get(request[0]) or WRITES.get(request[0])
    if table is None or len(request) < 5:
        return None
    single = request[0] in {5, 6, 22}
    return Span(table, _number(request, 1), 1 if single else _number(request, 3))


def written_by(request: bytes, contents: Contents) -> Written | int:
    """What a request of function 5, 6, 15, 16 or 22 writes, or the exception code that refuses it."""
    span, values = touched(request), _values(request, contents)
    if span is None or values is None:
        return ILLEGAL_VALUE
    if span.first + span.count > contents.sizes.get(span.table, 0):
        return ILLEGAL_ADDRESS
    return {(span.table, span.first + at): value for at, value in enumerate(values)}


def overlaid(contents: Contents, written: Written) -> Contents:
    """The same contents with what was written in its place."""
    if not written:
        return contents
    registers = {table: bytearray(data) for table, data in contents.registers.items()}
    bits = dict(contents.bits)
    for (table, address), value in written.items():
        if table in BIT_TABLES:
            bits[table] = bits[table] & ~(1 << address) | value << address
        else:
            registers[table][2 * address : 2 * address + 2] = value.to_bytes(2, "big")
    return replace(contents, registers={table: bytes(data) for table, data in registers.items()}, bits=bits)


def _values(request: bytes, contents: Contents) -> Sequence[int] | None:
    """The new values of the addresses of a request to write; None when its form is wrong."""
    if request[0] in {15, 16}:
        return _many(request)
    if request[0] == 22:
        return _masked(request, contents)
    value = _number(request, 3)
    if len(request) != 5 or (request[0] == 5 and value not in {0, 0xFF00}):
        return None
    return [value] if request[0] == 6 else [int(value != 0)]


def _many(request: bytes) -> Sequence[int] | None:
    """Of function 15 or 16."""
    count, data = _number(request, 3), request[6:]
    longest, size = (
        (MAX_WRITTEN_BITS, (count + 7) // 8) if request[0] == 15 else (MAX_WRITTEN_REGISTERS, 2 * count)
    )
    if not 1 <= count <= longest or len(data) != size or request[5] != size:
        return None
    if request[0] == 15:
        return [data[at // 8] >> at % 8 & 1 for at in range(count)]
    return struct.unpack(f">{count}H", data)


def _masked(request: bytes, contents: Contents) -> Sequence[int] | None:
    """Of function 22: (old AND and-mask) OR (or-mask AND NOT and-mask), as 6.16 has it."""
    if len(request) != 7:
        return None
    old = _number(contents.registers.get("holding", b""), 2 * _number(request, 1))
    keep, put = _number(request, 3), _number(request, 5)
    return [old & keep | put & ~keep]


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")
