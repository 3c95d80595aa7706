# ruff: noqa: E501 - a table of answers is read one per line
import base64
import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.ua import VariantType
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.core import record
from edge_agent.core.model import Scan, Schema, Value
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.drivers.opcua.answer import answer_of
from edge_agent.drivers.opcua.columns import column
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.values import judged, name, reader, uri_by

MAKE: Any = ua  # which has types of its own for texts and numbers
GUID = UUID("12345678-9abc-def0-1234-56789abcdef0")


# --- every type -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "sent", "shown"),
    [
        ("Boolean", True, True),
        ("SByte", -128, -128),
        ("Byte", 255, 255),
        ("Int16", -32768, -32768),
        ("UInt16", 65535, 65535),
        ("Int32", -2147483648, -2147483648),
        ("UInt32", 4294967295, 4294967295),
        ("Int64", -9223372036854775808, -9223372036854775808),
        ("UInt64", 18446744073709551615, 18446744073709551615),
        ("Float", 812.5, 812.5),
        ("Double", 0.1, 0.1),
        ("String", "Spänne", "Spänne"),
        ("String", "", ""),
        ("DateTime", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), "2026-01-02T03:04:05.678Z"),
        ("DateTime", datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000Z"),
        ("DateTime", datetime(2026, 1, 2, 3, 4, 5, 678001, UTC), "2026-01-02T03:04:05.678001Z"),
        ("DateTime", datetime(1601, 1, 1, tzinfo=UTC), "1601-01-01T00:00:00.000Z"),
        ("DateTime", datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:00:00.000Z"),
        ("DateTime", datetime(2026, 1, 2, 3), "2026-01-02T03:00:00.000Z"),  # noqa: DTZ001 - one without a zone is UTC
        ("Guid", GUID, "12345678-9abc-def0-1234-56789abcdef0"),
        ("ByteString", b"\x00\xff", "AP8="),
        ("LocalizedText", ua.LocalizedText("Störung", "de"), "Störung"),
    ],
)  # fmt: skip
def test_a_value_of_the_declared_type_is_good_as_it_is(type_: BuiltIn, sent: Any, shown: Value) -> None:
    value, quality = read(type_, ua.Variant(sent, VariantType[type_]))

    assert (value, quality) == (shown, "")
    assert type(value) is type(shown)


@pytest.mark.parametrize(
    ("type_", "variant", "quality"),
    [
        ("Float", ua.Variant(1.0, VariantType.Double), "bad:wrong_answer:Double"),
        ("Float", ua.Variant(1, VariantType.Int16), "bad:wrong_answer:Int16"),
        ("Double", ua.Variant(1, VariantType.Int32), "bad:wrong_answer:Int32"),
        ("Int16", ua.Variant(1.0, VariantType.Float), "bad:wrong_answer:Float"),
        ("Int16", ua.Variant("1", VariantType.String), "bad:wrong_answer:String"),
        ("Int16", ua.Variant(True, VariantType.Boolean), "bad:wrong_answer:Boolean"),
        ("Boolean", ua.Variant(1, VariantType.Byte), "bad:wrong_answer:Byte"),
        ("String", ua.Variant(b"a", VariantType.ByteString), "bad:wrong_answer:ByteString"),
        ("String", ua.Variant(ua.LocalizedText("a"), VariantType.LocalizedText), "bad:wrong_answer:LocalizedText"),
        ("Int16", ua.Variant([1, 2], VariantType.Int16), "bad:wrong_answer:Int16[2]"),
        ("Int16", ua.Variant([], VariantType.Int16), "bad:wrong_answer:Int16[0]"),
        ("Int16", ua.Variant(None, VariantType.Int16, is_array=True), "bad:wrong_answer:Int16[]"),
        ("Int16", ua.Variant(), "bad:wrong_answer:Null"),
        ("String", ua.Variant(), "bad:wrong_answer:Null"),
        ("String", ua.Variant(None, VariantType.String), "bad:wrong_answer:Null"),
        ("DateTime", ua.Variant(None, VariantType.DateTime), "bad:wrong_answer:Null"),
        ("ByteString", ua.Variant(None, VariantType.ByteString), "bad:wrong_answer:Null"),
        ("LocalizedText", ua.Variant(ua.LocalizedText(None), VariantType.LocalizedText), "bad:wrong_answer:Null"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_no_value(type_: BuiltIn, variant: ua.Variant, quality: str) -> None:
    assert read(type_, variant) == (None, quality)


def test_an_answer_without_a_value_is_no_value() -> None:
    answer = ua.DataValue()
    object.__setattr__(answer, "Value", None)  # as the library makes it of an answer that has none

    assert reader(Node("t", "", "i=1", "Int16"))(answer_of(answer)) == (None, "bad:wrong_answer:Null")


def test_a_float_becomes_a_double_without_a_change() -> None:
    assert read("Double", ua.Variant(0.5, VariantType.Float)) == (0.5, "")


@pytest.mark.parametrize(
    ("type_", "sent", "expected"),
    [
        ("Byte", 255, (255, "")),
        ("Byte", 256, (None, "bad:out_of_range")),
        ("Byte", -1, (None, "bad:out_of_range")),
        ("SByte", 127, (127, "")),
        ("SByte", 128, (None, "bad:out_of_range")),
        ("UInt16", 65535, (65535, "")),
        ("UInt16", 65536, (None, "bad:out_of_range")),
        ("UInt64", -1, (None, "bad:out_of_range")),
    ],
)
def test_a_whole_number_counts_when_the_declared_type_can_hold_it(
    type_: BuiltIn, sent: int, expected: tuple[Value, str]
) -> None:
    assert read(type_, ua.Variant(sent, VariantType.Int64)) == expected


@pytest.mark.parametrize("sent", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("type_", ["Float", "Double"])
def test_what_is_no_number_is_bad(type_: BuiltIn, sent: float) -> None:
    assert read(type_, ua.Variant(sent, VariantType[type_])) == (None, "bad:nan")


def test_a_text_that_is_not_utf8_is_no_value() -> None:
    latin = b"St\xf6rung".decode(errors="surrogateescape")  # as the library decodes it

    assert read("String", ua.Variant(latin, VariantType.String)) == (None, "bad:wrong_answer:encoding")
    assert read("LocalizedText", ua.Variant(ua.LocalizedText(latin), VariantType.LocalizedText)) == (
        None,
        "bad:wrong_answer:encoding",
    )


def test_a_text_that_a_record_would_cut_is_no_value() -> None:
    longest = "ä" * 32767 + "x"

    assert read("String", ua.Variant(longest, VariantType.String)) == (longest, "")
    assert read("String", ua.Variant(longest + "x", VariantType.String)) == (None, "bad:out_of_range")
    assert read("ByteString", ua.Variant(bytes(49152), VariantType.ByteString)) == (None, "bad:out_of_range")


# --- what the profile says of a value -----------------------------------------------------


def test_a_number_that_is_not_in_the_enum_is_uncertain() -> None:
    node = Node("t", "", "i=1", "Int16", enum=frozenset({0, 1}))

    assert reader(node)(answer_of(answered(ua.Variant(1, VariantType.Int16)))) == (1, "")
    assert reader(node)(answer_of(answered(ua.Variant(2, VariantType.Int16)))) == (2, "uncertain:not_in_enum")


@pytest.mark.parametrize(
    ("sent", "quality"),
    [
        (0.0, ""),
        (100.0, ""),
        (-0.001, "uncertain:out_of_range"),
        (100.001, "uncertain:out_of_range"),
    ],
)
def test_a_value_beyond_its_bounds_is_uncertain(sent: float, quality: str) -> None:
    node = Node("t", "", "i=1", "Double", valid=(0.0, 100.0))

    assert reader(node)(answer_of(answered(ua.Variant(sent, VariantType.Double)))) == (sent, quality)


def test_a_float_at_its_decimal_bound_is_within() -> None:
    bound = single(0.1)  # 0.10000000149 as a double
    beyond = single(0.1000001)

    assert read_valid("Float", bound) == (bound, "")
    assert read_valid("Float", beyond) == (beyond, "uncertain:out_of_range")
    assert read_valid("Double", bound) == (bound, "uncertain:out_of_range")


def read_valid(type_: BuiltIn, sent: float) -> tuple[Value, str]:
    node = Node("t", "", "i=1", type_, valid=(0.0, 0.1))
    return reader(node)(answer_of(answered(ua.Variant(sent, VariantType[type_]))))


# --- status codes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0x00000000, (7, "")),
        (0x00960000, (7, "")),  # GoodLocalOverride
        (0x00000400, (7, "")),
        (0x00000480, (7, "")),
        (0x00004000, (7, "")),  # the meaning of the variable has changed
        (0x40000000, (7, "uncertain:Uncertain")),
        (0x408F0000, (7, "uncertain:UncertainNoCommunicationLastUsableValue")),
        (0x408F0480, (7, "uncertain:UncertainNoCommunicationLastUsableValue")),
        (0x7FFF0000, (7, "uncertain:0x7FFF0000")),
        (0x80000000, (None, "bad:Bad")),
        (0x80340000, (None, "bad:BadNodeIdUnknown")),
        (0x80340480, (None, "bad:BadNodeIdUnknown")),
        (0xBFFF0001, (None, "bad:0xBFFF0000")),
        (0xC0000000, (None, "bad:0xC0000000")),
        (0xFFFFFFFF, (None, "bad:0xFFFF0000")),
    ],
)
def test_a_status_code_becomes_quality(code: int, expected: tuple[Value, str]) -> None:
    assert read("Int16", ua.Variant(7, VariantType.Int16), code) == expected
    assert judged(Node("t", "", "i=1", "Int16"), 7, code) == expected


def test_an_answer_without_a_status_is_good() -> None:
    answer = ua.DataValue(ua.Variant(7, VariantType.Int16), None)

    assert reader(Node("t", "", "i=1", "Int16"))(answer_of(answer)) == (7, "")
    assert not answer_of(answer).overflowed


def test_a_bad_status_says_more_than_the_value() -> None:
    assert read("Int16", ua.Variant(), 0x80340000) == (None, "bad:BadNodeIdUnknown")
    assert read("Float", ua.Variant(math.nan, VariantType.Float), 0x80340000) == (
        None,
        "bad:BadNodeIdUnknown",
    )


def test_what_is_no_number_stays_bad_with_an_uncertain_status() -> None:
    assert read("Float", ua.Variant(math.nan, VariantType.Float), 0x40000000) == (None, "bad:nan")


def test_an_uncertain_status_says_more_than_bounds_and_enum() -> None:
    node = Node("t", "", "i=1", "Int16", valid=(0, 1), enum=frozenset({0}))

    assert reader(node)(answer_of(answered(ua.Variant(9, VariantType.Int16), 0x40000000))) == (
        9,
        "uncertain:Uncertain",
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, False), (0x480, True), (0x400, False), (0x80, False), (0x408F0480, True), (0x80000480, True)],
)
def test_the_overflow_bit_counts_with_its_type_of_information(code: int, *, expected: bool) -> None:
    assert answer_of(ua.DataValue(ua.Variant(), ua.StatusCode(ua.UInt32(code)))).overflowed is expected


def test_a_code_is_named_without_its_information_bits() -> None:
    assert name(0x800A04FF) == "BadTimeout"
    assert name(0x81230000) == "0x81230000"


# --- answers as a golden test writes them -------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "written", "expected"),
    [
        ("Float", 70, (70.0, "")),
        ("Double", 0.1, (0.1, "")),
        ("Int16", 7, (7, "")),
        ("Boolean", True, (True, "")),
        ("Guid", "12345678-9abc-def0-1234-56789abcdef0", ("12345678-9abc-def0-1234-56789abcdef0", "")),
        ("Int16", 7.0, (None, "bad:wrong_answer:Double")),
        ("Int16", True, (None, "bad:wrong_answer:Boolean")),
        ("Int16", "7", (None, "bad:wrong_answer:String")),
        ("Float", True, (None, "bad:wrong_answer:Boolean")),
        ("Boolean", 1, (None, "bad:wrong_answer:Int64")),
        ("String", 7, (None, "bad:wrong_answer:Int64")),
        ("String", None, (None, "bad:wrong_answer:Null")),
        ("Int16", 32768, (None, "bad:out_of_range")),
        ("Float", math.nan, (None, "bad:nan")),
    ],
)
def test_a_written_answer_is_judged_like_one_from_a_server(
    type_: BuiltIn, written: Value, expected: tuple[Value, str]
) -> None:
    value, quality = judged(Node("t", "", "i=1", type_), written, 0)

    assert (value, quality) == expected
    assert type(value) is type(expected[0])


# --- whatever comes -----------------------------------------------------------------------

WHOLE = {
    "SByte": (-(2**7), 2**7 - 1),
    "Byte": (0, 2**8 - 1),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
}
TEXTS = st.binary(max_size=8).map(lambda data: data.decode(errors="surrogateescape"))
SENT: dict[str, st.SearchStrategy[Any]] = {
    **{type_: st.integers(low, high) for type_, (low, high) in WHOLE.items()},
    "Boolean": st.booleans(),
    "Float": st.floats(width=32),
    "Double": st.floats(),
    "String": st.none() | TEXTS,
    "DateTime": st.none()
    | st.datetimes(datetime(1601, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone comes beside
    "Guid": st.uuids(),
    "ByteString": st.none() | st.binary(max_size=8),
    "LocalizedText": st.builds(ua.LocalizedText, st.none() | TEXTS),
    "StatusCode": st.integers(0, 2**32 - 1).map(lambda code: ua.StatusCode(ua.UInt32(code))),
    "NodeId": st.integers(0, 2**16 - 1).map(lambda number: node_id(number, 0)),
}


def moment(sent: datetime) -> str:
    """ISO 8601 with as many digits as it takes, three at least."""
    date = f"{sent.year:04}-{sent.month:02}-{sent.day:02}"
    digits = f"{sent.microsecond:06}".removesuffix("000") if sent.microsecond else "000"
    return f"{date}T{sent.hour:02}:{sent.minute:02}:{sent.second:02}.{digits}Z"


SHOWN: dict[str, Callable[[Any], Value]] = {
    "DateTime": moment,
    "Guid": str,
    "ByteString": lambda sent: base64.b64encode(sent).decode(),
    "LocalizedText": lambda sent: sent.Text,
}
"""The text of a value, for types that are shown as one."""


@st.composite
def tags(draw: st.DrawFn) -> Node:
    type_: Any = draw(st.sampled_from([each for each in SENT if each not in ("StatusCode", "NodeId")]))
    is_number = type_ in WHOLE or type_ in ("Float", "Double")
    valid = draw(st.none() | st.just((-10.0, 1000.0))) if is_number else None
    enum = draw(st.none() | st.just(frozenset({0, 1, 2}))) if type_ in WHOLE else None
    return Node("t", "", "i=1", type_, valid, enum)


@st.composite
def told(draw: st.DrawFn) -> tuple[Node, ua.DataValue]:
    """A tag, and whatever a server may send for it; often what it should."""
    node = draw(tags())
    code = draw(st.just(0) | st.integers(0, 2**32 - 1) | st.sampled_from([0x480, 0x408F0000, 0x80340000]))
    kind = draw(st.just(node.type) | st.sampled_from([*SENT, "Null"]))
    if kind == "Null":
        return node, answered(ua.Variant(), code)
    sent = draw(SENT[kind])
    if draw(st.integers(0, 5)) == 0:
        return node, answered(ua.Variant([sent], VariantType[kind], is_array=True), code)
    return node, answered(ua.Variant(sent, VariantType[kind]), code)


@settings(max_examples=500)
@given(told())
def test_a_value_that_is_shown_is_exactly_the_one_that_was_sent_and_of_the_declared_type(
    told: tuple[Node, ua.DataValue],
) -> None:
    node, answer = told

    value, quality = reader(node)(answer_of(answer))

    assert answer.Value is not None
    assert answer.StatusCode is not None
    sent, kind, code = answer.Value.Value, answer.Value.VariantType.name, answer.StatusCode.value
    if quality.startswith("bad:"):
        assert value is None
        return
    assert code < 0x80000000
    assert quality == "" or quality.startswith("uncertain:")
    assert quality != "" or code < 0x40000000
    assert not answer.Value.is_array
    assert value is not None
    if node.type in WHOLE:
        low, high = WHOLE[node.type]
        assert kind in WHOLE
        assert type(value) is int
        assert low <= value <= high
        assert value == sent
        assert quality or node.enum is None or value in node.enum
    elif node.type == "Double":
        assert kind in ("Float", "Double")
        assert struct.pack("d", value) == struct.pack("d", sent)
    else:
        assert kind == node.type
        assert value == (SHOWN[node.type](sent) if node.type in SHOWN else sent)
    assert kept(node, value, quality) == value


def kept(node: Node, value: Value, quality: str) -> Value:
    """What comes back from the log."""
    schema = Schema("d", "g", (column(node),), b"{}", "0")
    payload = record.encode(Scan(schema, 0, (value,), (quality,) if quality else None))
    return record.decode(schema, 0, payload).values[0]


# --- helpers ------------------------------------------------------------------------------


def answered(variant: ua.Variant, code: int = 0) -> ua.DataValue:
    return ua.DataValue(variant, ua.StatusCode(ua.UInt32(code)))


def read(type_: BuiltIn, variant: ua.Variant, code: int = 0) -> tuple[Value, str]:
    return reader(Node("t", "", "i=1", type_))(answer_of(answered(variant, code)))


def single(value: float) -> float:
    (near,) = struct.unpack("f", struct.pack("f", value))
    assert isinstance(near, float)
    return near


# --- arrays, and elements of them ---------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "variant", "expected"),
    [
        (Node("t", "", "i=1", "Int16", elements=3), ua.Variant([1, -2, 3], VariantType.Int16), ((1, -2, 3), "")),
        (Node("t", "", "i=1", "Int16", elements=2), ua.Variant([1, 2], VariantType.UInt64), ((1, 2), "")),
        (Node("t", "", "i=1", "Boolean", elements=2), ua.Variant([True, False], VariantType.Boolean), ((True, False), "")),
        (Node("t", "", "i=1", "Double", elements=2), ua.Variant([0.5, 1.5], VariantType.Float), ((0.5, 1.5), "")),
        (Node("t", "", "i=1", "Byte", elements=3), ua.Variant(b"\x00\x7f\xff", VariantType.ByteString), ((0, 127, 255), "")),
        (Node("t", "", "i=1", "Byte", elements=3), ua.Variant(b"\x00", VariantType.ByteString), (None, "bad:wrong_answer:ByteString")),
        (Node("t", "", "i=1", "Byte", elements=3), ua.Variant(None, VariantType.ByteString), (None, "bad:wrong_answer:ByteString")),
        (Node("t", "", "i=1", "Int16", elements=3), ua.Variant([1, 2], VariantType.Int16), (None, "bad:wrong_answer:Int16[2]")),
        (Node("t", "", "i=1", "Int16", elements=3), ua.Variant([1, 2, 3, 4], VariantType.Int16), (None, "bad:wrong_answer:Int16[4]")),
        (Node("t", "", "i=1", "Int16", elements=3), ua.Variant(None, VariantType.Int16, is_array=True), (None, "bad:wrong_answer:Int16[]")),
        (Node("t", "", "i=1", "Int16", elements=3), ua.Variant(7, VariantType.Int16), (None, "bad:wrong_answer:Int16")),
        (Node("t", "", "i=1", "Float", elements=1), ua.Variant([0.5], VariantType.Double), (None, "bad:wrong_answer:Double[1]")),
        (Node("t", "", "i=1", "Int16", elements=2), ua.Variant([1, 40000], VariantType.Int32), (None, "bad:out_of_range")),
        (Node("t", "", "i=1", "Float", elements=2), ua.Variant([1.0, math.nan], VariantType.Float), (None, "bad:nan")),
        (Node("t", "", "i=1", "Int16", elements=2, valid=(0, 5)), ua.Variant([1, 9], VariantType.Int16), ((1, 9), "uncertain:out_of_range")),
        (Node("t", "", "i=1", "Double", elements=4), MAKE.Variant([[1.0, 2.0], [3.0, 4.0]], VariantType.Double, [2, 2]), (None, "bad:wrong_answer:Double[2,2]")),
        (Node("t", "", "i=1", "Double", elements=2), MAKE.Variant([[1.0, 2.0], [3.0, 4.0]], VariantType.Double, [2, 2]), (None, "bad:wrong_answer:Double[2,2]")),
        (Node("t", "", "i=1", "Double", elements=4, range="0:1,0:1"), MAKE.Variant([[1.0, 2.0], [3.0, 4.0]], VariantType.Double, [2, 2]), ((1.0, 2.0, 3.0, 4.0), "")),
        (Node("t", "", "i=1", "Int16", range="3"), ua.Variant([7], VariantType.Int16), (7, "")),
        (Node("t", "", "i=1", "Int16", range="0,1"), MAKE.Variant([[7]], VariantType.Int16, [1, 1]), (7, "")),
        (Node("t", "", "i=1", "Int16", range="3"), ua.Variant([7, 8], VariantType.Int16), (None, "bad:wrong_answer:Int16[2]")),
        (Node("t", "", "i=1", "Int16", range="3"), ua.Variant([], VariantType.Int16), (None, "bad:wrong_answer:Int16[0]")),
        (Node("t", "", "i=1", "String", range="3"), ua.Variant(["a"], VariantType.String), ("a", "")),
        (Node("t", "", "i=1", "String", range="0:2"), ua.Variant("abc", VariantType.String), ("abc", "")),
    ],
)  # fmt: skip
def test_an_array_counts_when_it_is_the_one_that_is_written(
    node: Node, variant: ua.Variant, expected: tuple[Value, str]
) -> None:
    assert reader(node)(answer_of(ua.DataValue(variant))) == expected


def test_an_array_is_uncertain_or_bad_as_a_whole() -> None:
    node = Node("t", "", "i=1", "Int16", elements=2)
    sent = ua.Variant([1, 2], VariantType.Int16)

    def told(code: int) -> tuple[Value, str]:
        return reader(node)(answer_of(ua.DataValue(sent, ua.StatusCode(ua.UInt32(code)))))

    assert told(0x408F0000) == ((1, 2), "uncertain:UncertainNoCommunicationLastUsableValue")
    assert told(0x80340000) == (None, "bad:BadNodeIdUnknown")


# --- ids and names, which have the namespace of the session in them ------------------------

URIS = ("http://opcfoundation.org/UA/", "urn:server", "urn:plc")


@pytest.mark.parametrize(
    ("type_", "sent", "expected"),
    [
        ("NodeId", MAKE.NodeId(85, 0), ("i=85", "")),
        ("NodeId", MAKE.NodeId("a;b", 2), ("nsu=urn:plc;s=a;b", "")),
        ("NodeId", MAKE.NodeId(GUID, 2), (f"nsu=urn:plc;g={GUID}", "")),
        ("NodeId", MAKE.NodeId("x", 9), (None, "bad:wrong_answer:Null")),
        ("ExpandedNodeId", MAKE.ExpandedNodeId("x", 0, NamespaceUri="urn:far"), ("nsu=urn:far;s=x", "")),
        ("ExpandedNodeId", MAKE.ExpandedNodeId("x", 2, ServerIndex=1), ("svr=1;nsu=urn:plc;s=x", "")),
        ("QualifiedName", MAKE.QualifiedName("q", 0), ("q", "")),
        ("QualifiedName", MAKE.QualifiedName("q", 2), ("nsu=urn:plc;q", "")),
        ("QualifiedName", MAKE.QualifiedName(None, 2), (None, "bad:wrong_answer:Null")),
        ("XmlElement", MAKE.XmlElement("<a/>"), ("<a/>", "")),
        ("StatusCode", ua.StatusCode(ua.UInt32(0x80340000)), ("BadNodeIdUnknown", "")),
        ("StatusCode", ua.StatusCode(), ("Good", "")),
    ],
)
def test_what_has_a_namespace_is_shown_with_its_uri(
    type_: BuiltIn, sent: Any, expected: tuple[Value, str]
) -> None:
    read_one = reader(Node("t", "", "i=1", type_), uri_by(URIS))

    assert read_one(answer_of(ua.DataValue(ua.Variant(sent, VariantType[type_])))) == expected


# --- what a status code says beside good and bad ------------------------------------------


@pytest.mark.parametrize("bits", [0x0400, 0x0480, 0x4000, 0x8000, 0x03FF, 0xC7FF])
def test_the_bits_beside_a_status_change_neither_its_name_nor_its_level(bits: int) -> None:
    node, value = Node("t", "", "i=1", "Int16"), ua.Variant(7, VariantType.Int16)

    def told(code: int) -> tuple[Value, str]:
        return reader(node)(answer_of(ua.DataValue(value, ua.StatusCode(ua.UInt32(code | bits)))))

    assert told(0) == (7, "")
    assert told(0x40900000) == (7, "uncertain:UncertainLastUsableValue")
    assert told(0x80310000) == (None, "bad:BadNoCommunication")


def test_a_code_without_a_name_is_a_number() -> None:
    assert name(0x8FFF1234) == "0x8FFF0000"
