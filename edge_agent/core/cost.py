"""What a read costs on a wire, in seconds during which nobody else can ask over it.

    serial, RTU     8 characters of request,  5 +  n of answer      n: bytes of data, 2 for a register and
    serial, ASCII  17 characters of request, 11 + 2n of answer      1 for 8 bits
    network         a round trip, and next to nothing for the data

RTU: address, function and CRC (2) around start (2) and count (2), or around byte count (1) and data (Modbus
over Serial Line 1.02, 2.5.1; Application Protocol 1.1b3, 6.1-6.4). ASCII: a colon, two characters for each
byte of the same with an LRC (1) in place of the CRC, CR and LF (Serial Line, 2.5.2). To both come what the
device takes to answer and the pause before the next request.
"""

from dataclasses import dataclass
from typing import Literal

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
    character_s: float,
    framing: Literal["rtu", "ascii"],
    *,
    turnaround_s: float,
    latency_s: float = SERIAL_LATENCY_S,
) -> Cost:
    """A line on which a character takes `character_s`, with `turnaround_s` before the next request."""
    characters, each = (8 + 5, 1) if framing == "rtu" else (17 + 11, 2)
    return Cost(characters * character_s + latency_s + turnaround_s, each * character_s)


def network(*, turnaround_s: float = 0.0, latency_s: float = NETWORK_LATENCY_S) -> Cost:
    """A network: from a request to its answer `latency_s`, then `turnaround_s` until the next request."""
    return Cost(latency_s + turnaround_s, NETWORK_BYTE_S)
