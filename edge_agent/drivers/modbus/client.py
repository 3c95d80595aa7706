"""One Modbus TCP connection: a request goes out, and the data bytes of its answer come back.

pymodbus does the framing. Its client is left out: it takes short and foreign answers for good ones, lets a
request wait out its timeout on a socket that has died, raises inside the event loop for what it cannot
decode, and on Python 3.11 loses cancels (asyncio.wait_for).

What comes in is never guessed at. A frame belongs to the request that waits (same transaction, unit and
function, exactly as many bytes as were asked for), or to an earlier one that was given up and is skipped, or
it closes the socket: behind it nothing can be trusted. The next request needs a new one.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Mapping
from struct import Struct
from typing import cast

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU
from typing_extensions import override

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.plan import Block
from edge_agent.core.registers import Table
from edge_agent.errors import DeviceError

FUNCTIONS: Mapping[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
REFUSED = 0x80  # set in the function code of an exception response

LONGEST = 260
"""Bytes of a frame: header 7, PDU 253 (Modbus Messaging on TCP/IP 1.0b, 3.1.3)."""

REMEMBERED = 64
"""Requests given up that may still be answered late. A device that has more of them open is beyond trust."""

UNACKNOWLEDGED_MS = 10_000
"""How long a host may leave unacknowledged what we sent, before the kernel closes the socket.

A silent unit behind a living gateway keeps its socket. A host that lost its power does not: waiting for the
kernel's next repetition would cost minutes after it is back.
"""

_READ = Struct(">BHH")  # function, address, count


class ModbusSocket:
    """One request at a time; not connected at first."""

    def __init__(self, connection: ModbusConnection) -> None:
        self._connection = connection
        self._stream: _Stream | None = None

    @property
    def connected(self) -> bool:
        """There is a socket that nobody has closed."""
        return self._stream is not None and self._stream.open

    @property
    def proven(self) -> bool:
        """The connection, which may have ended since, has answered a request."""
        return self._stream is not None and self._stream.answered

    async def connect(self) -> None:
        """Open the socket. Raises DeviceError `disconnected`."""
        self.close()
        self._stream = None
        settings = self._connection
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                _, self._stream = await asyncio.get_running_loop().create_connection(
                    _Stream, settings.host, settings.port
                )
        except OSError as error:
            why = _words(error) or f"no answer within {settings.connect_timeout_s:g} s"
            raise DeviceError("disconnected", f"{settings.host}:{settings.port}: {why}") from error

    def close(self) -> None:
        """Close the socket; the next request needs a new one."""
        if self._stream is not None:
            self._stream.close()

    async def read(self, unit: int, block: Block) -> bytes:
        """The data bytes of a block, exactly as many as it has. Raises DeviceError."""
        size = block.size_bytes
        pdu = await self.ask(unit, _READ.pack(FUNCTIONS[block.table], block.address, block.count))
        if len(pdu) == size + 2 and pdu[1] == size:
            return pdu[2:]
        self.close()
        raise DeviceError("short_answer", f"{len(pdu) - 2} bytes instead of {size}")

    async def ask(self, unit: int, request: bytes) -> bytes:
        """The PDU that answers a request PDU, of the same function. Raises DeviceError."""
        stream = self._stream
        if stream is None or not stream.open:
            raise DeviceError("disconnected", "no connection")
        function = request[0]
        pdu = await stream.ask(unit, request, self._connection.timeout_s)
        if pdu[0] == function:
            return pdu
        if pdu[0] == function | REFUSED and len(pdu) == 2:
            raise DeviceError(f"exception:{pdu[1]}")
        stream.close()
        raise DeviceError("wrong_answer", f"function {pdu[0]} instead of {function}")


def _words(error: OSError) -> str:
    # asyncio puts its own words, with the address once more, where those of the system would stand.
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)


class _Stream(asyncio.Protocol):
    """The frames of one socket, given to the request that waits for them."""

    def __init__(self) -> None:
        self.answered = False
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._received = b""
        self._transaction = 0
        self._unit = 0
        self._reply: asyncio.Future[bytes | DeviceError] | None = None
        self._given_up: deque[int] = deque(maxlen=REMEMBERED)

    @property
    def open(self) -> bool:
        return not self._transport.is_closing()

    def close(self) -> None:
        self._transport.abort()

    async def ask(self, unit: int, request: bytes, timeout_s: float) -> bytes:
        """The PDU, of one byte at least, that answers a request PDU. Raises DeviceError."""
        loop = asyncio.get_running_loop()
        # No transaction is 0: that is what devices send that do not copy it.
        self._transaction = self._transaction % 0xFFFF + 1
        self._unit = unit
        reply: asyncio.Future[bytes | DeviceError] = loop.create_future()
        self._reply = reply
        timer = loop.call_later(timeout_s, self._fail, "timeout")
        try:
            self._transport.write(self._framer.encode(request, unit, self._transaction))
            outcome = await reply
        finally:
            timer.cancel()
            if self._reply is not None:
                self._give_up()
        if isinstance(outcome, DeviceError):
            raise outcome
        return outcome

    def _give_up(self) -> None:
        self._reply = None
        self._given_up.append(self._transaction)
        if self._received:
            self.close()  # half an answer lies in the way of the next one

    def _fail(self, reason: str, detail: str = "") -> None:
        # A result, not an exception: after a cancel nobody is left to look at it.
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(DeviceError(reason, detail))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of a TCP connection
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux
            handle = transport.get_extra_info("socket")
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        why = exc.strerror if isinstance(exc, OSError) else None
        self._fail("disconnected", why or "closed by the device")

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._received and self.open:
            if any(self._received[2:4]):
                self._distrust("not the protocol Modbus")
                return
            size, unit, transaction, pdu = self._framer.decode(self._received)
            if not size:
                if len(self._received) > LONGEST:
                    self._distrust("a frame that is too long")
                return
            self._received = self._received[size:]
            self._take(unit, transaction, pdu)

    def _take(self, unit: int, transaction: int, pdu: bytes) -> None:
        reply = self._reply
        if reply is None or transaction != self._transaction:
            if transaction in self._given_up:
                self._given_up.remove(transaction)  # late: it has been a timeout
            else:
                self._distrust(f"an answer to request {transaction}, which is none of ours")
        elif unit != self._unit or not pdu:
            self._distrust(f"an answer of unit {unit} instead of {self._unit}" if pdu else "an empty answer")
        elif not reply.done():
            self.answered = True
            self._reply = None
            reply.set_result(pdu)

    def _distrust(self, detail: str) -> None:
        self._fail("wrong_answer", detail)
        self.close()
