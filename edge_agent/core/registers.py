"""What a Modbus tag is: where its registers stand and what they mean. Data only; `codec` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    "float16",
    "float32",
    "float64",
    "bcd16",
    "bcd32",
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
    "float16": 1,
    "float32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
    "bcd16": 1,
    "bcd32": 2,
}
"""Registers of each numeric type; a string says its own length and a bool of a bit table takes one bit."""

FLOATS: frozenset[Type] = frozenset({"float16", "float32", "float64"})
BCD: frozenset[Type] = frozenset({"bcd16", "bcd32"})
"""Four decimal digits a register, the first one in the highest four bits."""

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

    `address` counts from 0 as on the wire: the first register that is needed to know the value, which itself
    stands `lead` registers behind it. `length` is in registers and for strings only. An array has `elements`
    numbers side by side, a single value 0. The value is raw * scale + offset, exact for whole numbers; with a
    `factor` it is raw * 10**factor * scale + offset, and the registers from the one to the other are read in
    one request, for an old factor must never meet a new number. `valid` bounds the value (inclusive), `enum`
    are its known numbers, `sentinels` are contents of its registers that mean "not available", each as one
    unsigned number with the highest byte first. `whole` is false when only the `bits` are sent. `pad` are the
    bytes that fill up a string. `deadband` (in the tag's unit), `on_change` and `counter` (it only rises) go
    to the columns.
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
    counter: bool = False
    elements: int = 0
    lead: int = 0
    factor: "Field | None" = None

    @property
    def at(self) -> int:
        """The first address of the value itself."""
        return self.address + self.lead

    @property
    def width(self) -> int:
        """Registers that the value itself takes; bits in a bit table."""
        if self.table in BIT_TABLES:
            return 1
        return self.length if self.type == "string" else REGISTERS[self.type] * max(1, self.elements)

    @property
    def end(self) -> int:
        """The first address behind all that is needed to know the value."""
        end = self.at + self.width
        return end if self.factor is None else max(end, self.factor.end)

    @property
    def size(self) -> int:
        """Registers from the first to the last that is needed; bits in a bit table."""
        return self.end - self.address


def with_factor(item: Field, factor: Field) -> Field:
    """The field with a power of ten that stands in the same table, before or behind it."""
    first = min(item.at, factor.at)
    return replace(item, address=first, lead=item.at - first, factor=factor)


def bits(type_: Type) -> int:
    """Bits of a number of this type."""
    return 8 if type_ in {"int8", "uint8"} else REGISTERS[type_] * 16


def bounds(type_: Type) -> tuple[int, int]:
    """Smallest and largest number of a type of whole numbers, or of a bool."""
    if type_ == "bool":
        return 0, 1
    if type_ in BCD:
        return 0, 10 ** (4 * REGISTERS[type_]) - 1
    width = bits(type_)
    return (0, (1 << width) - 1) if type_.startswith("u") else (-(1 << (width - 1)), (1 << (width - 1)) - 1)
