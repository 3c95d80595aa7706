"""One connection shared by devices: order of requests, opening again, and how long it waits before."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from edge_agent.config.settings import ModbusConnection, Tag
from edge_agent.core.plan import Block
from edge_agent.core.registers import Field
from edge_agent.drivers.modbus.client import reading
from edge_agent.drivers.modbus.wire import Pace, Wire, connect
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from tests.drivers.modbus.scripted import (
    ScriptedPlc,
    block,
    nothing_fatal,
    refusal,
    registers,
    right,
    silence,
    until,
)


@pytest.fixture(autouse=True)
async def quiet(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    with nothing_fatal():
        yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def at_once(_low: float, _high: float) -> float:
    """No wait before the next attempt to connect."""
    return 0.0


def longest(_low: float, high: float) -> float:
    """The longest wait that may be chosen."""
    return high


async def test_two_devices_on_a_wire_are_asked_one_after_the_other() -> None:
    answered = asyncio.Event()

    async def held(request: bytes) -> bytes:
        await answered.wait()
        return right(request)

    async with ScriptedPlc(held) as plc, connect(plc.connection) as wire:
        first = asyncio.create_task(data(wire, 1, block(100, 2)))
        second = asyncio.create_task(data(wire, 2, block(200, 2)))
        await until(lambda: len(plc.requests) == 1)
        for _ in range(20):
            await asyncio.sleep(0)  # time enough for the second one to push ahead, if it could
        assert len(plc.requests) == 1
        answered.set()

        assert await first == registers(100, 2)
        assert await second == registers(200, 2)
        assert [request[6] for request in plc.requests] == [1, 2]
        assert plc.connections == 1


async def test_a_read_tells_when_its_request_went_out_and_its_answer_came() -> None:
    loop = asyncio.get_running_loop()
    answered: list[float] = []

    def noted(request: bytes) -> bytes:
        answered.append(loop.time())
        return right(request)

    async with ScriptedPlc(noted) as plc, connect(plc.connection) as wire:
        before = loop.time()
        answer = await wire.ask(1, reading(block(100, 2)), Pace(5.0))

        assert before <= answer.sent <= answered[0] <= answer.received <= loop.time()


async def test_a_plc_that_is_absent_at_first_is_read_when_it_comes() -> None:
    async with ModbusPlc([tag()]) as plc:
        await plc.switch(Faults(refuse=True))
        wire = wire_to(plc.port, at_once)
        for _ in range(3):
            assert await reason(wire) == "disconnected"

        await plc.switch(Faults())

        assert await reason(wire) == "good"
        wire.close()


async def test_a_plc_that_dies_is_read_again_when_it_is_back() -> None:
    async with ModbusPlc([tag()]) as plc:
        wire = wire_to(plc.port, at_once)
        assert await reason(wire) == "good"

        await plc.switch(Faults(refuse=True))
        assert await reason(wire) == "disconnected"
        assert await reason(wire) == "disconnected"
        await plc.switch(Faults())

        assert await reason(wire) == "good"
        wire.close()


async def test_attempts_to_connect_are_further_and_further_apart() -> None:
    waits: list[float] = []

    def noted(_low: float, high: float) -> float:
        waits.append(high)
        return 0.0

    async with ModbusPlc([tag()]) as plc:
        await plc.switch(Faults(refuse=True))
        wire = wire_to(plc.port, noted)
        for _ in range(7):
            await reason(wire)
        assert waits == [1, 2, 4, 8, 16, 30, 30]

        await plc.switch(Faults())
        assert await reason(wire) == "good"
        await plc.switch(Faults(refuse=True))
        await reason(wire)
        await reason(wire)

        assert waits[7:] == [30, 1, 2]  # the one that succeeded, and two after it had been good
        wire.close()


async def test_between_two_attempts_a_read_fails_at_once_and_says_why() -> None:
    async with ModbusPlc([tag()]) as plc:
        await plc.switch(Faults(refuse=True))
        wire = wire_to(plc.port, longest)
        assert await reason(wire) == "disconnected"
        await plc.switch(Faults())

        with pytest.raises(DeviceError, match=f"disconnected: 127.0.0.1:{plc.port}: "):
            await data(wire, 1, block(0, 2))

        assert plc.requests == 0


async def test_a_socket_closed_by_the_device_while_idle_is_opened_again_silently() -> None:
    async with ScriptedPlc() as plc:
        wire = Wire(plc.connection, uniform=longest)
        with capture_logs() as events:
            for turn in range(1, 4):
                assert await data(wire, 1, block(100, 2)) == registers(100, 2)
                assert plc.connections == turn
                plc.hang_up()
                await until(lambda: not wire._client.connected)
        wire.close()

    assert events == []


async def test_an_answer_of_any_kind_lets_a_socket_be_opened_again_at_once() -> None:
    def short(request: bytes) -> bytes:
        return right(request)[:5] + b"\x05" + right(request)[6:8] + b"\x02\x00\x64"

    async with ScriptedPlc(short) as plc:
        wire = Wire(plc.connection, uniform=longest)

        assert await reason(wire) == "short_answer"

        assert await reason(wire) == "good"
        wire.close()


async def test_a_device_that_takes_connections_and_drops_them_is_not_hammered() -> None:
    def hang_up(_request: bytes) -> bytes:
        plc.hang_up()
        return b""

    async with ScriptedPlc(*[hang_up] * 3) as plc:
        wire = Wire(plc.connection, uniform=longest)

        assert [await reason(wire) for _ in range(5)] == ["disconnected"] * 5

        assert plc.connections == 1


async def test_an_exception_is_no_reason_to_connect_again() -> None:
    async with ScriptedPlc(refusal(2), silence, refusal(4)) as plc:
        wire = Wire(plc.impatient, uniform=longest)

        assert [await reason(wire) for _ in range(4)] == ["exception:2", "timeout", "exception:4", "good"]

        assert plc.connections == 1
        wire.close()


async def test_a_connection_is_said_to_be_down_once_and_up_once() -> None:
    async with ModbusPlc([tag()]) as plc:
        await plc.switch(Faults(refuse=True))
        wire = wire_to(plc.port, at_once)
        with capture_logs() as events:
            for _ in range(3):
                await reason(wire)
            await plc.switch(Faults())
            for _ in range(3):
                await reason(wire)
        wire.close()

    assert [(event["event"], event["connection"]) for event in events] == [
        ("connection down", "plc"),
        ("connection up", "plc"),
    ]


async def test_a_cancelled_attempt_to_connect_does_not_count_as_a_failure() -> None:
    waits: list[float] = []

    def noted(_low: float, high: float) -> float:
        waits.append(high)
        return high

    async with ScriptedPlc() as plc:
        wire = Wire(plc.connection, uniform=noted)
        task = asyncio.create_task(data(wire, 1, block(100, 2)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert waits == []
        assert await reason(wire) == "good"
        wire.close()


def tag() -> Tag:
    return Tag("speed", "fast", "float32", Field("speed", "holding", 0, "float32"))


def wire_to(port: int, uniform: Callable[[float, float], float]) -> Wire:
    return Wire(ModbusConnection("plc", "127.0.0.1", port), uniform=uniform)


async def data(wire: Wire, unit: int, asked: Block) -> bytes:
    """The data of a block."""
    return (await wire.ask(unit, reading(asked), wire.pace(None, None))).data


async def reason(wire: Wire) -> str:
    """Why a read failed, or "good"."""
    try:
        await data(wire, 1, block(0, 2))
    except DeviceError as error:
        return error.reason
    return "good"


async def test_wire_that_was_closed_is_not_opened_again() -> None:
    async with ScriptedPlc() as plc:
        async with connect(plc.connection) as wire:
            await data(wire, 1, block(100, 2))

        with pytest.raises(DeviceError, match="no longer in use"):
            await data(wire, 1, block(100, 2))

        assert plc.connections == 1


async def test_wire_that_is_closed_while_it_opens_stays_closed() -> None:
    async with ScriptedPlc() as plc:
        async with connect(plc.connection) as wire:
            opening = asyncio.create_task(wire.open())
            await asyncio.sleep(0)  # it has begun to connect

        with pytest.raises(DeviceError, match="no longer in use"):
            await opening


async def test_whoever_opens_a_wire_by_hand_while_a_poll_does_gets_the_same_connection() -> None:
    async with ScriptedPlc() as plc:
        wire = Wire(replace(plc.connection, max_in_flight=2), uniform=longest)

        await asyncio.gather(wire.open(), data(wire, 1, block(0, 2)))

        assert plc.connections == 1
        wire.close()


async def test_whoever_opens_a_wire_by_hand_does_not_wait_for_the_next_attempt() -> None:
    async with ModbusPlc([tag()]) as plc:
        await plc.switch(Faults(refuse=True))
        wire = Wire(ModbusConnection("plc", "127.0.0.1", plc.port), uniform=longest)
        with pytest.raises(DeviceError):
            await wire.open()
        await plc.switch(Faults())
        with pytest.raises(DeviceError, match="Connection refused"):
            await data(wire, 1, block(0, 2))

        await wire.open()

        assert len(await data(wire, 1, block(0, 2))) == 4
        wire.close()
