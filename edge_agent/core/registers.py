"""What a Modbus tag is: where its registers stand and what they mean. Data only; `codec` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Table = Literal["coil", "discrete", "input", "holding"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Type = Literal[
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "string",
]

BIT_TABLES: frozenset[Table] = frozenset({"coil", "discrete"})
"""Tables of single bits; the others hold registers of 16 bits."""

REGISTERS: Mapping[Type, int] = {
    "int8": 1,
    "uint8": 1,
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
}
"""Registers of each numeric type; a string says its own length and a bool of a bit table takes one bit."""

ONE = Fraction(1)
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Bit:
    """A named part of an unsigned register value: `width` bits from bit `shift` (0 is the lowest).

    A part of one bit is a bool, a wider one an unsigned number; `enum` are its known numbers.
    """

    name: str
    shift: int
    width: int = 1
    enum: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One tag in the tables of a device.

    `address` counts from 0 as on the wire; `length` is in registers and for strings only. The value is
    raw * scale + offset, exact for whole numbers; `valid` bounds it (inclusive), `enum` are its known
    numbers, `sentinels` are raw values that mean "not available". `whole` is false when only the `bits` are
    sent. `pad` are the bytes that fill up a string. `deadband` (in the tag's unit) and `on_change` go to the
    columns.
    """

    name: str
    table: Table
    address: int
    type: Type
    order: Order = "ABCD"
    length: int = 0
    encoding: str = "latin-1"
    pad: tuple[int, ...] = (0,)
    bits: tuple[Bit, ...] = ()
    whole: bool = True
    scale: Fraction = ONE
    offset: Fraction = ZERO
    sentinels: frozenset[int] = field(default_factory=frozenset)
    valid: tuple[float, float] | None = None
    enum: frozenset[int] | None = None
    deadband: float = 0.0
    on_change: bool = False

    @property
    def size(self) -> int:
        """Registers the tag takes; bits in a bit table."""
        if self.table in BIT_TABLES:
            return 1
        return self.length if self.type == "string" else REGISTERS[self.type]

    @property
    def end(self) -> int:
        """The first address behind the tag."""
        return self.address + self.size
