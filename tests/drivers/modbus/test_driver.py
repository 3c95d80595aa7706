"""What devices of a type share, and when the protocol's library is loaded."""

import subprocess
import sys
import time
from dataclasses import replace

from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, Tag
from edge_agent.core.registers import Field
from edge_agent.drivers.driver import driver
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.wire import Wire

GROUPS = {"fast": Group("fast", 1.0)}


async def test_devices_that_read_the_same_share_one_plan() -> None:
    modbus = ModbusDriver()

    one = device(modbus, profile())
    two = device(modbus, profile())  # equal tags, but objects of their own

    assert one.schemas["fast"].columns is two.schemas["fast"].columns
    assert [part.layout for part in one._parts["fast"]] == [part.layout for part in two._parts["fast"]]
    assert one._parts["fast"][0] is not two._parts["fast"][0]  # the last answer is a device's own


async def test_devices_that_read_something_else_have_plans_of_their_own() -> None:
    modbus = ModbusDriver()
    moved = tuple(replace(tag, address=replace(tag.modbus, address=7)) for tag in profile().tags[:1])

    devices = [
        device(modbus, profile()),
        device(modbus, replace(profile(), tags=profile().tags[:1])),
        device(modbus, replace(profile(), tags=moved)),
        device(modbus, replace(profile(), limits=Limits(max_registers=2))),
    ]

    blocks = [[(part.block.address, part.block.count) for part in each._parts["fast"]] for each in devices]
    assert blocks == [[(0, 4)], [(0, 2)], [(7, 2)], [(0, 2), (2, 2)]]


def test_every_agent_has_a_driver_of_its_own() -> None:
    assert isinstance(driver("modbus"), ModbusDriver)
    assert driver("modbus") is not driver("modbus")


def test_a_protocol_is_loaded_only_when_a_device_needs_it() -> None:
    code = (
        "import sys, edge_agent.drivers.driver, edge_agent.drivers.kinds as d; d.kinds();"
        "assert not [m for m in sys.modules if m.startswith('pymodbus')]"
    )

    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0


def profile() -> Profile:
    fields = [Field(f"tag_{at}", "holding", 2 * at, "float32") for at in range(2)]
    tags = tuple(Tag(field.name, "fast", "float32", field) for field in fields)
    return Profile("a/b", "1.0.0", "", "modbus", "", GROUPS, tags, Limits())


def device(modbus: ModbusDriver, profile: Profile) -> ModbusDevice:
    wire = Wire(ModbusConnection("plc", "127.0.0.1", 502), uniform=lambda low, _high: low)
    return modbus.device(wire, Device("d", profile, "plc", 1, GROUPS, profile.tags), b"{}", time.time_ns)
