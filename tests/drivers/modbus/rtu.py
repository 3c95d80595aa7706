"""A serial line with units, seen through a gateway that hands over bytes: RTU over TCP, written by hand."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from edge_agent.config.settings import ModbusConnection
from tests.drivers.modbus.scripted import registers, until

Answer = Callable[[bytes], bytes | Awaitable[bytes]]
"""From a request frame to what the line carries back: any bytes, or none."""


def crc(data: bytes) -> bytes:
    """CRC 16 as the standard computes it, bit by bit (Modbus over Serial Line 1.02, 6.2.2)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def framed(message: bytes) -> bytes:
    """A message with its CRC."""
    return message + crc(message)


def right(request: bytes) -> bytes:
    """What a sound unit answers: each register holds its own address, each bit whether that is odd."""
    unit, function = request[0], request[1]
    address, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
    if function in {1, 2}:
        bits = sum((address + at) % 2 << at for at in range(count))
        data = bits.to_bytes((count + 7) // 8, "little")
    else:
        data = registers(address, count)
    return framed(bytes((unit, function, len(data))) + data)


def silence(_request: bytes) -> bytes:
    """Nothing at all."""
    return b""


def refusal(code: int) -> Answer:
    """An exception response."""
    return lambda request: framed(bytes((request[0], request[1] | 0x80, code)))


class RtuLine:
    """Every request takes the next of `script`; when that is empty the answer is right."""

    def __init__(self, *script: Answer) -> None:
        self.script = deque(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._answers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.hang_up()
        await asyncio.gather(*self._answers)
        await until(lambda: not self._writers)

    def connection(self, timeout_s: float = 5.0, quiet_s: float = 0.0) -> ModbusConnection:
        """How to reach it."""
        return ModbusConnection(
            "line", "127.0.0.1", self.port, timeout_s=timeout_s, framing="rtu", quiet_s=quiet_s
        )

    def send(self, data: bytes) -> None:
        """Put bytes on the line that nobody asked for."""
        for writer in self._writers:
            writer.write(data)

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while request := await reader.read(300):  # one whole request: the next waits for its answer
                self.requests.append(request)
                answer = self.script.popleft() if self.script else right
                # Whoever is connected then hears what the line says, as a gateway has it.
                task = asyncio.create_task(self._answer(answer, request))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)
        except ConnectionError:
            pass  # the client went, as it may
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _answer(self, answer: Answer, request: bytes) -> None:
        said = answer(request)
        self.send(said if isinstance(said, bytes) else await said)
