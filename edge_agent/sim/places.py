"""Where a simulated Modbus PLC is found, and how frames look there."""

import ssl
from dataclasses import dataclass
from typing import Literal

from edge_agent.sim.framing import QUIET_S, Mode

Parity = Literal["none", "even", "odd"]

HANGOVER = 3.5  # characters of silence that end an RTU frame (Modbus over Serial Line 1.02, 2.5.1.1)


@dataclass(frozen=True, slots=True)
class Tcp:
    """TCP connections, in TLS with a context; `port` 0 lets the kernel choose.

    `quiet_s` is the pause that ends a frame in mode rtu.
    """

    host: str = "127.0.0.1"
    port: int = 0
    mode: Mode = "tcp"
    tls: ssl.SSLContext | None = None
    quiet_s: float = QUIET_S


@dataclass(frozen=True, slots=True)
class Udp:
    """Datagrams, each with one frame; `port` 0 lets the kernel choose."""

    host: str = "127.0.0.1"
    port: int = 0
    mode: Literal["tcp"] = "tcp"


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial port: an adapter, or one end of a pair of pseudo-terminals. `databits` is 7 or 8."""

    path: str
    mode: Literal["rtu", "ascii"] = "rtu"
    baudrate: int = 9600
    parity: Parity = "even"
    stopbits: Literal[1, 2] = 1
    databits: int = 8

    @property
    def quiet_s(self) -> float:
        """The pause that ends a frame in mode rtu."""
        bits = 1 + self.databits + (self.parity != "none") + self.stopbits
        return max(QUIET_S, HANGOVER * bits / self.baudrate)


Place = Tcp | Udp | Serial
