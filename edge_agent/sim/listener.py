"""A simulated Modbus PLC on TCP connections, plain or in TLS."""

import asyncio
import contextlib
import socket
import ssl
import struct
from functools import partial

from edge_agent.sim.framing import READERS, NoModbusError
from edge_agent.sim.line import Answering, Line
from edge_agent.sim.places import Tcp
from edge_agent.sim.port import bound

LINGER_NOT = struct.pack("ii", 1, 0)  # closing throws away what is under way and sends a RST


class Listener:
    """Lets clients in at a place, for a PLC that answers them."""

    def __init__(self, place: Tcp, plc: Answering) -> None:
        self.port = place.port
        self._place = place
        self._plc = plc
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def lines(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def open(self) -> None:
        """Take the port and let clients in. OSError when it cannot be had."""
        if self._socket is None:
            await self._bind()
        try:
            self._server = await asyncio.start_server(self._connected, sock=self._socket, ssl=self._place.tls)
        except OSError:
            await self.close()
            raise

    async def refuse(self) -> None:
        """End every connection and let nobody in. OSError when the port was lost on the way."""
        await self.close()
        await self._bind()  # bound without listening: connections are refused, and the port stays ours

    async def close(self) -> None:
        """End every connection and give the port away. Raises what went wrong in a connection."""
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

    async def _bind(self) -> None:
        self._socket = await bound(self._place.host, self.port)
        self.port = self._socket.getsockname()[1]

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
        line = Line(self._plc, writer.write, partial(_reset, writer))
        requests = READERS[self._place.mode](self._place.quiet_s)
        clock = asyncio.get_running_loop().time
        try:
            while data := await reader.read(65536):
                for request in requests.feed(data, clock()):
                    line.take(request)
                    await line.room()
                await writer.drain()
        except (ConnectionError, ssl.SSLError, NoModbusError):
            return  # the client has gone or speaks something else, as clients may
        finally:
            writer.close()
            await line.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
