"""An open way to Modbus devices, whatever it is made of: requests go out, the PDUs of answers come back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from typing_extensions import override

from edge_agent.errors import DeviceError

Reply = asyncio.Future[bytes | DeviceError]
"""A PDU, or why there is none. A result, not an exception: after a cancel nobody is left to look at it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The PDU of an answer, of one byte at least, and when its request went out (time of the loop, s)."""

    pdu: bytes
    sent: float


class Line(Protocol):
    """A connection that is open, or was."""

    @property
    def open(self) -> bool:
        """Nobody has closed it."""
        ...

    @property
    def answered(self) -> bool:
        """A request has been answered over it."""
        ...

    async def ask(self, unit: int, request: bytes, timeout_s: float) -> Heard:
        """What answers a request PDU. Raises DeviceError."""
        ...

    def close(self) -> None:
        """Close it for good."""
        ...


class Carrier(asyncio.Protocol, asyncio.DatagramProtocol):
    """Both kinds of transports for a line: a stream, or datagrams of which each is looked at by itself."""

    def __init__(self) -> None:
        self.answered = False
        self._transport: asyncio.Transport | None = None
        self._send: Callable[[bytes], None] = _dropped
        self._whole = False  # what comes in comes as whole datagrams

    @property
    def open(self) -> bool:
        """Nobody has closed it."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close it at once; what was not sent yet is dropped."""
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self._transport = cast("asyncio.Transport", transport)
        # Not every loop has its datagram transports in the class of that name; those of uvloop have no write.
        sendto = getattr(transport, "sendto", None)
        self._send = self._transport.write if sendto is None else sendto
        self._whole = sendto is not None

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """The transport has ended."""
        why = exc.strerror if isinstance(exc, OSError) else None
        self._fail_all("disconnected", why or "closed by the device")

    @override
    def datagram_received(self, data: bytes, addr: object) -> None:
        """A datagram is whole or worthless: nothing of it is kept for the next one."""
        self.data_received(data)
        self._forget()

    @override
    def error_received(self, exc: Exception) -> None:
        """The network refused a datagram: the port is closed, the host is not there."""
        why = exc.strerror if isinstance(exc, OSError) else None
        self._fail_all("disconnected", why or str(exc))

    def _fail_all(self, reason: str, detail: str = "") -> None:
        raise NotImplementedError

    def _forget(self) -> None:
        raise NotImplementedError


def _dropped(_frame: bytes) -> None:
    """Nothing goes out before there is a transport."""


def settle(reply: Reply, outcome: bytes | DeviceError) -> None:
    """Give a request its outcome if it has none yet."""
    if not reply.done():
        reply.set_result(outcome)


def expire(reply: Reply) -> None:
    """Nothing came in time."""
    settle(reply, DeviceError("timeout"))


async def outcome_of(reply: Reply, timeout_s: float, ended: Callable[[], None]) -> bytes:
    """The PDU of a reply; `ended` is called however the waiting ends. Raises DeviceError."""
    timer = asyncio.get_running_loop().call_later(timeout_s, expire, reply)
    try:
        outcome = await reply
    finally:
        timer.cancel()
        ended()
    if isinstance(outcome, DeviceError):
        raise outcome
    return outcome
