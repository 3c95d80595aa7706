"""Whatever the broker and the network do, every stored scan arrives in order, or is named."""

import struct
from pathlib import Path

import pytest

from tests.brokers import Arrived, Mosquitto, Proxy, Receiver, ScriptedBroker, packet, receive_maximum
from tests.e2e.cloud import Books, data, more
from tests.e2e.disk import durable, highest
from tests.e2e.plant import SOON_S, Plant, plant, until


async def stored(site: Plant, scans: int) -> None:
    """Wait until so many scans of the meter are on the disk."""
    await until(lambda: highest(site.agent.segments, "meter", "fast") >= scans, f"{scans} scans on disk")


async def test_broker_absent_at_start_gets_everything_from_the_first_scan_on(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with Proxy(mosquitto.port) as network, plant(tmp_path, network.port) as site:
        network.cut()
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await stored(site, 5)
            (down,) = await site.agent.tells("broker link down")
            await network.restore()
            await receiver.until(more(5), SOON_S)
            await site.agent.stop()

            books = Books().enter(receiver.arrived)

    assert "connection refused" in down["why"]
    books.assert_right()
    assert books.numbers("meter", "fast")[0] == 1
    assert books.gaps == []


async def test_broker_that_is_killed_and_comes_back_gets_the_rest(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with Proxy(mosquitto.port) as network, plant(tmp_path, network.port) as site:
        with Receiver(mosquitto.port) as before:
            site.agent.start()
            await before.until(more(3), SOON_S)
            mosquitto.kill()
            network.cut()  # until the cloud listens again: our promise ends at the broker
            seen = highest(site.agent.segments, "meter", "fast")
            await stored(site, seen + 5)
        mosquitto.start()
        with Receiver(mosquitto.port) as after:
            await network.restore()
            await after.until(more(5), SOON_S)
            await site.agent.stop()

            books = Books().enter([*before.arrived, *after.arrived])

    books.assert_right()
    assert books.gaps == []


async def test_login_that_is_refused_is_told_once_and_works_when_it_is_accepted(tmp_path: Path) -> None:
    login = ", user: {name: gw17, password: secret}"
    async with ScriptedBroker(connack=0x87) as broker, plant(tmp_path, broker.port, mqtt=login) as site:
        site.agent.start()
        await broker.until(lambda it: it.connects >= 2, SOON_S)
        broker.connack = 0
        await broker.until(lambda it: data(arrived(it)) >= 3, SOON_S)
        await site.agent.stop()

        books = Books().enter(arrived(broker))

    (down,) = site.agent.events("broker link down")
    assert "not_authorized" in down["why"]
    books.assert_right()
    assert books.numbers("meter", "fast")[0] == 1


async def test_link_that_is_cut_in_mid_stream_again_and_again_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with Proxy(mosquitto.port) as network, plant(tmp_path, network.port, "meter", "io") as site:
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            for _ in range(3):
                await receiver.until(more(2, receiver.arrived), SOON_S)
                seen = highest(site.agent.segments, "meter", "fast")
                network.freeze()
                await stored(site, seen + 2)  # so that messages are under way when the link ends
                network.cut()
                await network.restore()
            await receiver.until(more(2, receiver.arrived), SOON_S)
            await site.agent.stop()

            books = Books().enter(receiver.arrived)

    assert len(site.agent.events("broker link up")) == 4
    books.assert_right()
    assert books.gaps == []


async def test_message_that_arrived_while_its_acknowledgement_was_lost_comes_again_under_its_number(
    tmp_path: Path,
) -> None:
    async with ScriptedBroker(puback=unless_data) as broker, plant(tmp_path, broker.port) as site:
        site.agent.start()
        await broker.until(lambda it: data(arrived(it)) >= 1, SOON_S)
        broker.puback = 0
        broker.write(packet(0xE0, b"\x8b\0"))  # DISCONNECT, server shutting down
        await broker.until(lambda it: data(arrived(it)) >= 5, SOON_S)
        await site.agent.stop()

        books = Books().enter(arrived(broker))

    books.assert_right()
    assert books.duplicates > 0


async def test_frozen_link_is_dropped_and_nothing_is_lost(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with Proxy(mosquitto.port) as network, plant(tmp_path, network.port) as site:
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await receiver.until(more(2), SOON_S)
            network.freeze()
            await site.agent.tells("broker link down")
            network.cut()
            await network.restore()
            await receiver.until(more(3, receiver.arrived), SOON_S)
            await site.agent.stop()

            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert books.gaps == []


@pytest.mark.parametrize(
    ("properties", "window"),
    [(receive_maximum(2), ""), (b"", ", window: {messages: 2}")],
    ids=["broker", "configuration"],
)
async def test_no_more_is_ever_under_way_than_the_window_allows(
    tmp_path: Path, properties: bytes, window: str
) -> None:
    async with (
        ScriptedBroker(properties=properties, puback=None) as broker,
        plant(tmp_path, broker.port, "meter", "io", destination=window) as site,
    ):
        site.agent.start()
        for acknowledged in range(40):
            await broker.until(lambda it, n=acknowledged + 2: len(it.published) >= n, SOON_S)  # type: ignore[misc]  # bound now
            if acknowledged in {0, 20}:
                await stored(site, highest(site.agent.segments, "meter", "fast") + 3)
            assert len(broker.published) == acknowledged + 2
            broker.write(puback(broker.published[acknowledged].mid))
        assert site.agent.runs
        broker.puback = 0
        for late in broker.published[40:]:
            broker.write(puback(late.mid))
        await site.agent.stop()

        books = Books().enter(arrived(broker))
        on_disk = durable(site.agent.segments)

    books.assert_right()
    assert books.gaps == []
    assert {key: stream.known for key, stream in books.audit.streams.items()} == on_disk


def arrived(broker: ScriptedBroker) -> list[Arrived]:
    """What a scripted broker got, as a subscriber would see it."""
    return [Arrived(each.topic, each.payload, each.retain) for each in broker.published]


def unless_data(message: object) -> int | None:
    """Acknowledge what is the agent's own, and no data."""
    return 0 if "/_agent/" in getattr(message, "topic", "") else None


def puback(mid: int | None) -> bytes:
    """A PUBACK of success."""
    return packet(0x40, struct.pack("!HBB", mid, 0, 0))
