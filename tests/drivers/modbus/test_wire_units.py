"""Units that share a wire: a silent one costs the others little, and is read again soon after it is back."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from edge_agent.config.settings import ModbusConnection, Tag
from edge_agent.core.registers import Field
from edge_agent.drivers.modbus.client import Question, reading
from edge_agent.drivers.modbus.turns import Urgency
from edge_agent.drivers.modbus.wire import PATIENCE_S, NotSent, Pace, Wire
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from tests.drivers.modbus.rtu import RtuLine
from tests.drivers.modbus.rtu import right as rtu_right
from tests.drivers.modbus.rtu import silence as rtu_silence
from tests.drivers.modbus.scripted import (
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
    with nothing_fatal():
        yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


class Gateway(ScriptedPlc):
    """Some of its units do not answer."""

    def __init__(self, *silent: int) -> None:
        super().__init__()
        self.silent = set(silent)
        self.asked: Counter[int] = Counter()
        self._default = self._by_unit

    def _by_unit(self, request: bytes) -> bytes:
        self.asked[request[6]] += 1
        return b"" if request[6] in self.silent else right(request)


def longest(_low: float, high: float) -> float:
    return high


async def reason(wire: Wire, unit: int = 1, *, urgency: Urgency = Urgency.POLL) -> str:
    """Why a read failed, or "good"."""
    try:
        await wire.ask(unit, reading(block(unit * 10, 2)), wire.pace(None, None), urgency)
    except DeviceError as error:
        return error.reason
    return "good"


async def test_a_unit_that_was_silent_twice_is_not_asked_any_more() -> None:
    async with Gateway(3) as plc:
        wire = Wire(plc.impatient, uniform=longest)

        assert [await reason(wire, 3) for _ in range(4)] == ["timeout", "timeout", "unit_open", "unit_open"]
        assert [await reason(wire, 1) for _ in range(4)] == ["good"] * 4

        assert plc.asked == {3: 2, 1: 4}
        assert plc.connections == 1
        wire.close()


async def test_polls_that_wait_for_a_unit_when_it_opens_are_not_sent() -> None:
    async with Gateway(3) as plc:
        wire = Wire(plc.impatient, uniform=longest)

        reasons = await asyncio.gather(*[reason(wire, 3) for _ in range(10)])

        assert Counter(reasons) == {"timeout": 2, "unit_open": 8}
        assert plc.asked == {3: 2}
        wire.close()


async def test_a_unit_that_is_back_is_read_by_the_next_probe() -> None:
    async with Gateway(3) as plc:
        wire = Wire(plc.impatient, uniform=lambda _low, _high: 0.0)
        with capture_logs() as events:
            for unit in (1, 3, 3):
                await reason(wire, unit)
            plc.silent.clear()

            assert [await reason(wire, 3) for _ in range(3)] == ["good"] * 3

        assert [(each["event"], each["unit"]) for each in events] == [("unit silent", 3), ("unit back", 3)]
        wire.close()


async def test_probes_take_a_twentieth_of_the_time_of_a_shared_wire() -> None:
    async with Gateway(3, 4, 5) as plc:
        wire = Wire(plc.impatient, uniform=lambda _low, _high: 0.0)
        loop = asyncio.get_running_loop()
        for unit in (1, 3, 3, 4, 4, 5, 5):
            await reason(wire, unit)
        plc.asked.clear()

        end = loop.time() + 2.5
        while loop.time() < end:
            for unit in (3, 4, 5, 1):
                await reason(wire, unit)
            await asyncio.sleep(0.001)

        # 50 ms each, 0.95 s apart.
        assert 1 <= plc.asked[3] + plc.asked[4] + plc.asked[5] <= 3
        wire.close()


async def test_units_that_are_due_together_are_not_probed_together() -> None:
    async with Gateway(3, 4, 5) as plc:
        wire = Wire(plc.impatient, uniform=lambda _low, _high: 0.0)
        for unit in (1, 3, 3, 4, 4, 5, 5):
            await reason(wire, unit)

        reasons = await asyncio.gather(*[reason(wire, unit) for unit in (3, 4, 5)])

        assert sorted(reasons) == ["timeout", "unit_open", "unit_open"]
        wire.close()


async def test_a_gateway_that_hangs_up_at_silence_has_no_more_probes_than_another() -> None:
    async with Gateway(3) as plc:
        wire = Wire(plc.impatient, uniform=longest)
        for unit in (1, 3, 3):
            await reason(wire, unit)
        plc.asked.clear()

        for _ in range(5):
            plc.hang_up()
            await until(lambda: not wire.connected)
            assert await reason(wire, 1) == "good"
            await reason(wire, 3)

        assert (plc.asked[1], plc.asked[3]) == (5, 0)
        wire.close()


@pytest.mark.slow
async def test_a_unit_is_probed_on_a_wire_that_never_rests() -> None:
    async with Gateway(3) as plc:
        wire = Wire(plc.impatient, uniform=lambda _low, _high: 0.0)
        for unit in (1, 2, 4, 3, 3):
            await reason(wire, unit)
        plc.silent.clear()

        async def hurry(unit: int) -> None:
            while True:
                await reason(wire, unit)

        others = [asyncio.create_task(hurry(unit)) for unit in (1, 2, 4)]
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S + 5):
            assert await reason(wire, 3) == "good"
        for each in others:
            each.cancel()
        await asyncio.wait(others)
        wire.close()


async def test_a_unit_that_is_alone_is_probed_as_often_as_its_waits_allow() -> None:
    async with Gateway(3) as plc:
        wire = Wire(plc.impatient, uniform=lambda _low, _high: 0.0)

        assert [await reason(wire, 3) for _ in range(5)] == ["timeout"] * 5
        wire.close()


async def test_one_probe_at_a_time_goes_to_a_unit() -> None:
    async with Gateway(3) as plc:
        wire = Wire(plc.impatient, uniform=lambda _low, _high: 0.0)
        for _ in range(2):
            await reason(wire, 3)

        assert sorted(await asyncio.gather(reason(wire, 3), reason(wire, 3))) == ["timeout", "unit_open"]
        wire.close()


async def test_a_probe_that_is_cancelled_may_be_had_again() -> None:
    async with Gateway(3) as plc:
        wire = Wire(replace(plc.impatient, timeout_s=0.2), uniform=lambda _low, _high: 0.0)
        for _ in range(2):
            await reason(wire, 3)
        asked = len(plc.requests)
        probe = asyncio.create_task(reason(wire, 3))
        await until(lambda: len(plc.requests) > asked)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        plc.silent.clear()

        assert await reason(wire, 3) == "good"
        wire.close()


async def test_a_gateway_that_says_a_unit_is_silent_is_believed() -> None:
    def refused(request: bytes) -> bytes:
        return frame(request, bytes([request[7] | 0x80, 11])) if request[6] == 3 else right(request)

    async with ScriptedPlc(*[refused] * 4) as plc:
        wire = Wire(plc.connection, uniform=longest)

        assert [await reason(wire, 3) for _ in range(3)] == ["exception:11", "exception:11", "unit_open"]
        assert await reason(wire, 1) == "good"
        assert plc.connections == 1
        wire.close()


async def test_a_refusal_is_a_sign_of_life() -> None:
    async with ScriptedPlc(silence, refusal(2), silence, silence, refusal(2)) as plc:
        wire = Wire(plc.impatient, uniform=lambda _low, _high: 0.0)

        assert [await reason(wire) for _ in range(6)] == [
            "timeout",
            "exception:2",
            "timeout",
            "timeout",
            "exception:2",
            "good",
        ]
        wire.close()


async def test_a_unit_that_is_heard_too_late_is_probed_at_once() -> None:
    async with RtuLine(rtu_silence, rtu_silence) as line:
        wire = Wire(line.connection(timeout_s=0.05), uniform=longest)
        assert [await reason(wire, 3) for _ in range(3)] == ["timeout", "timeout", "unit_open"]

        line.send(rtu_right(line.requests[0]))
        await until(lambda: wire.statistics.late == 1)

        assert await reason(wire, 3) == "good"
        wire.close()


async def test_a_busy_unit_is_asked_again_after_a_pause_and_the_others_meanwhile() -> None:
    async with ScriptedPlc(refusal(6), right, refusal(5), right) as plc:
        wire = Wire(plc.connection, uniform=longest)

        busy = asyncio.create_task(reason(wire, 1))
        await until(lambda: len(plc.requests) == 1)
        assert await reason(wire, 2) == "good"
        assert await busy == "good"

        assert [request[6] for request in plc.requests] == [1, 2, 1, 1]
        wire.close()


async def test_a_unit_that_stays_busy_is_told_so() -> None:
    async with ScriptedPlc(*[refusal(6)] * 4) as plc:
        wire = Wire(plc.connection, uniform=longest)

        assert await reason(wire) == "exception:6"
        assert len(plc.requests) == 4
        wire.close()


async def test_a_request_is_repeated_as_often_as_configured_while_the_unit_was_well() -> None:
    async with ScriptedPlc(silence, right, silence, silence, silence, right) as plc:
        wire = Wire(replace(plc.impatient, retries=1), uniform=longest)

        assert [await reason(wire) for _ in range(4)] == ["good", "timeout", "timeout", "unit_open"]
        assert len(plc.requests) == 5
        wire.close()


async def test_a_command_goes_before_the_polls_that_wait() -> None:
    async with ScriptedPlc() as plc:
        wire = Wire(plc.connection, uniform=longest)
        held = asyncio.Event()

        async def wait(request: bytes) -> bytes:
            await held.wait()
            return right(request)

        plc.script.append(wait)
        polls = [asyncio.create_task(reason(wire, unit)) for unit in range(1, 51)]
        await until(lambda: len(plc.requests) == 1)
        command = asyncio.create_task(reason(wire, 99, urgency=Urgency.COMMAND))
        await asyncio.sleep(0)
        held.set()

        assert await command == "good"
        assert [request[6] for request in plc.requests][:2] == [1, 99]
        await asyncio.gather(*polls)
        wire.close()


async def test_a_command_is_sent_to_a_silent_unit_too_and_is_not_repeated() -> None:
    async with Gateway(3) as plc:
        wire = Wire(replace(plc.impatient, retries=3), uniform=longest)
        for _ in range(3):
            await reason(wire, 3)
        asked = plc.asked[3]

        assert await reason(wire, 3, urgency=Urgency.COMMAND) == "timeout"
        assert plc.asked[3] == asked + 1
        plc.silent.clear()
        assert await reason(wire, 3, urgency=Urgency.COMMAND) == "good"
        assert await reason(wire, 3) == "good"
        wire.close()


async def test_a_pause_lies_between_an_answer_and_the_next_request() -> None:
    loop = asyncio.get_running_loop()
    async with ScriptedPlc() as plc:
        wire = Wire(replace(plc.connection, turnaround_s=0.05), uniform=longest)
        own = Pace(5.0, 0.1)

        first = await wire.ask(1, reading(block(0, 1)), wire.pace(None, None))
        second = await wire.ask(1, reading(block(0, 1)), wire.pace(None, None))
        third = await wire.ask(1, reading(block(0, 1)), own)

        assert second.sent - first.received >= 0.05
        assert third.sent - second.received >= 0.1
        assert loop.time() >= third.received
        wire.close()


async def test_a_pause_lies_between_opening_and_the_first_request() -> None:
    loop = asyncio.get_running_loop()
    async with ScriptedPlc() as plc:
        wire = Wire(replace(plc.connection, connect_delay_s=0.05), uniform=longest)
        began = loop.time()

        answer = await wire.ask(1, reading(block(0, 1)), wire.pace(None, None))

        assert answer.sent - began >= 0.05
        wire.close()


async def test_after_an_outage_silent_units_are_probed_at_once() -> None:
    field = Field("speed", "holding", 10, "uint16")
    async with ModbusPlc([Tag("speed", "fast", "uint16", field)], units=(1, 3)) as plc:
        await plc.switch(Faults(silence=True), unit=3)
        connection = ModbusConnection("plc", "127.0.0.1", plc.port, timeout_s=0.05)
        wire = Wire(connection, uniform=lambda low, high: 0.0 if low == 0 else high)

        async def read(unit: int) -> str:
            try:
                await wire.ask(unit, reading(block(10, 1)), wire.pace(None, None))
            except DeviceError as error:
                return error.reason
            return "good"

        assert [await read(unit) for unit in (1, 3, 3, 3)] == ["good", "timeout", "timeout", "unit_open"]
        await plc.switch(Faults(refuse=True))
        assert [await read(1), await read(1)] == ["disconnected"] * 2
        await plc.switch(Faults())

        assert [await read(1), await read(3)] == ["good", "good"]
        wire.close()


async def test_several_requests_go_at_a_time_where_that_is_configured() -> None:
    async with ScriptedPlc() as plc:
        wire = Wire(replace(plc.connection, max_in_flight=3), uniform=longest)
        held = asyncio.Event()

        async def wait(request: bytes) -> bytes:
            await held.wait()
            return right(request)

        plc.script += [wait] * 3
        polls = [asyncio.create_task(reason(wire, unit)) for unit in range(1, 6)]
        await until(lambda: len(plc.requests) >= 1)
        held.set()

        assert await asyncio.gather(*polls) == ["good"] * 5
        assert plc.connections == 1
        wire.close()


async def test_a_wire_counts_what_it_does() -> None:
    async with ScriptedPlc(right, refusal(2), silence) as plc:
        wire = Wire(plc.impatient, uniform=longest)
        for _ in range(3):
            await reason(wire)
        await wire.ask(1, Question(b"\x03\x00\x05\x00\x01"), wire.pace(None, None))

        told = wire.statistics.document(asyncio.get_running_loop().time())

        assert told | {"utilisation_percent": 0, "latency_ms": 0} == {
            "requests": 4,
            "failures": {"exception:2": 1, "timeout": 1},
            "probes": 0,
            "late_answers": 0,
            "opened": 1,
            "latency_ms": 0,
            "utilisation_percent": 0,
        }
        assert isinstance(told["latency_ms"], float)
        assert 0.5 < wire.statistics.utilisation(asyncio.get_running_loop().time()) <= 1.0
        assert registers(5, 1) == b"\x00\x05"
        wire.close()


async def test_a_unit_at_whose_silence_the_gateway_hangs_up_is_left_alone_too() -> None:
    async with ScriptedPlc() as plc:

        def hang_up(request: bytes) -> bytes:
            if request[6] != 3:
                return right(request)
            plc.hang_up()
            return b""

        plc._default = hang_up
        wire = Wire(plc.connection, uniform=longest)

        assert await reason(wire, 1) == "good"
        assert [await reason(wire, 3), await reason(wire, 1)] == ["disconnected", "good"]
        assert await reason(wire, 3) == "disconnected"
        for _ in range(20):
            assert await reason(wire, 3) == "unit_open"
            assert await reason(wire, 1) == "good"
        assert plc.connections == 3
        wire.close()


async def test_a_command_that_does_not_get_the_wire_in_time_is_not_sent_later() -> None:
    async with ScriptedPlc() as plc:
        wire = Wire(plc.connection, uniform=longest)
        held = asyncio.Event()

        async def wait(request: bytes) -> bytes:
            await held.wait()
            return right(request)

        plc.script.append(wait)
        poll = asyncio.create_task(reason(wire, 1))
        await until(lambda: len(plc.requests) == 1)

        with pytest.raises(NotSent, match="nothing was sent"):
            async with wire.command(2, Pace(0.02), 0.05):
                raise AssertionError
        held.set()

        assert await poll == "good"
        assert [request[6] for request in plc.requests] == [1]
        assert wire._turns.idle
        wire.close()


async def test_what_is_asked_by_the_way_does_not_count_against_a_unit() -> None:
    async with ScriptedPlc(right, silence, silence, silence) as plc:
        wire = Wire(plc.impatient, uniform=longest)
        await reason(wire)

        assert [await reason(wire, urgency=Urgency.PROBE) for _ in range(3)] == ["timeout"] * 3
        assert await reason(wire) == "good"
        wire.close()
