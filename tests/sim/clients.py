"""Clients of a few lines: they send bytes to a simulated PLC and take the bytes that leave it."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from edge_agent.config.settings import Tag
from edge_agent.sim.descriptor import readable
from edge_agent.sim.framing import Frame, wrapped
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Place, Serial, Tcp, Udp

NOW_NS = 7 * 200_000_000
"""Where the time of the PLCs here stands still: tick 7."""

HOUR_S = 3600.0  # never, for a test

PATIENCE_S = 5.0  # what comes comes at once; longer only on a machine that is busy


class Client(Protocol):
    """One end of a line whose other end is a PLC."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        ...

    async def take(self, count: int) -> bytes:
        """The next bytes, so many. TimeoutError when they do not come."""
        ...


class Stream:
    """A TCP connection, in TLS with a context."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def take(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(count)


class Datagrams:
    """A UDP socket that takes one datagram at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(("127.0.0.1", port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    async def take(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            data = await asyncio.get_running_loop().sock_recv(self._socket, 2048)
        assert len(data) == count, data.hex(" ")
        return data


class Pty:
    """The near end of a pseudo-terminal; the far one is at `path`."""

    def __init__(self) -> None:
        self._near, self.far = os.openpty()
        self.path = os.ttyname(self.far)
        self._held = b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        os.close(self.far)

    def close(self) -> None:
        """End the near end."""
        if self._near >= 0:
            os.close(self._near)
            self._near = -1

    def send(self, data: bytes) -> None:
        os.write(self._near, data)

    async def take(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            while len(self._held) < count:
                await readable(self._near)
                self._held += os.read(self._near, 4096)
        taken, self._held = self._held[:count], self._held[count:]
        return taken


def contexts(certificate: Path, ca: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server with a certificate (its key lies beside it), and of a client that trusts `ca`."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return server, ssl.create_default_context(cafile=ca)


@asynccontextmanager
async def opened(tags: Sequence[Tag], place: str) -> AsyncIterator[tuple[ModbusPlc, Client]]:
    """A PLC with the units 1 and 7 at a place, and a client that is connected to it."""
    async with Pty() as pty:
        places: dict[str, Place] = {
            "tcp": Tcp(),
            "rtu": Tcp(mode="rtu", quiet_s=HOUR_S),
            "ascii": Tcp(mode="ascii"),
            "udp": Udp(),
            "serial-rtu": Serial(pty.path),
            "serial-ascii": Serial(pty.path, "ascii", parity="odd", databits=7),
        }
        async with ModbusPlc(tags, at=places[place], units=(1, 7), clock=lambda: NOW_NS) as plc:
            if isinstance(plc.place, Serial):
                yield plc, pty
            else:
                near = Datagrams(plc.port) if place == "udp" else Stream(plc.port)
                async with near as client:
                    yield plc, client


async def says(client: Client, plc: ModbusPlc, request: Frame, answer: str) -> bool:
    """Whether a PLC answers a request with this PDU."""
    client.send(wrapped(request, plc.place.mode))
    return await hears(client, wrapped(replace(request, pdu=bytes.fromhex(answer)), plc.place.mode))


async def hears(client: Client, expected: bytes) -> bool:
    """Whether the next bytes are these."""
    return await client.take(len(expected)) == expected
