"""The way to one broker, to be opened again and again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge_agent.config.settings import Destination
from edge_agent.mqtt.connection import Connection
from edge_agent.mqtt.dial import dial
from edge_agent.mqtt.wire import Wire
from edge_agent.ports import Message


class MqttLink:
    """A Link over MQTT 5, or 3.1.1 where the destination says so: there a PUBACK has no code and is success.

    `will` is what the broker publishes when the connection ends in any way but an orderly one. Durations in
    seconds: `connect_timeout_s` for name, TCP and TLS together, `answer_timeout_s` for CONNACK, `goodbye_s`
    for writing the DISCONNECT and what waits before it.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        will: Message | None = None,
        connect_timeout_s: float = 10.0,
        answer_timeout_s: float = 10.0,
        goodbye_s: float = 1.0,
    ) -> None:
        self._destination = destination
        self._will = will
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._goodbye_s = goodbye_s

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Connection]:
        """Connect. Raises LinkLost, or Refused for a failure code in CONNACK.

        Left normally, a DISCONNECT is written and the broker forgets the will. Left by an exception or a
        cancel, the broker is asked to publish the will, and nothing is waited for. Either way what is
        unacknowledged gets LinkLost, and no thread, task or descriptor remains.
        """
        wire = Wire(await dial(self._destination, self._connect_timeout_s))
        connection = Connection(self._destination, wire, self._will)
        try:
            await connection.handshake(self._answer_timeout_s)
            yield connection
            await connection.disconnect(self._goodbye_s)
        finally:
            connection.close()
