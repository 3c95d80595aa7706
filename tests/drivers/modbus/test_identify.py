"""A device is asked what it is: what is asked, what is made of the answers, and how little it may cost."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, Tag
from edge_agent.core.claims import Claim, Identified, Mismatch
from edge_agent.core.registers import Field
from edge_agent.drivers.modbus.client import Question
from edge_agent.drivers.modbus.device import QUICKEST_S, SLACK, ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.turns import Urgency
from edge_agent.drivers.modbus.wire import Answer, Pace, Wire, connect
from edge_agent.errors import DeviceError
from tests.drivers.modbus.scripted import ScriptedPlc, silence

ACME = bytes.fromhex("2B 0E 01 01 00 00 03 00 04") + b"Acme" + b"\x01\x02P5" + b"\x02\x031.0"
CODE = Field("holding 64514", "holding", 0xFC02, "uint16")
TYPE = Claim(CODE, (0x70,))
VENDOR = Claim("vendor", ("Acme",))


async def test_claims_are_asked_for_first_and_the_identification_last() -> None:
    wire = Fake(b"\0\x70", ACME)

    told = await made(wire, TYPE, VENDOR).identify()

    assert told == Identified("Acme P5 1.0", None, confirmed=True)
    assert wire.asked == ["03fc020001", "2b0e0100"]


async def test_two_claims_of_one_register_are_one_request() -> None:
    wire = Fake(b"\0\x70", ACME)

    await made(wire, TYPE, Claim(CODE, (0x70, 0x71))).identify()

    assert wire.asked == ["03fc020001", "2b0e0100"]


async def test_device_that_says_something_else_is_told() -> None:
    told = await made(Fake(b"\0\x05", ACME), TYPE, VENDOR).identify()

    assert told == Identified("Acme P5 1.0", Mismatch("holding 64514", "112", "5"))


async def test_text_in_registers_is_held_against_its_claim() -> None:
    name = Field("input 10", "input", 10, "string", length=4)

    told = await made(Fake(b"SDM630\0\0", ACME), Claim(name, ("SDM630",))).identify()

    assert told.confirmed


async def test_claims_are_read_in_requests_that_the_device_bears() -> None:
    wire = Fake(b"\0\0\0\0\0\x70", ACME)

    told = await made(
        wire, Claim(Field("h", "holding", 2, "uint16"), (0x70,)), limits=Limits(from_zero=True)
    ).identify()

    assert told.confirmed
    assert wire.asked[0] == "0300000003"


@pytest.mark.parametrize("code", [1, 2, 3, 4])
async def test_what_a_device_refuses_to_say_is_not_confirmed_and_the_rest_is_asked(code: int) -> None:
    wire = Fake(DeviceError(f"exception:{code}"), ACME)

    told = await made(wire, TYPE, VENDOR).identify()

    assert told == Identified("Acme P5 1.0")
    assert len(wire.asked) == 2


@pytest.mark.parametrize(
    "reason", ["timeout", "disconnected", "unit_open", "wrong_answer", "exception:6", "exception:11"]
)
async def test_after_any_other_failure_nothing_more_is_asked(reason: str) -> None:
    wire = Fake(DeviceError(reason), ACME)

    assert await made(wire, TYPE, VENDOR).identify() == Identified()
    assert len(wire.asked) == 1


async def test_what_was_said_before_the_failure_counts() -> None:
    told = await made(Fake(b"\0\x05", DeviceError("timeout")), TYPE, VENDOR).identify()

    assert told == Identified("", Mismatch("holding 64514", "112", "5"))


async def test_polls_go_first() -> None:
    wire = Fake(b"\0\x70", ACME)

    await made(wire, TYPE).identify()

    assert wire.urgencies == [Urgency.PROBE, Urgency.PROBE]


@pytest.mark.parametrize(
    ("timeout_s", "interval_s", "slowest_s", "expected_s"),
    [
        (1.0, 1.0, 0.002, QUICKEST_S),
        (1.0, 1.0, 0.08, SLACK * 0.08),
        (1.0, 1.0, 0.3, 0.5),  # half of the interval: no poll misses its next due time
        (1.0, 10.0, 0.3, 1.0),  # the timeout
        (1.0, 0.1, 0.002, 0.05),
    ],
)
async def test_a_silent_device_keeps_polls_waiting_for_a_moment_only(
    timeout_s: float, interval_s: float, slowest_s: float, expected_s: float
) -> None:
    wire = Fake(b"\0\x01", DeviceError("timeout"), timeout_s=timeout_s, took_s=slowest_s)
    device = made(wire, interval_s=interval_s)
    await device.read("fast")

    await device.identify()

    assert wire.paces[-1].timeout_s == pytest.approx(expected_s)


async def test_silence_costs_no_poll() -> None:
    async with (
        ScriptedPlc(silence) as plc,
        connect(ModbusConnection("plc", "127.0.0.1", plc.port, timeout_s=0.5)) as wire,
    ):
        device = made(wire, TYPE, interval_s=0.1)

        assert await device.identify() == Identified()
        assert (await device.read("fast")).values == (7,)
        assert not wire.breakers[1].misses


class Fake:
    """A wire that gives these answers in turn, each after the same time."""

    connection = ModbusConnection("plc", "127.0.0.1", 502)

    def __init__(self, *answers: bytes | DeviceError, timeout_s: float = 1.0, took_s: float = 0.0) -> None:
        self._answers: Sequence[bytes | DeviceError] = answers
        self._timeout_s = timeout_s
        self._took_s = took_s
        self.asked: list[str] = []
        self.paces: list[Pace] = []
        self.urgencies: list[Urgency] = []

    def expect(self, unit: int, group: str, within_s: float) -> None:
        pass

    def pace(self, _timeout_s: float | None, _turnaround_s: float | None) -> Pace:
        return Pace(self._timeout_s)

    async def ask(
        self,
        unit: int,  # noqa: ARG002 - as the port has it
        question: Question,
        pace: Pace,
        urgency: Urgency = Urgency.POLL,
    ) -> Answer:
        answer = self._answers[len(self.asked)]
        self.asked.append(question.pdu.hex())
        self.paces.append(pace)
        self.urgencies.append(urgency)
        if isinstance(answer, DeviceError):
            raise answer
        now = asyncio.get_running_loop().time()
        return Answer(answer, now - self._took_s, now)


def made(
    wire: Fake | Wire, *claims: Claim, interval_s: float = 1.0, limits: Limits | None = None
) -> ModbusDevice:
    groups = {"fast": Group("fast", interval_s)}
    tags = (Tag("t", "fast", "uint16", Field("t", "holding", 7, "uint16")),)
    profile = Profile("a/b", "1.0.0", "", "modbus", "", groups, tags, limits or Limits(), identify=claims)
    device = Device("meter", profile, "plc", 1, groups, tags)
    return ModbusDriver().device(cast("Wire", wire), device, b"{}", lambda: 0)


async def test_a_device_that_nobody_claims_anything_of_is_not_asked_by_the_way() -> None:
    """The simulator of our own measurement takes function 43 for part of the next request, for ever."""
    wire = Fake(ACME)

    assert await made(wire).identify(claimed=True) == Identified()
    assert wire.asked == []
    assert (await made(wire).identify()).says != ""
