"""Frames of the log, and how they are found again in any bytes.

Invariants
* A frame counts only when both its CRCs are right; both are seeded with the segment's generation, so what is
  left in a recycled segment from an earlier life can never be taken for a frame of this one.
* The header has a CRC of its own: a damaged payload is still named exactly by stream, number and time.
* Frames lie one behind the other. Behind the last one stands anything (zeros, stale bytes, a torn frame).

Segment head, 64 bytes, little endian:

    magic "EDGEBUF1" | format u16 | flags u16 | reserved u32 | generation u64 | buffer id 8 bytes
    | created i64 (ns UTC) | boot id 16 bytes | crc u32 (of the 56 bytes before) | reserved u32

Frame header, 36 bytes, little endian, then the payload:

    magic u16 | kind u8 | flags u8 | length u32 | stream u32 | n i64 | time i64 (ns UTC) | payload crc u32
    | crc u32 (of the 32 bytes before)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from zlib import crc32

SEGMENT_MAGIC = b"EDGEBUF1"
FORMAT = 1
SEGMENT_HEAD = Struct("<8sHHIQ8sq16s")
SEGMENT_HEAD_SIZE = 64
HEADER = Struct("<HBBIIqqI")
HEADER_SIZE = HEADER.size + 4
MAGIC = 0xEA1F
_MAGIC_BYTES = MAGIC.to_bytes(2, "little")
_CRC = Struct("<I")
_WHOLE = Struct(HEADER.format + "I")


class Kind(IntEnum):
    """What a frame is."""

    DATA = 1  # one scan: core/record.py
    SCHEMA = 2  # what the DATA frames of a stream mean; stands before the first of them in each segment
    HEAD = 3  # first frame of a segment: next numbers of all streams, cursors, open gaps
    CURSOR = 4  # how far a destination has acknowledged
    GAP = 5  # a named loss
    CLOSE = 6  # the log was ended in order
    CLOCK = 7  # reserved: the clock was set
    MARK = 8  # the notifications of a server up to here are stored


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """Who wrote a segment. `life` is the buffer id in hex, `created_ns` UTC."""

    generation: int
    life: str
    created_ns: int
    boot: bytes = bytes(16)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as read: `start` and `end` are offsets in the segment.

    `sound` is false when the payload is not.
    """

    kind: Kind
    stream: int
    n: int
    time_ns: int
    payload: bytes
    start: int
    end: int
    sound: bool = True


def pack_head(head: SegmentHead) -> bytes:
    """The first 64 bytes of a segment."""
    data = SEGMENT_HEAD.pack(
        SEGMENT_MAGIC, FORMAT, 0, 0, head.generation, bytes.fromhex(head.life), head.created_ns, head.boot
    )
    return (data + _CRC.pack(crc32(data))).ljust(SEGMENT_HEAD_SIZE, b"\0")


def unpack_head(data: bytes) -> SegmentHead | None:
    """The head of a segment; None when these are not the first bytes of a segment of this format."""
    if len(data) < SEGMENT_HEAD_SIZE:
        return None
    magic, form, _, _, generation, life, created_ns, boot = SEGMENT_HEAD.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, SEGMENT_HEAD.size)
    if magic != SEGMENT_MAGIC or form != FORMAT or crc != crc32(data[: SEGMENT_HEAD.size]):
        return None
    return SegmentHead(generation, life.hex(), created_ns, boot)


def pack(kind: Kind, payload: bytes, seed: int, *, stream: int = 0, n: int = 0, time_ns: int = 0) -> bytes:
    """One frame. `seed` is the generation of the segment it goes to."""
    seed &= 0xFFFFFFFF
    header = HEADER.pack(MAGIC, kind, 0, len(payload), stream, n, time_ns, crc32(payload, seed))
    return header + _CRC.pack(crc32(header, seed)) + payload


Header = tuple[int, int, int, int, int, int, bool]
"""Kind, stream, n, time in ns, where the frame starts and ends, and whether its payload is sound."""


def headers(data: bytes, seed: int, start: int = SEGMENT_HEAD_SIZE) -> Iterator[Header]:
    """What the frames of a segment's bytes say of themselves, from an offset on; what is none is passed over.

    Both CRCs are looked at and no payload is copied: three times faster than `scan`, for whoever counts.
    """
    seed &= 0xFFFFFFFF
    view, most, unpack, at = memoryview(data), len(data) - HEADER_SIZE, _WHOLE.unpack_from, start
    while 0 <= (at := data.find(_MAGIC_BYTES, at)) <= most:
        _, kind, _, length, stream, n, time_ns, crc, own = unpack(data, at)
        if own != crc32(view[at : at + HEADER.size], seed) or kind not in _KINDS:
            at += 1
            continue
        body = at + HEADER_SIZE
        end = body + length
        sound = end <= len(data) and crc == crc32(view[body:end], seed)
        # The next frame may begin inside of what this header claims, when the claim itself was never written.
        end = end if sound else body
        yield kind, stream, n, time_ns, at, end, sound
        at = end


def scan(data: bytes, seed: int, start: int = SEGMENT_HEAD_SIZE) -> Iterator[Frame]:
    """All frames of a segment's bytes from an offset on; what is no frame is passed over.

    A frame whose header is right and whose payload is not comes with `sound` false and an empty payload.
    """
    for kind, stream, n, time_ns, at, end, sound in headers(data, seed, start):
        yield Frame(Kind(kind), stream, n, time_ns, data[at + HEADER_SIZE : end], at, end, sound)


_KINDS = frozenset(int(kind) for kind in Kind)
