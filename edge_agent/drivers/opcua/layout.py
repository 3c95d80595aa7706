"""The bytes of a structure -> the values of its fields, by what the server says of its type.

Fields stand one behind the other without names or lengths (OPC UA Part 6, 5.2.6): one that is taken for
another shifts all behind it. So a structure counts only when its bytes end with its last field.

    optional fields   mask 4 | the fields that are there, bit 0 of the mask for the first that may be absent
    union             number 4 | the field of this number, counted from 1; 0 for none
    array             count 4 (-1 for none) | its elements
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua import VariantType
from asyncua.ua.ua_binary import nodeid_from_binary, unpack_uatype

from edge_agent.drivers.opcua.answer import ARRAY, REASON, STRUCTURE, Body, plain_id

DEEPEST = 16
"""Structures within one another; a type that contains itself has no end."""
UNFIT = "wrong_answer:structure"
"""The bytes are not what the server says of the type."""
NO_FIELD = "wrong_answer:no_field"


@dataclass(frozen=True, slots=True)
class Member:
    """One field: its built-in type or the layout of its structure; maybe an array of them, maybe absent."""

    name: str
    type: "VariantType | Layout"
    array: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a type of structures, in their order; of a union one of them is there."""

    members: tuple[Member, ...]
    union: bool = False


Cell = tuple[int, Any]
"""Kind and value, as in an Answer."""
Parts = dict[str, Any]
"""What a structure has by name: a Cell, the Parts of a structure, or a list of those."""
NONE: Cell = (0, None)


def parts(layout: Layout, data: bytes | None) -> Parts | Cell:
    """What a structure has, or a Cell that says why nobody can tell."""
    if data is None:
        return REASON, "BadDataEncodingUnsupported"
    buffer = Buffer(data)
    try:
        found = _structure(layout, buffer)
    except (NotEnoughData, struct.error, ua.UaError, ValueError, TypeError, OverflowError):
        return REASON, UNFIT
    return found if len(buffer) == 0 else (REASON, UNFIT)


def cell(found: object, way: Sequence[str]) -> Cell:
    """The value at the end of a way through what a structure has."""
    at = found
    for step in way:
        if isinstance(at, dict):
            at = at.get(step, (REASON, NO_FIELD))
        elif isinstance(at, list):
            at = at[int(step)] if step.isdecimal() and int(step) < len(at) else (REASON, NO_FIELD)
        elif isinstance(at, tuple) and at[0] not in (0, REASON):
            at = _element(at, step)
        else:
            break  # nothing there: so is everything in it
    if isinstance(at, tuple):
        return at
    return REASON, f"wrong_answer:Structure{'[]' if isinstance(at, list) else ''}"


def _element(array: Cell, step: str) -> Cell:
    kind, values = array
    if kind & ARRAY and step.isdecimal() and values is not None and int(step) < len(values):
        return kind & ~ARRAY, values[int(step)]
    return REASON, NO_FIELD


def _structure(layout: Layout, buffer: Buffer) -> Parts:
    if layout.union:
        (number,) = _U32.unpack(buffer.read(4))
        found: Parts = dict.fromkeys((member.name for member in layout.members), NONE)
        if number:
            member = layout.members[_within(number - 1, len(layout.members))]
            found[member.name] = _member(member, buffer)
        return found
    mask = _U32.unpack(buffer.read(4))[0] if any(member.optional for member in layout.members) else 0
    found = {}
    for member in layout.members:
        there = True
        if member.optional:
            there, mask = bool(mask & 1), mask >> 1
        found[member.name] = _member(member, buffer) if there else NONE
    if mask:
        raise ValueError("fields that nobody knows")
    return found


def _within(number: int, count: int) -> int:
    if number >= count:
        raise ValueError("a field that nobody knows")
    return number


def _member(member: Member, buffer: Buffer) -> object:
    if not member.array:
        return (
            _structure(member.type, buffer)
            if isinstance(member.type, Layout)
            else _value(member.type, buffer)
        )
    (count,) = _I32.unpack(buffer.read(4))
    if isinstance(member.type, Layout):
        if count > len(buffer):
            raise ValueError("more elements than bytes")
        return NONE if count < 0 else [_structure(member.type, buffer) for _ in range(count)]
    if count < 0:
        return member.type.value | ARRAY, None
    if count > len(buffer):
        raise ValueError("more elements than bytes")
    return member.type.value | ARRAY, [_value(member.type, buffer)[1] for _ in range(count)]


def _value(type_: VariantType, buffer: Buffer) -> Cell:
    if type_ is VariantType.ExtensionObject:
        return STRUCTURE, _body(buffer)
    value = unpack_uatype(type_, buffer)
    if type_ is VariantType.Variant:
        return value.VariantType.value | (ARRAY if value.is_array else 0), value.Value
    return type_.value, value


def _body(buffer: Buffer) -> Body:
    """A structure within one, of whatever type: not taken apart, and passed by its length."""
    encoding = plain_id(nodeid_from_binary(buffer))
    (form,) = buffer.read(1)
    if not form:
        return Body(encoding, None)
    (length,) = _I32.unpack(buffer.read(4))
    data = buffer.read(max(0, length))
    return Body(encoding, data if form == 1 else None)


_U32, _I32 = struct.Struct("<I"), struct.Struct("<i")
