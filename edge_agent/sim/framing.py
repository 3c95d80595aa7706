"""Modbus frames as bytes: how requests are found in what comes in, and how answers are wrapped.

tcp    transaction (2 bytes), protocol (2, always 0), length (2, of all that follows), unit (1), PDU
rtu    unit (1), PDU, CRC16 (2, low byte first); the end of a request follows from its function
ascii  ":", then unit, PDU and LRC (1) as pairs of hexadecimal digits, then CR LF

RTU tells frames apart by silence: what is no request is thrown away up to the next pause.
"""

from binascii import unhexlify
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Mode = Literal["tcp", "rtu", "ascii"]

LONGEST_TCP = 254  # unit and PDU (Modbus Messaging on TCP/IP 1.0b, 3.1.3)
LONGEST_ASCII = 513  # characters (Modbus over Serial Line 1.02, 2.5.2.1)
SHORTEST = 4  # bytes of an RTU frame: unit, function and CRC

QUIET_S = 0.02  # what ends an RTU frame: far more than 3.5 characters at 9600 bit/s, less than clients wait

LENGTHS: Mapping[int, int] = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 8), 8),
    **dict.fromkeys((7, 11, 12, 17), 4),
    22: 10,
    24: 6,
    43: 7,
}
"""Bytes of an RTU request by its function, where that says it (Modbus Application Protocol 1.1b3, 6)."""

COUNTS: Mapping[int, int] = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}
"""Where in an RTU request the count of the bytes behind it stands, by its function."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A request or an answer: the unit it is to or from, and the PDU. `transaction` is of mode tcp only."""

    unit: int
    pdu: bytes
    transaction: int = 0


class NoModbusError(Exception):
    """What comes in cannot be followed any further."""


class Reader(Protocol):
    """Finds the requests in the bytes of one line."""

    def feed(self, data: bytes, at_s: float) -> Iterator[Frame]:
        """The requests that are complete with these bytes, which came at `at_s`, monotonic.

        Has to be used up. NoModbusError when nothing sensible can follow any more.
        """
        ...


class TcpReader:
    """Requests in mode tcp, one behind the other."""

    def __init__(self, _quiet_s: float = QUIET_S) -> None:
        self._held = b""

    def feed(self, data: bytes, _at_s: float) -> Iterator[Frame]:
        """As in Reader."""
        self._held += data
        while len(self._held) >= 6:
            length = int.from_bytes(self._held[4:6], "big")
            if self._held[2:4] != b"\0\0" or not 2 <= length <= LONGEST_TCP:
                raise NoModbusError
            if len(self._held) < 6 + length:
                return
            frame, self._held = self._held[: 6 + length], self._held[6 + length :]
            yield Frame(frame[6], frame[7:], int.from_bytes(frame[:2], "big"))


class RtuReader:
    """Requests in mode rtu.

    A pause of `quiet_s` begins anew; behind what is no request, nothing is listened to until then.
    """

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._held = b""
        self._lost = False
        self._last_s = float("-inf")

    def feed(self, data: bytes, at_s: float) -> Iterator[Frame]:
        """As in Reader; it never gives up."""
        if at_s - self._last_s >= self._quiet_s:
            self._held, self._lost = b"", False
        self._last_s = at_s
        self._held = b"" if self._lost else self._held + data
        while self._held and (length := _length(self._held)) is not None:
            if len(self._held) < length:
                return
            frame, self._held = self._held[:length], self._held[length:]
            if length < SHORTEST or crc16(frame):
                self._held, self._lost = b"", True
                return
            yield Frame(frame[0], frame[1:-2])


class AsciiReader:
    """Requests in mode ascii; every colon begins one."""

    def __init__(self, _quiet_s: float = QUIET_S) -> None:
        self._held = b""

    def feed(self, data: bytes, _at_s: float) -> Iterator[Frame]:
        """As in Reader; it never gives up."""
        *lines, self._held = (self._held + data).split(b"\r\n")
        self._held = self._held[self._held.rfind(b":") :][:LONGEST_ASCII] if b":" in self._held else b""
        for line in lines:
            _, colon, digits = line.rpartition(b":")
            frame = _unhexed(digits) if colon else b""
            if len(frame) >= 3 and lrc(frame) == 0:
                yield Frame(frame[0], frame[1:-1])


READERS: Mapping[Mode, Callable[[float], Reader]] = {
    "tcp": TcpReader,
    "rtu": RtuReader,
    "ascii": AsciiReader,
}
"""Makes the reader of a line by its mode; the pause that ends a frame, in s, is looked at by rtu only."""


def wrapped(frame: Frame, mode: Mode) -> bytes:
    """A frame as it leaves."""
    body = bytes([frame.unit]) + frame.pdu
    if mode == "rtu":
        return body + crc16(body).to_bytes(2, "little")
    if mode == "ascii":
        return b":" + (body + bytes([lrc(body)])).hex().upper().encode() + b"\r\n"
    return frame.transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body


def crc16(data: bytes) -> int:
    """The CRC of RTU; 0 of a frame whose CRC, low byte first, is right (Serial Line 1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_OF_BYTE[(crc ^ byte) & 0xFF]
    return crc


def lrc(data: bytes) -> int:
    """The checksum of ASCII; 0 of a frame whose LRC is right (Serial Line 1.02, 6.2.1)."""
    return -sum(data) & 0xFF


def _length(held: bytes) -> int | None:
    """Bytes of the RTU request that begins here; None while too little of it is known.

    Of an unknown function all that is held, as far as it came in one piece.
    """
    if len(held) < 2:
        return None
    function = held[1]
    if function in LENGTHS:
        return LENGTHS[function]
    at = COUNTS.get(function)
    if at is None:
        return len(held)
    return at + 1 + held[at] + 2 if len(held) > at else None


def _unhexed(digits: bytes) -> bytes:
    """The bytes of hexadecimal digits; none when they are not."""
    try:
        return unhexlify(digits)
    except ValueError:
        return b""


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC_OF_BYTE = [_crc_of(byte) for byte in range(256)]
