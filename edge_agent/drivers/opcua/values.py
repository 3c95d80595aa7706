"""What a server answers for a node -> value and quality.

A value counts only when its type can say what the tag's type says: a Double for a Float would lose digits, a
text for a number is another variable. A text counts only when it can be kept as it is: some controllers send
Latin-1 where UTF-8 belongs. A bad status drops the value (it may be the last one, or 0). An array counts only
when it has as many elements as the tag says; it is as good as the worst of them.
"""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from asyncua import ua
from asyncua.ua import VariantType

from edge_agent.core.floats import within
from edge_agent.core.model import GOOD, Value, bad, uncertain
from edge_agent.core.nodes import INTEGERS, STORES, BuiltIn, Node
from edge_agent.core.record import LONGEST_TEXT
from edge_agent.drivers.opcua.answer import ARRAY, REASON, Answer
from edge_agent.drivers.opcua.resolve import identifier

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
    "XmlElement": frozenset({VariantType.XmlElement}),
    "NodeId": frozenset({VariantType.NodeId}),
    "ExpandedNodeId": frozenset({VariantType.ExpandedNodeId, VariantType.NodeId}),
    "StatusCode": frozenset({VariantType.StatusCode}),
    "QualifiedName": frozenset({VariantType.QualifiedName}),
    "LocalizedText": frozenset({VariantType.LocalizedText}),
}

Uri = Callable[[int], str]
"""The URI of a namespace of the session by its index; it changes with the session, as the indexes do."""
Read = Callable[[Answer], tuple[Value, str]]


def uri_by(namespaces: Sequence[str]) -> Uri:
    """The URIs of these namespaces; empty for an index that is none of theirs."""
    return lambda index: namespaces[index] if index < len(namespaces) else ""


def _no_uri(_index: int) -> str:
    return ""


def reader(node: Node, uri: Uri = _no_uri) -> Read:
    """The function that makes value and quality of an answer for a tag."""
    if node.elements:
        return _array(node)
    single = _single(node, uri)
    return _element(single) if node.range else single


def _single(node: Node, uri: Uri) -> Read:
    kinds, shown = frozenset(each.value for each in _TYPES[node.type]), _shown_by(node.type, uri)
    plain = node.valid is None and node.enum is None and node.type not in ("Float", "Double")
    unfit = _unfit(node.type)

    def read(answer: Answer) -> tuple[Value, str]:
        kind, value, code, _, _ = answer
        if code >> 30 >= BAD:
            return None, bad(name(code))
        if kind not in kinds:
            return None, _wrong(answer)
        if shown is not None:
            value = shown(value)
        if why := unfit(value):
            return None, bad(why)
        if code == 0 and plain:
            return value, GOOD
        return _judged(node, value, code)

    return read


def _element(read: Read) -> Read:
    """Of a range that takes one element: a server sends it as an array of one."""

    def read_one(answer: Answer) -> tuple[Value, str]:
        if answer.kind & ARRAY:
            elements = _flat(answer.value)
            if len(elements) != 1:
                return None, _wrong(answer)
            answer = answer._replace(kind=answer.kind & ~ARRAY, value=elements[0])
        return read(answer)

    return read_one


def _array(node: Node) -> Read:
    kinds = frozenset(each.value | ARRAY for each in _TYPES[node.type])
    unfit, matrix = _unfit(node.type), "," in node.range

    def read(answer: Answer) -> tuple[Value, str]:
        kind, value, code, _, _ = answer
        if code >> 30 >= BAD:
            return None, bad(name(code))
        if kind == _BYTES and node.type == "Byte" and value is not None:
            value = list(value)  # a ByteString is an array of Byte (OPC UA Part 3, 5.6.2)
        elif kind not in kinds:
            return None, _wrong(answer)
        elements = value if value is None or not matrix else _flat(value)
        if elements is None or len(elements) != node.elements or (elements and isinstance(elements[0], list)):
            return None, _wrong(answer)
        if why := next(filter(None, map(unfit, elements)), ""):
            return None, bad(why)
        return _judged_array(node, elements, code)

    return read


def _judged_array(node: Node, elements: Sequence[float], code: int) -> tuple[Value, str]:
    doubts = [quality for _, quality in (_judged(node, each, code) for each in elements) if quality]
    lost = next((quality for quality in doubts if quality.startswith("bad:")), None)
    return (None, lost) if lost is not None else (tuple(elements), doubts[0] if doubts else GOOD)


def _flat(value: object) -> list[Any]:
    """The elements of an array, those of a matrix row by row."""
    if not isinstance(value, list):
        return [value]
    return [each for part in value for each in (_flat(part) if isinstance(part, list) else (part,))]


def counts(type_: BuiltIn, sent_as: str) -> bool:
    """Whether values of a built-in type are values of a tag of this type."""
    return any(each.name == sent_as for each in _TYPES[type_])


def judged(node: Node, value: Value, status: int) -> tuple[Value, str]:
    """Value and quality of a tag for an answer as a golden test writes it: texts as they are shown."""
    if status >> 30 >= BAD:
        return None, bad(name(status))
    if node.elements:
        return _judged_written(node, value, status)
    if node.type in ("Float", "Double") and type(value) is int:
        value = float(value)
    if type(value) is not _WRITTEN.get(node.type, str):
        count = f"{node.type}[{len(value)}]" if isinstance(value, tuple) else ""
        return None, bad(f"wrong_answer:{count or _KINDS.get(type(value), 'Null')}")
    if why := _unfit(node.type)(value):
        return None, bad(why)
    return _judged(node, value, status)


def _judged_written(node: Node, value: Value, status: int) -> tuple[Value, str]:
    if not isinstance(value, tuple):
        return None, bad(f"wrong_answer:{_KINDS.get(type(value), 'Null')}")
    single = replace(node, elements=0)
    pairs = [judged(single, each, status) for each in value]
    lost = next((quality for _, quality in pairs if quality.startswith("bad:")), None)
    if lost is not None:
        return None, lost
    if len(value) != node.elements:
        return None, bad(f"wrong_answer:{node.type}[{len(value)}]")
    elements = tuple(cast("float", each) for each, _ in pairs)
    return elements, next((quality for _, quality in pairs if quality), GOOD)


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


def _wrong(answer: Answer) -> str:
    """The quality of an answer of another type than the tag's."""
    if answer.kind == REASON:
        return bad(answer.value)
    return bad(f"wrong_answer:{kind_name(answer.kind, _counts(answer.value))}")


def _counts(value: object) -> str:
    """How many elements an array has, in each of its dimensions."""
    counts = []
    while isinstance(value, list):
        counts.append(str(len(value)))
        value = value[0] if value else None
    return ",".join(counts)


@lru_cache(maxsize=1024)
def name(code: int) -> str:
    """The symbolic name of a status code, without its info bits; the number where it has none."""
    known = ua.status_codes.code_to_name_doc.get(code & 0xFFFF0000)
    return known[0] if known else f"0x{code & 0xFFFF0000:08X}"


def kind_name(kind: int, count: str = "") -> str:
    """The name of a kind of value; of an array with brackets, and how many it has."""
    if not kind:
        return "Null"
    number = kind & ~ARRAY
    known = VariantType(number).name if number in _KNOWN else str(number)
    return f"{known}[{count}]" if kind & ARRAY else known


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


def _xml(value: Any) -> str | None:  # noqa: ANN401 - the library's XmlElement
    text: str | None = None if value is None else value.Value
    return text


def _status(value: Any) -> str | None:  # noqa: ANN401 - the library's StatusCode
    return None if value is None else name(value.value)


def _shown_by(type_: BuiltIn, uri: Uri) -> Callable[[Any], Value] | None:
    """How values of a type are shown; None where they are as they come."""
    if type_ == "QualifiedName":
        return lambda value: None if value is None else _of_namespace(value.NamespaceIndex, value.Name, uri)
    if type_ in ("NodeId", "ExpandedNodeId"):
        return lambda value: None if value is None else _node(value, uri)
    return _SHOWN.get(type_)


def _node(value: Any, uri: Uri) -> str | None:  # noqa: ANN401 - NodeId and ExpandedNodeId of the library
    """A node id, or an expanded one, with the URI of its namespace: an index means another one tomorrow."""
    said = getattr(value, "NamespaceUri", None)
    server = f"svr={value.ServerIndex};" if getattr(value, "ServerIndex", None) else ""
    own = identifier(value)
    text = f"nsu={said};{own}" if said else _of_namespace(value.NamespaceIndex, own, uri)
    return None if text is None else server + text


def _of_namespace(index: int, text: str | None, uri: Uri) -> str | None:
    if text is None or not index:
        return text
    known = uri(index)
    return f"nsu={known};{text}" if known else None


_BYTES = VariantType.ByteString.value

_SHOWN: Mapping[BuiltIn, Callable[[Any], Value]] = {
    "DateTime": _time,
    "Guid": lambda value: None if value is None else str(value),
    "ByteString": _bytes,
    "XmlElement": _xml,
    "StatusCode": _status,
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
