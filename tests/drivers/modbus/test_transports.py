"""The transports that are no plain TCP: datagrams, and TLS."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
from typing_extensions import override

from edge_agent.config.settings import ModbusConnection, Tls
from edge_agent.drivers.modbus.client import ModbusClient, reading
from edge_agent.drivers.modbus.wire import Wire
from edge_agent.errors import DeviceError
from tests.brokers import Certificates
from tests.drivers.modbus.scripted import block, registers, right, until

Answer = Callable[[bytes], Sequence[bytes]]
"""From a request to the datagrams that come back."""


class Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram with the next of `script`, then rightly."""

    def __init__(self, *script: Answer) -> None:
        self.script = deque(script)
        self.requests: list[bytes] = []

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    @override
    def datagram_received(self, data: bytes, addr: object) -> None:
        self.requests.append(data)
        answer = self.script.popleft() if self.script else once
        for part in answer(data):
            self.transport.sendto(part, cast("tuple[str, int]", addr))


def once(request: bytes) -> Sequence[bytes]:
    return [right(request)]


def never(_request: bytes) -> Sequence[bytes]:
    return []


def twice(request: bytes) -> Sequence[bytes]:
    return [right(request), right(request)]


def half(request: bytes) -> Sequence[bytes]:
    return [right(request)[:9]]


@asynccontextmanager
async def served(*script: Answer) -> AsyncIterator[tuple[Datagrams, ModbusConnection]]:
    transport, plc = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Datagrams(*script), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    try:
        yield plc, ModbusConnection("plc", "127.0.0.1", port, timeout_s=0.1, transport="udp")
    finally:
        transport.close()
        await asyncio.sleep(0)  # both ends close in the next turn of the loop


async def read(client: ModbusClient, address: int) -> str:
    try:
        data = (await client.ask(1, reading(block(address, 2)))).pdu
    except DeviceError as error:
        return error.reason
    return "good" if data == registers(address, 2) else "wrong"


async def test_datagrams_are_read_whatever_was_lost_doubled_or_cut() -> None:
    async with served(once, never, twice, half, once) as (plc, connection):
        client = ModbusClient(connection)
        await client.connect()

        reasons = [await read(client, address) for address in range(6)]

        assert reasons == ["good", "timeout", "good", "timeout", "good", "good"]
        assert len(plc.requests) == 6
        client.close()


def test_datagrams_are_read_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is optional")

    async def use() -> list[str]:
        async with served(once, half) as (_, connection):
            client = ModbusClient(connection)
            await client.connect()
            reasons = [await read(client, address) for address in range(3)]
            client.close()
            return reasons

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(use()) == ["good", "timeout", "good"]


async def test_a_port_that_nobody_has_is_told_at_once() -> None:
    async with served() as (_, connection):
        pass
    wire = Wire(connection, uniform=lambda _low, _high: 0.0)

    async with asyncio.timeout(5):
        with pytest.raises(DeviceError, match="disconnected: Connection refused"):
            await wire.ask(1, reading(block(0, 2)), wire.pace(4.0, None))
    wire.close()


def test_datagrams_go_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is optional")

    uvloop.run(test_datagrams_are_read_whatever_was_lost_doubled_or_cut())
    uvloop.run(test_a_port_that_nobody_has_is_told_at_once())


async def test_tls_shows_the_certificate_of_the_gateway_and_trusts_the_one_it_was_told(
    certificates: Certificates,
) -> None:
    async with secure(certificates) as port:
        own = Tls(certificates.ca, certificates.client, certificates.client.with_suffix(".key"))
        client = ModbusClient(connection_to(port, own))
        await client.connect()

        assert [await read(client, address) for address in range(5)] == ["good"] * 5
        client.close()


async def test_an_unknown_certificate_is_refused_and_told(certificates: Certificates) -> None:
    async with secure(certificates) as port:
        client = ModbusClient(connection_to(port, Tls()))

        with pytest.raises(DeviceError, match="its certificate is not trusted"):
            await client.connect()


async def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    client = ModbusClient(connection_to(1, Tls(tmp_path / "ca.pem")))

    with pytest.raises(DeviceError, match=r"ca\.pem: not a usable PEM file"):
        await client.connect()


async def test_a_file_that_is_not_there_any_more_is_named(tmp_path: Path) -> None:
    client = ModbusClient(connection_to(1, Tls(tmp_path / "ca.pem")))

    with pytest.raises(DeviceError, match=r"ca\.pem: No such file or directory"):
        await client.connect()


async def test_a_server_without_tls_is_told() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 99)
        await reader.read()

    async with listening(talk) as port:
        client = ModbusClient(connection_to(port, Tls()))

        with pytest.raises(DeviceError, match="TLS failed"):
            await client.connect()


def connection_to(port: int, tls: Tls) -> ModbusConnection:
    return ModbusConnection("plc", "localhost", port, timeout_s=2.0, transport="tls", tls=tls)


@asynccontextmanager
async def secure(certificates: Certificates) -> AsyncIterator[int]:
    """A PLC that wants to see a certificate; gives its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates.server, certificates.server.with_suffix(".key"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(request := await reader.read(12)) == 12:
            writer.write(right(request))

    async with listening(serve, context) as port:
        yield port


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A server on this machine; every connection has ended when it has."""
    talks = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal talks
        talks += 1
        try:
            await serve(reader, writer)
        except OSError:
            pass  # the client went
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            talks -= 1

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await until(lambda: talks == 0)
