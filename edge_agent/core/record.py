"""The payload of a DATA frame: one scan as columns, packed.

Layout, little endian (the schema gives names and kinds, the frame header the time):

    flags       u8      1 full, 2 index, 4 quality, 8 offsets, 16 lag, 32 wide offsets, 64 filled later
    lag         i64     ns, agent time minus the scan's time; when flag 16
    index       u16 count, then u16 per carried column; when flag 2, else all columns are carried
    quality     u8 count, that many texts (u8 length, UTF-8), then u8 per carried column: 0 good, k the k-th
                text
    offsets     i32     per carried column, in us from the scan's time; when flag 8
                i64     with flag 32: what changed hours ago lies further off than i32 can say
    numbers     every carried column that is not text, packed by its kind; 0 where there is no value. An array
                has its numbers side by side; how many is part of its kind
    texts       every carried text column: u16 length, UTF-8
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from struct import Struct
from typing import Any

from edge_agent.core.model import GOOD, Column, Scan, Schema, Value
from edge_agent.core.window import Position


@dataclass(frozen=True, slots=True)
class Record:
    """One scan as it lies in the log: `life` and `n` name it, `end` is the place behind it."""

    life: str
    schema: Schema
    n: int
    time_ns: int
    payload: bytes
    end: Position


FULL, INDEX, QUALITY, OFFSETS, LAG, WIDE, FILLED = 1, 2, 4, 8, 16, 32, 64
NARROW_US = 2**31 - 1
LONGEST_TEXT = 65535
"""Bytes of one text value; longer ones are cut at a character."""


def encode(scan: Scan) -> bytes:
    """The payload of one scan."""
    columns = _carried(scan.schema, scan.index)
    form = scan.schema.form if scan.index is None else "".join(column.store for column in columns)
    packer, texts, arrays = _packer(form)
    out = _pack_beside(scan)
    values = scan.values
    if scan.quality is not None:
        values = tuple(
            _zero(column.store) if v is None else v for column, v in zip(columns, values, strict=True)
        )
    if not texts and not arrays:
        return bytes(out + packer.pack(*values))
    numbers = [v for column, v in zip(columns, values, strict=True) if column.store != "s"]
    out += packer.pack(*(_flat(numbers) if arrays else numbers))
    for column, value in zip(columns, values, strict=True):
        if column.store == "s":
            out += _pack_text(str(value))
    return bytes(out)


def decode(schema: Schema, time_ns: int, payload: bytes) -> Scan:
    """The scan that `encode` packed; `time_ns` is the agent's time, which stands in the frame header.

    Raises ValueError or struct.error when the bytes do not fit the schema.
    """
    flags, at = payload[0], 1
    lag, index, quality, offsets = 0, None, None, None
    if flags & LAG:
        (lag,) = _I64.unpack_from(payload, at)
        at += 8
    if flags & INDEX:
        count = int.from_bytes(payload[at : at + 2], "little")
        index = _shorts(count).unpack_from(payload, at + 2)
        at += 2 + 2 * count
    columns = _carried(schema, index)
    if flags & QUALITY:
        quality, at = _unpack_quality(payload, at, len(columns))
    if flags & OFFSETS:
        longs = _longs(len(columns), wide=bool(flags & WIDE))
        offsets = tuple(us / 1000 for us in longs.unpack_from(payload, at))
        at += longs.size
    packer, texts, arrays = _packer(
        schema.form if index is None else "".join(column.store for column in columns)
    )
    values: tuple[Value, ...] = packer.unpack_from(payload, at)
    if texts or arrays:
        values = _regrouped(columns, values, payload, at + packer.size)
    if quality is not None:
        values = tuple(None if q.startswith("bad:") else v for v, q in zip(values, quality, strict=True))
    full, filled = bool(flags & FULL), bool(flags & FILLED)
    return Scan(schema, time_ns - lag, values, quality, index, offsets, full, lag, filled)


_I64 = Struct("<q")
_ZEROS: dict[str, Value] = {**dict.fromkeys("bBhHiIqQ", 0), "?": False, "e": 0.0, "f": 0.0, "d": 0.0, "s": ""}


def _pack_beside(scan: Scan) -> bytearray:
    """All but the values: flags and what they announce."""
    out = bytearray(((FULL if scan.full else 0) | (FILLED if scan.filled else 0),))
    if scan.lag_ns:
        out[0] |= LAG
        out += _I64.pack(scan.lag_ns)
    if scan.index is not None:
        out[0] |= INDEX
        out += _shorts(len(scan.index) + 1).pack(len(scan.index), *scan.index)
    if scan.quality is not None:
        out[0] |= QUALITY
        out += _pack_quality(scan.quality)
    if scan.offsets_ms is not None:
        us = [round(offset * 1000) for offset in scan.offsets_ms]
        wide = max(map(abs, us), default=0) > NARROW_US
        out[0] |= OFFSETS | (WIDE if wide else 0)
        out += _longs(len(us), wide=wide).pack(*us)
    return out


def _carried(schema: Schema, index: tuple[int, ...] | None) -> tuple[Column, ...]:
    return schema.columns if index is None else tuple(schema.columns[i] for i in index)


@lru_cache(maxsize=4096)
def _packer(form: str) -> tuple[Struct, bool, bool]:
    """The struct of the columns that are numbers, whether there are texts besides, and whether arrays."""
    arrays = any(char.isdecimal() for char in form)
    return Struct("<" + form.replace("s", "")), "s" in form, arrays


def _elements(store: str) -> int:
    """How many numbers an array has."""
    return int(store[:-1])


def _zero(store: str) -> Value:
    """What is packed where there is no value."""
    return _ZEROS[store] if len(store) == 1 else (0,) * _elements(store)


def _flat(values: list[Value]) -> list[Value]:
    """The numbers of arrays side by side, in their places."""
    flat: list[Value] = []
    for value in values:
        if isinstance(value, tuple):
            flat += value
        else:
            flat.append(value)
    return flat


@lru_cache(maxsize=1024)
def _shorts(count: int) -> Struct:
    return Struct(f"<{count}H")


@lru_cache(maxsize=1024)
def _longs(count: int, *, wide: bool) -> Struct:
    return Struct(f"<{count}{'q' if wide else 'i'}")


def _pack_quality(quality: tuple[str, ...]) -> bytes:
    texts = sorted(set(quality) - {GOOD})
    codes = {GOOD: 0} | {text: code for code, text in enumerate(texts, start=1)}
    out = bytearray((len(texts),))
    for text in texts:
        data = text.encode()
        out += bytes((len(data),)) + data
    return bytes(out) + bytes(codes[text] for text in quality)


def _unpack_quality(payload: bytes, at: int, count: int) -> tuple[tuple[str, ...], int]:
    texts, at, left = [GOOD], at + 1, payload[at]
    for _ in range(left):
        length = payload[at]
        texts.append(payload[at + 1 : at + 1 + length].decode())
        at += 1 + length
    codes = payload[at : at + count]
    if len(codes) < count or max(codes, default=0) >= len(texts):
        msg = "quality codes do not fit"
        raise ValueError(msg)
    return tuple(texts[code] for code in codes), at + count


def _pack_text(text: str) -> bytes:
    data = text.encode()
    if len(data) > LONGEST_TEXT:
        data = data[:LONGEST_TEXT].decode(errors="ignore").encode()
    return len(data).to_bytes(2, "little") + data


def _regrouped(
    columns: tuple[Column, ...], numbers: tuple[Any, ...], payload: bytes, at: int
) -> tuple[Value, ...]:
    out: list[Value] = []
    rest = iter(numbers)
    for column in columns:
        if column.store != "s":
            array = len(column.store) > 1
            out.append(tuple(islice(rest, _elements(column.store))) if array else next(rest))
            continue
        length = int.from_bytes(payload[at : at + 2], "little")
        data = payload[at + 2 : at + 2 + length]
        if len(data) < length:
            msg = "text is cut short"
            raise ValueError(msg)
        out.append(data.decode())
        at += 2 + length
    return tuple(out)
