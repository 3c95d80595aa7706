"""A link against a real Mosquitto: what is promised of connecting, publishing and ending."""

import asyncio
import dataclasses
import logging
import multiprocessing
import os
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from edge_agent.config.settings import Destination, Login
from edge_agent.errors import LinkLost, Refused
from edge_agent.mqtt.connection import Connection
from edge_agent.mqtt.link import MqttLink
from edge_agent.ports import Limits, Message
from tests.brokers import Arrived, Mosquitto, Proxy, Receiver, free_port, password_file

WILL = Message("edge/gw/_agent/state", b"offline", retain=True)


def _destination(port: int, **changes: object) -> Destination:
    plain = Destination("cloud", "127.0.0.1", port, "gw-cloud", None)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def _opened(
    port: int, *, will: Message | None = None, **changes: object
) -> AbstractAsyncContextManager[Connection]:
    return MqttLink(_destination(port, **changes), will=will).open()


async def test_every_message_of_a_thousand_is_acknowledged_with_fifty_in_flight(mosquitto: Mosquitto) -> None:
    link = MqttLink(_destination(mosquitto.port))
    in_flight = asyncio.Semaphore(50)

    with Receiver(mosquitto.port, "edge/#") as receiver:
        async with link.open() as publisher, asyncio.TaskGroup() as sending:

            async def send(number: int) -> None:
                async with in_flight:
                    await publisher.publish(Message("edge/gw/d/g", str(number).encode()))

            for number in range(1000):
                sending.create_task(send(number))
        arrived = await receiver.until(lambda arrived: len(arrived) >= 1000)

    assert [int(message.payload) for message in arrived] == list(range(1000))


async def test_messages_larger_than_the_socket_buffer_arrive_whole(mosquitto: Mosquitto) -> None:
    payloads = [os.urandom(3_000_000) for _ in range(3)]

    with Receiver(mosquitto.port, "edge/#") as receiver:
        async with _opened(mosquitto.port) as publisher:
            await asyncio.gather(*[publisher.publish(Message("edge/a", payload)) for payload in payloads])
        arrived = await receiver.until(lambda arrived: len(arrived) == 3)

    assert [message.payload for message in arrived] == payloads


async def test_qos_0_resolves_when_written(mosquitto: Mosquitto) -> None:
    with Receiver(mosquitto.port, "edge/#") as receiver:
        async with _opened(mosquitto.port) as publisher:
            await publisher.publish(Message("edge/a", b"once", qos=0))
        arrived = await receiver.until(lambda arrived: len(arrived) == 1)

    assert arrived == [Arrived("edge/a", b"once", retain=False)]


async def test_user_properties_arrive_in_order(mosquitto: Mosquitto) -> None:
    properties = (("gw", "gw17"), ("größe", "1"), ("gw", "again"))

    with Receiver(mosquitto.port, "edge/#") as receiver:
        async with _opened(mosquitto.port) as publisher:
            await publisher.publish(Message("edge/a", b"x", properties=properties))
        arrived = await receiver.until(lambda arrived: len(arrived) == 1)

    assert arrived[0].properties == properties


async def test_a_retained_message_is_kept_by_the_broker(mosquitto: Mosquitto) -> None:
    async with _opened(mosquitto.port) as publisher:
        await publisher.publish(Message("edge/state", b"online", retain=True))

    with Receiver(mosquitto.port, "edge/#") as receiver:
        arrived = await receiver.until(lambda arrived: len(arrived) == 1)

    assert arrived == [Arrived("edge/state", b"online", retain=True)]


async def test_a_link_can_be_opened_again_and_again(mosquitto: Mosquitto) -> None:
    link = MqttLink(_destination(mosquitto.port))

    with Receiver(mosquitto.port, "edge/#") as receiver:
        for number in range(3):
            async with link.open() as publisher:
                await publisher.publish(Message("edge/a", str(number).encode()))
        arrived = await receiver.until(lambda arrived: len(arrived) == 3)

    assert [message.payload for message in arrived] == [b"0", b"1", b"2"]


async def test_a_clean_close_does_not_publish_the_will(mosquitto: Mosquitto) -> None:
    pending: list[asyncio.Future[None]] = []

    with Receiver(mosquitto.port) as receiver:
        for _ in range(20):
            async with _opened(mosquitto.port, will=WILL) as publisher:
                # Not waited for: acknowledgements that come after the close must not turn it into a reset.
                pending += [publisher.publish(Message("edge/a", b"x" * 5000)) for _ in range(5)]
        async with _opened(mosquitto.port) as publisher:
            await publisher.publish(Message("marker", b""))
        arrived = await receiver.until(lambda arrived: any(m.topic == "marker" for m in arrived))

    assert WILL.topic not in {message.topic for message in arrived}
    assert all(isinstance(future.exception(), LinkLost) for future in pending)


async def test_leaving_by_an_exception_publishes_the_will_at_once(mosquitto: Mosquitto) -> None:
    with Receiver(mosquitto.port) as receiver:
        with pytest.raises(ZeroDivisionError):
            async with _opened(mosquitto.port, will=WILL):
                raise ZeroDivisionError
        arrived = await receiver.until(lambda arrived: len(arrived) == 1)

    assert arrived[0].payload == b"offline"


async def test_leaving_by_a_cancel_publishes_the_will_at_once(mosquitto: Mosquitto) -> None:
    opened = asyncio.Event()

    async def hold() -> None:
        async with _opened(mosquitto.port, will=WILL):
            opened.set()
            await asyncio.Event().wait()

    with Receiver(mosquitto.port) as receiver:
        task = asyncio.create_task(hold())
        await opened.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        arrived = await receiver.until(lambda arrived: len(arrived) == 1)

    assert arrived[0].payload == b"offline"


def test_a_killed_process_leaves_its_retained_will(mosquitto: Mosquitto) -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold_open, args=(mosquitto.port, theirs))
    process.start()
    assert ours.recv() == "open"

    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    with Receiver(mosquitto.port, WILL.topic) as receiver:
        arrived = receiver.wait(lambda arrived: len(arrived) == 1)
    assert arrived[0].payload == b"offline"


def _hold_open(port: int, told: "multiprocessing.connection.Connection[str, str]") -> None:
    async def hold() -> None:
        async with _opened(port, will=WILL):
            told.send("open")
            await asyncio.Event().wait()

    asyncio.run(hold())


async def test_a_wrong_password_is_refused_by_name(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, f"password_file {password_file(tmp_path, 'gw17', 'right')}") as broker:
        with pytest.raises(Refused) as refused:
            async with _opened(broker.port, login=Login("gw17", "wrong")):
                pass

        assert (refused.value.code, refused.value.name) == (0x87, "not_authorized")
        async with _opened(broker.port, login=Login("gw17", "right")) as publisher:
            await publisher.publish(Message("edge/a", b"x"))


async def test_limits_are_those_of_the_brokers_connack(tmp_path: Path) -> None:
    with Mosquitto(
        tmp_path, "max_inflight_messages 7", "max_packet_size 5000", "retain_available false"
    ) as broker:
        async with _opened(broker.port) as publisher:
            assert publisher.limits == Limits(receive_maximum=7, maximum_packet=5000, retain=False)

            await publisher.publish(Message("edge/a", b"x", retain=True))
            with pytest.raises(Refused, match="packet_too_large"):
                await publisher.publish(Message("edge/a", bytes(5000)))
            await publisher.publish(Message("edge/a", bytes(4900)))


async def test_the_largest_packet_that_the_broker_takes_is_taken(tmp_path: Path) -> None:
    # 1 type, 2 length, 2 + 6 topic, 2 identifier, 1 property length, 5 + 1 + 1 property
    largest = Message("edge/a", bytes(5000 - 21), properties=(("k", "v"),))
    larger = dataclasses.replace(largest, payload=bytes(5000 - 20))

    with Mosquitto(tmp_path, "max_packet_size 5000") as broker:
        async with _opened(broker.port) as publisher:
            await publisher.publish(largest)
            with pytest.raises(Refused, match="packet_too_large"):
                await publisher.publish(larger)
            assert not publisher.lost.done()


async def test_a_broker_that_dies_fails_every_pending_message_and_says_so(mosquitto: Mosquitto) -> None:
    async with _opened(mosquitto.port) as publisher:
        await publisher.publish(Message("edge/a", b"x"))
        os.kill(mosquitto.pid, signal.SIGSTOP)
        pending = [publisher.publish(Message("edge/a", b"x" * 20000)) for _ in range(50)]

        mosquitto.kill()

        with pytest.raises(LinkLost, match=r"connection closed by 127\.0\.0\.1"):
            await publisher.lost
        assert all(isinstance(future.exception(), LinkLost) for future in pending)
        with pytest.raises(LinkLost):
            await publisher.publish(Message("edge/a", b"x"))


async def test_an_absent_broker_is_a_lost_link() -> None:
    port = free_port()

    with pytest.raises(LinkLost, match=rf"^connection refused by 127\.0\.0\.1:{port}$"):
        async with _opened(port):
            pass


async def test_a_frozen_network_is_noticed_by_the_keep_alive(mosquitto: Mosquitto) -> None:
    async with Proxy(mosquitto.port) as network, _opened(network.port, keepalive_s=1) as publisher:
        network.freeze()

        with pytest.raises(LinkLost, match="no sign of life"):
            await publisher.lost


async def test_a_quiet_link_is_kept_alive_by_pings(mosquitto: Mosquitto) -> None:
    async with _opened(mosquitto.port, keepalive_s=1) as publisher:
        done, _ = await asyncio.wait([publisher.lost], timeout=4)

        assert not done
        await publisher.publish(Message("edge/a", b"x"))


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b", "x" * 65536])
async def test_a_topic_that_no_broker_takes_is_refused_here(mosquitto: Mosquitto, topic: str) -> None:
    async with _opened(mosquitto.port) as publisher:
        with pytest.raises(Refused, match="topic_name_invalid"):
            await publisher.publish(Message(topic, b"x"))

        await publisher.publish(Message("edge/a", b"the link stands"))


async def test_nothing_is_said_on_stderr_or_to_the_log(
    mosquitto: Mosquitto, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async with _opened(mosquitto.port) as publisher:
        mosquitto.kill()
        await asyncio.wait([publisher.lost])
        publisher.publish(Message("edge/a", b"x"))

    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name != "asyncio"] == []
