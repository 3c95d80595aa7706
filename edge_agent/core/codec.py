"""Bytes of an answer -> columns of values: compiled once per block, one `struct` call where possible."""

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, chain, compress
from operator import itemgetter
from struct import Struct
from typing import Any

from edge_agent.core.convert import Raw, converts, plain, range_of, store_of
from edge_agent.core.model import Column, Value
from edge_agent.core.orders import form, little, swapped
from edge_agent.core.plan import Block
from edge_agent.core.registers import BIT_TABLES, FLOATS, Field

Decoded = tuple[tuple[Value, ...], tuple[str, ...] | None]


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
    gather = _gathering(fields)
    # What stands in the block only as the factor of another field has no column of its own.
    own_fields = set(block.fields)
    shown = [item in own_fields for item in fields]
    columns = tuple(chain.from_iterable(columns_of(item) for item in compress(fields, shown)))
    steps_of = [converts(item) if own else [] for item, own in zip(fields, shown, strict=True)]
    floats, arrays = any(item.type in FLOATS for item in fields), any(item.elements for item in fields)

    def convert(raws: tuple[Raw, ...]) -> Decoded:
        pairs = [each(raw) for raw, steps in zip(raws, steps_of, strict=True) for each in steps]
        quality = tuple(pair[1] for pair in pairs)
        return tuple(pair[0] for pair in pairs), quality if any(quality) else None

    if not all(plain(item) for item in fields):
        return Layout(columns, lambda data: convert(gather(_unpack(runs, data))))

    def straight(data: bytes) -> Decoded:
        raws = _unpack(runs, data)
        # One sum tells for all values at once that none is NaN or infinite.
        if floats and not math.isfinite(sum(raws)):
            return convert(gather(raws))
        return (gather(raws) if arrays else raws), None

    return Layout(columns, straight)


def columns_of(item: Field) -> tuple[Column, ...]:
    """The columns a tag sends: itself, its named bits, or both."""
    counter = range_of(item) if item.counter else None
    own = (Column(item.name, store_of(item), item.deadband, item.on_change, counter),) if item.whole else ()
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
    factors = (item.factor for item in block.fields if item.factor is not None)
    slots = dict.fromkeys(chain(block.fields, factors))
    for item in sorted(slots, key=lambda each: each.at):
        rows = lanes.setdefault((swapped(item), little(item)), [])
        row = next((row for row in rows if row[-1].at + row[-1].width <= item.at), None)
        if row is None:
            rows.append([item])
        else:
            row.append(item)
    return [
        _Run(swap, _struct(block, row, small=small), tuple(row))
        for (swap, small), rows in lanes.items()
        for row in rows
    ]


def _struct(block: Block, fields: list[Field], *, small: bool) -> Struct:
    text, at = "<" if small else ">", 0
    for item in fields:
        start = (item.at - block.address) * 2
        # An 8 bit value stands in the low byte of its register, which big endian puts second.
        low = item.type in {"int8", "uint8"} and not small
        text += f"{start + low - at}x"
        text += f"{item.length * 2}s" if item.type == "string" else f"{item.elements or ''}{form(item)}"
        at = start + low + (1 if item.type in {"int8", "uint8"} else item.width * 2)
    return Struct(f"{text}{block.count * 2 - at}x")


def _unpack(runs: list[_Run], data: bytes) -> tuple[Any, ...]:
    if len(runs) == 1 and not runs[0].swap:
        return runs[0].struct.unpack(data)
    turned = array("H", data)
    turned.byteswap()
    if len(runs) == 1:
        return runs[0].struct.unpack(turned)
    return tuple(chain.from_iterable(run.struct.unpack(turned if run.swap else data) for run in runs))


def _gathering(fields: list[Field]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """From all numbers one behind the other to what each field holds: a number, or a tuple of an array.

    With a factor, both the one and the other.
    """
    if not any(item.elements or item.factor for item in fields):
        return lambda raws: raws
    widths = [max(1, item.elements) for item in fields]
    starts = dict(zip(fields, accumulate(widths, initial=0), strict=False))
    takes: list[Callable[[tuple[Any, ...]], Any]] = []
    for item, start in starts.items():
        place = slice(start, start + item.elements) if item.elements else start
        takes.append(itemgetter(place, starts[item.factor]) if item.factor else itemgetter(place))
    return lambda raws: tuple(take(raws) for take in takes)


def _bits(block: Block) -> Layout:
    shifts = [item.address - block.address for item in block.fields]

    def decode(data: bytes) -> Decoded:
        word = int.from_bytes(data, "little")
        return tuple(word >> shift & 1 == 1 for shift in shifts), None

    return Layout(tuple(chain.from_iterable(columns_of(item) for item in block.fields)), decode)
