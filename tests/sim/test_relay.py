import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from edge_agent.sim.faults import Faults
from edge_agent.sim.relay import Relay

MUCH = b"x" * (32 << 20)  # more than all buffers of both connections together


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A relay before a PLC that sends back what it gets, up to a `.` at its end."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b"-"
        while data and not data.endswith(b"."):
            data = await reader.read(65536)
            writer.write(data.removesuffix(b"."))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = Relay("127.0.0.1", 0)
    await relay.bind()
    relay.to = server.sockets[0].getsockname()[1]
    await relay.listen()
    yield relay
    await relay.close()
    server.close()


async def test_bytes_pass_both_ways(relay: Relay) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)

    writer.write(b"hello")

    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_much_waits_in_the_kernel_and_not_in_the_relay(relay: Relay) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)

    writer.write(MUCH)
    written = asyncio.create_task(writer.drain())
    done, _ = await asyncio.wait([written], timeout=0.2)
    assert not done

    received = 0
    while received < len(MUCH):
        received += len(await reader.read(65536))

    assert received == len(MUCH)
    writer.close()


async def test_an_end_at_the_plc_comes_behind_its_last_bytes_also_when_they_are_late(relay: Relay) -> None:
    await relay.switch(Faults(slow_s=0.02))
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)

    writer.write(b"last")
    await asyncio.sleep(0.01)
    writer.write(b".")

    assert await reader.read() == b"last"
    writer.close()


async def test_what_is_late_is_lost_in_a_cut(relay: Relay) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"there")
    assert await reader.readexactly(5) == b"there"
    await relay.switch(Faults(slow_s=10.0))
    writer.write(b"lost")
    await asyncio.sleep(0.005)

    relay.cut()

    with suppress(ConnectionResetError):  # when there was something that the relay had not read yet
        assert await reader.read() == b""
    writer.close()


async def test_a_client_is_reset_when_the_plc_is_not_there(relay: Relay) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        relay.to = free.getsockname()[1]

        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)

        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_goes_at_once_leaves_nothing(relay: Relay) -> None:
    with socket.create_connection(("127.0.0.1", relay.port)):
        pass
    _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.transport.abort()

    await relay.close()  # waits for every connection

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", relay.port)


async def test_a_client_that_comes_while_the_port_closes_leaves_nothing(relay: Relay) -> None:
    for turns in range(6):
        with socket.create_connection(("127.0.0.1", relay.port)) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            await relay.refuse()

            client.settimeout(5)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
        await relay.listen()
