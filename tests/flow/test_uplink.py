"""The forwarder of one destination, between a log and a broker in memory, on a clock that jumps."""

import asyncio

import orjson
import pytest

from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.flow.uplink import Sending
from edge_agent.ports import Limits, Message
from tests.flow.clock import at_once
from tests.flow.doubles import NAME, Broker, Forwarding, Log, Sent, accept, hold, schema

A, B, C = schema("a"), schema("b"), schema("c")
SOON_S = 0.5
"""Longer than the batches of these tests wait, shorter than anything that is tried again."""


def holding(kind: str) -> Broker:
    """A broker that answers all but one kind of message."""
    return Broker(lambda sent: hold(sent) if sent.kind == kind else accept(sent))


async def soon() -> None:
    await asyncio.sleep(SOON_S)


def numbers(broker: Broker) -> list[tuple[int, int]]:
    return [each.numbers for each in broker.of("data")]


# What is said before data


@at_once
async def test_metadata_is_acknowledged_before_the_first_data_of_its_kind() -> None:
    case = Forwarding(broker=holding("meta"))
    case.log.write(A, 2)

    async with case.running():
        await soon()
        assert [each.kind for each in case.broker.sent] == ["meta"]
        (meta,) = case.broker.sent
        meta.accept()
        await soon()

    assert [each.kind for each in case.broker.sent] == ["meta", "data"]
    assert meta.message.payload == A.document
    assert meta.message.topic == "edge/gw/_agent/meta/a"
    assert case.broker.sent[1].document["m"] == A.m


@at_once
async def test_only_metadata_of_the_present_configuration_is_retained() -> None:
    old, new = schema("a", version=1), schema("a", version=2)
    case = Forwarding(current={"a": new.m})
    case.log.write(old)
    case.log.write(new)

    async with case.running():
        await soon()

    assert [each.message.retain for each in case.broker.of("meta")] == [False, True]


@at_once
async def test_metadata_is_not_retained_where_the_broker_cannot() -> None:
    case = Forwarding(broker=Broker(limits=Limits(retain=False)), current={"a": A.m})
    case.log.write(A)

    async with case.running():
        await soon()

    assert [each.message.retain for each in case.broker.of("meta")] == [False]


@at_once
async def test_metadata_is_said_once_per_connection() -> None:
    case = Forwarding()
    case.log.write(A)

    async with case.running():
        await soon()
        case.log.write(A)
        await soon()
        assert len(case.broker.of("meta")) == 1
        case.broker.cut()
        case.log.write(A)
        await asyncio.sleep(2)

    assert [each.connection for each in case.broker.of("meta")] == [1, 2]
    assert numbers(case.broker) == [(1, 1), (2, 2), (3, 3)]


@at_once
async def test_refused_metadata_is_offered_again_before_its_data() -> None:
    broker = Broker(lambda sent: sent.refuse() if sent.kind == "meta" else accept(sent))
    case = Forwarding(broker=broker)
    case.log.write(A)

    async with case.running():
        await soon()
        assert broker.of("data") == []
        broker.answer = accept
        await asyncio.sleep(10)

    assert [each.kind for each in broker.sent] == ["meta", "meta", "data"]


# The window


@at_once
async def test_stream_has_one_message_without_an_answer() -> None:
    case = Forwarding(broker=holding("data"))
    case.log.write(A)

    async with case.running():
        await soon()
        case.log.write(A, 3)
        await soon()
        assert numbers(case.broker) == [(1, 1)]
        case.broker.waiting[0].accept()
        await soon()

    assert numbers(case.broker) == [(1, 1), (2, 4)]


@at_once
async def test_streams_are_under_way_together_up_to_the_window_in_messages() -> None:
    streams = [schema(f"d{i}") for i in range(6)]
    case = Forwarding(broker=holding("data"), sending=Sending(window_messages=4, batch_age_s=0.1))
    for each in streams:
        case.log.write(each)

    async with case.running():
        await soon()
        assert len(case.broker.waiting) == 4
        case.broker.waiting[0].accept()
        await soon()
        assert len(case.broker.waiting) == 4

    assert len(case.broker.of("data")) == 5


@at_once
async def test_window_in_bytes_is_full_with_the_message_that_reaches_it() -> None:
    streams = [schema(f"d{i}") for i in range(6)]
    case = Forwarding(broker=holding("data"), sending=Sending(window_bytes=2500, batch_age_s=0.1))
    for each in streams:
        case.log.write(each, size=1000)

    async with case.running():
        await soon()

        assert len(case.broker.waiting) == 3


@at_once
async def test_broker_gets_no_more_messages_than_it_can_take() -> None:
    broker = Broker(hold, limits=Limits(receive_maximum=2))
    case = Forwarding(broker=broker, first=tuple(Message(f"edge/gw/_agent/device/{i}", b"") for i in "123"))
    for each in (A, B, C):
        case.log.write(each)

    async with case.running():
        while broker.connects == 0 or broker.waiting:
            await asyncio.sleep(0.2)
            assert len(broker.waiting) <= 2
            for sent in broker.waiting:
                sent.accept()
                await asyncio.sleep(0.2)
                assert len(broker.waiting) <= 2

    assert len(broker.of("device")) == 3
    assert sorted(each.stream[1] for each in broker.of("data")) == ["a", "b", "c"]


# Acknowledgements


@at_once
async def test_cursor_moves_only_when_the_broker_has_answered() -> None:
    case = Forwarding(broker=holding("data"))
    case.log.write(A, 3)

    async with case.running():
        await soon()
        assert case.log.cursor.position == (0, 0)
        case.broker.waiting[0].accept()
        await soon()

        assert case.log.cursor.position == (1, 3)
        assert case.log.cursor.done == {("b1", "a", "fast"): 3}


@at_once
async def test_answer_of_a_later_record_is_kept_above_the_cursor() -> None:
    case = Forwarding(broker=Broker(lambda sent: hold(sent) if "/a/" in sent.message.topic else accept(sent)))
    case.log.write(A)
    case.log.write(B)

    async with case.running():
        await soon()

        assert case.log.cursor.position == (0, 0)
        assert case.log.cursor.covers((1, 2))
        assert not case.log.cursor.covers((1, 1))


@at_once
async def test_it_goes_on_where_the_cursor_stood() -> None:
    log = Log(cursor=Cursor((1, 2), over=(((1, 3), (1, 4)),), done={("b1", "a", "fast"): 4}))
    log.write(A, 5)
    case = Forwarding(log=log)

    async with case.running():
        await soon()

        assert numbers(case.broker) == [(3, 3), (5, 5)]
        assert log.cursor.position == (1, 5)


# Gaps


@at_once
async def test_gap_is_acknowledged_by_its_number_before_later_data_goes() -> None:
    case = Forwarding(broker=holding("gap"))
    case.log.write(A, 2)
    number = case.log.lose(A, 3)
    case.log.write(A)

    async with case.running():
        await soon()
        (gap,) = case.broker.of("gap")
        assert gap.message.topic == "edge/gw/_agent/gap"
        assert gap.numbers == (3, 5)
        assert (6, 6) not in numbers(case.broker)
        assert case.log.acknowledged_gaps == []
        gap.accept()
        await soon()

    assert case.log.acknowledged_gaps == [number]
    assert [(each.numbers, each.document["c"]) for each in case.broker.of("data")] == [
        ((1, 2), 0),
        ((6, 6), 5),
    ]


@at_once
async def test_gap_of_the_whole_gateway_is_sent() -> None:
    case = Forwarding()
    case.log.gaps[1] = Gap("b0", None, None, "restart:unclean")

    async with case.running():
        await soon()

    (gap,) = case.broker.of("gap")
    assert gap.document["d"] is None
    assert case.log.acknowledged_gaps == [1]


@at_once
async def test_what_the_log_evicted_is_not_sent_and_its_gap_goes_before_the_rest() -> None:
    case = Forwarding(broker=holding("data"))
    case.log.write(B)
    case.log.write(A)

    async with case.running():
        await soon()
        case.log.write(A, 6)
        await soon()  # 2 to 7 of A are read and wait for the answer to 1
        case.log.evict(5)
        for each in case.broker.waiting:
            each.accept()
        await soon()

    assert [each.kind for each in case.broker.sent if b'"d":"a"' in each.message.payload][-2:] == [
        "gap",
        "data",
    ]
    assert case.broker.of("data")[-1].numbers == (5, 7)


# Trouble


@at_once
async def test_lost_link_repeats_the_same_numbers_in_order() -> None:
    case = Forwarding(broker=holding("data"))
    case.log.write(A, 3)
    case.log.write(B, 2)

    async with case.running():
        await soon()
        assert {(each.stream[1], each.numbers) for each in case.broker.waiting} == {
            ("a", (1, 3)),
            ("b", (1, 2)),
        }
        case.log.write(A)
        case.broker.answer = accept
        case.broker.cut()
        await asyncio.sleep(3)

    again = [each for each in case.broker.of("data") if each.connection == 2]
    covered = {
        d: [n for e in again if e.stream[1] == d for n in range(e.numbers[0], e.numbers[1] + 1)] for d in "ab"
    }
    assert covered == {"a": [1, 2, 3, 4], "b": [1, 2]}
    assert case.log.cursor.position == (1, 6)


@at_once
async def test_silent_broker_is_left_after_ten_seconds() -> None:
    case = Forwarding(broker=holding("data"))
    case.log.write(A)

    async with case.running() as (uplink, _):
        await asyncio.sleep(9.9)
        assert uplink.progress.connected
        await asyncio.sleep(0.3)
        assert not uplink.progress.connected
        assert uplink.progress.why == "no acknowledgement within 10 s"
        await asyncio.sleep(2)

    assert [(each.connection, each.numbers) for each in case.broker.of("data")] == [(1, (1, 1)), (2, (1, 1))]


@at_once
async def test_what_waits_is_counted_while_there_is_no_link() -> None:
    case = Forwarding(log=Log(chunk=2))
    case.broker.up = False
    case.log.write(A, 5)

    async with case.running() as (uplink, _):
        assert (uplink.progress.waiting, uplink.progress.more) == (0, True)
        await soon()
        assert (uplink.progress.waiting, uplink.progress.more) == (5, False)
        assert uplink.progress.oldest_ns == 1_000_000_000
        case.log.write(A)
        await soon()
        assert uplink.progress.waiting == 6
        case.broker.up = True
        await asyncio.sleep(10)
        assert uplink.progress.waiting == 0
        assert uplink.progress.oldest_ns is None

    assert numbers(case.broker) == [(1, 6)]


@at_once
async def test_backlog_without_a_link_is_read_as_far_as_there_is_room() -> None:
    case = Forwarding(log=Log(chunk=1))
    case.broker.up = False
    case.log.write(A, 20, size=250_000)

    async with case.running() as (uplink, _):
        await asyncio.sleep(5)
        assert 0 < uplink.progress.waiting < 20
        assert uplink.progress.more
        case.broker.up = True
        await asyncio.sleep(10)
        assert (uplink.progress.waiting, uplink.progress.more) == (0, False)

    assert [n for first, last in numbers(case.broker) for n in range(first, last + 1)] == list(range(1, 21))


@at_once
async def test_broker_that_is_down_is_tried_again_and_finds_all() -> None:
    case = Forwarding()
    case.broker.up = False
    case.log.write(A, 2)

    async with case.running() as (uplink, _):
        await asyncio.sleep(5)
        assert uplink.progress.why == "connection refused"
        case.broker.up = True
        case.log.write(A)
        await asyncio.sleep(10)

    assert numbers(case.broker) == [(1, 3)]


def refusing_a(sent: Sent) -> None:
    if sent.kind == "data" and sent.stream[1] == "a":
        sent.refuse()
    else:
        sent.accept()


@at_once
async def test_refused_message_is_offered_again_and_other_streams_go_on() -> None:
    case = Forwarding(broker=Broker(refusing_a))
    case.log.write(A)
    case.log.write(B)

    async with case.running():
        await asyncio.sleep(1)
        case.log.write(B)
        await asyncio.sleep(1)
        offered = [each.numbers for each in case.broker.of("data") if each.stream[1] == "a"]
        assert offered == [(1, 1)]
        assert [each.numbers for each in case.broker.of("data") if each.stream[1] == "b"] == [(1, 1), (2, 2)]
        case.broker.answer = accept
        await asyncio.sleep(5)

        assert case.log.cursor.position == (1, 3)


@at_once
async def test_new_scans_of_a_refused_stream_do_not_shorten_its_pause() -> None:
    case = Forwarding(broker=Broker(refusing_a))
    case.log.write(A)

    async with case.running():
        for _ in range(8):
            await asyncio.sleep(0.5)
            case.log.write(A)

    assert len(case.broker.of("data")) == 1


@at_once
async def test_stop_does_not_hammer_a_broker_that_refuses() -> None:
    case = Forwarding(broker=Broker(refusing_a))
    case.log.write(A)

    async with case.running() as (uplink, _):
        await asyncio.sleep(1)
        uplink.stop()
        for _ in range(1000):  # turns of the loop, in which no time passes
            await asyncio.sleep(0)

    assert len(case.broker.of("data")) <= 2


# Batches


@at_once
async def test_message_waits_for_others_no_longer_than_the_batch_age() -> None:
    case = Forwarding(sending=Sending(batch_age_s=2.0))

    async with case.running():
        await soon()
        for _ in range(3):
            case.log.write(A)
            await asyncio.sleep(0.6)
        assert case.broker.sent == []
        await asyncio.sleep(0.3)

    assert numbers(case.broker) == [(1, 3)]


@at_once
async def test_message_goes_as_soon_as_a_batch_is_full() -> None:
    case = Forwarding(sending=Sending(batch_age_s=60.0, batch_bytes=4000))

    async with case.running():
        await soon()
        case.log.write(A, 90, size=100)  # about 13,000 bytes of JSON
        await soon()

        sizes = [len(each.message.payload) for each in case.broker.of("data")]

    assert max(sizes) <= 4200
    assert sum(sizes) > 2 * 4000


@at_once
async def test_batch_is_full_by_the_bytes_that_are_sent_not_by_those_that_are_stored() -> None:
    case = Forwarding(sending=Sending(batch_age_s=60.0, batch_bytes=4000))

    async with case.running():
        await soon()
        case.log.write(A, 500)  # 4 bytes each in the log, 28 as JSON
        await soon()

        sizes = [len(each.message.payload) for each in case.broker.of("data")]

    assert sum(sizes) > 2 * 4000


@at_once
async def test_alarms_wait_for_no_batch() -> None:
    case = Forwarding(sending=Sending(batch_age_s=60.0), alarms=frozenset({A.stream}))

    async with case.running():
        await soon()
        case.log.write(B)
        case.log.write(A)
        await soon()

        assert [each.stream[1] for each in case.broker.of("data")] == ["a"]


@at_once
async def test_alarms_go_before_all_that_waits() -> None:
    case = Forwarding(
        broker=holding("data"), sending=Sending(window_messages=1), alarms=frozenset({C.stream})
    )
    case.log.write(A)
    case.log.write(B)
    case.log.write(C)

    async with case.running():
        for _ in range(3):
            await asyncio.sleep(2)
            case.broker.waiting[0].accept()
        await soon()

    assert [each.stream[1] for each in case.broker.of("data")] == ["c", "a", "b"]


@at_once
async def test_backlog_goes_at_once() -> None:
    case = Forwarding(log=Log(chunk=10), sending=Sending(batch_age_s=60.0))
    case.log.write(A, 35)

    async with case.running():
        await asyncio.sleep(1)

        assert sum(last - first + 1 for first, last in numbers(case.broker)) >= 30


@at_once
async def test_message_over_the_largest_packet_of_the_broker_is_split() -> None:
    case = Forwarding(
        broker=Broker(limits=Limits(maximum_packet=5000)), sending=Sending(batch_age_s=0.1, batch_bytes=65536)
    )
    case.log.write(A, 20, size=1000)

    async with case.running():
        await asyncio.sleep(5)

    assert all(len(each.message.payload) < 5000 for each in case.broker.of("data"))
    covered = [n for first, last in numbers(case.broker) for n in range(first, last + 1)]
    assert covered == list(range(1, 21))


@at_once
async def test_numbers_follow_each_other_and_c_is_all_before() -> None:
    case = Forwarding()

    async with case.running():
        for _ in range(4):
            case.log.write(A, 2)
            await soon()

    documents = [each.document for each in case.broker.of("data")]
    assert [each["n"] for each in documents] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert [each["c"] for each in documents] == [0, 2, 4, 6]
    assert all(len(each["s"]) == 2 for each in documents)


@at_once
async def test_message_never_spans_a_hole_another_schema_or_another_life() -> None:
    case = Forwarding()
    case.log.write(A, 2)
    case.log.lose(A)
    case.log.write(A, 2)
    newer = schema("a", version=2)
    case.log.write(newer, 2)
    case.log.write(newer, 2, life="b2")

    async with case.running():
        await asyncio.sleep(2)

    seen = [(each.stream[0], each.numbers, each.document["m"]) for each in case.broker.of("data")]
    assert sorted(seen) == sorted(
        [
            ("b1", (1, 2), A.m),
            ("b1", (4, 5), A.m),
            ("b1", (6, 7), newer.m),
            ("b2", (1, 2), newer.m),
        ]
    )


# The end


@at_once
async def test_stop_sends_everything_at_once_and_ends_with_the_farewell() -> None:
    farewell = Message("edge/gw/_agent/state", b'{"state":"offline"}', retain=True)
    case = Forwarding(sending=Sending(batch_age_s=60.0), last=(farewell,))

    async with case.running() as (uplink, task):
        await soon()
        case.log.write(A, 3)
        case.log.write(B)
        await soon()
        assert case.broker.sent == []
        uplink.stop()
        await task

    assert case.log.cursor.position == (1, 4)
    assert case.broker.sent[-1].message == farewell
    assert case.broker.goodbyes == 1


@at_once
async def test_stop_waits_for_the_answer_to_a_gap() -> None:
    case = Forwarding(broker=holding("gap"))

    async with case.running() as (uplink, task):
        await soon()
        number = case.log.lose(A)
        uplink.stop()
        await soon()
        assert not task.done()
        case.broker.waiting[0].accept()
        await task

    assert case.log.acknowledged_gaps == [number]


@at_once
async def test_stop_goes_on_over_a_new_link_when_the_present_one_is_lost() -> None:
    case = Forwarding(broker=holding("data"))
    case.log.write(A)

    async with case.running() as (uplink, task):
        await soon()
        uplink.stop()
        case.broker.answer = accept
        case.broker.cut()
        await task

    assert case.log.cursor.position == (1, 1)
    assert case.broker.connects == 2


# What is not of the log


@at_once
async def test_greeting_is_the_first_that_is_said_on_each_link() -> None:
    case = Forwarding(first=(Message("edge/gw/_agent/state", b'{"state":"online"}', retain=True),))
    case.log.write(A)

    async with case.running():
        await soon()
        case.broker.cut()
        case.log.write(A)
        await asyncio.sleep(3)

    assert [each.kind for each in case.broker.sent] == ["state", "meta", "data"] * 2


@at_once
async def test_post_goes_at_once_and_is_dropped_without_a_link() -> None:
    case = Forwarding()
    message = Message("edge/gw/_agent/device/a", orjson.dumps({"state": "down"}), retain=True)

    async with case.running() as (uplink, _):
        await soon()
        uplink.post(message)
        await soon()
        assert [each.message for each in case.broker.sent] == [message]
        case.broker.up = False
        case.broker.cut()
        await soon()
        uplink.post(message)
        case.broker.up = True
        await asyncio.sleep(5)

    assert len(case.broker.sent) == 1


@at_once
async def test_progress_tells_what_was_delivered() -> None:
    case = Forwarding()
    case.log.write(A, 3)
    case.log.lose(B)

    async with case.running() as (uplink, _):
        assert (uplink.progress.connected, uplink.progress.why) == (False, "not connected yet")
        await soon()

        progress = uplink.progress
        assert (progress.connected, progress.why) == (True, "")
        assert (progress.scans, progress.gaps, progress.waiting) == (3, 1, 0)
        assert progress.delivered_until_ns == 3_000_000_000
        assert progress.messages == 3  # metadata, data, gap


def test_a_destination_is_called_by_its_name() -> None:
    with pytest.raises(AssertionError):
        Log().acknowledge(NAME + "-2", Cursor())
