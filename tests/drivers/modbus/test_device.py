"""A device's scans: right values, honest qualities, honest times."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, Tag
from edge_agent.config.shelf import shipped_profiles
from edge_agent.core.floats import shortest
from edge_agent.core.model import Scan
from edge_agent.core.registers import Field
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.modbus.client import Question
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.wire import Answer, Pace, Wire, connect
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.signals import TICK_NS
from edge_agent.sim.truth import Truth
from tests.drivers.modbus.scripted import ScriptedPlc, frame, refusal, right, silence

SHIPPED = [
    path for path in sorted(shipped_profiles().glob("*/*.yaml")) if "protocol: modbus" in path.read_text()
]
NOW = 1_760_000_000_000_000_000


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
async def test_a_simulated_device_of_every_shipped_profile_is_read_right(path: Path) -> None:
    profile, _ = load_profile(path, kinds())
    assert profile is not None
    truth = Truth(profile.tags, unit=5)
    now = [NOW]

    async with (
        ModbusPlc(profile.tags, units=(5,), clock=lambda: now[0]) as plc,
        connect(ModbusConnection("plc", "127.0.0.1", plc.port)) as wire,
    ):
        device = made(wire, profile, unit=5)
        seen: set[str] = set()
        for _ in range(200):
            now[0] += 7 * TICK_NS
            scans = [await device.read(group) for group in profile.groups]

            assert [fault for scan in scans for fault in faults(scan, truth, now[0])] == []
            seen.update(name for scan in scans for name in scan.schema.names)
        assert seen == set(truth.columns)


async def test_a_scan_is_of_the_middle_of_its_first_request() -> None:
    loop = asyncio.get_running_loop()
    device = made(
        Fake(lambda: [Answer(b"\0\x01", loop.time() - 1.0, loop.time() - 0.5)]), profile_of(numbers(1))
    )

    scan = await device.read("fast")

    assert scan.time_ns == pytest.approx(NOW - 750_000_000, abs=50_000_000)


@pytest.mark.parametrize(
    ("middles_s", "offsets_ms"),
    [
        ((0.0, 0.1, 0.1), None),  # as far as the resolution of the group
        ((0.0, 0.1, 0.3), (0.0, 100.0, 300.0)),
    ],
)
async def test_values_have_times_of_their_own_only_beyond_the_resolution(
    middles_s: Sequence[float], offsets_ms: tuple[float, ...] | None
) -> None:
    start = asyncio.get_running_loop().time()
    answers = [Answer(b"\0\x01", start + at - 0.01, start + at + 0.01) for at in middles_s]
    device = made(Fake(lambda: answers), profile_of(numbers(3), resolution_s=0.1001))

    scan = await device.read("fast")

    assert scan.offsets_ms == offsets_ms


async def test_times_stay_with_their_values_when_a_request_in_between_fails() -> None:
    start = asyncio.get_running_loop().time()
    answers: list[Answer | DeviceError] = [
        Answer(b"\0\x01", start, start),
        DeviceError("exception:1"),
        Answer(b"\0\x03", start + 2, start + 2),
    ]
    device = made(Fake(lambda: answers), profile_of(numbers(3)))

    scan = await device.read("fast")

    assert scan.values == (1, None, 3)
    assert scan.offsets_ms == (0.0, 0.0, 2000.0)


async def test_unchanged_bytes_are_not_decoded_again() -> None:
    async with ScriptedPlc() as plc, connect(plc.connection) as wire:
        device = made(wire, profile_of(numbers(1)))

        first, second = await device.read("fast"), await device.read("fast")

        assert first.values == (0,)
        assert second.values is first.values


async def test_a_value_that_failed_is_good_again_with_the_same_bytes_as_before() -> None:
    async with ScriptedPlc(right, right, refusal(1), right) as plc, connect(plc.connection) as wire:
        device = made(wire, profile_of(numbers(2)))

        scans = [await device.read("fast") for _ in range(3)]

        assert [scan.values for scan in scans] == [(0, 100), (None, 100), (0, 100)]
        assert [scan.quality for scan in scans] == [None, ("bad:exception:1", ""), None]


async def test_an_exception_of_one_block_leaves_the_values_of_the_other_good() -> None:
    async with ScriptedPlc(right, refusal(1)) as plc, connect(plc.connection) as wire:
        scan = await made(wire, profile_of(numbers(2))).read("fast")

        assert scan.values == (0, None)
        assert scan.quality == ("", "bad:exception:1")


async def test_after_a_timeout_the_rest_of_a_scan_is_not_asked_for() -> None:
    async with ScriptedPlc(right, silence) as plc, connect(plc.impatient) as wire:
        scan = await made(wire, profile_of(numbers(4))).read("fast")

        assert scan.values == (0, None, None, None)
        assert scan.quality == ("", "bad:timeout", "bad:timeout", "bad:timeout")
        assert len(plc.requests) == 2


async def test_after_the_connection_died_the_rest_of_a_scan_is_not_asked_for() -> None:
    def hang_up(_request: bytes) -> bytes:
        plc.hang_up()
        return b""

    async with ScriptedPlc(right, hang_up) as plc, connect(plc.connection) as wire:
        scan = await made(wire, profile_of(numbers(3))).read("fast")

        assert scan.quality == ("", "bad:disconnected", "bad:disconnected")
        assert (len(plc.requests), plc.connections) == (2, 1)


async def test_after_a_short_answer_the_rest_is_asked_for_on_the_same_connection() -> None:
    def short(request: bytes) -> bytes:
        return frame(request, b"\x03\x00")

    async with ScriptedPlc(short) as plc, connect(plc.connection) as wire:
        scan = await made(wire, profile_of(numbers(2))).read("fast")

        assert scan.values == (None, 100)
        assert scan.quality == ("bad:short_answer", "")
        assert plc.connections == 1


async def test_a_device_that_answers_nothing_raises_instead_of_a_scan() -> None:
    async with ScriptedPlc(silence) as plc, connect(plc.impatient) as wire:
        with pytest.raises(DeviceError) as caught:
            await made(wire, profile_of(numbers(3))).read("fast")

        assert caught.value.reason == "timeout"
        assert len(plc.requests) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Faults(silence=True), "timeout"),
        (Faults(short=True), "short_answer"),
        (Faults(exception=4), "exception:4"),
        (Faults(refuse=True), "disconnected"),
    ],
)
async def test_a_device_that_failed_gives_right_values_as_soon_as_it_is_sound(
    fault: Faults, reason: str
) -> None:
    profile, _ = load_profile(SHIPPED[0], kinds())
    assert profile is not None
    truth = Truth(profile.tags)
    async with ModbusPlc(profile.tags, clock=lambda: NOW) as plc:
        connection = ModbusConnection("plc", "127.0.0.1", plc.port, timeout_s=0.05)
        wire = Wire(connection, uniform=lambda _low, _high: 0.0)
        device = made(wire, profile)
        for _ in range(3):
            await plc.switch(fault)
            with pytest.raises(DeviceError) as caught:
                await device.read("fast")
            assert caught.value.reason == reason
            await plc.switch(Faults())

            assert list(faults(await device.read("fast"), truth, NOW)) == []
        wire.close()


async def test_groups_of_a_device_have_columns_of_their_own() -> None:
    tags = (*numbers(1), Tag("speed", "slow", "uint16", Field("speed", "holding", 7, "uint16")))
    groups = {"fast": Group("fast", 1.0), "slow": Group("slow", 10.0)}
    async with ScriptedPlc() as plc, connect(plc.connection) as wire:
        device = made(wire, Profile("a/b", "1.0.0", "", "modbus", "", groups, tags, Limits()))

        assert (await device.read("slow")).values == (7,)
        assert {name: schema.names for name, schema in device.schemas.items()} == {
            "fast": ("number_0",),
            "slow": ("speed",),
        }


class Fake:
    """A wire that gives these answers in turn; `answers` is asked once, at the first read."""

    connection = ModbusConnection("plc", "127.0.0.1", 502)

    def __init__(self, answers: Callable[[], Sequence[Answer | DeviceError]]) -> None:
        self._answers = answers
        self._rest: list[Answer | DeviceError] | None = None

    def expect(self, unit: int, group: str, within_s: float) -> None:
        pass

    def pace(self, _timeout_s: float | None, _turnaround_s: float | None) -> Pace:
        return Pace(1.0)

    async def ask(self, unit: int, question: Question, pace: Pace) -> Answer:  # noqa: ARG002 - as the port has it
        if self._rest is None:
            self._rest = list(self._answers())
        answer = self._rest.pop(0)
        if isinstance(answer, DeviceError):
            raise answer
        return answer


def numbers(count: int) -> tuple[Tag, ...]:
    """Tags too far apart for one request."""
    fields = [Field(f"number_{at}", "holding", 100 * at, "uint16") for at in range(count)]
    return tuple(Tag(field.name, "fast", "uint16", field) for field in fields)


def profile_of(tags: tuple[Tag, ...], *, resolution_s: float = 0.1) -> Profile:
    groups: Mapping[str, Group] = {"fast": Group("fast", 1.0, time_resolution_s=resolution_s)}
    return Profile("a/b", "1.0.0", "", "modbus", "", groups, tags, Limits(max_gap=16))


def made(wire: "Wire | Fake", profile: Profile, unit: int = 1) -> ModbusDevice:
    device = Device("device", profile, "plc", unit, profile.groups, profile.tags)
    return ModbusDriver().device(cast("Wire", wire), device, b"{}", lambda: NOW)


def faults(scan: Scan, truth: Truth, now_ns: int) -> list[str]:
    """What is wrong in a scan of this moment: values by the judge, qualities, and the time of the scan."""
    found = [f"{time.strftime('%X')} quality {quality}" for quality in scan.quality or () if quality]
    for column, value in zip(scan.schema.columns, scan.values, strict=True):
        shown = shortest([value])[0] if column.store == "f" and isinstance(value, float) else value
        verdict = truth.check(column.name, shown, now_ns / 1e6, tolerance_ms=0)
        found += [f"{column.name}: {verdict}"] if verdict else []
    return found
