"""Bytes of an answer -> columns of values: compiled once per block, one `struct` call where possible.

All four orders come down to two swaps. With the bytes of each register swapped or not, what is left is plain
big or little endian over any width:

    order   bytes on the wire of 0x0A0B0C0D   swap registers' bytes   then read
    ABCD    0A 0B  0C 0D                      no                      big endian
    CDAB    0C 0D  0A 0B                      yes                     little endian
    BADC    0B 0A  0D 0C                      yes                     big endian
    DCBA    0D 0C  0B 0A                      no                      little endian
"""

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from struct import Struct

from edge_agent.core.floats import shortest, within
from edge_agent.core.model import GOOD, Column, Store, Value, bad, uncertain
from edge_agent.core.plan import Block
from edge_agent.core.registers import BIT_TABLES, Field, Order, Type

STORES: dict[Type, Store] = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
    "string": "s",
}
SWAPPED: frozenset[Order] = frozenset({"CDAB", "BADC"})
LITTLE: frozenset[Order] = frozenset({"CDAB", "DCBA"})

WIDEST = 1 << 63
"""Scaled whole numbers beyond 64 bits cannot be kept exactly, so they are not kept at all."""

BAD_NAN = bad("nan")
BAD_SENTINEL = bad("sentinel")
NOT_TEXT = bad("wrong_answer:not_text")
OUT_OF_RANGE = uncertain("out_of_range")
TOO_WIDE = bad("out_of_range")
NOT_IN_ENUM = uncertain("not_in_enum")

Decoded = tuple[tuple[Value, ...], tuple[str, ...] | None]
Convert = Callable[[int | float | bytes], tuple[Value, str]]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the bytes of one block become columns."""

    columns: tuple[Column, ...]
    decode: Callable[[bytes], Decoded]
    """Takes exactly the data bytes of the block's answer; gives values and qualities along `columns`."""


def compile_block(block: Block) -> Layout:
    """The layout of a block: registers big endian as sent, bits packed with the first address lowest."""
    if block.table in BIT_TABLES:
        return _bits(block)
    runs = _runs(block)
    fields = [item for run in runs for item in run.fields]
    columns = tuple(chain.from_iterable(columns_of(item) for item in fields))
    converts = [_converts(item) for item in fields]
    floats = any(item.type in {"float32", "float64"} for item in fields)

    def convert(raws: tuple[int | float | bytes, ...]) -> Decoded:
        pairs = [each(raw) for raw, steps in zip(raws, converts, strict=True) for each in steps]
        quality = tuple(pair[1] for pair in pairs)
        return tuple(pair[0] for pair in pairs), quality if any(quality) else None

    if not all(_plain(item) for item in fields):
        return Layout(columns, lambda data: convert(_unpack(runs, data)))

    def plain(data: bytes) -> Decoded:
        raws = _unpack(runs, data)
        # One sum tells for all values at once that none is NaN or infinite.
        return convert(raws) if floats and not math.isfinite(sum(raws)) else (raws, None)

    return Layout(columns, plain)


def columns_of(item: Field) -> tuple[Column, ...]:
    """The columns a tag sends: itself, its named bits, or both."""
    own = (Column(item.name, _store(item), item.deadband, item.on_change),) if item.whole else ()
    parts = tuple(
        Column(f"{item.name}.{part.name}", "?" if part.width == 1 else "Q", 0.0, item.on_change)
        for part in item.bits
    )
    return own + parts


@dataclass(frozen=True, slots=True)
class _Run:
    """Fields that one struct reads in one call: same byte order, none overlapping another."""

    swap: bool
    struct: Struct
    fields: tuple[Field, ...]


def _runs(block: Block) -> list[_Run]:
    lanes: dict[tuple[bool, bool], list[list[Field]]] = {}
    for item in block.fields:
        # Text knows no order of words: only the bytes of its registers may be swapped.
        orders = {"BADC", "DCBA"} if item.type == "string" else SWAPPED
        rows = lanes.setdefault((item.order in orders, item.order in LITTLE), [])
        row = next((row for row in rows if row[-1].end <= item.address), None)
        if row is None:
            rows.append([item])
        else:
            row.append(item)
    return [
        _Run(swap, _struct(block, row, little=little), tuple(row))
        for (swap, little), rows in lanes.items()
        for row in rows
    ]


def _struct(block: Block, fields: list[Field], *, little: bool) -> Struct:
    form, at = "<" if little else ">", 0
    for item in fields:
        start = (item.address - block.address) * 2
        # An 8 bit value stands in the low byte of its register, which big endian puts second.
        low = item.type in {"int8", "uint8"} and not little
        form += f"{start + low - at}x"
        form += f"{item.length * 2}s" if item.type == "string" else STORES[item.type]
        at = start + low + (1 if item.type in {"int8", "uint8"} else item.size * 2)
    return Struct(f"{form}{block.count * 2 - at}x")


def _unpack(runs: list[_Run], data: bytes) -> tuple[int | float, ...]:
    if len(runs) == 1 and not runs[0].swap:
        return runs[0].struct.unpack(data)
    swapped = array("H", data)
    swapped.byteswap()
    return tuple(chain.from_iterable(run.struct.unpack(swapped if run.swap else data) for run in runs))


def _bits(block: Block) -> Layout:
    shifts = [item.address - block.address for item in block.fields]

    def decode(data: bytes) -> Decoded:
        word = int.from_bytes(data, "little")
        return tuple(word >> shift & 1 == 1 for shift in shifts), None

    return Layout(tuple(chain.from_iterable(columns_of(item) for item in block.fields)), decode)


def _plain(item: Field) -> bool:
    rules = item.bits or item.sentinels or item.valid or item.enum is not None
    return item.type != "string" and not rules and not _scaled(item)


def _scaled(item: Field) -> bool:
    return item.scale != 1 or item.offset != 0


def _store(item: Field) -> Store:
    if not _scaled(item):
        return STORES[item.type]
    if item.type in {"float32", "float64"} or not _whole(item):
        return "d"
    return "q"


def _whole(item: Field) -> bool:
    return item.scale.denominator == 1 and item.offset.denominator == 1


def _converts(item: Field) -> list[Convert]:
    """One function per column of the field, each from the raw value to value and quality."""
    if item.type == "string":
        return [_text(item)]
    own = [_number(item)] if item.whole else []
    return own + [_part(item, part.shift, part.width, part.enum) for part in item.bits]


def _text(item: Field) -> Convert:
    pad, encoding = bytes(item.pad), item.encoding

    def convert(raw: float | bytes) -> tuple[Value, str]:
        data = raw if isinstance(raw, bytes) else b""
        if 0 in pad:
            data = data.partition(b"\0")[0]
        try:
            return data.rstrip(pad).decode(encoding), GOOD
        except UnicodeDecodeError:
            return None, NOT_TEXT

    return convert


def _number(item: Field) -> Convert:
    scale, sentinels, enum, valid = _scale(item), item.sentinels, item.enum, item.valid
    single, whole = item.type == "float32", _store(item) == "q"

    def convert(raw: float | bytes) -> tuple[Value, str]:
        if raw in sentinels:
            return None, BAD_SENTINEL
        if isinstance(raw, float) and not math.isfinite(raw):
            return None, BAD_NAN
        value = scale(raw)
        if whole and not -WIDEST <= value < WIDEST:
            return None, TOO_WIDE
        if enum is not None and value not in enum:
            return value, NOT_IN_ENUM
        if valid is not None and not within(value, valid, single=single):
            return value, OUT_OF_RANGE
        return value, GOOD

    return convert


def _part(item: Field, shift: int, width: int, enum: frozenset[int] | None) -> Convert:
    mask, sentinels = (1 << width) - 1, item.sentinels

    def convert(raw: float | bytes) -> tuple[Value, str]:
        if raw in sentinels or not isinstance(raw, int):
            return None, BAD_SENTINEL
        value = raw >> shift & mask
        quality = NOT_IN_ENUM if enum is not None and value not in enum else GOOD
        return (value == 1 if width == 1 else value), quality

    return convert


def _scale(item: Field) -> Callable[..., float]:
    """Raw to engineering value with one rounding at most: (raw * a + b) / c in whole numbers."""
    if not _scaled(item):
        return lambda raw: raw
    if item.type in {"float32", "float64"}:
        return _scale_float(item)
    c = math.lcm(item.scale.denominator, item.offset.denominator)
    a, b = int(item.scale * c), int(item.offset * c)
    if _store(item) == "q":
        return lambda raw: raw * a + b
    return lambda raw: (raw * a + b) / c


def _scale_float(item: Field) -> Callable[[float], float]:
    scale, offset, single = item.scale, item.offset, item.type == "float32"

    def convert(raw: float) -> float:
        near = shortest([raw])[0] if single else raw
        # A Fraction of the decimal text rounds once; float arithmetic would show 23.020000000000003.
        return float(Fraction(repr(near)) * scale + offset)

    return convert
