"""Raw values as the bytes a device holds.

This is the witness beside the agent's own codec: each value is laid out by itself, as whole bytes and by
explicit swaps, so that the two share no code and no table.

An order is two independent answers. Are the words of a value turned round (CDAB, DCBA)? Are the two bytes of
each word (BADC, DCBA)? Text is a row of words, so only the second applies; a value of 8 bits has no words,
the second says in which half of its register it stands.
"""

import struct
from collections.abc import Mapping

from edge_agent.core.registers import Field, Type

Single = bool | int | float | str
Raw = Single | tuple[int | float, ...]
"""What registers or a bit hold, before scale and offset; of an array all its numbers."""

BITS: Mapping[Type, int] = {
    "int8": 8,
    "uint8": 8,
    "int16": 16,
    "uint16": 16,
    "int32": 32,
    "uint32": 32,
    "int64": 64,
    "uint64": 64,
    "float16": 16,
    "float32": 32,
    "float64": 64,
    "bcd16": 16,
    "bcd32": 32,
}
"""Bits of each type that is a number."""


def encode(raw: Raw, field: Field) -> bytes:
    """The bytes of one tag as they lie in its registers, from the first byte `place` names.

    `raw` is an int in the range of an integer type, or of no more digits than a BCD type has, a float for a
    float type, a text that fits into the length of a string; TypeError, ValueError or OverflowError for
    anything else. Of an array, one number behind the other.
    """
    if isinstance(raw, tuple):
        if len(raw) != field.elements:
            raise ValueError(f"{field.name}: {len(raw)} numbers for an array of {field.elements}")
        return b"".join(_turned(each, field) for each in raw)
    return _turned(raw, field)


def place(field: Field) -> tuple[int, int]:
    """First byte of a tag in its table of registers, and how many bytes it takes."""
    first = 2 * field.at
    if BITS.get(field.type) != 8:
        return first, 2 * field.width
    return (first if field.order in {"BADC", "DCBA"} else first + 1), 1


def registers(raw: Raw, field: Field) -> list[int]:
    """The registers of one tag, 0 to 65535 each; the half a value of 8 bits leaves free is 0."""
    first, count = place(field)
    data = bytearray(2 * field.width)
    offset = first - 2 * field.at
    data[offset : offset + count] = encode(raw, field)
    return [data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)]


def unturned(raw: Single, field: Field) -> bytes:
    """The bytes of a value with the highest first, as order ABCD has them."""
    if field.type == "string":
        return _text(raw, field)
    if isinstance(raw, str):
        raise TypeError(f"{field.name}: {raw!r} is no number")
    if field.type.startswith("float"):
        return struct.pack({16: ">e", 32: ">f", 64: ">d"}[BITS[field.type]], raw)
    if isinstance(raw, float):
        raise TypeError(f"{field.name}: {raw!r} is no whole number")
    if field.type.startswith("bcd"):
        return _digits(raw, field)
    return raw.to_bytes(BITS[field.type] // 8, "big", signed=field.type.startswith("int"))


def _turned(raw: Single, field: Field) -> bytes:
    words_turned = field.order in {"CDAB", "DCBA"} and field.type != "string"
    bytes_turned = field.order in {"BADC", "DCBA"}
    plain = unturned(raw, field)
    if len(plain) == 1 or not (words_turned or bytes_turned):
        return plain
    words = [plain[at : at + 2] for at in range(0, len(plain), 2)]
    if words_turned:
        words.reverse()
    return b"".join(word[::-1] if bytes_turned else word for word in words)


def _text(raw: Single, field: Field) -> bytes:
    if not isinstance(raw, str):
        raise TypeError(f"{field.name}: {raw!r} is no text")
    text = raw.encode(field.encoding)
    if len(text) > 2 * field.length:
        raise ValueError(f"{field.name}: {raw!r} does not fit into {field.length} registers")
    return text.ljust(2 * field.length, bytes(field.pad[:1]) or b"\0")


def _digits(raw: int, field: Field) -> bytes:
    digits = f"{raw:0{BITS[field.type] // 4}d}"
    if raw < 0 or len(digits) * 4 > BITS[field.type]:
        raise OverflowError(f"{field.name}: {raw} has more digits than {field.type}")
    return bytes(int(tens) << 4 | int(ones) for tens, ones in zip(digits[::2], digits[1::2], strict=True))
