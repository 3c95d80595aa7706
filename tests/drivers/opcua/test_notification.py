"""The bytes of a notification: read by us as by the library, or left to it."""

import math
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import VariantType
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.opcua import notification as module
from edge_agent.drivers.opcua.answer import ARRAY, Answer
from edge_agent.drivers.opcua.notification import Notification, notification, of_message
from tests.bench.opcua_server import Subscription
from tests.bench.opcua_server import notification as packed

WHOLE = {"SByte": 8, "Int16": 16, "Int32": 32, "Int64": 64}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Boolean": st.booleans(),
    **{name: st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) for name, bits in WHOLE.items()},
    **{
        name: st.integers(0, (1 << bits) - 1)
        for name, bits in {"Byte": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64}.items()
    },
    "Float": st.floats(width=32, allow_nan=False),
    "Double": st.floats(allow_nan=False),
    "String": st.none() | st.text(max_size=20),
    "DateTime": st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    "ByteString": st.binary(max_size=5),
}
PLAIN = [name for name in VALUES if name not in ("DateTime", "ByteString")]
START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
HANDLES = st.integers(0, 2**32 - 1)
TIMES = st.none() | st.integers(0, 10**12).map(lambda us: START + timedelta(microseconds=us))


@st.composite
def samples(draw: st.DrawFn, kinds: Sequence[str]) -> ua.DataValue:
    kind = draw(st.sampled_from(kinds))
    value = draw(st.none() | VALUES[kind]) if kind == "String" else draw(VALUES[kind])
    variant = ua.Variant(value, VariantType[kind])
    if draw(st.integers(0, 9)) == 0:
        variant = ua.Variant([value], VariantType[kind]) if draw(st.booleans()) else ua.Variant()
    sample = ua.DataValue(variant, ua.StatusCode(ua.UInt32(draw(st.sampled_from([0, 0, 0x80340000, 0x480])))))
    source: Any = draw(TIMES)
    server: Any = draw(TIMES)
    sample.SourceTimestamp, sample.ServerTimestamp = source, server
    # With both times the library expects picoseconds where they do not stand.
    if sample.SourceTimestamp is not None and sample.ServerTimestamp is None and draw(st.booleans()):
        sample.SourcePicoseconds = ua.UInt16(7)
    return sample


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), samples(list(VALUES))), max_size=8),
    st.integers(1, 2**32 - 1),
)
def test_whatever_comes_is_read_as_the_library_reads_it(
    items: list[tuple[int, ua.DataValue]], sequence: int
) -> None:
    body = struct_to_binary(response(items, sequence))

    told = notification(body)

    assert told == library(body)
    assert told.sequence == sequence


@given(st.data(), st.sampled_from([name for name in PLAIN if name != "String"]), st.integers(1, 20))
def test_samples_of_one_layout_are_read_in_one_call(data: st.DataObject, kind: str, count: int) -> None:
    values = data.draw(st.lists(VALUES[kind], min_size=count, max_size=count))
    items = [(i, sample(value, kind, START)) for i, value in enumerate(values)]
    body = struct_to_binary(response(items, 1))

    told = notification(body)

    assert module._alike(body, *place(body)) == told.items
    assert told == library(body)


@given(st.data())
def test_bytes_that_are_none_of_ours_never_pass_for_samples(data: st.DataObject) -> None:
    """Any single damage is read as the library reads it, or refused as the library refuses it."""
    items = [(i, sample(float(i), "Float", START)) for i in range(3)] + [(7, sample("text", "String", None))]
    body = bytearray(struct_to_binary(response(items, 5)))
    body[data.draw(st.integers(40, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    ours, theirs = outcome(notification, bytes(body)), outcome(library, bytes(body))

    # What the library refuses we may refuse or not: it also decodes what we pass over, such as the time.
    assert ours == theirs or isinstance(theirs, type) or has_nan(ours)


def test_sign_of_life_has_the_number_that_comes_next() -> None:
    message = response([], 9)
    message.Parameters.NotificationMessage.NotificationData = []

    message.Parameters.NotificationMessage.PublishTime = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)

    sent_ns = 1_767_323_045_678_900_000
    assert notification(struct_to_binary(message)) == Notification(4, 9, sent_ns=sent_ns)


def test_text_that_is_no_utf8_is_kept_as_the_library_keeps_it() -> None:
    body = struct_to_binary(response([(0, sample("abcd", "String", None))], 1)).replace(b"abcd", b"\xc4bcd")

    assert notification(body) == library(body)


TIMED_OUT, TAKEN_BY_ANOTHER_SESSION = 0x800A0000, 0x002D0000


@pytest.mark.parametrize("status", [TIMED_OUT, TAKEN_BY_ANOTHER_SESSION])
def test_end_of_a_subscription_is_told_with_its_status(status: int) -> None:
    message = response([], 3)
    change = ua.StatusChangeNotification(Status=ua.StatusCode(ua.UInt32(status)))
    message.Parameters.NotificationMessage.NotificationData = [change]

    told = notification(struct_to_binary(message))

    assert (told.ended, told.has_news, told.sequence) == (status, True, 3)


def test_events_are_told_with_their_fields_and_are_no_samples() -> None:
    first = ua.EventFieldList(ua.IntegerId(3), [ua.Variant(700, VariantType.UInt16), ua.Variant()])
    second = ua.EventFieldList(ua.IntegerId(3), [ua.Variant("hot", VariantType.String)])
    made = response([], 5)
    made.Parameters.NotificationMessage.NotificationData = [ua.EventNotificationList([first, second])]

    told = notification(struct_to_binary(made))

    assert (told.subscription, told.sequence, told.has_news, told.items) == (4, 5, True, [])
    assert told.events == (
        (3, [Answer(VariantType.UInt16.value, 700), Answer(0, None)]),
        (3, [Answer(VariantType.String.value, "hot")]),
    )


def test_refusal_is_raised() -> None:
    message = response([], 1)
    message.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(0x80780000))

    with pytest.raises(ua.UaStatusCodeError, match="TooManyPublishRequests"):
        notification(struct_to_binary(message))


def test_time_that_is_none_is_none() -> None:
    never = datetime(1601, 1, 1, tzinfo=UTC)

    told = notification(struct_to_binary(response([(0, sample(1, "Int32", never))], 1)))

    assert told.items == [(0, Answer(VariantType.Int32.value, 1))]


def test_array_is_marked_as_one() -> None:
    told = notification(struct_to_binary(response([(0, sample([1, 2], "Int32", START))], 1)))

    assert told.items[0][1].kind == VariantType.Int32.value | ARRAY


def test_server_of_the_measurement_speaks_the_protocol() -> None:
    subscription = Subscription(1.0, [0, 1, 2], sequence=12)

    body = packed(7, subscription, 3)

    told = library(body)
    assert (told.subscription, told.sequence, [handle for handle, _ in told.items]) == (7, 12, [0, 1, 2])
    assert notification(body) == told


def response(items: Sequence[tuple[int, ua.DataValue]], sequence: int) -> ua.PublishResponse:
    """A notification of subscription 4."""
    made = ua.PublishResponse()
    made.Parameters.SubscriptionId = ua.IntegerId(4)
    made.Parameters.AvailableSequenceNumbers = [ua.Counter(sequence)]
    changes = ua.DataChangeNotification()
    changes.MonitoredItems = [ua.MonitoredItemNotification(ua.IntegerId(i), each) for i, each in items]
    message = made.Parameters.NotificationMessage
    message.SequenceNumber = ua.Counter(sequence)
    message.NotificationData = [changes]
    return made


def sample(value: Any, kind: str, source: Any) -> ua.DataValue:
    made = ua.DataValue(ua.Variant(value, VariantType[kind]), None)
    made.SourceTimestamp = source
    return made


def library(body: bytes) -> Notification:
    """What asyncua reads."""
    read = struct_from_binary(ua.PublishResponse, Buffer(body))
    read.ResponseHeader.ServiceResult.check()
    return of_message(read.Parameters.SubscriptionId, read.Parameters.NotificationMessage)


def place(body: bytes) -> tuple[int, int, int]:
    """Where the items begin, where their extension object ends, and how many there are."""
    head = module._HEAD.size + 4 + module._MESSAGE.size
    _, _, length, count = module._DATA.unpack_from(body, head)
    return head + module._DATA.size, head + 9 + length, count


def outcome(read: Any, body: bytes) -> Any:
    try:
        return read(body)
    except Exception as error:  # noqa: BLE001 - whatever the library raises is its answer
        return type(error)


def has_nan(ours: Any) -> bool:
    """A damaged number may be NaN, which equals nothing."""
    return isinstance(ours, Notification) and any(
        isinstance(answer.value, float) and math.isnan(answer.value) for _, answer in ours.items
    )


def test_too_few_bytes_are_left_to_the_library() -> None:
    body = struct_to_binary(response([(0, sample(1, "Int32", START))], 1))

    with pytest.raises((ua.UaError, struct.error)):
        notification(body[:60])
