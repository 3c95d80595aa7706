"""Subscribing, against a broker that answers as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge_agent.config.settings import Destination
from edge_agent.errors import LinkLost, Refused
from edge_agent.mqtt.dial import dial
from edge_agent.mqtt.receiver import Receiver
from edge_agent.mqtt.wire import Wire
from tests.brokers import ScriptedBroker, packet


@asynccontextmanager
async def _connected(broker: ScriptedBroker) -> AsyncIterator[Receiver]:
    destination = Destination("audit", "127.0.0.1", broker.port, "audit", None)
    receiver = Receiver(destination, Wire(await dial(destination, 10)), lambda *_: None)
    try:
        await receiver.handshake(10)
        yield receiver
    finally:
        receiver.close()


def _suback(*reasons: int) -> bytes:
    return packet(0x90, bytes([0, 1, 0, *reasons]))


async def test_a_topic_that_is_granted_is_subscribed() -> None:
    async with ScriptedBroker() as broker, _connected(broker) as receiver:
        asyncio.get_running_loop().call_soon(broker.write, _suback(1))
        await receiver.subscribe(["a/#"], 10)


async def test_one_topic_that_is_not_granted_is_a_refusal() -> None:
    async with ScriptedBroker() as broker, _connected(broker) as receiver:
        asyncio.get_running_loop().call_soon(broker.write, _suback(1, 0x87))
        with pytest.raises(Refused, match="not_authorized"):
            await receiver.subscribe(["a/#", "b/#"], 10)


async def test_a_broker_that_does_not_answer_a_subscription_is_lost() -> None:
    async with ScriptedBroker() as broker, _connected(broker) as receiver:
        with pytest.raises(LinkLost, match=r"no answer to SUBSCRIBE from 127\.0\.0\.1:\d+ within 0\.1 s"):
            await receiver.subscribe(["a/#"], 0.1)


async def test_a_link_that_ends_before_the_answer_is_lost() -> None:
    async with ScriptedBroker() as broker, _connected(broker) as receiver:
        asyncio.get_running_loop().call_soon(broker.write, packet(0xE0, bytes([0x8B, 0])))
        with pytest.raises(LinkLost, match="server_shutting_down"):
            await receiver.subscribe(["a/#"], 10)
