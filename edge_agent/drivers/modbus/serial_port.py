"""A serial port as a transport of the event loop; pyserial sets it up, the loop tells when bytes came."""

import asyncio
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import serial
from typing_extensions import override

from edge_agent.config.settings import Parity, SerialLine

PARITIES: dict[Parity, str] = {
    "none": serial.PARITY_NONE,
    "even": serial.PARITY_EVEN,
    "odd": serial.PARITY_ODD,
}
LOT = 4096
"""Bytes taken from the port in one call: what the kernel keeps of a terminal at most."""


class SerialTransport(asyncio.Transport):
    """An open port. When the adapter is pulled out the protocol is told that the connection is lost."""

    def __init__(self, port: serial.Serial, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._port = port
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._unsent = b""
        self._loop.add_reader(port.fileno(), self._read)
        protocol.connection_made(self)

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._unsent += bytes(data)
        self._flush()

    @override
    def close(self) -> None:
        self.abort()

    @override
    def abort(self) -> None:
        self._end(None)

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def _read(self) -> None:
        data = self._tried(lambda: os.read(self._port.fileno(), LOT))
        if data:
            self._protocol.data_received(data)
        elif data is not None:
            self._end(OSError(None, "the port has gone"))

    def _flush(self) -> None:
        if self._closing:
            return
        sent = self._tried(lambda: os.write(self._port.fileno(), self._unsent))
        if self._closing:
            return
        self._unsent = self._unsent[sent or 0 :]
        if self._unsent:
            self._loop.add_writer(self._port.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._port.fileno())

    def _tried(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what os.read and os.write give
        """What a call on the port gives; None when it has nothing now, or when the port has gone."""
        try:
            return call()
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            self._end(error)
            return None

    def _end(self, why: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._port.fileno())
        self._loop.remove_writer(self._port.fileno())
        with suppress(OSError):  # of a port that has gone
            self._port.close()
        self._loop.call_soon(self._protocol.connection_lost, why)


def open_port(line: SerialLine, protocol: asyncio.Protocol) -> SerialTransport:
    """Open a port for this process alone. Raises OSError, or ValueError for a speed it does not have."""
    # A pseudo terminal carries bytes; it refuses to be told how they would look on a wire.
    virtual = Path(line.path).resolve().is_relative_to("/dev/pts")
    try:
        port = serial.Serial(
            line.path,
            baudrate=line.baudrate,
            bytesize=serial.EIGHTBITS if virtual else line.databits,
            parity=serial.PARITY_NONE if virtual else PARITIES[line.parity],
            stopbits=line.stopbits,
            timeout=0,
            exclusive=True,
        )
        port.reset_input_buffer()
    except termios.error as error:
        number, words = error.args
        raise OSError(number, words) from error
    # Adapters of FTDI hold back characters for 16 ms otherwise; other ports know no such thing.
    with suppress(OSError, ValueError):
        port.set_low_latency_mode(low_latency_settings=True)
    return SerialTransport(port, protocol)
