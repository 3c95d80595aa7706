"""What other tests stand on: the broker, the receiver, the network that can be cut."""

import asyncio
from pathlib import Path

import pytest

from edge_agent.config.settings import Destination
from edge_agent.errors import LinkLost
from edge_agent.mqtt.link import MqttLink
from edge_agent.ports import Message
from tests.brokers import Mosquitto, Proxy, Receiver


def _link(port: int, client_id: str = "gw-cloud") -> MqttLink:
    return MqttLink(Destination("cloud", "127.0.0.1", port, client_id, None))


async def test_a_cut_network_ends_connections_and_refuses_new_ones_until_it_is_restored(
    mosquitto: Mosquitto,
) -> None:
    async with Proxy(mosquitto.port) as network:
        link = _link(network.port)
        async with link.open() as publisher:
            await publisher.publish(Message("a", b"x"))
            network.cut()
            with pytest.raises(LinkLost, match="connection closed"):
                await publisher.lost

        with pytest.raises(LinkLost, match="connection refused"):
            async with link.open():
                pass
        await network.restore()
        async with link.open() as publisher:
            await publisher.publish(Message("a", b"x"))

        assert network.connections == 2


async def test_a_frozen_network_holds_everything_back_until_it_is_restored(mosquitto: Mosquitto) -> None:
    async with Proxy(mosquitto.port) as network, _link(network.port).open() as publisher:
        network.freeze()
        held = publisher.publish(Message("a", b"x"))
        with Receiver(mosquitto.port, "b") as receiver:
            async with _link(mosquitto.port, "other").open() as other:
                await other.publish(Message("b", b"passes beside it"))
            await receiver.until(lambda arrived: len(arrived) == 1)
        assert not held.done()

        await network.restore()

        await held


async def test_mosquitto_restarts_on_its_port_and_forgets_what_it_retained(mosquitto: Mosquitto) -> None:
    async with _link(mosquitto.port).open() as publisher:
        await publisher.publish(Message("a", b"old", retain=True))

    mosquitto.restart()

    with Receiver(mosquitto.port) as receiver:
        async with _link(mosquitto.port).open() as publisher:
            await publisher.publish(Message("a", b"new"))
        arrived = await receiver.until(lambda arrived: len(arrived) > 0)
    assert [message.payload for message in arrived] == [b"new"]


async def test_a_receiver_finds_its_broker_again(mosquitto: Mosquitto) -> None:
    with Receiver(mosquitto.port) as receiver:
        mosquitto.restart()
        async with _link(mosquitto.port).open() as publisher:
            while not receiver.arrived:
                await publisher.publish(Message("a", b"x"))
                await asyncio.sleep(0.05)


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)did not start.*nonsense"):
        Mosquitto(tmp_path, "nonsense true").start()


def test_a_missing_mosquitto_is_an_error_that_tells_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.brokers.shutil.which", lambda *_, **__: None)

    with pytest.raises(RuntimeError, match="apt-get install mosquitto"):
        Mosquitto(tmp_path).start()
