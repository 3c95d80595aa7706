"""A Modbus TCP server whose answers are written by hand, byte for byte."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.plan import Block
from edge_agent.core.registers import Table

Answer = Callable[[bytes], bytes | Awaitable[bytes]]
"""From a request frame to what goes back: any bytes, or none."""


class ScriptedPlc:
    """Every request takes the next of `script`; when that is empty the answer is right.

    Each register holds its own address, each bit whether its address is odd.
    """

    def __init__(self, *script: Answer) -> None:
        self.script = deque(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._default: Answer = right

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.hang_up()
        await until(lambda: not self._writers)

    @property
    def connection(self) -> ModbusConnection:
        """How to reach it; nothing that is answered may take as long as this timeout."""
        return ModbusConnection("plc", "127.0.0.1", self.port, timeout_s=5.0)

    @property
    def impatient(self) -> ModbusConnection:
        """How to reach it when there will be no answer."""
        return ModbusConnection("plc", "127.0.0.1", self.port, timeout_s=0.05)

    def send(self, data: bytes) -> None:
        """Say something that nobody asked for."""
        for writer in self._writers:
            writer.write(data)

    def hang_up(self) -> None:
        """Close every connection, as devices do with idle ones."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while request := await _frame(reader):
                self.requests.append(request)
                answer = self.script.popleft() if self.script else self._default
                said = answer(request)
                writer.write(said if isinstance(said, bytes) else await said)
        except ConnectionError:
            pass  # the client went, as it may
        finally:
            writer.close()
            self._writers.discard(writer)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """The next request; nothing when the client has gone."""
    try:
        head = await reader.readexactly(6)
        return head + await reader.readexactly(int.from_bytes(head[4:6], "big"))
    except asyncio.IncompleteReadError:
        return b""


def frame(request: bytes, pdu: bytes) -> bytes:
    """A right frame around any PDU."""
    return request[:4] + (len(pdu) + 1).to_bytes(2, "big") + request[6:7] + pdu


def right(request: bytes) -> bytes:
    """What a sound device answers."""
    function, address, count = _asked(request)
    if function in {1, 2}:
        bits = sum((address + at) % 2 << at for at in range(count))
        data = bits.to_bytes((count + 7) // 8, "little")
    else:
        data = registers(address, count)
    return frame(request, bytes([function, len(data)]) + data)


def silence(_request: bytes) -> bytes:
    """Nothing at all."""
    return b""


def refusal(code: int) -> Answer:
    """An exception response."""
    return lambda request: frame(request, bytes([request[7] | 0x80, code]))


def registers(address: int, count: int) -> bytes:
    """The data of these registers."""
    return b"".join(at.to_bytes(2, "big") for at in range(address, address + count))


def block(address: int, count: int, table: Table = "holding") -> Block:
    """A block without fields."""
    return Block(table, address, count, ())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; fails after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the sockets
            await asyncio.sleep(0)


@contextmanager
def nothing_fatal() -> Iterator[None]:
    """Fails when the event loop was told of an error that nobody caught."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(None)
    assert told == []


def _asked(request: bytes) -> tuple[int, int, int]:
    return request[7], int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
