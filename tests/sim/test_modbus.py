import asyncio
import shutil
import socket
from collections.abc import Callable, Sequence
from typing import Self

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc

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
    async with _plc(tags) as plc, _Client(plc.port) as client:
        assert await client.ask(READ) == ANSWER
        assert plc.requests == 1


async def test_a_request_may_arrive_byte_by_byte(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        for at in range(len(READ)):
            client.writer.write(READ[at : at + 1])
            await client.writer.drain()
            await asyncio.sleep(0)

        assert await client.frame() == ANSWER


async def test_requests_in_one_segment_are_answered_in_order(tags: list[Tag]) -> None:
    second = bytes.fromhex("00020000000601 0300020001")

    async with _plc(tags) as plc, _Client(plc.port) as client:
        client.writer.write(READ + second + READ[:4])

        assert await client.frame() == ANSWER
        assert await client.frame() == bytes.fromhex("00020000000501 03020000")
        client.writer.write(READ[4:])
        assert await client.frame() == ANSWER
        assert plc.requests == 3


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("00010000000601 0600000001", "00010000000301 8601"),
        ("00010000000601 0300000000", "00010000000301 8303"),
        ("00010000000601 0300130001", "00010000000301 8302"),
        ("00010000000602 0300000001", "00010000000302 830b"),
    ],
)
async def test_what_cannot_be_answered_is_refused(tags: list[Tag], request_hex: str, answer_hex: str) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        assert await client.ask(bytes.fromhex(request_hex)) == bytes.fromhex(answer_hex)


@pytest.mark.parametrize("junk", ["000100010006010300000002", "00010000000101", "0001000000ff01"])
async def test_a_client_that_speaks_something_else_is_left(tags: list[Tag], junk: str) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        client.writer.write(bytes.fromhex(junk))

        assert await client.reader.read() == b""


async def test_units_hold_values_of_different_ticks(tags: list[Tag]) -> None:
    async with _plc(tags, units=(1, 2)) as plc, _Client(plc.port) as client:
        other = await client.ask(READ[:6] + b"\x02" + READ[7:])

    assert other[9:] == (4096 + STEP + 16).to_bytes(4, "big")


async def test_clients_share_a_plc(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as one, _Client(plc.port) as other:
        assert await other.ask(READ) == await one.ask(READ) == ANSWER


async def test_values_follow_the_clock(tags: list[Tag]) -> None:
    times = iter([NOW_NS, NOW_NS, NOW_NS + 200_000_000])

    async with ModbusPlc(tags, clock=lambda: next(times)) as plc, _Client(plc.port) as client:
        answers = [await client.ask(READ) for _ in range(3)]

    assert [int.from_bytes(answer[9:], "big") - 4096 - STEP for answer in answers] == [0, 0, 1]


async def test_silence_answers_nothing_until_it_ends(tags: list[Tag]) -> None:
    heard = asyncio.Event()

    def clock() -> int:
        heard.set()
        return NOW_NS

    async with ModbusPlc(tags, clock=clock) as plc, _Client(plc.port) as client:
        await plc.switch(Faults(silence=True))
        client.writer.write(READ)
        await heard.wait()
        await plc.switch(Faults())

        assert await client.ask(b"\x00\x09" + READ[2:]) == b"\x00\x09" + ANSWER[2:]


async def test_refuse_resets_and_refuses_and_comes_back_on_its_port(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        assert await client.ask(READ) == ANSWER
        port = plc.port

        await plc.switch(Faults(refuse=True))
        assert await client.reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

        await plc.switch(Faults())
        async with _Client(port) as again:
            assert await again.ask(READ) == ANSWER


async def test_a_plc_can_end_while_it_refuses(tags: list[Tag]) -> None:
    async with _plc(tags) as plc:
        await plc.switch(Faults(refuse=True))

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", plc.port)


async def test_slow_answers_late(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        await plc.switch(Faults(slow_s=0.05))
        clock = asyncio.get_running_loop().time
        asked = clock()

        assert await client.ask(READ) == ANSWER
        assert clock() - asked >= 0.045


async def test_short_answers_one_register_less(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        await plc.switch(Faults(short=True))

        assert await client.ask(READ) == bytes.fromhex("00010000000501 0302") + FIRST[:2]


async def test_an_exception_refuses_everything(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        await plc.switch(Faults(exception=4))

        assert await client.ask(READ) == bytes.fromhex("00010000000301 8304")


async def test_the_port_is_closed_outside_the_context(tags: list[Tag]) -> None:
    async with _plc(tags) as plc, _Client(plc.port) as client:
        assert await client.ask(READ) == ANSWER

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", plc.port)


async def test_a_port_in_use_is_an_os_error(tags: list[Tag]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        plc = ModbusPlc(tags, port=taken.getsockname()[1])

        with pytest.raises(OSError, match="in use"):
            await plc.__aenter__()


async def test_a_mistake_of_ours_in_a_connection_is_raised_at_the_end(tags: list[Tag]) -> None:
    def broken() -> int:
        raise LookupError("no clock")

    plc = await ModbusPlc(tags, clock=broken).__aenter__()
    async with _Client(plc.port) as client:
        client.writer.write(READ)
        assert await client.reader.read() == b""

    with pytest.raises(LookupError, match="no clock"):
        await plc.__aexit__(None, None, None)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed")
async def test_an_outside_client_reads_the_same(sixty: Sequence[Tag]) -> None:
    async with ModbusPlc(sixty, clock=lambda: NOW_NS) as plc:
        holding = await _mbpoll(plc.port, "-r", "20", "-c", "4", "-t", "4:hex")
        coils = await _mbpoll(plc.port, "-r", "0", "-c", "8", "-t", "0")
        expected = [await _word(plc, at) for at in range(20, 24)]
        (bits,) = plc.respond(bytes.fromhex("00010000000601 0100000008"))[-1:]  # type: ignore[index]

    assert holding == {20 + at: f"0x{word:04X}" for at, word in enumerate(expected)}
    assert coils == {at: str(bits >> at & 1) for at in range(8)}


def _plc(tags: Sequence[Tag], units: Sequence[int] = (1,)) -> ModbusPlc:
    return ModbusPlc(tags, units=units, clock=lambda: NOW_NS)


async def _word(plc: ModbusPlc, address: int) -> int:
    async with _Client(plc.port) as client:
        answer = await client.ask(READ[:8] + address.to_bytes(2, "big") + b"\0\x01")
    return int.from_bytes(answer[9:], "big")


async def _mbpoll(port: int, *what: str) -> dict[int, str]:
    """What mbpoll prints, by address."""
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-m", "tcp", "-1", "-0", "-a", "1", *what, "-p", str(port), "127.0.0.1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    rows = [line.split() for line in out.decode().splitlines() if line.startswith("[")]
    return {int(address.strip("[]:")): value for address, value in rows}


class _Client:
    """A Modbus TCP client of a few lines."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self, request: bytes) -> bytes:
        self.writer.write(request)
        return await self.frame()

    async def frame(self) -> bytes:
        async with asyncio.timeout(5):
            head = await self.reader.readexactly(6)
            return head + await self.reader.readexactly(int.from_bytes(head[4:6], "big"))
