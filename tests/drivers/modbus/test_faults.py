"""Whatever devices do wrong, no good value differs from the truth, and the rest goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, SerialLine, Tag
from edge_agent.config.shelf import shipped_profiles
from edge_agent.core.floats import shortest
from edge_agent.core.model import Scan
from edge_agent.core.registers import Field
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.modbus.client import reading
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.turns import Urgency
from edge_agent.drivers.modbus.wire import Wire, connect
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults, Random
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Place, Serial, Tcp, Udp
from edge_agent.sim.truth import Truth
from tests.drivers.modbus.scripted import ScriptedPlc, block, right, until
from tests.peers import socat

TIMEOUT_S = 0.15
NEAR_MS = 120.0
"""How far the middle of a request may lie from the moment at which the simulator looked at its values."""

PLACES: Mapping[str, Place] = {
    "tcp": Tcp(),
    "rtu over tcp": Tcp(mode="rtu"),
    "ascii over tcp": Tcp(mode="ascii"),
    "udp": Udp(),
}
TCP_ONLY = {"wrong_transaction", "wrong_length", "wrong_protocol"}

FAULTS: Mapping[str, Faults] = {
    "silence": Faults(silence=True),
    "late": Faults(slow_s=TIMEOUT_S * 1.5),
    "short": Faults(short=True),
    "wrong_function": Faults(wrong_function=True),
    "wrong_unit": Faults(wrong_unit=True),
    "wrong_transaction": Faults(wrong_transaction=True),
    "wrong_length": Faults(wrong_length=True),
    "wrong_protocol": Faults(wrong_protocol=True),
    "wrong_checksum": Faults(wrong_checksum=True),
    "split": Faults(split=True),
    "twice": Faults(twice=True),
    "junk": Faults(junk=True),
    "exception": Faults(exception=4),
    "busy": Faults(busy=3),
    "illegal": Faults(illegal=frozenset({("holding", 100), ("input", 1)})),
    "reset": Faults(reset=True),
}


def fits(place: str, fault: str) -> bool:
    if fault in TCP_ONLY:
        return place in ("tcp", "udp")
    if fault == "wrong_checksum":
        return place not in ("tcp", "udp")
    return not (place == "udp" and fault == "split")


F2 = [(place, fault) for place in PLACES for fault in FAULTS if fits(place, fault)]


@pytest.mark.parametrize(("place", "fault"), F2, ids=[f"{place}: {fault}" for place, fault in F2])
async def test_f2_no_good_value_differs_from_the_truth(place: str, fault: str) -> None:
    async with world(PLACES[place], units=(1, 2)) as plant:
        await plant.read_all(1)
        await plant.plc.switch(FAULTS[fault])
        await plant.read_all(3)
        await plant.plc.switch(Faults(), unit=None)
        plant.wire._renew()
        await plant.read_all(3)

        assert plant.wrong == []
        assert plant.plc.injected[fault if fault != "late" else "slow"] > 0
        assert plant.last_good == 2 * 4 * 3 // 3 or plant.good > 0


@pytest.mark.parametrize("place", PLACES)
async def test_one_sick_unit_leaves_the_other_one_good(place: str) -> None:
    for fault in (each for where, each in F2 if where == place and each != "reset"):
        async with world(PLACES[place], units=(1, 2)) as plant:
            # The sound one has the time that a busy machine needs.
            sound = device_of(plant.wire, shipped().tags, unit=1, timeout_s=5.0)
            plant.devices = {**plant.devices, 1: sound}
            await plant.plc.switch(FAULTS[fault], unit=2)
            opened = plant.wire.statistics.opened
            for _ in range(3):
                await plant.read(2)
                scans = await plant.read(1)
                assert [scan.quality for scan in scans] == [None] * 3, fault

            assert plant.wrong == []
            # Behind these nothing on a TCP connection can be trusted, nor behind half an answer at a timeout.
            broken = place == "tcp" and fault in ("wrong_length", "wrong_protocol", "junk", "split")
            assert broken or plant.wire.statistics.opened - opened <= 1, fault


@pytest.mark.parametrize("place", PLACES)
async def test_random_faults_never_become_a_good_value(place: str) -> None:
    async with world(PLACES[place], units=(1, 2, 3)) as plant:
        await plant.plc.switch(Faults(random=Random(0.2, seed=7, late_s=(0.1, 0.4))))
        for _ in range(25):
            await plant.read_all(1)
        await plant.plc.switch(Faults())
        plant.wire._renew()

        assert plant.wrong == []
        assert plant.good > 100
        assert sum(plant.plc.injected.values()) > 10


async def test_f3_three_silent_units_of_ten_leave_the_periods_of_the_others_alone() -> None:
    """F3, F4: all behind one gateway; its socket is never closed, and a unit that is back is read again."""
    units = tuple(range(1, 11))
    silent = (3, 6, 9)
    async with world(Tcp(), units=units, others="ignore", timeout_s=0.5) as plant:
        for unit in silent:
            await plant.plc.switch(Faults(silence=True), unit=unit)
        # Each dead unit costs two timeouts before it is left alone.
        for unit in silent:
            for _ in range(2):
                await plant.read(unit)

        came = await polled(plant, units, every_s=0.2, for_s=6.0)

        live = [unit for unit in units if unit not in silent]
        periods = {unit: (came[unit][-1] - came[unit][0]) / (len(came[unit]) - 1) for unit in live}
        assert all(abs(period - 0.2) < 0.02 for period in periods.values()), periods
        assert all(not came[unit] for unit in silent)
        assert plant.wire.statistics.opened == 1
        assert plant.wire.statistics.probes > 0
        await plant.plc.switch(Faults())
        async with asyncio.timeout(20):
            while any(plant.wire.breakers[unit].open for unit in silent):
                await polled(plant, silent, every_s=0.05, for_s=0.2)
        assert plant.wrong == []


async def test_one_illegal_address_of_a_hundred_registers_leaves_99_good_within_two_cycles() -> None:
    tags = tuple(
        Tag(f"r{at}", "fast", "uint16", Field(f"r{at}", "holding", at, "uint16")) for at in range(100)
    )
    async with ModbusPlc(tags) as plc:
        await plc.switch(Faults(illegal=frozenset({("holding", 42)})))
        async with connect(ModbusConnection("plc", "127.0.0.1", plc.port)) as wire:
            device = device_of(wire, tags)

            first, second = await device.read("fast"), await device.read("fast")

            for scan in (first, second):
                bad = [at for at, text in enumerate(scan.quality or ()) if text]
                assert bad == [42]
            requests, refused = plc.requests, plc.injected["illegal"]
            await device.read("fast")
            assert plc.requests - requests == 2
            assert plc.injected["illegal"] == refused


@pytest.mark.parametrize("place", ["tcp", "rtu over tcp"])
async def test_three_hundred_cancels_leave_a_wire_that_gives_right_values(place: str) -> None:
    async with world(PLACES[place], units=(1,)) as plant:
        before = asyncio.all_tasks()
        for turn in range(300):
            if turn % 10 == 0:
                plant.wire._client.close()
            task = asyncio.create_task(plant.devices[1].read("fast"))
            for _ in range(turn % 11):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert asyncio.all_tasks() - before == plant.served(before)
        plant.wire._renew()

        await plant.read_all(5)

        assert plant.wrong == []
        assert plant.last_good > 0


async def test_a_server_that_restarts_while_fifty_requests_wait_is_read_again() -> None:
    async with ScriptedPlc() as plc:
        wire = Wire(replace(plc.connection, timeout_s=1.0), uniform=lambda _low, _high: 0.0)

        async def hang_up(_request: bytes) -> bytes:
            await until(lambda: len(wire._turns._waiting) == 49)
            plc.hang_up()
            return b""

        plc.script.append(hang_up)

        async def read(unit: int) -> str:
            try:
                answer = await wire.ask(unit, reading(block(unit, 2)), wire.pace(None, None))
            except DeviceError as error:
                return error.reason
            return (
                "good" if answer.data == right(bytes(7) + b"\x03\x00" + bytes((unit, 0, 2)))[9:] else "wrong"
            )

        reasons = await asyncio.gather(*[read(unit) for unit in range(1, 51)])

        assert "wrong" not in reasons
        assert reasons.count("good") >= 48
        assert [await read(unit) for unit in range(1, 51)] == ["good"] * 50
        wire.close()


async def test_a_command_among_fifty_polls_waits_for_one_transaction() -> None:
    async with world(Tcp(), units=(1,)) as plant:
        await plant.plc.switch(Faults(slow_s=0.02))
        wire = plant.wire
        pace = wire.pace(None, None)
        polls = [asyncio.create_task(wire.ask(1, reading(block(100, 1)), pace)) for _ in range(50)]
        await until(lambda: len(wire._turns._waiting) == 49)
        done_before = sum(poll.done() for poll in polls)

        await wire.ask(1, reading(block(100, 1)), pace, Urgency.COMMAND)

        assert sum(poll.done() for poll in polls) - done_before <= 2
        await asyncio.gather(*polls)


@pytest.mark.parametrize("mode", ["rtu", "ascii"])
async def test_a_serial_line_through_socat_is_read_right_and_again_when_plugged_in(
    tmp_path: Path, mode: str
) -> None:
    ours, theirs = socat.ends(tmp_path)
    place = Serial(str(theirs), mode="rtu" if mode == "rtu" else "ascii", baudrate=115200)
    line = SerialLine(str(ours), 115200)
    connection = ModbusConnection(
        "line",
        timeout_s=0.5,
        transport="serial",
        framing="rtu" if mode == "rtu" else "ascii",
        line=line,
        quiet_s=0.02,
        turnaround_s=0.002,
    )
    profile = shipped()
    wire = Wire(connection, uniform=lambda _low, _high: 0.0)
    for _ in range(2):
        with socat.line(tmp_path):
            async with ModbusPlc(profile.tags, at=place, units=(1,)) as plc:
                plant = Plant(plc, wire, {1: device_of(wire, profile.tags)}, {1: Truth(profile.tags)})
                await plant.read_all(5)
                assert plant.wrong == []
                assert plant.last_good > 0
        await plant.read_all(1)
        assert plant.last_good == 0
    wire.close()


async def polled(
    plant: "Plant", units: Sequence[int], *, every_s: float, for_s: float
) -> Mapping[int, Sequence[float]]:
    """When each unit gave its values, all polled at once, each in its own phase."""
    loop = asyncio.get_running_loop()
    came: dict[int, list[float]] = {unit: [] for unit in units}
    ends = loop.time() + for_s

    async def poll(unit: int) -> None:
        due = loop.time() + every_s * unit / 11
        while due < ends:
            await asyncio.sleep(max(0.0, due - loop.time()))
            if await plant.read(unit, "io"):
                came[unit].append(loop.time())
            due += every_s

    async with asyncio.TaskGroup() as tasks:
        for unit in units:
            tasks.create_task(poll(unit))
    return came


# --- the stage ------------------------------------------------------------------------------------


@dataclass
class Plant:
    """A simulated PLC, and a device of the driver for each of its units, judged by the truth."""

    plc: ModbusPlc
    wire: Wire
    devices: Mapping[int, ModbusDevice]
    truths: Mapping[int, Truth]
    wrong: list[str] = field(default_factory=list)
    good: int = 0
    last_good: int = 0

    async def read_all(self, times: int) -> None:
        for _ in range(times):
            self.last_good = 0
            for unit in self.devices:
                await self.read(unit)

    async def read(self, unit: int, *groups: str) -> Sequence[Scan]:
        """The scans of a unit that came; every good value in them is judged."""
        scans = []
        for group in groups or self.devices[unit].schemas:
            try:
                scans.append(await self.devices[unit].read(group))
            except DeviceError:
                continue
        for scan in scans:
            self._judge(unit, scan)
        return scans

    def served(self, before: set["asyncio.Task[object]"]) -> set["asyncio.Task[object]"]:
        """The tasks of the simulator that are new: one for the connection it has."""
        return {task for task in asyncio.all_tasks() - before if "/sim/" in str(task)}

    def _judge(self, unit: int, scan: Scan) -> None:
        quality = scan.quality or ("",) * len(scan.values)
        for at, (column, value, text) in enumerate(
            zip(scan.schema.columns, scan.values, quality, strict=True)
        ):
            if text.startswith("bad:"):
                continue
            self.good += 1
            self.last_good += 1
            offset_ms = scan.offsets_ms[at] if scan.offsets_ms else 0.0
            shown = shortest([value])[0] if column.store == "f" and isinstance(value, float) else value
            verdict = self.truths[unit].check(column.name, shown, scan.time_ns / 1e6 + offset_ms, NEAR_MS)
            if verdict:
                self.wrong.append(f"unit {unit} {column.name}: {verdict}")


def shipped() -> Profile:
    """The profile with one of everything, in groups that are read as one pleases."""
    profile, _ = load_profile(shipped_profiles() / "edge-agent" / "io-demo.yaml", kinds())
    assert profile is not None
    return profile


def device_of(
    wire: Wire, tags: tuple[Tag, ...], unit: int = 1, timeout_s: float | None = None
) -> ModbusDevice:
    groups = {tag.group: Group(tag.group, 1.0) for tag in tags}
    profile = Profile("a/b", "1.0.0", "", "modbus", "", groups, tags, Limits(max_gap=16))
    device = Device(f"d{unit}", profile, "plc", unit, groups, tags, timeout_s=timeout_s)
    return ModbusDriver().device(wire, device, b"{}", time.time_ns)


@asynccontextmanager
async def world(
    place: Place, units: tuple[int, ...], *, others: str | None = None, timeout_s: float = TIMEOUT_S
) -> AsyncIterator[Plant]:
    profile = shipped()
    async with ModbusPlc(
        profile.tags, at=place, units=units, others="ignore" if others == "ignore" else None
    ) as plc:
        connection = ModbusConnection(
            "plc",
            "127.0.0.1",
            plc.port,
            timeout_s=timeout_s,
            transport="udp" if isinstance(place, Udp) else "tcp",
            framing=place.mode,
            quiet_s=0.0 if place.mode == "tcp" else 0.05,
        )
        wire = Wire(connection, uniform=lambda _low, _high: 0.0)
        devices = {unit: device_of(wire, profile.tags, unit) for unit in units}
        truths = {unit: Truth(profile.tags, unit) for unit in units}
        try:
            yield Plant(plc, wire, devices, truths)
        finally:
            wire.close()
