import asyncio
import socket
from collections.abc import Callable, Sequence

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Tcp
from tests.sim.clients import Stream

MakeTag = Callable[..., Tag]

NOW_NS = 1_760_000_000_050 * 1_000_000
STEP = 1_760_000_000_050 // 200 % 4096
FIRST = (4096 + STEP).to_bytes(4, "big")  # what the first tag, 32 bits wide, holds

READ = bytes.fromhex("00010000000601 0300000002")
ANSWER = bytes.fromhex("00010000000701 0304") + FIRST


@pytest.fixture
def tags(tag: MakeTag) -> list[Tag]:
    return [tag("a", "uint32", 0), tag("b", "uint32", 2), tag("c", "bool", 0, table="coil")]


async def test_a_request_is_answered(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, Client(plc.port) as client:
        assert await client.ask(READ) == ANSWER
        assert plc.requests == 1


async def test_a_request_may_arrive_byte_by_byte(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, Client(plc.port) as client:
        for at in range(len(READ)):
            client.writer.write(READ[at : at + 1])
            await client.writer.drain()
            await asyncio.sleep(0)

        assert await client.frame() == ANSWER


async def test_requests_in_one_segment_are_answered_in_order(tags: list[Tag]) -> None:
    second = bytes.fromhex("00020000000601 0300020001")

    async with _plc(tags) as plc, Client(plc.port) as client:
        client.writer.write(READ + second + READ[:4])

        assert await client.frame() == ANSWER
        assert await client.frame() == bytes.fromhex("00020000000501 03020000")
        client.writer.write(READ[4:])
        assert await client.frame() == ANSWER
        assert plc.requests == 3


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("00010000000601 0700000001", "00010000000301 8701"),
        ("00010000000601 0300000000", "00010000000301 8303"),
        ("00010000000601 0300130001", "00010000000301 8302"),
        ("00010000000602 0300000001", "00010000000302 830b"),
    ],
)
async def test_what_cannot_be_answered_is_refused(tags: list[Tag], request_hex: str, answer_hex: str) -> None:
    async with _plc(tags) as plc, Client(plc.port) as client:
        assert await client.ask(bytes.fromhex(request_hex)) == bytes.fromhex(answer_hex)


@pytest.mark.parametrize("junk", ["000100010006010300000002", "00010000000101", "0001000000ff01"])
async def test_a_client_that_speaks_something_else_is_left(tags: list[Tag], junk: str) -> None:
    async with _plc(tags) as plc, Client(plc.port) as client:
        client.writer.write(bytes.fromhex(junk))

        assert await client.reader.read() == b""


async def test_units_hold_values_of_different_ticks(tags: list[Tag]) -> None:
    async with _plc(tags, units=(1, 2)) as plc, Client(plc.port) as client:
        other = await client.ask(READ[:6] + b"\x02" + READ[7:])

    assert other[9:] == (4096 + STEP + 16).to_bytes(4, "big")


async def test_connections_are_counted(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, Client(plc.port) as one, Client(plc.port) as other:
        await one.ask(READ)
        await other.ask(READ)

        assert plc.connections == 2


async def test_what_is_written_is_read_back_until_it_is_forgotten(tags: list[Tag]) -> None:
    write = bytes.fromhex("00010000000b01 1000000002 04 12345678")

    async with _plc(tags, units=(1, 2)) as plc, Client(plc.port) as client:
        assert (await client.ask(write)).hex() == "000100000006011000000002"
        assert (await client.ask(READ))[9:].hex() == "12345678"
        other = await client.ask(READ[:6] + b"\x02" + READ[7:])
        plc.forget(1)

        assert await client.ask(READ) == ANSWER
    assert other[9:] == (4096 + STEP + 16).to_bytes(4, "big")


async def test_clients_share_a_plc(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, Client(plc.port) as one, Client(plc.port) as other:
        assert await other.ask(READ) == await one.ask(READ) == ANSWER


async def test_values_follow_the_clock(tags: list[Tag]) -> None:
    times = iter([NOW_NS, NOW_NS, NOW_NS + 200_000_000])

    async with ModbusPlc(tags, clock=lambda: next(times)) as plc, Client(plc.port) as client:
        answers = [await client.ask(READ) for _ in range(3)]

    assert [int.from_bytes(answer[9:], "big") - 4096 - STEP for answer in answers] == [0, 0, 1]


async def test_silence_answers_nothing_until_it_ends(tags: list[Tag]) -> None:
    heard = asyncio.Event()

    def clock() -> int:
        heard.set()
        return NOW_NS

    async with ModbusPlc(tags, clock=clock) as plc, Client(plc.port) as client:
        await plc.switch(Faults(silence=True))
        client.writer.write(READ)
        await heard.wait()
        await plc.switch(Faults())

        assert await client.ask(b"\x00\x09" + READ[2:]) == b"\x00\x09" + ANSWER[2:]


async def test_refuse_resets_and_refuses_and_comes_back_on_its_port(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, Client(plc.port) as client:
        assert await client.ask(READ) == ANSWER
        port = plc.port

        await plc.switch(Faults(refuse=True))
        assert await client.reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

        await plc.switch(Faults())
        async with Client(port) as again:
            assert await again.ask(READ) == ANSWER


async def test_a_plc_can_end_while_it_refuses(tags: list[Tag]) -> None:
    async with _plc(tags) as plc:
        await plc.switch(Faults(refuse=True))

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", plc.port)


async def test_the_port_is_closed_outside_the_context(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, Client(plc.port) as client:
        assert await client.ask(READ) == ANSWER

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", plc.port)


async def test_a_port_in_use_is_an_os_error(tags: list[Tag]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        plc = ModbusPlc(tags, at=Tcp(port=taken.getsockname()[1]))

        with pytest.raises(OSError, match="in use"):
            await plc.__aenter__()


async def test_a_mistake_of_ours_in_a_connection_is_raised_at_the_end(tags: list[Tag]) -> None:
    def broken() -> int:
        raise LookupError("no clock")

    plc = await ModbusPlc(tags, clock=broken).__aenter__()
    async with Client(plc.port) as client:
        client.writer.write(READ)
        assert await client.reader.read() == b""

    with pytest.raises(LookupError, match="no clock"):
        await plc.__aexit__(None, None, None)


def _plc(tags: Sequence[Tag], units: Sequence[int] = (1,)) -> ModbusPlc:
    return ModbusPlc(tags, units=units, clock=lambda: NOW_NS)


class Client(Stream):
    """A Modbus TCP client."""

    async def ask(self, request: bytes) -> bytes:
        self.send(request)
        return await self.frame()

    async def frame(self) -> bytes:
        head = await self.take(6)
        return head + await self.take(int.from_bytes(head[4:6], "big"))
