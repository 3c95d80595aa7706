"""Modbus with the frames of TCP: each request has a number, and so has its answer.

What comes in is never guessed at. A frame belongs to the request of its number (same unit and function,
exactly as many bytes as were asked for), or to one that has ended and is skipped. An answer that is wrong
fails the request of its number, or those of its unit when it has a number of nobody's: a sick unit costs the
others behind its gateway nothing. The third frame in a row that nobody can have asked for closes the
connection, as does at once what is not the protocol, or half an answer at the end of a timeout: behind it
nothing can be trusted.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU
from typing_extensions import override

from edge_agent.drivers.modbus.line import Carrier, Heard, Reply, outcome_of, settle
from edge_agent.errors import DeviceError

LONGEST = 260
"""Bytes of a frame: header 7, PDU 253 (Modbus Messaging on TCP/IP 1.0b, 3.1.3)."""

REMEMBERED = 64
"""Requests that have ended and may still be answered late, or twice."""

STRANGE = 3
"""Frames that nobody asked for, one after the other, before the connection is given up."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    unit: int
    reply: Reply


class Numbers:
    """The numbers of requests, over all connections to a place.

    A gateway that serves one master hands what its serial side said to whoever is connected: a new connection
    that began with 1 again would take it for its own.
    """

    def __init__(self) -> None:
        self.last = 0
        self.past: deque[int] = deque(maxlen=REMEMBERED)

    def next(self) -> int:
        """The next one. None is 0: that is what devices send that do not copy it."""
        self.last = self.last % 0xFFFF + 1
        return self.last


class NumberedLine(Carrier):
    """The frames of one socket, given to the requests that wait for them; several may."""

    def __init__(self, numbers: Numbers) -> None:
        super().__init__()
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._received = b""
        self._numbers = numbers
        self._waiting: dict[int, _Waiting] = {}
        self._strange = 0

    async def ask(self, unit: int, request: bytes, timeout_s: float) -> Heard:
        """What answers a request PDU. Raises DeviceError."""
        number = self._numbers.next()
        loop = asyncio.get_running_loop()
        reply: Reply = loop.create_future()
        sent = loop.time()
        self._waiting[number] = _Waiting(unit, reply)
        self._send(self._framer.encode(request, unit, number))
        return Heard(await outcome_of(reply, timeout_s, lambda: self._ended(number)), sent)

    def _ended(self, number: int) -> None:
        # Whoever still waits here was not answered.
        if self._waiting.pop(number, None) is not None:
            self._numbers.past.append(number)
            if self._received and not self._waiting:
                self.close()  # half an answer lies in the way of the next one

    @override
    def _fail_all(self, reason: str, detail: str = "") -> None:
        for waiting in self._waiting.values():
            settle(waiting.reply, DeviceError(reason, detail))

    @override
    def _forget(self) -> None:
        self._received = b""

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._received and self.open:
            if any(self._received[2:4]):
                self._distrust("not the protocol Modbus")
                return
            size, unit, number, pdu = self._framer.decode(self._received)
            if not size:
                if len(self._received) > LONGEST:
                    self._distrust("a frame that is too long")
                return
            self._received = self._received[size:]
            self._take(unit, number, pdu)

    def _take(self, unit: int, number: int, pdu: bytes) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            if number not in self._numbers.past:  # one that is there is late, or comes twice
                self._wonder(unit, f"an answer to request {number}, which is none of ours")
            return
        self._numbers.past.append(number)
        if wrong := _wrong(waiting, unit, pdu):
            settle(waiting.reply, DeviceError("wrong_answer", wrong))
            return
        self.answered = True
        self._strange = 0
        settle(waiting.reply, pdu)

    def _wonder(self, unit: int, detail: str) -> None:
        """A frame of a unit with a number that none of our requests has."""
        waiting = [each for each in self._waiting.values() if each.unit == unit]
        for each in waiting:
            settle(each.reply, DeviceError("wrong_answer", detail))
        self._strange += not waiting
        if self._strange >= STRANGE:
            self.close()

    def _distrust(self, detail: str) -> None:
        self._fail_all("wrong_answer", detail)
        if self._whole:
            self._forget()  # the next datagram begins anew
        else:
            self.close()


def _wrong(waiting: _Waiting, unit: int, pdu: bytes) -> str:
    """What is wrong with an answer of the right number, in words; empty when nothing is."""
    if not pdu:
        return "an empty answer"
    if unit != waiting.unit:
        return f"an answer of unit {unit} instead of {waiting.unit}"
    return ""
