"""What a read costs on a wire, in seconds during which nobody else is answered over it.

On a serial line: the characters of request and answer, what the device takes to answer, and the pause before
the next request. On a network: a round trip with what the device takes, the pause, and next to nothing for
the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frames:
    """Characters of a read's request, of its answer without data, and of each byte of data in the answer."""

    request: int
    answer: int
    data: int

    def answered(self, data_bytes: int) -> int:
        """Characters of an answer; a register has 2 bytes, 8 bits have 1."""
        return self.answer + data_bytes * self.data


FRAMES: Mapping[str, Frames] = {
    # Header 7, function 1; start 2 and count 2, or byte count 1 (Messaging on TCP/IP 1.0b, 3.1.3).
    "tcp": Frames(12, 9, 1),
    # Address 1, function 1, CRC 2; the same (Modbus over Serial Line 1.02, 2.5.1).
    "rtu": Frames(8, 5, 1),
    # A colon, CR and LF; two characters for each of those bytes, with an LRC 1 for the CRC (2.5.2 there).
    "ascii": Frames(17, 11, 2),
}
"""How reads are framed, by the word that the configuration has for it."""

SERIAL_LATENCY_S = 0.010
"""What a device on a serial line takes to answer, unless it was measured: it has to see a silence of 3.5
characters (4 ms at 9600 bit/s) and then to answer. One manual that tells says 5 to 45 ms (recorder LOGOSCREEN
nt, Modbus interface, 4.3). The quick end of that: a dear request would have more registers read along."""

NETWORK_LATENCY_S = 0.002
"""The same on a network, with the round trip: below 1 ms through the switches of a plant, the rest for the
device. A PLC that answers once in its cycle takes longer, which changes no plan: the data cost next to
nothing in any case."""

NETWORK_BYTE_S = 1e-6
"""A byte of data on a network: 10 Mbit/s, the slowest that devices with Ethernet have."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`request_s` for a request and its answer without data, `byte_s` for each byte of data in the answer."""

    request_s: float
    byte_s: float

    def of(self, data_bytes: int) -> float:
        """Seconds of the wire for one read."""
        return self.request_s + data_bytes * self.byte_s


def serial(
    character_s: float, frames: Frames, *, turnaround_s: float, latency_s: float = SERIAL_LATENCY_S
) -> Cost:
    """A line on which a character takes `character_s`, with `turnaround_s` before the next request."""
    bare_s = (frames.request + frames.answer) * character_s
    return Cost(bare_s + latency_s + turnaround_s, frames.data * character_s)


def network(*, turnaround_s: float = 0.0, latency_s: float = NETWORK_LATENCY_S) -> Cost:
    """A network: from a request to its answer `latency_s`, then `turnaround_s` until the next request."""
    return Cost(latency_s + turnaround_s, NETWORK_BYTE_S)
