"""Notifications of data changes, read from their bytes: the one message that comes all the time.

asyncua makes four objects of every sample, which is two thirds of what a subscribed value costs. Here samples
of numbers, bits and texts become plain tuples; where all of a notification have one layout, in one loop.
What is not a plain notification of data changes is left to asyncua, which also judges this module's tests.

A PublishResponse (OPC UA Part 4, 5.14.5; encoding Part 6, 5.2), little endian:

    type 4 | time 8 | handle 4 | result 4 | diagnostics 1 (0) | strings 4 (none) | header 3 (none)
    subscription 4 | available: count 4, each 4 | more 1 | sequence 4 | time 8 | data: count 4
    each: type 4, encoding 1 (binary), length 4, then for data changes
          items: count 4, each: handle 4, mask 1, then what the mask says | diagnostics 4 (none)
    results: count 4, each 4 | diagnostics 4 (none)
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import VariantType
from asyncua.ua.ua_binary import struct_from_binary

from edge_agent.drivers.opcua.answer import ARRAY, BEYOND_NS, Answer, answer_of, ns_of, of_variant

Item = tuple[int, Answer]
"""The handle of an item and what it says."""
Event = tuple[int, Sequence[Answer]]
"""The handle of an item and the fields that it was asked for, in their order."""


TRANSFERRED: int = ua.StatusCodes.GoodSubscriptionTransferred
"""Another session has the subscription now: this one hears no more of it (OPC UA Part 4, 5.14.7)."""


class Notification(NamedTuple):
    """What a server tells of one subscription; without news it is a sign of life.

    `sequence` is its number; of a sign of life, the number that comes next. `ended` is the status code with
    which the server ended the subscription, 0 while it has not. `sent_ns` is when it was sent, by the clock
    of the server, None where it does not say; `bytes_` how long it was, 0 where nobody knows. `events` are
    those that it tells, in their order.
    """

    subscription: int
    sequence: int
    items: Sequence[Item] = ()
    has_news: bool = False
    ended: int = 0
    sent_ns: int | None = None
    bytes_: int = 0
    events: Sequence[Event] = ()


def notification(body: bytes) -> Notification:
    """The notification in a PublishResponse. Raises what asyncua raises for one that it cannot decode."""
    try:
        return _plain(body)
    except (_OtherError, struct.error):
        response = struct_from_binary(ua.PublishResponse, Buffer(body))
    response.ResponseHeader.ServiceResult.check()
    return of_message(response.Parameters.SubscriptionId, response.Parameters.NotificationMessage)


def of_message(subscription: int, message: ua.NotificationMessage) -> Notification:
    """The notification in an object of the library."""
    items: list[Item] = []
    events: list[Event] = []
    ended = 0
    for data in message.NotificationData:
        if isinstance(data, ua.DataChangeNotification):
            items += [(item.ClientHandle, answer_of(item.Value)) for item in data.MonitoredItems]
        elif isinstance(data, ua.EventNotificationList):
            events += [(each.ClientHandle, [*map(of_variant, each.EventFields)]) for each in data.Events]
        elif isinstance(data, ua.StatusChangeNotification) and (
            not data.Status.is_good() or data.Status.value == TRANSFERRED
        ):
            ended = data.Status.value
    has_news = bool(message.NotificationData)
    sent_ns = ns_of(message.PublishTime)
    return Notification(
        subscription, message.SequenceNumber, items, has_news, ended, sent_ns, events=tuple(events)
    )


class _OtherError(Exception):
    """This is something else, or has something in it that only the library reads."""


_HEAD = Struct("<IqIIBi3sIi")
"""All up to the count of the available numbers."""
_MESSAGE = Struct("<?Iqi")
_DATA = Struct("<IBii")
"""Type, encoding and length of the data, and the count of the items."""
_COUNT = Struct("<i")
_ITEM = Struct("<IB")
_ITEM_KIND = Struct("<IBB")

PUBLISH_RESPONSE = 0x033D0001  # four-byte node id 829
DATA_CHANGE = 0x032B0001  # 811
BINARY = 1
NOTHING = b"\0\0\0"

VALUE, STATUS, SOURCE, SERVER, SOURCE_PICO, SERVER_PICO = 1, 2, 4, 8, 16, 32
"""Bits of the mask of a DataValue (Part 6, 5.2.2.17).

Picoseconds follow their time. asyncua 2.1 reads them behind both times, so it is never asked for both.
"""
EPOCH_100NS = 116444736000000000
"""1970 in units of 100 ns since 1601 (Part 6, 5.2.2.5)."""

_NUMBERS = {
    VariantType.Boolean.value: "?",
    VariantType.SByte.value: "b",
    VariantType.Byte.value: "B",
    VariantType.Int16.value: "h",
    VariantType.UInt16.value: "H",
    VariantType.Int32.value: "i",
    VariantType.UInt32.value: "I",
    VariantType.Int64.value: "q",
    VariantType.UInt64.value: "Q",
    VariantType.Float.value: "f",
    VariantType.Double.value: "d",
}
_TEXT = VariantType.String.value


def _plain(body: bytes) -> Notification:
    head = _HEAD.unpack_from(body)
    kind, result, diagnostics, strings, header, subscription, available = head[0], *head[3:]
    if (kind, result, diagnostics, header) != (PUBLISH_RESPONSE, 0, 0, NOTHING) or strings > 0:
        raise _OtherError
    at = _HEAD.size + 4 * max(0, available)
    _, sequence, sent, parts = _MESSAGE.unpack_from(body, at)
    at += _MESSAGE.size
    if parts <= 0:
        return Notification(subscription, sequence, sent_ns=_ns(sent))
    data, encoding, length, count = _DATA.unpack_from(body, at)
    if (parts, data, encoding) != (1, DATA_CHANGE, BINARY):
        raise _OtherError
    end = at + 9 + length
    at += _DATA.size
    items = _alike(body, at, end, count) or _one_by_one(body, at, end, count)
    return Notification(subscription, sequence, items, has_news=True, sent_ns=_ns(sent))


def _alike(body: bytes, at: int, end: int, count: int) -> list[Item] | None:
    """Items that all have the layout of the first one; None when they have not."""
    if count <= 0:
        return None
    _, mask, kind = _ITEM_KIND.unpack_from(body, at)
    number = _NUMBERS.get(kind)
    if number is None or mask not in (VALUE, VALUE | SOURCE):
        return None
    item = _item(number, timed=bool(mask & SOURCE))
    if at + item.size * count + 4 != end:
        return None
    if _COUNT.unpack_from(body, end - 4)[0] > 0:
        raise _OtherError
    cells = item.iter_unpack(body[at : end - 4])
    make = tuple.__new__  # past the constructor, which costs as much as all the rest
    if mask & SOURCE:
        items = [
            (handle, make(Answer, (kind, value, 0, _ns(time), None)))
            for handle, its_mask, its_kind, value, time in cells
            if its_mask == mask and its_kind == kind
        ]
    else:
        items = [
            (handle, make(Answer, (kind, value, 0, None, None)))
            for handle, its_mask, its_kind, value in cells
            if its_mask == mask and its_kind == kind
        ]
    return items if len(items) == count else None


@lru_cache
def _item(number: str, *, timed: bool) -> Struct:
    return Struct(f"<IBB{number}{'q' if timed else ''}")


@lru_cache(maxsize=8)
def _ns(time: int) -> int | None:
    """UTC in ns; None for what is no time. The samples of a notification mostly share their times."""
    ns = (time - EPOCH_100NS) * 100
    # To the microsecond, as everything that the library reads.
    return ns - ns % 1000 if 0 <= ns <= BEYOND_NS else None


def _one_by_one(body: bytes, at: int, end: int, count: int) -> list[Item]:
    items: list[Item] = []
    for _ in range(count):
        handle, mask = _ITEM.unpack_from(body, at)
        at += _ITEM.size
        kind, value, at = _value(body, at) if mask & VALUE else (0, None, at)
        status, at = (_U32.unpack_from(body, at)[0], at + 4) if mask & STATUS else (0, at)
        source, at = _time(body, at, mask & SOURCE, mask & SOURCE_PICO)
        server, at = _time(body, at, mask & SERVER, mask & SERVER_PICO)
        items.append((handle, Answer(kind, value, status, source, server)))
    if at + 4 != end or _COUNT.unpack_from(body, at)[0] > 0:
        raise _OtherError
    return items


_U32 = Struct("<I")
_I64 = Struct("<q")
_SCALARS = {kind: Struct(f"<{form}") for kind, form in _NUMBERS.items()}


def _value(body: bytes, at: int) -> tuple[int, Any, int]:
    kind = body[at]
    at += 1
    number = _SCALARS.get(kind)
    if number is not None:
        return kind, number.unpack_from(body, at)[0], at + number.size
    if kind == 0:
        return 0, None, at
    if kind & ARRAY:
        return _array(body, at, kind)
    if kind != _TEXT:
        raise _OtherError
    (length,) = _COUNT.unpack_from(body, at)
    at += 4
    if length < 0:
        return kind, None, at
    data = body[at : at + length]
    if len(data) < length:
        raise _OtherError
    # As the library does: bytes that are no UTF-8 are kept as lone surrogates, and refused later.
    return kind, data.decode(errors="surrogateescape"), at + length


def _array(body: bytes, at: int, kind: int) -> tuple[int, Any, int]:
    """An array of numbers; one of more than one dimension has another bit set."""
    number = _NUMBERS.get(kind & ~ARRAY)
    if number is None:
        raise _OtherError
    (count,) = _COUNT.unpack_from(body, at)
    at += 4
    if count < 0:
        return kind, None, at
    numbers = Struct(f"<{count}{number}")
    return kind, list(numbers.unpack_from(body, at)), at + numbers.size


def _time(body: bytes, at: int, there: int, picoseconds: int) -> tuple[int | None, int]:
    if not there:
        return None, at + (2 if picoseconds else 0)
    return _ns(_I64.unpack_from(body, at)[0]), at + 8 + (2 if picoseconds else 0)
