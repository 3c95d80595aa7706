"""Fields of an event -> its record: absent is absent, another type is bad, nothing is made up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from edge_agent.core.events import ABSENT, EventField, EventSource
from edge_agent.core.model import Schema
from edge_agent.drivers.opcua.answer import Answer, of_variant
from edge_agent.drivers.opcua.event_columns import EventColumns, severity_of, type_of
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.values import uri_by

NAMESPACES = ("http://opcfoundation.org/UA/", "urn:server", "urn:acme")
NOW = 1_760_000_000_000_000_000
HAPPENED = datetime(2025, 10, 9, 8, 0, tzinfo=UTC)
RECEIVED = datetime(2025, 10, 9, 8, 1, tzinfo=UTC)
VT = ua.VariantType
HEAD = [
    ua.Variant(b"\x01", VT.ByteString),
    ua.Variant(node_id(2915, 0), VT.NodeId),
    ua.Variant(700, VT.UInt16),
    ua.Variant("Pump", VT.String),
    ua.Variant(ua.LocalizedText("hot", "en"), VT.LocalizedText),
    ua.Variant(HAPPENED, VT.DateTime),
    ua.Variant(RECEIVED, VT.DateTime),
]
NULL = ua.Variant()


def cells(
    *fields: ua.Variant, head: Sequence[ua.Variant] = HEAD, **types: Any
) -> dict[str, tuple[object, str]]:
    """Value and quality by name."""
    source = EventSource(fields=tuple(EventField(name, (), type_) for name, type_ in types.items()))
    columns = made(source, range(len(types)))
    scan = columns.scan([*map(of_variant, head), *map(of_variant, fields)], NOW)
    quality = scan.quality or ("",) * len(scan.values)
    return dict(zip(scan.schema.names, zip(scan.values, quality, strict=True), strict=True))


def made(source: EventSource, asked: Sequence[int]) -> EventColumns:
    schema = Schema("press", "alarms", source.columns, b"{}", "0", events=True)
    return EventColumns(schema, source, asked, uri_by(NAMESPACES))


def test_what_all_events_have() -> None:
    assert cells() == {
        "id": ("AQ==", ""),
        "type": ("AlarmConditionType", ""),
        "severity": (700, ""),
        "source": ("Pump", ""),
        "message": ("hot", ""),
    }


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (node_id(7, 2), "nsu=urn:acme;i=7"),
        (node_id("A;b", 1), "nsu=urn:server;s=A;b"),
        (node_id(4_000_000, 0), "i=4000000"),
    ],
)
def test_a_type_without_a_name_that_all_know_is_its_node(node: ua.NodeId, text: str) -> None:
    head = [HEAD[0], ua.Variant(node, VT.NodeId), *HEAD[2:]]

    assert cells(head=head)["type"] == (text, "")


def test_what_is_null_is_absent() -> None:
    head = [NULL] * 7
    found = cells(NULL, ua.Variant(None, VT.String), head=head, a="Int32", b="String")

    assert set(found.values()) == {(None, ABSENT)}


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (ua.Variant(ua.LocalizedText(None), VT.LocalizedText), "LocalizedText"),
        (ua.Variant(ua.NodeId(), VT.NodeId), "NodeId"),
    ],
)
def test_what_says_nothing_is_absent(value: ua.Variant, type_: str) -> None:
    assert cells(value, a=type_)["a"] == (None, ABSENT)


@pytest.mark.parametrize(
    ("value", "type_", "cell"),
    [
        (ua.Variant(5, VT.Byte), "Int32", (5, "")),
        (ua.Variant(1.5, VT.Double), "Int32", (None, "bad:wrong_answer:Double")),
        (ua.Variant(-1, VT.Int32), "UInt16", (None, "bad:out_of_range")),
        (ua.Variant([1, 2], VT.Int32), "Int32", (None, "bad:wrong_answer:Int32[2]")),
        (ua.Variant("x", VT.String), "NodeId", (None, "bad:wrong_answer:String")),
        (ua.Variant(node_id(1, 9), VT.NodeId), "NodeId", (None, "bad:wrong_answer:Null")),
        (ua.Variant(node_id("P", 2), VT.NodeId), "NodeId", ("nsu=urn:acme;s=P", "")),
        (ua.Variant(float("nan"), VT.Double), "Double", (None, "bad:nan")),
        (ua.Variant(HAPPENED, VT.DateTime), "DateTime", ("2025-10-09T08:00:00.000Z", "")),
    ],
)
def test_a_field_is_what_the_profile_says_or_bad(
    value: ua.Variant, type_: str, cell: tuple[object, str]
) -> None:
    assert cells(value, a=type_)["a"] == cell


def test_a_status_code_in_place_of_a_value_is_its_reason() -> None:
    refused = ua.Variant(ua.StatusCode(ua.UInt32(ua.StatusCodes.BadUserAccessDenied)), VT.StatusCode)

    assert cells(refused, a="String")["a"] == (None, "bad:BadUserAccessDenied")


def test_a_good_status_code_is_no_value_of_another_type() -> None:
    assert cells(ua.Variant(ua.StatusCode(), VT.StatusCode), a="String")["a"] == (
        None,
        "bad:wrong_answer:StatusCode",
    )


def test_fields_that_are_not_asked_for_are_absent() -> None:
    source = EventSource(fields=(EventField("a", (), "Int32"), EventField("b", (), "Int32")))

    scan = made(source, [1]).scan([*map(of_variant, HEAD), Answer(VT.Int32.value, 5)], NOW)

    assert scan.values[5:] == (None, 5)
    assert scan.quality is not None
    assert scan.quality[5:] == (ABSENT, "")


def test_an_event_with_more_or_fewer_fields_than_asked_for_says_nothing_of_them() -> None:
    scan = made(EventSource(), ()).scan([*map(of_variant, HEAD[:-1])], NOW)

    assert set(scan.values) == {None}
    assert set(scan.quality or ()) == {"bad:short_answer"}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (HEAD[5:], HAPPENED),
        ([NULL, HEAD[6]], RECEIVED),
        ([ua.Variant(datetime(1601, 1, 1, tzinfo=UTC), VT.DateTime), HEAD[6]], RECEIVED),
        ([NULL, NULL], datetime.fromtimestamp(NOW / 1e9, UTC)),
        ([ua.Variant("now", VT.String), NULL], datetime.fromtimestamp(NOW / 1e9, UTC)),
    ],
)
def test_its_time_is_when_it_happened_or_was_heard_of(times: list[ua.Variant], expected: datetime) -> None:
    scan = made(EventSource(), ()).scan([*map(of_variant, [*HEAD[:5], *times])], NOW)

    assert scan.time_ns == round(expected.timestamp()) * 1_000_000_000
    assert scan.time_ns + scan.lag_ns == NOW


def test_an_event_that_says_neither_type_nor_severity_has_none() -> None:
    assert type_of([Answer(0, None)] * 7) is None
    assert severity_of([Answer(0, None)] * 7) is None
    assert type_of([]) is None
    assert severity_of([]) is None
