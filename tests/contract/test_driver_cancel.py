"""Every driver can be cancelled at any moment: no task survives, no descriptor leaks, values stay right."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, Tag
from edge_agent.core.model import Scan
from edge_agent.core.registers import Field
from edge_agent.drivers.driver import PolledDevice, driver
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.truth import Truth

ROUNDS = 300
TAGS = tuple(Tag(f"t{i}", "fast", "float32", Field(f"t{i}", "holding", 2 * i, "float32")) for i in range(80))
GROUPS: Mapping[str, Group] = {"fast": Group("fast", 1.0)}
PROFILE = Profile("a/b", "1.0.0", "", "modbus", "", GROUPS, TAGS, Limits())


@asynccontextmanager
async def modbus(plc: ModbusPlc) -> AsyncIterator[PolledDevice]:
    """A device of the Modbus driver behind a connection of its own."""
    protocol = driver("modbus")
    async with protocol.connect(ModbusConnection("plc", "127.0.0.1", plc.port, timeout_s=0.5)) as wire:
        device = Device("d", PROFILE, "plc", 1, GROUPS, TAGS)
        yield protocol.device(wire, device, b"{}", plc_clock)


def plc_clock() -> int:
    return 1_760_000_000_000_000_000


async def poll(device: PolledDevice) -> None:
    while True:
        try:
            await device.read("fast")
        except DeviceError:
            await asyncio.sleep(0)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not used as paths


@pytest.mark.parametrize(
    "faults", [Faults(), Faults(silence=True), Faults(refuse=True)], ids=["read", "silent", "open"]
)
async def test_no_task_survives_a_cancel(faults: Faults) -> None:
    chance = random.Random(4)
    truth = Truth(TAGS)
    async with ModbusPlc(TAGS, clock=plc_clock) as plc:
        await plc.switch(faults)
        before = asyncio.all_tasks()
        opened = descriptors()
        for _ in range(ROUNDS // 10):
            async with modbus(plc) as device:
                tasks = [asyncio.create_task(poll(device)) for _ in range(10)]
                await asyncio.sleep(chance.random() * 0.004)
                for task in tasks:
                    task.cancel()
                _, alive = await asyncio.wait(tasks, timeout=2.0)
                assert not alive
        await plc.switch(Faults())
        async with modbus(plc) as device:
            async with asyncio.timeout(10):
                scan = await first(device)
            wrong = [
                truth.check(name, value, plc_clock() / 1e6)
                for name, value in zip(scan.schema.names, scan.values, strict=True)
            ]
            assert set(wrong) == {None}
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() - before <= {
            task for task in asyncio.all_tasks() if "ModbusPlc" in repr(task)
        }
        assert descriptors() <= opened + 3


async def first(device: PolledDevice) -> Scan:
    """The first scan that comes."""
    while True:
        try:
            return await device.read("fast")
        except DeviceError:
            await asyncio.sleep(0.05)
