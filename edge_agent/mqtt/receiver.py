"""The other end: one connection that subscribes, for those who look at what arrived at a broker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from paho.mqtt import client as paho
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config.settings import Destination
from edge_agent.errors import LinkLost, Refused
from edge_agent.mqtt.connection import Connection, fail, snake
from edge_agent.mqtt.dial import dial
from edge_agent.mqtt.failure import where
from edge_agent.mqtt.wire import Wire

Arrived = Callable[[str, bytes], None]
"""Called on the loop with topic and payload of each message; it must not raise."""

CONNECT_S = 10.0
ANSWER_S = 10.0
GOODBYE_S = 1.0  # as MqttLink


class Receiver(Connection):
    """A Connection that gets messages too. `lost` tells when it has ended."""

    def __init__(self, destination: Destination, wire: Wire, arrived: Arrived) -> None:
        super().__init__(destination, wire, None)
        self._arrived = arrived
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe

    async def subscribe(self, filters: Sequence[str], timeout_s: float) -> None:
        """Ask for topics at QoS 1. Raises Refused when the broker grants one of them not, LinkLost."""
        try:
            self._client.subscribe([(each, 1) for each in filters])
        except ValueError:
            raise Refused(0x8F, "topic_filter_invalid") from None
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait([self._subscribed, self.lost], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise LinkLost(
                f"no answer to SUBSCRIBE from {where(self._destination)} within {timeout_s:g} s"
            ) from None
        if not self._subscribed.done():
            self.lost.result()
        self._subscribed.result()

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self._arrived(message.topic, bytes(message.payload))

    def _on_subscribe(
        self, _client: object, _data: object, _mid: int, reasons: Sequence[ReasonCode], _properties: object
    ) -> None:
        refusals = [reason for reason in reasons if reason.value >= 0x80]
        if refusals:
            fail(self._subscribed, Refused(refusals[0].value, snake(refusals[0])))
        elif not self._subscribed.done():
            self._subscribed.set_result(None)


@asynccontextmanager
async def receive(
    destination: Destination, filters: Sequence[str], arrived: Arrived
) -> AsyncIterator[Receiver]:
    """Connect and subscribe. Raises LinkLost, or Refused for a failure code of the broker."""
    wire = Wire(await dial(destination, CONNECT_S))
    receiver = Receiver(destination, wire, arrived)
    try:
        await receiver.handshake(ANSWER_S)
        await receiver.subscribe(filters, ANSWER_S)
        yield receiver
        await receiver.disconnect(GOODBYE_S)
    finally:
        receiver.close()
