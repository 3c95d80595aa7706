"""One raw number of registers -> value and quality: what each key of a tag means, compiled per tag."""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from struct import Struct
from typing import Any, cast

from edge_agent.core.floats import half, shortest
from edge_agent.core.model import GOOD, Range, Store, Value, bad, uncertain
from edge_agent.core.orders import NUMBERS, form
from edge_agent.core.registers import BCD, FLOATS, Bit, Field, bits, bounds

WIDEST = 1 << 63
"""Scaled whole numbers beyond 64 bits cannot be kept exactly, so they are not kept at all."""

POWERS = range(-10, 11)
"""Powers of ten that a factor may hold, as the type sunssf of SunSpec has them."""

BAD_NAN = bad("nan")
BAD_SENTINEL = bad("sentinel")
NOT_TEXT = bad("wrong_answer:not_text")
NOT_BCD = bad("wrong_answer:not_bcd")
OUT_OF_RANGE = uncertain("out_of_range")
TOO_WIDE = bad("out_of_range")
NOT_IN_ENUM = uncertain("not_in_enum")

Raw = int | float | bytes
Convert = Callable[..., tuple[Value, str]]


def plain(item: Field) -> bool:
    """Whether the raw number is the value, unless it is NaN or infinite."""
    rules = item.bits or item.sentinels or item.valid or item.enum is not None
    return item.type in NUMBERS and item.type not in BCD and not rules and not scaled(item)


def scaled(item: Field) -> bool:
    """Whether the value is another number than the registers hold."""
    return item.scale != 1 or item.offset != 0 or item.factor is not None


def at_power(item: Field, power: int) -> Field:
    """A field with a factor as it is while that holds this power of ten."""
    return replace(item, scale=item.scale * Fraction(10) ** power)


def store_of(item: Field) -> str:
    """How the column of a tag itself is kept."""
    return f"{item.elements}{_single(item)}" if item.elements else _single(item)


def _single(item: Field) -> Store:
    if item.type == "bool":
        return "?"
    if item.type == "string":
        return "s"
    if not scaled(item):
        return NUMBERS[item.type]
    whole = item.scale.denominator == 1 and item.offset.denominator == 1 and item.factor is None
    return "q" if whole and item.type not in FLOATS else "d"


def range_of(counter: Field) -> Range:
    """What a counter can hold, as values; its scale is not negative.

    Floats do not wrap around, and where a number with a factor does is not known.
    """
    if counter.type in FLOATS or counter.factor is not None:
        return Range(float(counter.offset), float(counter.offset), math.inf)
    ends = (0, *bounds(counter.type))
    zero, low, high = (float(end * counter.scale + counter.offset) for end in ends)
    return Range(zero, low, high)


def converts(item: Field) -> list[Convert]:
    """One function per column of the field, each from the raw number to value and quality."""
    if item.type == "string":
        return [_text(item)]
    if item.factor is not None:
        return [_factored(item, item.factor)]
    if item.elements:
        return [_array(item)]
    own = [number(item)] if item.whole else []
    return own + [_part(item, part) for part in item.bits]


def number(item: Field) -> Convert:
    """From the raw number, as `orders.form` reads it, to value and quality of the tag itself."""
    missing, read, scale, judge = _missing(item), _reader(item), scaling(item), _judge(item)
    inexact = item.type in FLOATS

    def convert(raw: float) -> tuple[Value, str]:
        if raw in missing:
            return None, BAD_SENTINEL
        held = raw if read is None else read(raw)
        if held is None:
            return None, NOT_BCD
        if inexact and not math.isfinite(held):
            return None, BAD_NAN
        value = held if scale is None else scale(held)
        if value is None:
            return None, TOO_WIDE
        return value, GOOD if judge is None else judge(value)

    return convert


def _text(item: Field) -> Convert:
    pad, encoding = bytes(item.pad), item.encoding

    def convert(raw: bytes) -> tuple[Value, str]:
        data = raw.partition(b"\0")[0] if 0 in pad else raw
        try:
            return data.rstrip(pad).decode(encoding), GOOD
        except UnicodeDecodeError:
            return None, NOT_TEXT

    return convert


def _factored(item: Field, factor: Field) -> Convert:
    """From what the registers hold, and the power of ten that was read with it."""
    missing = _missing(factor)
    known: dict[int, Convert] = {}

    def convert(pair: tuple[Any, int]) -> tuple[Value, str]:
        raw, power = pair
        if power in missing:
            return None, BAD_SENTINEL
        if power not in POWERS:
            return None, TOO_WIDE
        if power not in known:
            single = at_power(item, power)
            known[power] = _array(single) if item.elements else number(single)
        return known[power](raw)

    return convert


def _array(item: Field) -> Convert:
    """An array is as good as the worst of its numbers: one that is missing cannot be told in the others."""
    each = number(item)

    def convert(raws: tuple[Raw, ...]) -> tuple[Value, str]:
        pairs = [each(raw) for raw in raws]
        doubts = [quality for _, quality in pairs if quality]
        lost = next((quality for quality in doubts if quality.startswith("bad:")), None)
        if lost is not None:
            return None, lost
        return tuple(cast("float", value) for value, _ in pairs), doubts[0] if doubts else GOOD

    return convert


def _part(item: Field, part: Bit) -> Convert:
    shift, mask, enum = part.shift, (1 << part.width) - 1, part.enum
    one, missing = part.width == 1, item.sentinels

    def convert(raw: int) -> tuple[Value, str]:
        if raw in missing:
            return None, BAD_SENTINEL
        value = raw >> shift & mask
        quality = NOT_IN_ENUM if enum is not None and value not in enum else GOOD
        return (value == 1 if one else value), quality

    return convert


# --- the steps of a number ------------------------------------------------------------------------


def _missing(item: Field) -> frozenset[int]:
    """The sentinels as `struct` reads them."""
    if not item.type.startswith("int"):
        return item.sentinels
    width = bits(item.type)
    return frozenset(each - (each >> (width - 1) << width) for each in item.sentinels)


def _reader(item: Field) -> Callable[..., float | None] | None:
    """What was read of the registers as a number (None for what is none); no function where it is one."""
    if item.type in BCD:
        return _digits
    read_as, meant = Struct(">" + form(item)), Struct(">" + NUMBERS[item.type])
    if read_as.format == meant.format:
        return None
    return lambda raw: meant.unpack(read_as.pack(raw))[0]


def _digits(raw: int) -> int | None:
    digits = f"{raw:x}"
    return int(digits) if digits.isdecimal() else None


def scaling(item: Field) -> Callable[..., float | None] | None:
    """Raw to engineering value with one rounding at most: (raw * a + b) / c in whole numbers.

    None for a value beyond what a column can hold; no function where the raw number is the value.
    """
    if not scaled(item):
        return None
    if item.type in FLOATS:
        return _scale_float(item)
    c = math.lcm(item.scale.denominator, item.offset.denominator)
    a, b = int(item.scale * c), int(item.offset * c)
    if _single(item) == "q":
        return lambda raw: value if -WIDEST <= (value := raw * a + b) < WIDEST else None
    return lambda raw: (raw * a + b) / c


def _scale_float(item: Field) -> Callable[[float], float | None]:
    scale, offset, shown = item.scale, item.offset, near(item)

    def convert(raw: float) -> float | None:
        # A Fraction of the decimal text rounds once; float arithmetic would show 23.020000000000003.
        exact = Fraction(repr(shown(raw))) * scale + offset
        try:
            return float(exact)
        except OverflowError:
            return None

    return convert


def _judge(item: Field) -> Callable[[float], str] | None:
    """The quality of a value that is there; no function where every one is good."""
    enum, valid = item.enum, item.valid
    if enum is None and valid is None:
        return None
    # The float nearest to a bound may lie just outside of it as a double; people mean the decimal.
    shown = near(item) if item.type in FLOATS and not scaled(item) else None

    low, high = valid or (0.0, 0.0)

    def judge(value: float) -> str:
        if enum is not None and value not in enum:
            return NOT_IN_ENUM
        if valid is None or low <= value <= high:
            return GOOD
        return GOOD if shown is not None and low <= shown(value) <= high else OUT_OF_RANGE

    return judge


def near(item: Field) -> Callable[[float], float]:
    """A raw float as people read it."""
    if item.type == "float32":
        return lambda raw: shortest([raw])[0]
    return half if item.type == "float16" else float
