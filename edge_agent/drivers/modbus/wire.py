"""One connection shared by the devices behind it: who may ask when, and when it is opened again."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.plan import Block
from edge_agent.drivers.gate import Gate
from edge_agent.drivers.modbus.client import ModbusSocket
from edge_agent.errors import DeviceError


class Wire:
    """One request at a time, in the order of asking. A closed socket is opened again by the next request.

    `uniform(a, b)` gives a random number in [a, b].
    """

    def __init__(self, connection: ModbusConnection, *, uniform: Callable[[float, float], float]) -> None:
        self.connection = connection
        self._socket = ModbusSocket(connection)
        self._lock = asyncio.Lock()
        self._gate = Gate(connection.name, uniform)
        self._ended = False

    async def open(self) -> None:
        """Connect if need be, now, however long the next attempt would have to wait. Raises DeviceError."""
        async with self._lock:
            if not self._socket.connected:
                self._gate.open()
                await self._open()

    async def read(self, unit: int, block: Block) -> tuple[bytes, float, float]:
        """The data of a block, and when the request went out and its answer came in (loop time, s).

        Raises DeviceError; `disconnected` at once while the next attempt to connect has to wait.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            if not self._socket.connected:
                await self._open()
            sent = loop.time()
            data = await self._socket.read(unit, block)
            return data, sent, loop.time()

    async def ask(self, unit: int, request: bytes) -> bytes:
        """The PDU that answers a request PDU. Raises DeviceError, as `read` does."""
        async with self._lock:
            if not self._socket.connected:
                await self._open()
            return await self._socket.ask(unit, request)

    def close(self) -> None:
        """Close the socket for good: whoever still asks is not answered."""
        self._ended = True
        self._socket.close()

    async def _open(self) -> None:
        # A connection that had answered is opened again at once, as often as the device ends it. One that was
        # taken and never answered is no better than none: the next attempt has to wait.
        held_s = math.inf if self._socket.proven else 0.0
        if not held_s:
            self._gate.check()
        try:
            await self._connect()
        except DeviceError as error:
            self._gate.failed(error, held_s)
            raise
        self._gate.opened(held_s)

    async def _connect(self) -> None:
        # Whoever reads on behalf of a person may still be at it when the device is no longer polled.
        if not self._ended:
            await self._socket.connect()
        if self._ended:
            self._socket.close()
            raise DeviceError("disconnected", "no longer in use")


@asynccontextmanager
async def connect(connection: ModbusConnection) -> AsyncIterator[Wire]:
    """The wire of a connection for as long as its devices are polled.

    Its socket opens with the first request.
    """
    wire = Wire(connection, uniform=random.uniform)
    try:
        yield wire
    finally:
        wire.close()
