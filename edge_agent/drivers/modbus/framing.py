"""Frames without a number of their own, RTU and ASCII: what comes in is cut into messages, or is noise.

Neither says whose answer it is, and RTU not even where it ends. So a message is looked for by what may come:
the first bytes of the answers that are waited for, or may still come late. A message here is unit and PDU,
without marks and checksum (Modbus over Serial Line 1.02, 2.5).
"""

from binascii import unhexlify
from collections.abc import Sequence
from typing import Protocol

from pymodbus.framer.ascii import FramerAscii
from pymodbus.framer.rtu import FramerRTU

from edge_agent.config.settings import Framing

REFUSED = 0x80
"""Set in the function code of an exception response."""

LONGEST = 256
"""Bytes of an RTU frame (same source, 2.5.1); an ASCII frame has twice as many characters and 3 more."""


class Damaged(Exception):  # noqa: N818 - it says what a frame is
    """A frame that was there in full and whose checksum is wrong."""


class Cutter(Protocol):
    """How messages become frames, and frames messages."""

    def frame(self, message: bytes) -> bytes:
        """The whole frame of a message."""
        ...

    def cut(self, received: bytes, heads: Sequence[bytes]) -> tuple[bytes | None, int]:
        """The first message, and how many bytes it ends at; (None, 0) while it is not there in full.

        `heads` are the first bytes of messages that may come. Raises Damaged.
        """
        ...

    def characters(self, message_bytes: int) -> int:
        """How many characters the frame of a message of so many bytes has."""
        ...


class Rtu:
    """Unit, PDU, CRC. Noise before a frame that is waited for is skipped."""

    def frame(self, message: bytes) -> bytes:
        """The message with its CRC."""
        return message + _crc(message)

    def cut(self, received: bytes, heads: Sequence[bytes]) -> tuple[bytes | None, int]:
        """The first message that begins like one of `heads`, or that of anybody at the very beginning."""
        damaged = False
        for at in range(len(received)):
            begins = any(_agree(received, at, head) for head in heads)
            if not begins and at > 0:
                continue
            size = _size(received, at)
            if begins and (size is None or len(received) - at < size):
                return None, 0
            if size is None or len(received) - at < size:
                continue
            if received[at + size - 2 : at + size] == _crc(received[at : at + size - 2]):
                return received[at : at + size - 2], at + size
            damaged |= begins
        if damaged:
            raise Damaged
        return None, 0

    def characters(self, message_bytes: int) -> int:
        """The message and two of CRC."""
        return message_bytes + 2


class Ascii:
    """A colon, two hexadecimal digits a byte, LRC, end of line. Noise before the colon is skipped."""

    def frame(self, message: bytes) -> bytes:
        """The message as text."""
        return b":" + (message + _lrc(message)).hex().upper().encode() + b"\r\n"

    def cut(self, received: bytes, heads: Sequence[bytes]) -> tuple[bytes | None, int]:  # noqa: ARG002 - a frame says itself where it ends
        """The first message, whosever it is."""
        colon = received.find(b":")
        end = received.find(b"\n", colon) if colon >= 0 else -1
        if end < 0:
            return None, 0
        # A colon in a frame begins it anew: the rest of the one before never came.
        line = received[received.rfind(b":", 0, end) + 1 : end].rstrip(b"\r")
        try:
            message = unhexlify(line)
        except ValueError as error:
            raise Damaged from error
        if len(message) < 3 or message[-1:] != _lrc(message[:-1]):
            raise Damaged
        return message[:-1], end + 1

    def characters(self, message_bytes: int) -> int:
        """Colon, twice the message and its LRC, two for the end of the line."""
        return 2 * (message_bytes + 1) + 3


def cutter(framing: Framing) -> Cutter:
    """That of mode `rtu` or `ascii`."""
    return Rtu() if framing == "rtu" else Ascii()


def _agree(received: bytes, at: int, head: bytes) -> bool:
    """Whether what stands there is the beginning of a head, as far as both go."""
    part = received[at : at + len(head)]
    return head.startswith(part)


def _size(received: bytes, at: int) -> int | None:
    """How long the frame is that begins there; None while nobody can tell. Checksum included."""
    if len(received) - at < 3:
        return None
    function = received[at + 1]
    if function & REFUSED:
        return 5
    if function == 43:
        return _identity_size(received, at)
    return _SIZES.get(function, received[at + 2] + 5)


_SIZES = {5: 8, 6: 8, 15: 8, 16: 8, 22: 10}
"""Of answers to writes (Modbus Application Protocol 1.1b3, 6.5-6.16); those to reads say it themselves."""


def _identity_size(received: bytes, at: int) -> int | None:
    """Behind a head of 8 bytes each object says how long it is (same source, 6.21)."""
    end = at + 8
    if len(received) < end:
        return None
    for _ in range(received[end - 1]):
        if len(received) < end + 2:
            return None
        end += 2 + received[end + 1]
    return end + 2 - at


def _crc(data: bytes) -> bytes:
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")  # pymodbus gives it in the order of the wire


def _lrc(data: bytes) -> bytes:
    return bytes((FramerAscii.compute_LRC(data),))
