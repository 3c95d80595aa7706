"""One Modbus connection: a request goes out, and the data bytes of its answer come back.

pymodbus does the framing. Its client is left out: it takes short and foreign answers for good ones, lets a
request wait out its timeout on a socket that has died, raises inside the event loop for what it cannot
decode, and on Python 3.11 loses cancels (asyncio.wait_for).
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.plan import Block
from edge_agent.core.registers import Table
from edge_agent.drivers.modbus.framing import REFUSED, cutter
from edge_agent.drivers.modbus.line import Carrier, Heard, Line
from edge_agent.drivers.modbus.numbered import NumberedLine, Numbers
from edge_agent.drivers.modbus.unnumbered import Unanswered, UnnumberedLine
from edge_agent.errors import DeviceError, EdgeAgentError
from edge_agent.tls import context

FUNCTIONS: Mapping[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}

_READ = Struct(">BHH")  # function, address, count


@dataclass(frozen=True, slots=True)
class Question:
    """A request PDU; `size` is how many bytes of data the answer has to bring, None when nobody can tell."""

    pdu: bytes
    size: int | None = None


def reading(block: Block) -> Question:
    """What asks for a block."""
    return Question(_READ.pack(FUNCTIONS[block.table], block.address, block.count), block.size_bytes)


class ModbusClient:
    """A way to the devices of one connection; not connected at first.

    `late` is called with the unit whose answer came after its time.
    """

    def __init__(self, connection: ModbusConnection, late: Callable[[int], None] | None = None) -> None:
        self._connection = connection
        self._line: Line | None = None
        self._numbers = Numbers()
        self._unanswered = Unanswered(late or (lambda _unit: None))

    @property
    def connected(self) -> bool:
        """There is a connection that nobody has closed."""
        return self._line is not None and self._line.open

    @property
    def proven(self) -> bool:
        """The connection, which may have ended since, has answered a request."""
        return self._line is not None and self._line.answered

    async def connect(self) -> None:
        """Open the connection. Raises DeviceError `disconnected`."""
        self.close()
        self._line = None
        settings = self._connection
        carrier = self._new_line()
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await _opened(settings, carrier)
        except (OSError, ValueError, EdgeAgentError) as error:
            why = _words(error) or f"no answer within {settings.connect_timeout_s:g} s"
            raise DeviceError("disconnected", f"{settings.place}: {why}") from error
        self._line = carrier

    def close(self) -> None:
        """Close the connection; the next request needs a new one."""
        if self._line is not None:
            self._line.close()

    async def ask(self, unit: int, question: Question, timeout_s: float | None = None) -> Heard:
        """What answers a question: its data where their size is known, else the PDU. Raises DeviceError.

        `timeout_s` is that of the connection unless it is given.
        """
        line = self._line
        if line is None or not line.open:
            raise DeviceError("disconnected", "no connection")
        function, size = question.pdu[0], question.size
        within_s = self._connection.timeout_s if timeout_s is None else timeout_s
        heard = await line.ask(unit, question.pdu, within_s)
        pdu = heard.pdu
        if pdu[0] == function:
            if size is None:
                return heard
            if len(pdu) == size + 2 and pdu[1] == size:
                return Heard(pdu[2:], heard.sent)
            raise DeviceError("short_answer", f"{len(pdu) - 2} bytes instead of {size}")
        if pdu[0] == function | REFUSED and len(pdu) == 2:
            raise DeviceError(f"exception:{pdu[1]}")
        raise DeviceError("wrong_answer", f"function {pdu[0]} instead of {function}")

    def _new_line(self) -> NumberedLine | UnnumberedLine:
        settings = self._connection
        if settings.framing == "tcp":
            return NumberedLine(self._numbers)
        return UnnumberedLine(
            cutter(settings.framing),
            self._unanswered,
            quiet_s=settings.quiet_s,
            character_s=settings.line.character_s if settings.line else 0.0,
        )


async def _opened(settings: ModbusConnection, carrier: Carrier) -> None:
    """Connect a line to its place. Raises OSError, or EdgeAgentError for a file that TLS cannot use."""
    loop = asyncio.get_running_loop()
    if settings.line is not None:
        # pyserial costs 2 MB, and most gateways have no serial port.
        from edge_agent.drivers.modbus.serial_port import open_port  # noqa: PLC0415

        open_port(settings.line, carrier)
    elif settings.transport == "udp":
        await loop.create_datagram_endpoint(lambda: carrier, remote_addr=(settings.host, settings.port))
    else:
        tls = await _tls(settings)
        name = settings.host if tls else None
        await loop.create_connection(
            lambda: carrier, settings.host, settings.port, ssl=tls, server_hostname=name
        )


async def _tls(settings: ModbusConnection) -> ssl.SSLContext | None:
    tls = settings.tls
    return None if tls is None else await asyncio.to_thread(context, tls.ca, tls.cert, tls.key)


def _words(error: Exception) -> str:
    """What went wrong, for people; empty for a timeout."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    # asyncio puts its own words, with the address once more, where those of the system would stand.
    if not isinstance(error, OSError) or isinstance(error, TimeoutError):
        return str(error)
    if error.errno == errno.EAGAIN:  # of a serial port
        return "another program has it open"
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    words = os.strerror(error.errno)
    return f"{error.filename}: {words}" if error.filename else words
