"""One socket against servers that answer right, late, in pieces, wrongly or not at all."""

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from edge_agent.config.settings import Framing, ModbusConnection
from edge_agent.core.registers import Table
from edge_agent.drivers.modbus.client import ModbusClient, reading
from edge_agent.drivers.modbus.line import UNACKNOWLEDGED_MS, Carrier
from edge_agent.errors import DeviceError
from tests.drivers.modbus.scripted import (
    Answer,
    ScriptedPlc,
    block,
    frame,
    nothing_fatal,
    refusal,
    registers,
    right,
    silence,
    until,
)


@pytest.fixture(autouse=True)
async def quiet(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No answer, however wrong, may end in a line of a library on stderr."""
    with nothing_fatal():
        yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("table", "request_pdu", "data"),
    [
        ("coil", "01 0003 000A", "55 01"),  # addresses 3 to 12: odd even odd ..., lowest bit first
        ("discrete", "02 0003 000A", "55 01"),
        ("holding", "03 0003 000A", "0003 0004 0005 0006 0007 0008 0009 000A 000B 000C"),
        ("input", "04 0003 000A", "0003 0004 0005 0006 0007 0008 0009 000A 000B 000C"),
    ],
)
async def test_a_block_is_asked_with_the_function_of_its_table_and_gives_its_bytes(
    table: Table, request_pdu: str, data: str
) -> None:
    async with ScriptedPlc() as plc, opened(plc.connection) as line:
        assert (await line.ask(17, reading(block(3, 10, table)))).pdu == bytes.fromhex(data)
        assert plc.requests == [bytes.fromhex("0001 0000 0006 11" + request_pdu)]


async def test_an_answer_may_come_byte_by_byte() -> None:
    async def slowly(request: bytes) -> bytes:
        whole = right(request)
        for at in range(len(whole) - 1):
            plc.send(whole[at : at + 1])
            for _ in range(3):  # turns of the loop: what was sent has been received
                await asyncio.sleep(0)
        return whole[-1:]

    async with ScriptedPlc(slowly) as plc, opened(plc.connection) as line:
        assert (await line.ask(1, reading(block(100, 3)))).pdu == registers(100, 3)


def _exchanged(request: bytes, at: int, value: int) -> bytes:
    answer = bytearray(right(request))
    answer[at] = value
    return bytes(answer)


WRONG: dict[str, Answer] = {
    "another function": lambda request: _exchanged(request, 7, 4),
    "a function that does not exist": lambda request: frame(request, b"\x55\x04\x00\x00\x00\x00"),
    "another unit": lambda request: _exchanged(request, 6, 2),
    "a transaction to come": lambda request: _exchanged(request, 1, request[1] + 1),
    "transaction 0": lambda request: b"\0\0" + right(request)[2:],
    "an exception to another function": lambda request: frame(request, b"\x84\x02"),
    "an exception of another unit": lambda request: frame(request, b"\x83\x02")[:6] + b"\x02\x83\x02",
    "an exception with more behind it": lambda request: frame(request, b"\x83\x02\x00"),
    "an exception without a code": lambda request: frame(request, b"\x83"),
}
GARBAGE: dict[str, Answer] = {
    "another protocol": lambda request: _exchanged(request, 3, 1),
    "a frame longer than any": lambda request: request[:4] + b"\xff\xff" + bytes(300),
    "text": lambda _request: b"HTTP/1.0 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
async def test_what_is_no_answer_to_the_request_fails_that_request_alone(answer: Answer) -> None:
    async with ScriptedPlc(answer) as plc, opened(plc.connection) as line:
        async with asyncio.timeout(1):
            assert await reason(line, 100, 2) == "wrong_answer"

        assert (await line.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)
        assert plc.connections == 1


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_is_not_the_protocol_closes_the_socket(answer: Answer) -> None:
    async with ScriptedPlc(answer) as plc, opened(plc.connection) as line:
        async with asyncio.timeout(1):
            assert await reason(line, 100, 2) == "wrong_answer"

        assert not line.connected
        await line.connect()
        assert (await line.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)


async def test_an_empty_frame_is_a_wrong_answer() -> None:
    async with (
        ScriptedPlc(lambda request: frame(request, b"") + b"\0\0") as plc,
        opened(plc.connection) as line,
    ):
        assert await reason(line, 100, 2) == "wrong_answer"


async def test_the_third_frame_in_a_row_that_nobody_asked_for_closes_the_socket() -> None:
    def strange(request: bytes) -> bytes:
        return b"\x77\x77" + right(request)[2:6] + b"\x09" + right(request)[7:]

    async with ScriptedPlc(strange, strange, right, strange, strange) as plc, opened(plc.impatient) as line:
        reasons = [await reason(line, 100, 2) for _ in range(5)]
        assert reasons == ["timeout", "timeout", "", "timeout", "timeout"]
        assert line.connected

        plc.script.append(strange)
        assert await reason(line, 100, 2) == "disconnected"

        assert not line.connected


async def test_several_requests_may_be_under_way_and_are_answered_in_any_order() -> None:
    def nothing(_request: bytes) -> bytes:
        return b""

    def both(request: bytes) -> bytes:
        return right(request) + right(plc.requests[0])

    async with ScriptedPlc(nothing, both) as plc, opened(plc.connection) as line:
        first = asyncio.create_task(line.ask(1, reading(block(100, 2))))
        second = asyncio.create_task(line.ask(2, reading(block(200, 2))))

        assert [(await first).pdu, (await second).pdu] == [registers(100, 2), registers(200, 2)]


SHORT: dict[str, Answer] = {
    "one register less": lambda request: frame(request, b"\x03\x02\x00\x64"),
    "one register more": lambda request: frame(request, b"\x03\x06" + registers(100, 3)),
    "an odd number of bytes": lambda request: frame(request, b"\x03\x03\x00\x64\x00"),
    "fewer bytes than it says": lambda request: frame(request, b"\x03\x04\x00\x64\x00"),
    "more bytes than it says": lambda request: frame(request, b"\x03\x04" + registers(100, 2) + b"\0"),
    "the request itself": lambda request: request,
    "no data": lambda request: frame(request, b"\x03\x00"),
    "no byte count": lambda request: frame(request, b"\x03") + b"\0",
}


@pytest.mark.parametrize("answer", SHORT.values(), ids=SHORT.keys())
async def test_an_answer_of_another_size_is_a_short_answer(answer: Answer) -> None:
    async with ScriptedPlc(answer) as plc, opened(plc.connection) as line:
        assert await reason(line, 100, 2) == "short_answer"


async def test_garbage_never_becomes_a_value() -> None:
    chance = random.Random(7)

    def garbled(request: bytes) -> bytes:
        answer = bytearray(right(request))
        for _ in range(chance.randint(1, 3)):
            answer[chance.randrange(9)] ^= 1 << chance.randrange(8)  # somewhere in what surrounds the data
        return bytes(answer) if answer != right(request) else b"garbage"

    async with ScriptedPlc() as plc:
        line = ModbusClient(plc.impatient)
        for address in range(150):
            plc.script.append(garbled)
            await line.connect()
            assert await reason(line, address, 2) != ""
        line.close()


async def test_an_exception_leaves_the_socket_open() -> None:
    async with ScriptedPlc(refusal(2)) as plc, opened(plc.connection) as line:
        assert await reason(line, 100, 2) == "exception:2"

        assert line.connected
        assert (await line.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)


async def test_silence_is_a_timeout_and_leaves_the_socket_open() -> None:
    async with ScriptedPlc(silence, silence) as plc, opened(plc.impatient) as line:
        assert await reason(line, 100, 2) == "timeout"
        assert await reason(line, 100, 2) == "timeout"

        assert (await line.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert plc.connections == 1


async def test_a_late_answer_is_not_taken_for_the_next() -> None:
    def both(request: bytes) -> bytes:
        return right(plc.requests[0]) + right(request)

    async with ScriptedPlc(silence, both) as plc, opened(plc.impatient) as line:
        assert await reason(line, 100, 2) == "timeout"

        assert (await line.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert (await line.ask(1, reading(block(300, 2)))).pdu == registers(300, 2)
        assert plc.connections == 1


async def test_a_late_answer_may_come_in_halves_around_the_next_request() -> None:
    def rest(request: bytes) -> bytes:
        return right(plc.requests[0])[6:] + right(request)

    async with ScriptedPlc(silence, rest) as plc, opened(plc.impatient) as line:
        assert await reason(line, 100, 2) == "timeout"
        plc.send(right(plc.requests[0])[:6])

        assert (await line.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert plc.connections == 1


async def test_late_answers_may_come_out_of_order_and_twice() -> None:
    def all_three(request: bytes) -> bytes:
        return right(plc.requests[1]) + right(plc.requests[0]) + right(request)

    async with ScriptedPlc(silence, silence, all_three) as plc, opened(plc.impatient) as line:
        assert [await reason(line, 100, 2), await reason(line, 101, 2)] == ["timeout", "timeout"]
        assert (await line.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)

        plc.send(right(plc.requests[0]))

        assert (await line.ask(1, reading(block(300, 2)))).pdu == registers(300, 2)
        assert plc.connections == 1


async def test_the_answer_to_a_cancelled_request_is_not_taken_for_the_next() -> None:
    def both(request: bytes) -> bytes:
        return right(plc.requests[0]) + right(request)

    async with ScriptedPlc(silence, both) as plc, opened(plc.connection) as line:
        task = asyncio.create_task(line.ask(1, reading(block(100, 2))))
        await until(lambda: len(plc.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (await line.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)


@pytest.mark.parametrize("size", [1, 6, 7, 8, 12])
async def test_a_part_of_an_answer_at_the_timeout_closes_the_socket(size: int) -> None:
    async with ScriptedPlc(lambda request: right(request)[:size]) as plc, opened(plc.impatient) as line:
        assert await reason(line, 100, 2) == "timeout"

        assert not line.connected
        await line.connect()
        assert (await line.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)


async def test_an_answer_that_comes_twice_is_taken_once() -> None:
    async with ScriptedPlc(lambda request: right(request) * 2) as plc, opened(plc.connection) as line:
        assert (await line.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)

        assert (await line.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert plc.connections == 1


async def test_frames_that_nobody_asked_for_close_the_socket_in_the_end() -> None:
    async with ScriptedPlc() as plc, opened(plc.connection) as line:
        await line.ask(1, reading(block(100, 2)))
        plc.send(bytes.fromhex("0000 0000 0005 01 03 02 0001") * 3)

        await until(lambda: not line.connected)


async def test_a_socket_that_dies_ends_the_request_at_once() -> None:
    def hang_up(_request: bytes) -> bytes:
        plc.hang_up()
        return b""

    async with ScriptedPlc(hang_up) as plc, opened(plc.connection) as line, asyncio.timeout(1):
        with pytest.raises(DeviceError, match="closed by the device") as caught:
            await line.ask(1, reading(block(100, 2)))

    assert caught.value.reason == "disconnected"


async def test_connecting_again_closes_the_socket_before() -> None:
    async with ScriptedPlc() as plc, opened(plc.connection) as line:
        before = line._line
        await line.connect()

        assert before is not None
        assert not before.open
        assert (await line.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)


async def test_nothing_is_read_without_a_connection() -> None:
    line = ModbusClient(ModbusConnection("plc", "127.0.0.1", 1))

    assert await reason(line, 0, 1) == "disconnected"


async def test_a_refused_connection_names_the_address_and_why() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

        with pytest.raises(DeviceError) as caught:
            await ModbusClient(ModbusConnection("plc", "127.0.0.1", port)).connect()

    assert caught.value.reason == "disconnected"
    assert caught.value.detail == f"127.0.0.1:{port}: Connection refused"


async def test_a_host_whose_name_nobody_knows_is_told_in_the_words_of_the_resolver() -> None:
    with pytest.raises(DeviceError) as caught:
        await ModbusClient(ModbusConnection("plc", "plc.invalid", 502)).connect()

    assert caught.value.detail.startswith("plc.invalid:502: ")
    assert "error -" not in caught.value.detail


async def test_a_host_that_swallows_connections_is_given_up_after_its_time() -> None:
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for each in (one, two):  # more than fit into its queue: the kernel answers no further ones
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        line = ModbusClient(ModbusConnection("plc", "127.0.0.1", port, connect_timeout_s=0.1))

        with pytest.raises(DeviceError, match=r"disconnected: .*: no answer within 0.1 s"):
            await line.connect()

    assert not line.connected


async def test_transactions_count_from_1_and_never_become_0() -> None:
    async with ScriptedPlc() as plc, opened(plc.connection) as line:
        await line.ask(1, reading(block(0, 1)))
        line._numbers.last = 0xFFFE
        await line.ask(1, reading(block(0, 1)))
        await line.ask(1, reading(block(0, 1)))

    assert [request[:2].hex() for request in plc.requests] == ["0001", "ffff", "0001"]


async def test_a_late_answer_is_known_on_a_new_connection_too() -> None:
    """A gateway that serves one master hands what its serial side said to whoever is connected."""
    async with ScriptedPlc(silence) as plc, opened(plc.impatient) as line:
        assert await reason(line, 100, 2) == "timeout"
        await line.connect()

        plc.script.append(lambda request: right(plc.requests[0]) + right(request))
        assert (await line.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="an option of Linux")
@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
async def test_the_kernel_gives_up_a_host_that_acknowledges_nothing(framing: Framing) -> None:
    """What it kept for later would be answered when nobody reckons with that any more."""
    async with ScriptedPlc() as plc, opened(replace(plc.connection, framing=framing)) as line:
        assert isinstance(line._line, Carrier)
        assert line._line._transport is not None
        handle = line._line._transport.get_extra_info("socket")

        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_MS


@asynccontextmanager
async def opened(connection: ModbusConnection) -> AsyncIterator[ModbusClient]:
    line = ModbusClient(connection)
    await line.connect()
    try:
        yield line
    finally:
        line.close()


async def reason(line: ModbusClient, address: int, count: int) -> str:
    """Why a read failed; empty when it did not."""
    try:
        await line.ask(1, reading(block(address, count)))
    except DeviceError as error:
        return error.reason
    return ""
