"""What a server answers for a node -> value and quality.

A value counts only when its type can say what the tag's type says: a Double for a Float would lose digits, a
text for a number is another variable. A text counts only when it can be kept as it is: some controllers send
Latin-1 where UTF-8 belongs. A bad status drops the value (it may be the last one, or 0).
"""

import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from asyncua import ua
from asyncua.ua import VariantType

from edge_agent.core.floats import within
from edge_agent.core.model import GOOD, Value, bad, uncertain
from edge_agent.core.nodes import INTEGERS, STORES, BuiltIn, Node
from edge_agent.core.record import LONGEST_TEXT
from edge_agent.drivers.opcua.answer import ARRAY, Answer

UNCERTAIN, BAD = 1, 2
"""Severities: the two highest bits of a status code (OPC UA Part 4, 7.39.1)."""

BAD_NAN = bad("nan")
OUT_OF_RANGE = uncertain("out_of_range")
NOT_IN_ENUM = uncertain("not_in_enum")

_WHOLE = frozenset(
    {
        VariantType.SByte,
        VariantType.Byte,
        VariantType.Int16,
        VariantType.UInt16,
        VariantType.Int32,
        VariantType.UInt32,
        VariantType.Int64,
        VariantType.UInt64,
    }
)
_KNOWN = frozenset(each.value for each in VariantType)
_TYPES: Mapping[BuiltIn, frozenset[VariantType]] = {
    **dict.fromkeys(INTEGERS, _WHOLE),
    "Boolean": frozenset({VariantType.Boolean}),
    "Float": frozenset({VariantType.Float}),
    "Double": frozenset({VariantType.Float, VariantType.Double}),
    "String": frozenset({VariantType.String}),
    "DateTime": frozenset({VariantType.DateTime}),
    "Guid": frozenset({VariantType.Guid}),
    "ByteString": frozenset({VariantType.ByteString}),
    "LocalizedText": frozenset({VariantType.LocalizedText}),
}


def reader(node: Node) -> Callable[[Answer], tuple[Value, str]]:
    """The function that makes value and quality of an answer for a tag."""
    kinds, shown = frozenset(each.value for each in _TYPES[node.type]), _SHOWN.get(node.type)
    plain = node.valid is None and node.enum is None and node.type not in ("Float", "Double")
    unfit = _unfit(node.type)

    def read(answer: Answer) -> tuple[Value, str]:
        kind, value, code, _, _ = answer
        if code >> 30 >= BAD:
            return None, bad(name(code))
        if kind not in kinds:
            return None, bad(f"wrong_answer:{_kind(kind)}")
        if shown is not None:
            value = shown(value)
        if why := unfit(value):
            return None, bad(why)
        if code == 0 and plain:
            return value, GOOD
        return _judged(node, value, code)

    return read


def counts(type_: BuiltIn, sent_as: str) -> bool:
    """Whether values of a built-in type are values of a tag of this type."""
    return any(each.name == sent_as for each in _TYPES[type_])


def judged(node: Node, value: Value, status: int) -> tuple[Value, str]:
    """Value and quality of a tag for an answer as a golden test writes it: texts as they are shown."""
    if status >> 30 >= BAD:
        return None, bad(name(status))
    if node.type in ("Float", "Double") and type(value) is int:
        value = float(value)
    if type(value) is not _WRITTEN.get(node.type, str):
        return None, bad(f"wrong_answer:{_KINDS.get(type(value), 'Null')}")
    if why := _unfit(node.type)(value):
        return None, bad(why)
    return _judged(node, value, status)


def _unfit(type_: BuiltIn) -> Callable[[Any], str]:
    """The function that says why a value cannot be one of this type, or be kept as it is; empty if it can."""
    if type_ in INTEGERS:
        low, high = INTEGERS[type_]
        return lambda value: "" if low <= value <= high else "out_of_range"
    return (lambda _: "") if type_ in STORES else _unfit_text


def _unfit_text(text: str | None) -> str:
    if text is None:
        return "wrong_answer:Null"
    try:
        return "out_of_range" if len(text.encode()) > LONGEST_TEXT else ""
    except UnicodeEncodeError:  # the library keeps bytes that are no UTF-8 as lone surrogates
        return "wrong_answer:encoding"


def _judged(node: Node, value: Value, code: int) -> tuple[Value, str]:
    if isinstance(value, float) and not math.isfinite(value):
        return None, BAD_NAN
    if code >> 30 == UNCERTAIN:
        return value, uncertain(name(code))
    if node.enum is not None and value not in node.enum:
        return value, NOT_IN_ENUM
    single, valid = node.type == "Float", node.valid
    if valid is not None and isinstance(value, int | float) and not within(value, valid, single=single):
        return value, OUT_OF_RANGE
    return value, GOOD


@lru_cache(maxsize=1024)
def name(code: int) -> str:
    """The symbolic name of a status code, without its info bits; the number where it has none."""
    known = ua.status_codes.code_to_name_doc.get(code & 0xFFFF0000)
    return known[0] if known else f"0x{code & 0xFFFF0000:08X}"


def _kind(kind: int) -> str:
    """The name of a kind of value, with brackets for an array."""
    if not kind:
        return "Null"
    number = kind & ~ARRAY
    known = VariantType(number).name if number in _KNOWN else str(number)
    return f"{known}{'[]' if kind & ARRAY else ''}"


def _time(value: datetime | None) -> str | None:
    if value is None:
        return None
    utc = value if value.tzinfo is None else value.astimezone(UTC)
    digits = "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return utc.replace(tzinfo=None).isoformat(timespec=digits) + "Z"


def _bytes(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _localized(value: Any) -> str | None:  # noqa: ANN401 - the library's LocalizedText
    text: str | None = None if value is None else value.Text
    return text


_SHOWN: Mapping[BuiltIn, Callable[[Any], Value]] = {
    "DateTime": _time,
    "Guid": lambda value: None if value is None else str(value),
    "ByteString": _bytes,
    "LocalizedText": _localized,
}

_WRITTEN: Mapping[BuiltIn, type] = {
    **dict.fromkeys(INTEGERS, int),
    "Boolean": bool,
    "Float": float,
    "Double": float,
}
"""How a golden test writes a value; what is not here is a text."""
_KINDS: Mapping[type, str] = {bool: "Boolean", int: "Int64", float: "Double", str: "String"}
