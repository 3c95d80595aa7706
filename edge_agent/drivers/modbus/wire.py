"""One connection shared by the devices behind it: who may ask when, and when it is opened again."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.backoff import Backoff
from edge_agent.core.plan import Block
from edge_agent.drivers.modbus.client import ModbusSocket
from edge_agent.errors import DeviceError

LONGEST_WAIT_S = 30.0
"""Between two attempts to connect: a PLC that is switched on again is read half a minute later at most."""

log = structlog.get_logger("modbus")


class Wire:
    """One request at a time, in the order of asking. A closed socket is opened again by the next request.

    `uniform(a, b)` gives a random number in [a, b].
    """

    def __init__(self, connection: ModbusConnection, *, uniform: Callable[[float, float], float]) -> None:
        self._connection = connection
        self._socket = ModbusSocket(connection)
        self._lock = asyncio.Lock()
        self._backoff = Backoff(uniform, longest_s=LONGEST_WAIT_S)
        self._retry_at = 0.0
        self._down = ""
        self._ended = False

    async def open(self) -> None:
        """Connect if need be, now, however long the next attempt would have to wait. Raises DeviceError."""
        async with self._lock:
            if not self._socket.connected:
                self._retry_at = 0.0
                await self._open(asyncio.get_running_loop())

    async def read(self, unit: int, block: Block) -> tuple[bytes, float, float]:
        """The data of a block, and when the request went out and its answer came in (loop time, s).

        Raises DeviceError; `disconnected` at once while the next attempt to connect has to wait.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            if not self._socket.connected:
                await self._open(loop)
            sent = loop.time()
            data = await self._socket.read(unit, block)
            return data, sent, loop.time()

    def close(self) -> None:
        """Close the socket for good: whoever still asks is not answered."""
        self._ended = True
        self._socket.close()

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        # A connection that had answered is opened again at once, as often as the device ends it. One that was
        # taken and never answered is no better than none: the next attempt has to wait.
        held_s = math.inf if self._socket.proven else 0.0
        if not held_s and loop.time() < self._retry_at:
            raise DeviceError("disconnected", self._down or "closed by the device without an answer")
        try:
            await self._connect()
        except DeviceError as error:
            self._retry_at = loop.time() + self._backoff.after(held_s)
            if not self._down:
                log.warning("connection down", connection=self._connection.name, why=error.detail)
            self._down = error.detail
            raise
        self._retry_at = loop.time() + self._backoff.after(held_s)
        if self._down:
            log.info("connection up", connection=self._connection.name)
        self._down = ""

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
