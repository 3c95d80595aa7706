"""A simulated PLC on Modbus TCP, with its own framing.

Frame: transaction (2 bytes), protocol (2, always 0), length (2, of all that follows), unit (1), PDU.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from edge_agent.config.settings import Tag
from edge_agent.ports import Clock
from edge_agent.sim.faults import HEADER, Faults
from edge_agent.sim.image import NO_SUCH_UNIT, Contents, Image, answer, refusal
from edge_agent.sim.port import bound
from edge_agent.sim.signals import tick_at

LONGEST = 254  # unit and PDU (Modbus Messaging on TCP/IP 1.0b, 3.1.3)


class ModbusPlc:
    """Units that all show the tags of one profile; the port is open inside the context only.

    `tags` are all tags of the profile in its order. `port` 0 lets the kernel choose; read `port` afterwards.
    A unit that is not in `units` is answered with exception 11. `clock` gives UTC in ns. ValueError for tags
    that cannot be simulated; entering raises OSError when the address cannot be had.
    """

    def __init__(
        self,
        tags: Sequence[Tag],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        units: Sequence[int] = (1,),
        clock: Clock = time.time_ns,
    ) -> None:
        self.port = port
        self.units = tuple(units)
        self.requests = 0
        self.faults = Faults()
        self._host = host
        self._clock = clock
        self._image = Image(tags)
        self._shown: dict[int, tuple[int, Contents]] = {}
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        await self._bind()
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def switch(self, faults: Faults) -> None:
        """Fail like this from now on; `Faults()` is sound again. OSError when the port was lost meanwhile."""
        before, self.faults = self.faults, faults
        if faults.refuse and not before.refuse:
            await self._close()
            await self._bind()  # bound without listening: connections are refused, and the port stays ours
        if before.refuse and not faults.refuse:
            await self._listen()

    def respond(self, frame: bytes) -> bytes | None:
        """The whole response frame to a whole request frame; None when there is none."""
        self.requests += 1
        unit, request = frame[6], frame[HEADER:]
        if unit in self.units:
            pdu = answer(request, self._contents(unit))
        else:
            pdu = refusal(request[0], NO_SUCH_UNIT)
        return self.faults.spoil(frame[:4] + (len(pdu) + 1).to_bytes(2, "big") + frame[6:HEADER] + pdu)

    def _contents(self, unit: int) -> Contents:
        tick = tick_at(self._clock(), unit)
        known = self._shown.get(unit)
        if known is None or known[0] != tick:
            known = self._shown[unit] = tick, self._image.at(tick)
        return known[1]

    async def _bind(self) -> None:
        self._socket = await bound(self._host, self.port)
        self.port = self._socket.getsockname()[1]

    async def _listen(self) -> None:
        try:
            self._server = await asyncio.start_server(self._connected, sock=self._socket)
        except OSError:
            await self._close()
            raise

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        elif self._socket is not None:
            self._socket.close()
        self._socket = None
        connections = dict(self._connections)
        for connection, writer in connections.items():
            writer.transport.abort()
            connection.cancel()
        ended = await asyncio.gather(*connections, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # accepted in the moment of closing
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # One that failed stays, so that leaving the context raises what went wrong in it.
        if task.cancelled() or task.exception() is None:
            self._connections.pop(task, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (frame := await _frame(reader)) is not None:
                response = self.respond(frame)
                if self.faults.slow_s:
                    await asyncio.sleep(self.faults.slow_s)
                if response is not None:
                    writer.write(response)
                    await writer.drain()
        except ConnectionError:
            return  # the client has gone, as clients may
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next request frame; None when the client has ended or speaks something else."""
    try:
        head = await reader.readexactly(6)
        length = int.from_bytes(head[4:6], "big")
        if head[2:4] != b"\0\0" or not 2 <= length <= LONGEST:
            return None
        return head + await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
