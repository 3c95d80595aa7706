"""A simulated Modbus PLC on a serial port."""

import asyncio
import errno
import fcntl
import os
import termios
from contextlib import suppress
from functools import partial

from edge_agent.sim.descriptor import readable, stop
from edge_agent.sim.framing import READERS
from edge_agent.sim.line import Answering, Line
from edge_agent.sim.places import Serial

SIZES = {7: termios.CS7, 8: termios.CS8}
PARITIES = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}
PSEUDO = range(136, 144)  # major numbers of pseudo-terminals in Linux
STOPS = {1: 0, 2: termios.CSTOPB}


class SerialPort:
    """Hears what is said on a serial line, for a PLC that answers it. ValueError for an unknown speed.

    `gone` is set when the port itself has ended: an adapter was pulled, the other end of a pair closed.
    """

    def __init__(self, place: Serial, plc: Answering, gone: asyncio.Event) -> None:
        self.port = 0
        self._gone = gone
        self._speed = _speed(place.baudrate)
        self._place = place
        self._plc = plc
        self._opened: tuple[int, Line, asyncio.Task[None]] | None = None

    @property
    def lines(self) -> int:
        """1 while the port is open."""
        return int(self._opened is not None)

    async def open(self) -> None:
        """Open the port and answer. OSError when it cannot be had."""
        descriptor = os.open(self._place.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            _reserve(descriptor, self._place)
            _set_up(descriptor, self._place, self._speed)
        except BaseException:
            os.close(descriptor)
            raise
        line = Line(self._plc, partial(_send, descriptor), lambda: None)
        serving = asyncio.get_running_loop().create_task(self._serve(descriptor, line))
        self._opened = descriptor, line, serving

    async def refuse(self) -> None:
        """Leave the line: nobody hears what is said on it."""
        await self.close()

    async def close(self) -> None:
        """Give the port away. Raises what went wrong at it; OSError when the port itself has gone."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        descriptor, line, serving = opened
        try:
            await stop(serving)
        finally:
            await line.close()
            os.close(descriptor)

    async def _serve(self, descriptor: int, line: Line) -> None:
        requests = READERS[self._place.mode](self._place.quiet_s)
        clock = asyncio.get_running_loop().time
        try:
            while True:
                await readable(descriptor)
                for request in requests.feed(_read(descriptor), clock()):
                    line.take(request)
                    await line.room()
        except OSError as error:
            self._gone.set()
            raise OSError(error.errno, "the serial port has gone", self._place.path) from error


def _speed(baudrate: int) -> int:
    speed = getattr(termios, f"B{baudrate}", None)
    if not speed:
        raise ValueError(f"{baudrate} is no speed of a serial port; 9600 and 19200 are usual")
    return int(speed)


def _reserve(descriptor: int, place: Serial) -> None:
    """Keep off whoever asks, as programs for serial ports do: two of them would take each other's bytes."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), place.path) from error


def _set_up(descriptor: int, place: Serial, speed: int) -> None:
    """Speed and form of characters as the place says, and every byte as it is: no echo, no line editing."""
    form = SIZES[place.databits] | PARITIES[place.parity]
    if os.major(os.fstat(descriptor).st_rdev) in PSEUDO:  # it has neither, and says so as an error
        form = termios.CS8
    form |= STOPS[place.stopbits]
    try:
        controls = termios.tcgetattr(descriptor)[6]
        controls[termios.VMIN], controls[termios.VTIME] = 1, 0
        modes = [0, 0, form | termios.CREAD | termios.CLOCAL, 0]  # of input, output, characters, editing
        termios.tcsetattr(descriptor, termios.TCSANOW, [*modes, speed, speed, controls])
        termios.tcflush(descriptor, termios.TCIOFLUSH)
    except termios.error as error:
        raise OSError(*error.args, place.path) from error


def _read(descriptor: int) -> bytes:
    """What has come in. OSError when the port has ended."""
    try:
        data = os.read(descriptor, 4096)
    except BlockingIOError:  # nothing, after all
        return b""
    if not data:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return data


def _send(descriptor: int, data: bytes) -> None:
    # A real line carries bytes away. A pair whose other end reads nothing is full some time: they are lost.
    with suppress(BlockingIOError):
        os.write(descriptor, data)
