"""How the numbers of registers lie in bytes, both ways: all four orders come down to two swaps.

With the bytes of each register swapped or not, what is left is plain big or little endian over any width:

    order   bytes on the wire of 0x0A0B0C0D   swap registers' bytes   then read
    ABCD    0A 0B  0C 0D                      no                      big endian
    CDAB    0C 0D  0A 0B                      yes                     little endian
    BADC    0B 0A  0D 0C                      yes                     big endian
    DCBA    0D 0C  0B 0A                      no                      little endian
"""

from collections.abc import Mapping

from edge_agent.core.model import Store
from edge_agent.core.registers import FLOATS, Field, Order, Type, bits

SWAPPED: frozenset[Order] = frozenset({"CDAB", "BADC"})
LITTLE: frozenset[Order] = frozenset({"CDAB", "DCBA"})
BYTES_TURNED: frozenset[Order] = frozenset({"BADC", "DCBA"})
"""Text knows no order of words: only the bytes of its registers may be swapped."""

NUMBERS: Mapping[Type, Store] = {
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "bcd16": "H",
    "bcd32": "I",
}
"""What registers hold of each type, as `struct` reads it; BCD is read as its bits."""

BITS: Mapping[int, str] = {8: "B", 16: "H", 32: "I", 64: "Q"}
"""Unsigned numbers by their bits."""


def form(item: Field) -> str:
    """The format character of the raw number: floats with sentinels are read as bits, to compare those."""
    if item.type in FLOATS and item.sentinels:
        return BITS[bits(item.type)]
    return NUMBERS[item.type]


def swapped(item: Field) -> bool:
    """Whether the bytes of each register are swapped before the field is read."""
    return item.order in (BYTES_TURNED if item.type == "string" else SWAPPED)


def little(item: Field) -> bool:
    """Whether what is left is little endian."""
    return item.order in LITTLE


def registers(item: Field, contents: bytes) -> tuple[int, ...]:
    """The registers that hold the bytes of a value, given with the highest first (of text: as they follow).

    A value of 8 bits leaves the other half of its register 0.
    """
    data = contents if len(contents) > 1 else b"\0" + contents
    if little(item) and item.type != "string":
        data = data[::-1]
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    return tuple(int.from_bytes(word, "little" if swapped(item) else "big") for word in words)
