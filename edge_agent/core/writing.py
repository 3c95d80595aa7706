"""A value -> what is written to a device: the exact inverse of decoding.

What is written is read again as the very value that was given, or nothing is written. A value between two
steps of the scale, beyond the type or `valid`, not in the enum, or equal to a sentinel is refused with what
can be written instead; nothing is rounded without a word. But one: the float32 or float64 nearest to a
decimal is what people mean by it, as long as it is not zero and no whole number is bent.
"""

# ruff: noqa: TRY004 - whatever cannot be written is the mistake of whoever gave it, a ValueError

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from struct import Struct
from typing import cast

from edge_agent.core.convert import (
    BAD_SENTINEL,
    NOT_IN_ENUM,
    OUT_OF_RANGE,
    POWERS,
    at_power,
    near,
    number,
    scaled,
    scaling,
    store_of,
)
from edge_agent.core.floats import around, nearest
from edge_agent.core.model import Value
from edge_agent.core.orders import NUMBERS, form, registers
from edge_agent.core.registers import BCD, FLOATS, Bit, Field, Table, bits, bounds

Given = Value | Fraction | Sequence[object]
"""A value to be written: as it is read, or a number that is more exact."""

LARGEST = {"e": 65504.0, "f": 3.4028234663852886e38, "d": 1.7976931348623157e308}
"""The largest number of each float."""


@dataclass(frozen=True, slots=True)
class Write:
    """Whole registers from an address on (function 16, or 6 for one)."""

    table: Table
    address: int
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Masked:
    """Some bits of one register (function 22): (what it holds AND `and_mask`) OR `or_mask`."""

    table: Table
    address: int
    and_mask: int
    or_mask: int


@dataclass(frozen=True, slots=True)
class Coil:
    """A single bit (function 5)."""

    table: Table
    address: int
    on: bool


Writing = Write | Masked | Coil


def written(item: Field, value: Given, part: str = "", *, power: int | None = None) -> Writing:
    """What is written for a value of a tag, or of one of its parts; enums and flags are numbers here.

    `power` is what the factor of the tag holds, when it has one: it has to be read just before. A part, and a
    value of 8 bits, leaves the rest of its register as it is. Raises ValueError, in words, for what cannot be
    written.
    """
    name = f"{item.name}.{part}" if part else item.name
    try:
        _refuse_read_only(item)
        return _part(item, _named(item, part), value) if part else _whole(_at_present(item, power), value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _refuse_read_only(item: Field) -> None:
    if item.table in ("discrete", "input"):
        raise ValueError(f"table {item.table} can only be read")


def _at_present(item: Field, power: int | None) -> Field:
    """The field as it is while its factor holds a power of ten."""
    if item.factor is None:
        return item
    if power is None:
        raise ValueError(f"its scale is in {item.factor.name}, which has to be read first")
    if power not in POWERS:
        raise ValueError(f"its scale cannot be told: {item.factor.name} holds {power}")
    return at_power(item, power)


def _named(item: Field, part: str) -> Bit:
    found = next((bit for bit in item.bits if bit.name == part), None)
    if found is None:
        names = ", ".join(bit.name for bit in item.bits) or "none"
        raise ValueError(f"there is no such part; {item.name} has: {names}")
    return found


def _whole(item: Field, value: Given) -> Writing:
    if not item.whole:
        parts = ", ".join(f"{item.name}.{bit.name}" for bit in item.bits)
        raise ValueError(f"only its bits are sent, so only they can be written: {parts}")
    if item.type == "bool":
        return Coil(item.table, item.at, _switched(value))
    if item.elements:
        return Write(item.table, item.at, _array(item, value))
    data = _text(item, value) if item.type == "string" else _number(item, value)
    held = registers(item, data)
    if len(data) == 1:
        return _masked(item, registers(item, b"\xff"), held)
    return Write(item.table, item.at, held)


def _part(item: Field, part: Bit, value: Given) -> Masked:
    highest = (1 << part.width) - 1
    bits_ = int(_switched(value)) if part.width == 1 else _whole_number(value)
    if not 0 <= bits_ <= highest:
        raise ValueError(f"{bits_} does not fit into its {part.width} bits; they go from 0 to {highest}")
    if part.enum is not None and bits_ not in part.enum:
        raise ValueError(_not_in_enum(bits_, part.enum))
    size = bits(item.type) // 8
    mask = registers(item, (highest << part.shift).to_bytes(size, "big"))
    return _masked(item, mask, registers(item, (bits_ << part.shift).to_bytes(size, "big")))


def _masked(item: Field, mask: tuple[int, ...], held: tuple[int, ...]) -> Masked:
    touched = [at for at, bits_ in enumerate(mask) if bits_]
    if len(touched) > 1:
        raise ValueError("its bits lie in two registers, which cannot be written at once")
    at = touched[0]
    return Masked(item.table, item.at + at, mask[at] ^ 0xFFFF, held[at])


# --- values ---------------------------------------------------------------------------------------


def _switched(value: Given) -> bool:
    if isinstance(value, bool | int) and value in (0, 1):
        return bool(value)
    raise ValueError(f"{shown(value)} is neither true nor false")


def _whole_number(value: Given) -> int:
    exact = _exact(value)
    if exact.denominator != 1:
        raise ValueError(f"{shown(value)} is not a whole number")
    return int(exact)


def _exact(value: Given) -> Fraction:
    """A number as it is meant: of a float the shortest decimal that names it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise ValueError(f"{shown(value)} is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be written")
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def _text(item: Field, value: Given) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a text")
    room, pad = 2 * item.length, bytes(item.pad)
    try:
        data = value.encode(item.encoding)
    except UnicodeEncodeError as error:
        raise ValueError(f"{shown(value[error.start])} cannot be written in {item.encoding}") from None
    if len(data) > room:
        raise ValueError(f"{shown(value)} takes {len(data)} bytes; there is room for {room}")
    if (0 in pad and b"\0" in data) or data.rstrip(pad) != data:
        raise ValueError(f"{shown(value)} ends with what fills up strings, and would be read without it")
    return data.ljust(room, pad[:1] or b"\0")


def _array(item: Field, value: Given) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != item.elements:
        raise ValueError(f"{shown(value)} is not a list of {item.elements} numbers")
    held: list[int] = []
    for at, each in enumerate(value):
        try:
            held += registers(item, _number(item, cast("Given", each)))
        except ValueError as error:
            raise ValueError(f"number {at} of the list: {error}") from None
    return tuple(held)


def _number(item: Field, value: Given) -> bytes:
    """The bytes of a number with the highest first, once it is sure that it is read as the value again."""
    exact = _exact(value)
    held = _float(item, value, exact) if item.type in FLOATS else _integer(item, value, exact)
    coded = int(str(held), 16) if item.type in BCD else held
    data = Struct(f">{NUMBERS[item.type]}").pack(coded)
    _, quality = number(item)(*Struct(f">{form(item)}").unpack(data))
    if quality == BAD_SENTINEL:
        raise ValueError(
            f"{shown(value)} is what the device holds when it has no value (0x{data.hex().upper()})"
        )
    if quality == NOT_IN_ENUM:
        raise ValueError(_not_in_enum(value, item.enum or frozenset()))
    if quality == OUT_OF_RANGE and item.valid:
        low, high = item.valid
        raise ValueError(f"{shown(value)} is outside of what is valid: {shown(low)} to {shown(high)}")
    if quality:
        raise ValueError(f"{shown(value)} would be read as {quality}")
    return data


def _integer(item: Field, value: Given, exact: Fraction) -> int:
    low, high = bounds(item.type)
    raw = (exact - item.offset) / item.scale
    close = _nearest(item, exact)
    if raw == close:
        return close
    read = scaling(item)
    if store_of(item) == "d" and read is not None:
        # Beyond 15 digits neither the decimal that names a value nor the float itself need lie on the grid
        # that the value came from; the one or the other is near enough.
        for each in (close, _nearest(item, Fraction(float(exact)))):
            if _is(read(each), exact):
                return each
    if not low <= raw <= high:
        raise ValueError(_beyond(item, value, (low, high)))
    raise ValueError(_between(item, value, (math.floor(raw), math.ceil(raw))))


def _nearest(item: Field, value: Fraction) -> int:
    """The whole number in the registers that comes nearest to a value."""
    low, high = bounds(item.type)
    return min(max(round((value - item.offset) / item.scale), low), high)


def _float(item: Field, value: Given, exact: Fraction) -> float:
    raw = (exact - item.offset) / item.scale
    kind = NUMBERS[item.type]
    read, largest = scaling(item) or near(item), LARGEST[kind]
    try:
        close = nearest(raw, kind)
    except OverflowError:
        close = largest if raw > 0 else -largest
        if _is(read(close), exact):
            return close
        raise ValueError(_beyond(item, value, (-largest, largest))) from None
    choice = around(close, kind)
    for each in choice:
        if _is(read(each), exact):
            return each
    if Fraction(close) == raw or (not isinstance(value, int) and float(raw) == close):
        return close
    # A float16 keeps fewer digits than people write, and a whole number is counted rather than measured.
    if item.type == "float16" or raw.denominator == 1 or close == 0:
        below = max((each for each in choice if each < raw), default=close)
        above = min((each for each in choice if each > raw), default=close)
        raise ValueError(_between(item, value, (near(item)(below), near(item)(above))))
    return close


def _is(seen: float | None, exact: Fraction) -> bool:
    """Whether what is read is the number that was given, as people see both."""
    return seen is not None and Fraction(repr(seen)) == exact


# --- words ----------------------------------------------------------------------------------------


def shown(value: Given) -> str:
    """A value as it may stand in a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, Fraction):
        return shown(int(value) if value.denominator == 1 else float(value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, Sequence):
        return f"[{', '.join(shown(cast('Given', each)) for each in value)}]"
    return "nothing" if value is None else _shown_whole(value)


def _shown_whole(value: int) -> str:
    return str(value) if abs(value) < LONGEST else f"{Decimal(value).normalize():e}"


LONGEST = 10**20
"""Larger whole numbers than any type has are shown with an exponent."""


def _beyond(item: Field, value: Given, ends: tuple[float, float]) -> str:
    low, high = sorted(_value(item, end) for end in ends)
    what = f"{item.type} with its scale" if scaled(item) else item.type
    return f"{shown(value)} is outside of {what}, which goes from {shown(low)} to {shown(high)}"


def _between(item: Field, value: Given, sides: tuple[float, float]) -> str:
    low, high = sorted(_value(item, side) for side in sides)
    return f"{shown(value)} lies between two steps; {shown(low)} or {shown(high)} can be written"


def _value(item: Field, raw: float) -> Fraction:
    return Fraction(repr(raw)) * item.scale + item.offset


def _not_in_enum(value: Given, enum: frozenset[int]) -> str:
    return f"{shown(value)} is none of its numbers: {', '.join(map(str, sorted(enum)))}"
