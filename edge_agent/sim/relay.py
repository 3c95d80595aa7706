"""The way between clients and a simulated PLC: a TCP relay that holds up, delays or loses what passes.

Silence loses bytes, and a protocol that numbers its messages cannot go on behind such a hole: a connection
that lost something is reset when the silence ends.
"""

import asyncio
import socket
from collections import deque
from contextlib import suppress
from typing import cast

from typing_extensions import override

from edge_agent.sim.faults import Faults
from edge_agent.sim.port import bound


class Relay:
    """Passes every connection to `host`:`port` on to the port `to` on loopback, as the faults let it.

    `port` is the one clients see, also while nobody listens on it.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = port
        self.to = 0
        self.faults = Faults()
        self._host = host
        self._socket: socket.socket | None = None
        self._links: set[_Link] = set()

    async def bind(self) -> None:
        """Take the port without listening: connections are refused. OSError when it cannot be had."""
        self._socket = await bound(self._host, self.port)
        self._socket.setblocking(False)  # noqa: FBT003 - its own name for it
        self.port = self._socket.getsockname()[1]

    async def listen(self) -> None:
        """Let clients in. OSError when another listens there meanwhile."""
        if self._socket is None:
            await self.bind()
        listening = cast("socket.socket", self._socket)
        try:
            listening.listen(100)
        except OSError:
            await self.close()
            raise
        # Not a server of asyncio: in Python 3.11 that one forgets to close what it accepts while it closes.
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    async def refuse(self) -> None:
        """End every connection and refuse new ones. OSError when the port was lost on the way."""
        await self.close()
        await self.bind()

    async def switch(self, faults: Faults) -> None:
        """Silence, slowness and a frozen link from now on; what `refuse` says is not looked at."""
        before, self.faults = self.faults, faults
        for link in tuple(self._links):
            if before.silence and not faults.silence and link.holed:
                link.cut()
            elif before.frozen != faults.frozen:
                link.freeze() if faults.frozen else link.thaw()

    def cut(self) -> None:
        """End every connection; new ones are let in."""
        for link in tuple(self._links):
            link.cut()

    async def close(self) -> None:
        """End every connection and give the port away."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        links = tuple(self._links)
        self.cut()
        for link in links:
            await link.ended.wait()

    def forget(self, link: "_Link") -> None:
        """A connection has ended at both sides."""
        self._links.discard(link)

    def _accept(self, listening: socket.socket) -> None:
        with suppress(BlockingIOError, InterruptedError, ConnectionAbortedError):
            connection, _ = listening.accept()
            link = _Link(self, connection)
            self._links.add(link)
            link.open()


class _Link:
    """One connection: the end `near` the client, and the end `far` from it, at the PLC."""

    def __init__(self, relay: Relay, connection: socket.socket) -> None:
        self.near = _End(self)
        self.far = _End(self)
        self.holed = False
        self.ended = asyncio.Event()
        self._relay = relay
        self._connection = connection
        self._late: deque[bytes] = deque()
        self._opening: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to pass on what a client sends."""
        self._opening = asyncio.get_running_loop().create_task(self._open())
        self._opening.add_done_callback(self._opened)

    def carry(self, data: bytes, end: "_End") -> None:
        """Pass on what came in at an end, or what came to its end (no bytes)."""
        if self._relay.faults.silence and data:
            self.holed = True
        elif end is self.near:
            self.far.send(data)
        elif self._relay.faults.slow_s or self._late:
            # Every chunk has a timer, and every timer sends the oldest chunk: so the order stays when the
            # delay changes.
            self._late.append(data)
            asyncio.get_running_loop().call_later(self._relay.faults.slow_s, self._arrive)
        else:
            self.near.send(data)

    def lost(self, end: "_End") -> None:
        """One end has gone: the other follows, behind what is still under way to it."""
        self.carry(b"", end)
        self._end()

    def freeze(self) -> None:
        """Let no byte through either way; what the kernel has stays there."""
        self.near.pause()
        self.far.pause()

    def thaw(self) -> None:
        """Go on where it stopped."""
        self.near.resume()
        self.far.resume()

    def cut(self) -> None:
        """End at both sides, now."""
        self._late.clear()
        if self._opening is not None:
            self._opening.cancel()
        self.near.abort()
        self.far.abort()

    @property
    def frozen(self) -> bool:
        """Whether bytes stand still just now."""
        return self._relay.faults.frozen

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._connection.setblocking(False)  # noqa: FBT003 - its own name for it
        await loop.connect_accepted_socket(lambda: self.near, self._connection)
        self.near.pause()  # until there is somebody to pass it on to
        try:
            await loop.create_connection(lambda: self.far, "127.0.0.1", self._relay.to)
        except OSError:  # the PLC is going down
            self.near.abort()
            return
        if self.near.gone:
            self.far.abort()
        elif self.frozen:
            self.far.pause()
        else:
            self.near.resume()

    def _opened(self, _opening: asyncio.Task[None]) -> None:
        if self.near.transport is None:
            self._connection.close()
        self._end()

    def _end(self) -> None:
        opened = self._opening is not None and self._opening.done()
        if opened and self.near.closed and self.far.closed:
            self._relay.forget(self)
            self.ended.set()

    def _arrive(self) -> None:
        if self._late:
            self.near.send(self._late.popleft())


class _End(asyncio.Protocol):
    """One end of a connection."""

    def __init__(self, link: _Link) -> None:
        self.transport: asyncio.Transport | None = None
        self.gone = False
        self._link = link

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # of a stream socket

    @override
    def data_received(self, data: bytes) -> None:
        self._link.carry(data, self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._link.lost(self)

    @override
    def pause_writing(self) -> None:
        self._other.pause()

    @override
    def resume_writing(self) -> None:
        if not self._link.frozen:
            self._other.resume()

    def send(self, data: bytes) -> None:
        """Write to whoever is at this end; close behind all that was written for no bytes."""
        if self.transport is None or self.gone:
            return
        if data:
            self.transport.write(data)
        else:
            self.transport.close()

    def pause(self) -> None:
        """Read nothing from this end."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read from this end again."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """End it without another byte."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def closed(self) -> bool:
        """Whether nothing is open at this end, or never was."""
        return self.gone or self.transport is None

    @property
    def _other(self) -> "_End":
        return self._link.far if self is self._link.near else self._link.near
