"""What a simulated device holds at one tick, and its answer to a Modbus request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_agent.config.settings import Tag
from edge_agent.core.registers import BIT_TABLES, Field, Table
from edge_agent.sim import IDENTITY
from edge_agent.sim.encode import encode, place
from edge_agent.sim.signals import Source, sources

FUNCTIONS: Mapping[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}

MAX_BITS = 2000  # of functions 1 and 2 (Modbus Application Protocol 1.1b3, 6.1)
MAX_REGISTERS = 125  # of functions 3 and 4 (6.3)

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
NO_SUCH_UNIT = 11  # "gateway target device failed to respond"

IDENTIFY = bytes((43, 14, 1, 0))  # all basic objects (6.21)

BEYOND = 15  # addresses behind the last tag that answer too, as they do in most devices

# What registers without a tag hold: like 0xDEAD, easy to see in a dump.
FILLERS = [word.to_bytes(2, "big") for word in range(0xDE00, 0xE000)]
PARTS = {part for word in FILLERS for part in (word, word[:1], word[1:])}


@dataclass(frozen=True, slots=True)
class Contents:
    """One tick of a device.

    `sizes` is how many addresses each table has; `registers` are as on the wire, from address 0; `bits` are
    one number, address 0 lowest.
    """

    sizes: Mapping[Table, int]
    registers: Mapping[Table, bytes]
    bits: Mapping[Table, int]


class Image:
    """All tables of a simulated device.

    `tags` are all tags of the profile in its order. ValueError when two of them share a register or a bit, or
    when one cannot be simulated: no value could be right for both.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        _refuse_shared(tag.modbus for tag in tags)
        self._sources: dict[Table, list[Source]] = {}
        for source in sources(tags):
            self._sources.setdefault(source.tag.modbus.table, []).append(source)
        self._places = {
            table: [place(source.tag.modbus)[0] for source in held] for table, held in self._sources.items()
        }
        self._sizes = {
            table: min(max(source.tag.modbus.end for source in held) + BEYOND, 65536)
            for table, held in self._sources.items()
        }

    def at(self, tick: int) -> Contents:
        """What the device holds at a tick."""
        return Contents(
            self._sizes,
            {table: self._registers(table, tick) for table in self._sizes if table not in BIT_TABLES},
            {table: self._bits(table, tick) for table in self._sizes if table in BIT_TABLES},
        )

    def _registers(self, table: Table, tick: int) -> bytes:
        held = [encode(source.raw(tick), source.tag.modbus) for source in self._sources[table]]
        data = _filler(self._sizes[table], {value for value in held if len(value) <= 2})
        for first, value in zip(self._places[table], held, strict=True):
            data[first : first + len(value)] = value
        return bytes(data)

    def _bits(self, table: Table, tick: int) -> int:
        # Bits without a tag go 0 1 0 1: there is no bit that nobody could take for a value.
        bits = int("10" * (self._sizes[table] // 2 + 1), 2) & (1 << self._sizes[table]) - 1
        for source in self._sources[table]:
            address = source.tag.modbus.address
            bits = bits & ~(1 << address) | bool(source.raw(tick)) << address
        return bits


def answer(request: bytes, contents: Contents) -> bytes:
    """The response PDU to a request PDU of at least one byte; an exception is a response too."""
    function = request[0]
    if request == IDENTIFY:
        said = b"".join(bytes((at, len(word))) + word.encode() for at, word in enumerate(IDENTITY))
        return IDENTIFY[:3] + bytes((1, 0, 0, len(IDENTITY))) + said
    table = FUNCTIONS.get(function)
    if table is None:
        return refusal(function, ILLEGAL_FUNCTION)
    start, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
    if len(request) != 5 or not 1 <= count <= (MAX_BITS if table in BIT_TABLES else MAX_REGISTERS):
        return refusal(function, ILLEGAL_VALUE)
    if start + count > contents.sizes.get(table, 0):
        return refusal(function, ILLEGAL_ADDRESS)
    if table in BIT_TABLES:
        bits = contents.bits[table] >> start & (1 << count) - 1
        data = bits.to_bytes((count + 7) // 8, "little")
    else:
        data = contents.registers[table][2 * start : 2 * (start + count)]
    return bytes([function, len(data)]) + data


def refusal(function: int, code: int) -> bytes:
    """The response PDU that refuses a function with an exception code."""
    return bytes([function | 0x80, code])


def _filler(size: int, taken: set[bytes]) -> bytearray:
    """So many registers, each unlike its neighbours and unlike any value of one register or half of one."""
    free = FILLERS
    if not taken.isdisjoint(PARTS):
        free = [word for word in FILLERS if taken.isdisjoint((word, word[:1], word[1:]))]
    row = b"".join(free) or b"\xde\xad"
    return bytearray((row * (2 * size // len(row) + 1))[: 2 * size])


def _refuse_shared(fields: Iterable[Field]) -> None:
    owner: dict[tuple[Table, int], str] = {}
    for field in fields:
        first, count = (field.address, 1) if field.table in BIT_TABLES else place(field)
        for at in range(first, first + count):
            other = owner.setdefault((field.table, at), field.name)
            if other != field.name:
                raise ValueError(f"{field.name} and {other} share {field.table} {field.address}")
