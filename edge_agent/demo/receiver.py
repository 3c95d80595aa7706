"""The cloud side of the demo: a subscriber that hands every message to the verdict."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

READY_S = 10.0
KEEPALIVE_S = 3600
"""A demo that was suspended for minutes must find its subscription again: what came meanwhile counts."""


class Receiver:
    """Subscribes to everything at a broker on loopback; calls back on the loop with topic and document."""

    def __init__(self, port: int, version: str, arrived: Callable[[str, Any], None]) -> None:
        self._port = port
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self._subscribed = asyncio.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id="demo-receiver",
            protocol=paho.MQTTv5 if version == "5" else paho.MQTTv311,
        )
        self._client.on_connect = lambda client, *_: client.subscribe("edge/#", 1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    async def start(self) -> None:
        """Connect and subscribe; raises TimeoutError when the broker does not answer."""
        self._client.connect_async("127.0.0.1", self._port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        async with asyncio.timeout(READY_S):
            await self._subscribed.wait()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_subscribe(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._subscribed.set)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        document = json.loads(message.payload)
        self._loop.call_soon_threadsafe(self._arrived, message.topic, document)
