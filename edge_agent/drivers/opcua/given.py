"""What people type for a value of an OPC UA type -> the value, held against what the profile says of it."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from struct import Struct
from uuid import UUID

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import INTEGERS, BuiltIn, Node
from edge_agent.core.record import LONGEST_TEXT
from edge_agent.core.registers import Field, Type
from edge_agent.core.writing import Given, shown, written
from edge_agent.drivers.typed import is_number, number, number_of, switch

Typed = bool | int | float | str | bytes | datetime | UUID
"""A value as it is sent. A Float is the very number that its 32 bits can hold."""

REGISTERS: Mapping[BuiltIn, Type] = {
    "SByte": "int8",
    "Byte": "uint8",
    "Int16": "int16",
    "UInt16": "uint16",
    "Int32": "int32",
    "UInt32": "uint32",
    "Int64": "int64",
    "UInt64": "uint64",
    "Float": "float32",
    "Double": "float64",
}
"""Types of numbers, as registers have them: what may be written holds for both alike."""
EARLIEST, LATEST = datetime(1601, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""A DateTime before or behind means that there is none (OPC UA Part 6, 5.2.2.5)."""

_SINGLE = Struct("<f")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def check(tag: Tag, text: str, part: str) -> None:
    """Raise ValueError, in words, for what can never be written, as far as can be told without the server.

    The server may have texts for the numbers of a tag, so a text for one passes.
    """
    if part:
        raise ValueError(f"{tag.name}.{part}: an OPC UA tag has no parts")
    if tag.access != "rw":
        raise ValueError(f"{tag.name} cannot be written: its profile does not say access: rw")
    if tag.opcua.elements or tag.opcua.range or tag.opcua.field:
        raise ValueError(f"{tag.name} cannot be written: parts of nodes, and arrays, are only read")
    if tag.opcua.type not in TYPED:
        raise ValueError(f"{tag.name} cannot be written: it is {tag.type}")
    if tag.enum or tag.type not in INTEGERS or is_number(text.strip()) or not _wordlike(text):
        typed(tag.opcua, text, tag.enum)


def typed(node: Node, text: str, texts: Mapping[int, str]) -> Typed:
    """The value that a person has typed for a node of this type; `texts` are those of its numbers.

    Raises ValueError, in words with the name of the node.
    """
    if node.type in REGISTERS:
        word = text.strip()
        try:
            if texts and node.type in INTEGERS and not is_number(word):
                return checked(node, number_of(word, texts))
            value = number(word, whole=node.type in INTEGERS)
        except ValueError as error:
            raise ValueError(f"{node.name}: {error}") from None
        return checked(node, value)
    try:
        return _OTHERS[node.type](text)
    except ValueError as error:
        raise ValueError(f"{node.name}: {error}") from None


def checked(node: Node, value: Given) -> int | float:
    """A number as it is sent, once it is sure that it is read as the very number again. Raises ValueError."""
    held_as = REGISTERS[node.type]
    try:
        written(Field(node.name, "holding", 0, held_as, valid=node.valid, enum=node.enum), value)
    except ValueError as error:
        raise ValueError(str(error).replace(f"outside of {held_as}", f"outside of {node.type}")) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("it has been checked to be a number")
    if node.type in INTEGERS:
        return int(value)
    single: float = _SINGLE.unpack(_SINGLE.pack(value))[0] if node.type == "Float" else float(value)
    return single


def _wordlike(text: str) -> bool:
    """Whether a text could be that of a number: it is none that went wrong."""
    return any(letter.isalpha() for letter in text) and not text.strip()[0].isdigit()


def _text(text: str) -> str:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!a} is no UTF-8") from None
    if len(data) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(data)} bytes is too long; {LONGEST_TEXT} are kept")
    return text


def _time(text: str) -> datetime:
    way = "write it as 2026-11-24T13:05:00Z, or with +01:00 in place of Z; at most 6 decimals"
    word = text.strip()
    if not _TIME.fullmatch(word):
        raise ValueError(f"{shown(word)} is no time; {way}")
    try:
        moment = datetime.fromisoformat(word).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{shown(word)} is no time that there is; {way}") from None
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"{shown(word)} cannot be sent: times go from 1601 to 9999")
    return moment


def _guid(text: str) -> UUID:
    word = text.strip()
    if not _GUID.fullmatch(word):
        raise ValueError(f"{shown(word)} is no GUID; write it as 12345678-1234-1234-1234-123456789abc")
    return UUID(word)


def _bytes(text: str) -> bytes:
    word = text.strip()
    try:
        data = base64.b64decode(word, validate=True)
    except ValueError:
        raise ValueError(f"{shown(word)} is no base64, as bytes are written; such as ZWRnZQ==") from None
    if len(word) > LONGEST_TEXT:
        raise ValueError(f"{len(data)} bytes are too many; {LONGEST_TEXT // 4 * 3} are kept")
    return data


_OTHERS: Mapping[BuiltIn, Callable[[str], Typed]] = {
    "Boolean": lambda text: switch(text.strip()),
    "String": _text,
    "LocalizedText": _text,
    "DateTime": _time,
    "Guid": _guid,
    "ByteString": _bytes,
}

TYPED: frozenset[str] = frozenset({*REGISTERS, *_OTHERS})
"""Types whose values people can type."""
