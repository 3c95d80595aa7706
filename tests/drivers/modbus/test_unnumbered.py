"""Answers without numbers: a late one must never become the value of another request."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.plan import Block
from edge_agent.core.registers import Table
from edge_agent.drivers.modbus.client import ModbusClient, Question, reading
from edge_agent.errors import DeviceError
from tests.drivers.modbus.rtu import Answer, RtuLine, framed, refusal, right, silence
from tests.drivers.modbus.scripted import block, nothing_fatal, registers, until

TIMEOUT_S = 0.05


@pytest.fixture(autouse=True)
async def quiet(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    with nothing_fatal():
        yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("table", ["coil", "discrete", "holding", "input"])
async def test_a_block_is_read_in_one_frame(table: Table) -> None:
    async with RtuLine() as line, opened(line.connection()) as client:
        data = (await client.ask(17, reading(block(3, 10, table)))).pdu

        bits = table in {"coil", "discrete"}
        assert data == (b"\x55\x01" if bits else registers(3, 10))
        assert [request[0] for request in line.requests] == [17]


async def test_an_exception_is_told_and_the_line_goes_on() -> None:
    async with RtuLine(refusal(2)) as line, opened(line.connection()) as client:
        assert await reason(client, block(100, 2)) == "exception:2"
        assert (await client.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)


def late(line: RtuLine, after: int) -> Answer:
    """The answer to this request comes before that to the one so many requests later."""

    async def answer(request: bytes) -> bytes:
        number = len(line.requests) + after
        await until(lambda: len(line.requests) >= number)
        return right(request)

    return answer


async def test_a_late_answer_of_the_same_size_is_not_taken_for_the_next() -> None:
    async with RtuLine() as line, opened(line.connection(TIMEOUT_S)) as client:
        line.script.append(late(line, after=1))
        assert await reason(client, block(100, 2)) == "timeout"

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert (await client.ask(1, reading(block(300, 2)))).pdu == registers(300, 2)
        # One register is read along for as long as an answer may be late.
        assert [request[5] for request in line.requests] == [2, 3, 3]


async def test_a_late_answer_of_another_size_is_skipped_without_more_ado() -> None:
    async with RtuLine() as line, opened(line.connection(TIMEOUT_S)) as client:
        line.script.append(late(line, after=1))
        assert await reason(client, block(100, 2)) == "timeout"

        assert (await client.ask(1, reading(block(200, 3)))).pdu == registers(200, 3)
        assert [request[5] for request in line.requests] == [2, 3]


async def test_a_late_answer_of_another_unit_is_skipped_and_told() -> None:
    heard: list[int] = []
    async with RtuLine() as line, opened(line.connection(TIMEOUT_S), heard) as client:
        line.script.append(late(line, after=1))
        assert await reason(client, block(100, 2), unit=7) == "timeout"

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert heard == [7]


@pytest.mark.parametrize("table", ["discrete", "input"])
async def test_what_is_read_along_stands_before_where_the_device_has_nothing_behind(table: Table) -> None:
    step = 8 if table == "discrete" else 1
    async with RtuLine(silence, refusal(2)) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(100, 2, table)) == "timeout"
        data = (await client.ask(1, reading(block(201, 2, table)))).pdu

        assert data == (b"\x01" if table == "discrete" else registers(201, 2))
        addresses = [int.from_bytes(request[2:4], "big") for request in line.requests]
        assert addresses == [100, 201, 201 - step]


async def test_where_nothing_can_be_read_along_a_smaller_answer_shows_that_nothing_is_late() -> None:
    refused = [refusal(2), refusal(2)]
    async with RtuLine(silence, *refused) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(100, 2)) == "timeout"

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert [request[5] for request in line.requests] == [2, 3, 3, 1, 2]


async def test_a_device_that_says_nothing_of_addresses_it_does_not_have_is_soon_read_again() -> None:
    def has_ten(request: bytes) -> bytes:
        first, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        return right(request) if first >= 100 and first + count <= 110 else b""

    async with RtuLine(silence, *[has_ten] * 9) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(100, 10)) == "timeout"
        assert await reason(client, block(100, 10)) == "timeout"

        assert (await client.ask(1, reading(block(100, 10)))).pdu == registers(100, 10)
        assert [request[5] for request in line.requests] == [10, 11, 9, 10]


async def test_nothing_is_read_along_beyond_the_ends_of_a_table() -> None:
    async with RtuLine(silence, silence) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(0, 125)) == "timeout"
        assert await reason(client, block(65535, 1)) == "timeout"

        assert (await client.ask(1, reading(block(65534, 2)))).pdu == registers(65534, 2)
        assert (await client.ask(1, reading(block(0, 1)))).pdu == registers(0, 1)
        assert (await client.ask(1, reading(block(0, 125)))).pdu == registers(0, 125)


async def test_a_late_exception_is_not_taken_for_that_of_the_next_request() -> None:
    def both(request: bytes) -> bytes:
        return framed(b"\x01\x83\x02") + right(request)

    async with RtuLine(silence, both) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(100, 3)) == "timeout"

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)


async def test_an_exception_behind_a_timeout_is_believed_when_nothing_follows_it() -> None:
    async with RtuLine(silence, refusal(2)) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(100, 3)) == "timeout"
        assert await reason(client, block(200, 2)) == "exception:2"

        assert (await client.ask(1, reading(block(300, 3)))).pdu == registers(300, 3)


async def test_an_exception_is_not_believed_when_a_damaged_answer_follows_it() -> None:
    def both(request: bytes) -> bytes:
        return framed(b"\x01\x83\x02") + right(request)[:-1] + b"\x00"

    async with RtuLine(silence, both) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(100, 3)) == "timeout"

        assert await reason(client, block(200, 2)) == "wrong_answer"


async def test_an_exception_is_not_believed_when_the_connection_ends_behind_it() -> None:
    async def last_words(_request: bytes) -> bytes:
        line.send(framed(b"\x01\x83\x02"))
        line.hang_up()
        return b""

    async with RtuLine(silence, last_words) as line, opened(line.connection(TIMEOUT_S)) as client:
        assert await reason(client, block(100, 3)) == "timeout"

        assert await reason(client, block(200, 2)) == "disconnected"


@pytest.mark.parametrize("table", ["coil", "holding"])
async def test_every_question_behind_silence_is_of_a_size_of_its_own(table: Table) -> None:
    async with RtuLine(*[silence] * 5) as line, opened(line.connection(TIMEOUT_S)) as client:
        for _ in range(5):
            assert await reason(client, block(100, 2, table)) == "timeout"
        assert (await client.ask(1, reading(block(100, 2, table)))).pdu != b""

        counts = [int.from_bytes(request[4:6], "big") for request in line.requests]
        sizes = [(count + 7) // 8 if table == "coil" else count for count in counts]
        assert len(set(sizes)) == len(sizes) == 6


async def test_nothing_is_asked_while_answers_of_every_size_may_be_late() -> None:
    async with RtuLine(*[silence] * 125) as line, opened(line.connection(0.001)) as client:
        for _ in range(125):
            assert await reason(client, block(100, 1)) == "timeout"
        assert len({request[5] for request in line.requests}) == 125
        line.script.append(lambda _request: right(line.requests[0]))

        assert await reason(client, block(200, 1)) == "timeout"
        assert len(line.requests) == 125


async def test_the_answer_to_a_cancelled_request_is_not_taken_for_the_next() -> None:
    async with RtuLine() as line, opened(line.connection()) as client:
        line.script.append(late(line, after=1))
        task = asyncio.create_task(client.ask(1, reading(block(100, 2))))
        await until(lambda: len(line.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)


async def test_a_late_answer_is_known_on_a_new_connection_too() -> None:
    async with RtuLine() as line, opened(line.connection(TIMEOUT_S)) as client:
        line.script.append(late(line, after=1))
        assert await reason(client, block(100, 2)) == "timeout"
        await client.connect()

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert line.connections == 2


async def test_what_comes_twice_is_taken_once() -> None:
    async with RtuLine(lambda request: right(request) * 2) as line, opened(line.connection()) as client:
        assert (await client.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)
        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)


async def test_where_an_answer_came_twice_the_next_one_is_told_from_its_double() -> None:
    async with RtuLine() as line, opened(line.connection()) as client:
        await client.ask(1, reading(block(100, 2)))
        line.send(right(line.requests[0]))
        await asyncio.sleep(0.01)
        line.script.append(lambda request: right(line.requests[0]) + right(request))

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)
        assert [request[5] for request in line.requests] == [2, 3]


async def test_what_an_earlier_program_asked_may_still_be_answered_at_first() -> None:
    loop = asyncio.get_running_loop()
    async with RtuLine() as line:
        began = loop.time()
        async with opened(line.connection(quiet_s=0.1)) as client:
            heard = await client.ask(1, reading(block(100, 2)))

        assert heard.sent - began >= 0.1


async def test_a_frame_that_nobody_asked_for_changes_nothing() -> None:
    async with RtuLine() as line, opened(line.connection()) as client:
        await client.ask(1, reading(block(100, 2)))
        line.send(right(line.requests[0]))
        for _ in range(5):
            await asyncio.sleep(0)

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda request: right(b"\x02" + request[1:]), "wrong_answer"),
        (lambda request: right(request[:1] + b"\x04" + request[2:]), "wrong_answer"),
        (lambda request: right(request[:5] + b"\x01"), "short_answer"),
        (lambda request: right(request[:5] + b"\x03"), "short_answer"),
        (lambda request: right(request)[:-1] + b"\x00", "wrong_answer"),
        (lambda request: right(request)[:-1], "timeout"),
        (lambda _request: b"\x01", "timeout"),
        (lambda _request: framed(b"\x02\x83\x02"), "wrong_answer"),
        (lambda _request: framed(b"\x01\x84\x02"), "wrong_answer"),
    ],
)
async def test_what_is_no_answer_is_no_value(answer: Answer, expected: str) -> None:
    async with RtuLine(answer) as line, opened(line.connection(0.2)) as client:
        assert await reason(client, block(100, 2)) == expected

        assert (await client.ask(1, reading(block(200, 2)))).pdu == registers(200, 2)


async def test_noise_before_an_answer_costs_nothing() -> None:
    async with (
        RtuLine(lambda request: b"\x00\xff" + right(request)) as line,
        opened(line.connection()) as client,
    ):
        assert (await client.ask(1, reading(block(100, 2)))).pdu == registers(100, 2)


async def test_a_line_is_left_alone_for_a_while_after_silence() -> None:
    loop = asyncio.get_running_loop()
    async with RtuLine(silence) as line, opened(line.connection(TIMEOUT_S, quiet_s=0.1)) as client:
        assert await reason(client, block(100, 2)) == "timeout"
        ended = loop.time()

        assert (await client.ask(2, reading(block(200, 2)))).pdu == registers(200, 2)
        assert loop.time() - ended >= 0.1


async def test_a_lost_connection_ends_the_request_at_once() -> None:
    async def hang_up(_request: bytes) -> bytes:
        line.hang_up()
        return b""

    async with RtuLine(hang_up) as line, opened(line.connection()) as client:
        assert await reason(client, block(100, 2)) == "disconnected"


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        ("05 0001 FF00", "05 0001 FF00"),
        ("06 0001 0003", "06 0001 0003"),
        ("0F 0001 0002 01 03", "0F 0001 0002"),
        ("10 0001 0001 02 0003", "10 0001 0001"),
        ("16 0001 00F2 0025", "16 0001 00F2 0025"),
        ("2B 0E 01 00", "2B 0E 01 01 00 00 01 00 02 4142"),
    ],
)
async def test_answers_to_other_functions_are_told_by_what_they_repeat(request_pdu: str, answer: str) -> None:
    said = bytes.fromhex(answer)

    async def answered(_request: bytes) -> bytes:
        return framed(b"\x01" + said)

    async with RtuLine(answered, *[silence] * 3) as line, opened(line.connection()) as client:
        assert (await client.ask(1, Question(bytes.fromhex(request_pdu)))).pdu == said


@pytest.mark.slow
@pytest.mark.parametrize("quiet_s", [0.0, 0.1])
async def test_ten_thousand_reads_of_which_one_in_a_hundred_is_answered_late(quiet_s: float) -> None:
    """F1: the late answer comes 100 ms after its timeout, when another request may wait for its own."""
    chance = random.Random(1)
    tasks: set[asyncio.Task[None]] = set()
    wrong: list[tuple[int, bytes]] = []
    good = 0

    def now_or_late(request: bytes) -> bytes:
        if chance.random() >= 0.01:
            return right(request)

        async def send() -> None:
            await asyncio.sleep(0.03 + 0.1)
            line.send(right(request))

        task = asyncio.create_task(send())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return b""

    async with RtuLine() as line, opened(line.connection(0.03, quiet_s=quiet_s)) as client:
        for _ in range(10_000):
            line.script.append(now_or_late)
            address = chance.randrange(60000)
            try:
                data = (await client.ask(1, reading(block(address, 2)))).pdu
            except DeviceError:
                continue
            good += 1
            if data != registers(address, 2):
                wrong.append((address, data))
        await asyncio.gather(*tasks)

    assert wrong == []
    assert good > 9500


@asynccontextmanager
async def opened(connection: ModbusConnection, heard: list[int] | None = None) -> AsyncIterator[ModbusClient]:
    client = ModbusClient(connection, None if heard is None else heard.append)
    await client.connect()
    try:
        yield client
    finally:
        client.close()


async def reason(client: ModbusClient, asked: Block, unit: int = 1) -> str:
    """Why a read failed; empty when it did not."""
    try:
        await client.ask(unit, reading(asked))
    except DeviceError as error:
        return error.reason
    return ""
