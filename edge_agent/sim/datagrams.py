"""A simulated Modbus PLC on UDP: a datagram holds one frame of mode tcp."""

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import Any

from edge_agent.sim.descriptor import readable, stop
from edge_agent.sim.framing import NoModbusError, TcpReader
from edge_agent.sim.line import Answering, Line
from edge_agent.sim.places import Udp
from edge_agent.sim.port import bound

LARGEST = 1500  # more than any frame

Client = tuple[Any, ...]  # an address as recvfrom gives it: two parts of IPv4, four of IPv6


class Datagrams:
    """Takes datagrams at a place, for a PLC that answers them. What is no request is not answered."""

    def __init__(self, place: Udp, plc: Answering) -> None:
        self.port = place.port
        self._place = place
        self._plc = plc
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._lines: dict[Client, Line] = {}

    @property
    def lines(self) -> int:
        """How many clients have answers to come."""
        return sum(not line.idle for line in self._lines.values())

    async def open(self) -> None:
        """Take the port and answer. OSError when it cannot be had."""
        self._socket = await bound(self._place.host, self.port, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # noqa: FBT003 - its own name for it
        self.port = self._socket.getsockname()[1]
        self._serving = asyncio.get_running_loop().create_task(self._serve(self._socket))

    async def refuse(self) -> None:
        """Give the port away: who sends to it is told that nobody listens."""
        await self.close()

    async def close(self) -> None:
        """Give the port away. Raises what went wrong at it."""
        serving, self._serving = self._serving, None
        port, self._socket = self._socket, None
        if serving is None or port is None:
            return
        with port:
            try:
                await stop(serving)
            finally:
                lines, self._lines = self._lines, {}
                await asyncio.gather(*(line.close() for line in lines.values()))

    async def _serve(self, port: socket.socket) -> None:
        while True:
            await readable(port.fileno())
            with suppress(BlockingIOError):  # it was damaged on its way
                self._take(port, *port.recvfrom(LARGEST))

    def _take(self, port: socket.socket, data: bytes, client: Client) -> None:
        self._lines = {of: line for of, line in self._lines.items() if not line.idle}
        line = self._lines.get(client)
        if line is None:
            send = partial(_send, port, client)
            line = self._lines[client] = Line(self._plc, send, lambda: None)
        with suppress(NoModbusError):
            for request in TcpReader().feed(data, 0.0):
                if not line.full:  # else it is lost, as datagrams are
                    line.take(request)


def _send(port: socket.socket, client: Client, data: bytes) -> None:
    with suppress(BlockingIOError):  # no room to send: it is lost, as datagrams are
        port.sendto(data, client)
