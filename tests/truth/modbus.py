"""Modbus devices of one framing that fail at random, read by the driver, judged by the truth."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from time import perf_counter

import structlog

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Device, ModbusConnection, Profile
from edge_agent.config.shelf import shipped_profiles
from edge_agent.core.floats import shortest
from edge_agent.core.model import Scan
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.wire import Wire, connect
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults, Random
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Place, Tcp, Udp
from edge_agent.sim.truth import Truth

PLACES: Mapping[str, Place] = {
    "tcp": Tcp(),
    "rtu over tcp": Tcp(mode="rtu"),
    "ascii over tcp": Tcp(mode="ascii"),
    "udp": Udp(),
}
WIRES = 12
"""Connections side by side: while one waits for an answer that never comes, the others are read."""
UNITS = (1, 2, 3)
TIMEOUT_S = 0.1
LATE_S = (0.05, 0.3)
"""How late answers are: about four of five come after the timeout."""
NEAR_MS = 60.0
"""How far the middle of a request lies from the look of the device at its values: half the timeout, and 10 ms
for a machine that does both. When that was held up and a scan took longer, half of what it took."""
RESOLUTION_S = 0.001
"""Every value has the time of its own request."""
LEFT_ALONE_S = 0.02
EXAMPLES = 5


@dataclass
class Result:
    """What came of the reads at one place. `injected` and `reasons` count faults and bad values by kind."""

    place: str
    reads: int = 0
    good: int = 0
    bad: int = 0
    false_good: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        """Count another one in."""
        for name in ("reads", "good", "bad", "false_good"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.injected.update(other.injected)
        self.reasons.update(other.reasons)
        self.examples += other.examples


def run(place: str, reads: int, chance: float, seed: int) -> Result:
    """So many reads at one place, in this process."""
    structlog.configure(processors=[_dropped])
    return asyncio.run(_run(place, reads, chance, seed))


def _dropped(_logger: object, _name: str, _event: object) -> str:
    raise structlog.DropEvent  # units go and come back all the time here


async def _run(place: str, reads: int, chance: float, seed: int) -> Result:
    profile, _ = load_profile(shipped_profiles() / "edge-agent" / "io-demo.yaml", kinds())
    if profile is None:
        raise RuntimeError("the profile of the demo cannot be loaded")
    total = Result(place)
    async with AsyncExitStack() as stack:
        jobs = []
        for number in range(WIRES):
            plc = await stack.enter_async_context(ModbusPlc(profile.tags, at=PLACES[place], units=UNITS))
            random = Random(chance, seed=seed * 1000 + number, late_s=LATE_S)
            await plc.switch(Faults(random=random))
            wire = await stack.enter_async_context(connect(_connection(plc)))
            jobs.append(_Job(plc, wire, profile, -(-reads // WIRES), place))
        gc.freeze()
        async with asyncio.TaskGroup() as tasks:
            for job in jobs:
                tasks.create_task(job.work())
        for job in jobs:
            total.add(job.result)
    return total


def _connection(plc: ModbusPlc) -> ModbusConnection:
    return ModbusConnection(
        "plc",
        "127.0.0.1",
        plc.port,
        timeout_s=TIMEOUT_S,
        transport="udp" if isinstance(plc.place, Udp) else "tcp",
        framing=plc.place.mode,
        quiet_s=0.0 if plc.place.mode == "tcp" else 0.1,
    )


class _Job:
    """One connection with its units, read group after group as fast as it goes."""

    def __init__(self, plc: ModbusPlc, wire: Wire, profile: Profile, reads: int, place: str) -> None:
        self.result = Result(place)
        self._plc = plc
        self._wire = wire
        self._reads = reads
        driver = ModbusDriver()
        self._devices = {unit: _device(driver, wire, profile, unit) for unit in UNITS}
        self._truths = {unit: Truth(profile.tags, unit) for unit in UNITS}

    async def work(self) -> None:
        """Read until there were enough requests."""
        while self._wire.statistics.requests < self._reads:
            before = self._wire.statistics.requests
            for unit, device in self._devices.items():
                for group in device.schemas:
                    await self._read(unit, device, group)
            if self._wire.statistics.requests == before:
                await asyncio.sleep(LEFT_ALONE_S)  # all its units are left alone for a while
        self.result.reads = self._wire.statistics.requests
        self.result.injected = self._plc.injected

    async def _read(self, unit: int, device: ModbusDevice, group: str) -> None:
        began = perf_counter()
        try:
            scan = await device.read(group)
        except DeviceError as error:
            if error.reason != "unit_open":
                count = len(device.schemas[group].columns)
                self.result.bad += count
                self.result.reasons[error.reason] += count
            return
        self._judge(unit, scan, max(NEAR_MS, (perf_counter() - began) * 500 + 10))

    def _judge(self, unit: int, scan: Scan, near_ms: float) -> None:
        quality = scan.quality or ("",) * len(scan.values)
        truth = self._truths[unit]
        for at, (column, value, text) in enumerate(
            zip(scan.schema.columns, scan.values, quality, strict=True)
        ):
            if text.startswith("bad:"):
                self.result.bad += 1
                self.result.reasons[text.removeprefix("bad:")] += 1
                continue
            self.result.good += 1
            offset_ms = scan.offsets_ms[at] if scan.offsets_ms else 0.0
            shown = shortest([value])[0] if column.store == "f" and isinstance(value, float) else value
            verdict = truth.check(column.name, shown, scan.time_ns / 1e6 + offset_ms, near_ms)
            if verdict is not None:
                self.result.false_good += 1
                if len(self.result.examples) < EXAMPLES:
                    self.result.examples.append(f"{self.result.place}, unit {unit}, {column.name}: {verdict}")


def _device(driver: ModbusDriver, wire: Wire, profile: Profile, unit: int) -> ModbusDevice:
    groups = {name: replace(each, time_resolution_s=RESOLUTION_S) for name, each in profile.groups.items()}
    device = Device(f"unit-{unit}", profile, "plc", unit, groups, profile.tags)
    return driver.device(wire, device, b"{}", time.time_ns)
