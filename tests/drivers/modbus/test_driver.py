"""What devices of a type share, and when the protocol's library is loaded."""

import subprocess
import sys
import time
from dataclasses import replace
from typing import cast

import pytest

from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, SerialLine, Tag
from edge_agent.core.registers import Field, Table, Type
from edge_agent.drivers.driver import Explained, driver
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.wire import Wire
from edge_agent.errors import DeviceError
from tests.drivers.modbus.scripted import ScriptedPlc, right, silence, until

GROUPS = {"fast": Group("fast", 1.0)}


async def test_devices_that_read_the_same_share_one_plan() -> None:
    modbus = ModbusDriver()

    one = device(modbus, profile())
    two = device(modbus, profile())  # equal tags, but objects of their own

    assert one.schemas["fast"].columns is two.schemas["fast"].columns
    assert [part.layout for part in one._groups["fast"].parts] == [
        part.layout for part in two._groups["fast"].parts
    ]
    assert (
        one._groups["fast"].parts[0] is not two._groups["fast"].parts[0]
    )  # the last answer is a device's own


async def test_devices_that_read_something_else_have_plans_of_their_own() -> None:
    modbus = ModbusDriver()
    moved = tuple(replace(tag, address=replace(tag.modbus, address=7)) for tag in profile().tags[:1])

    devices = [
        device(modbus, profile()),
        device(modbus, replace(profile(), tags=profile().tags[:1])),
        device(modbus, replace(profile(), tags=moved)),
        device(modbus, replace(profile(), limits=Limits(max_registers=2))),
    ]

    blocks = [
        [(part.block.address, part.block.count) for part in each._groups["fast"].parts] for each in devices
    ]
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


def test_a_request_is_explained_with_its_range_its_tags_and_its_bytes() -> None:
    modbus = ModbusDriver()
    places: tuple[tuple[str, Table, int, Type], ...] = (
        ("force", "holding", 9998, "float32"),
        ("mode", "holding", 10003, "uint16"),
        ("door", "coil", 0, "bool"),
        ("lamp", "coil", 9, "bool"),
    )
    far = tuple(Tag(name, "fast", kind, Field(name, table, at, kind)) for name, table, at, kind in places)
    pressed = replace(profile(), tags=far)

    plc = ModbusConnection("plc", "127.0.0.1", 502)

    bits, registers = modbus.explain(plc, Device("d", pressed, "plc", 1, GROUPS, far))

    assert bits == Explained(
        "fast",
        {
            "function": 1, "table": "coil", "first": 0, "last": 9, "printed": "00001-00010",
            "used": 2, "along": 8,
        },
        ("door", "lamp"),
        requests_per_s=1.0,
        request_bytes=12,
        answer_bytes=11,
        cost_s=0.002 + 2e-6,
        share=0.002 + 2e-6,
    )  # fmt: skip
    assert registers.facts == {
        "function": 3, "table": "holding", "first": 9998, "last": 10003, "printed": "49999-410004",
        "used": 3, "along": 3,
    }  # fmt: skip
    assert (registers.tags, registers.answer_bytes) == (("force", "mode"), 21)


def test_a_request_costs_what_its_line_and_its_framing_say() -> None:
    line = SerialLine("/dev/ttyS1", baudrate=9600)  # 11 bits: a character takes 1.1458 ms
    rtu = ModbusConnection("bus", transport="serial", framing="rtu", line=line, turnaround_s=0.01)
    slower = replace(PLC_DEVICE, turnaround_s=0.1)

    explained = [
        ModbusDriver().explain(connection, device)[0]
        for connection, device in (
            (rtu, PLC_DEVICE),
            (rtu, slower),
            (replace(rtu, framing="ascii"), PLC_DEVICE),
            # behind a converter: a line of 19200 bit/s, with 0.5729 ms for a character
            (ModbusConnection("moxa", "10.3.7.20", 4001, framing="rtu"), PLC_DEVICE),
            (ModbusConnection("plc", "10.3.7.20", 502, max_in_flight=4, turnaround_s=0.004), PLC_DEVICE),
        )
    ]

    assert [(each.request_bytes, each.answer_bytes) for each in explained] == [
        (8, 13), (8, 13), (17, 27), (8, 13), (12, 17),
    ]  # fmt: skip
    costs_ms = [round(1000 * each.cost_s, 2) for each in explained if each.cost_s is not None]
    assert costs_ms == [44.06, 134.06, 70.42, 22.03, 6.01]
    assert [round(each.share, 4) for each in explained if each.share is not None] == [
        0.0441, 0.1341, 0.0704, 0.022, 0.0015,
    ]  # fmt: skip


async def test_a_device_is_asked_as_its_connection_makes_it_cheapest() -> None:
    tags = tuple(Tag(f"t{at}", "fast", "uint16", Field(f"t{at}", "holding", at, "uint16")) for at in (0, 40))
    modbus, meter = ModbusDriver(), Device("d", replace(profile(), tags=tags), "plc", 1, GROUPS, tags)
    network = ModbusConnection("plc", "10.3.7.20", 502)
    line = ModbusConnection("bus", transport="serial", framing="rtu", line=SerialLine("/dev/ttyS1"))

    asked = [[each.facts["last"] for each in modbus.explain(plc, meter)] for plc in (network, line)]
    made = [modbus.device(wire_of(plc), meter, b"{}", time.time_ns) for plc in (network, line)]

    assert asked == [[40], [0, 40]]
    assert [[part.block.count for part in each._groups["fast"].parts] for each in made] == [[41], [1, 1]]


async def test_reach_opens_the_connection_without_a_request() -> None:
    async with ScriptedPlc() as plc, ModbusDriver().connect(plc.connection) as wire:
        await ModbusDriver().reach(wire)
        await ModbusDriver().reach(wire)
        await until(lambda: plc.connections == 1)

        assert plc.requests == []


async def test_silent_units_are_told_with_when_they_are_asked_again() -> None:
    modbus = ModbusDriver()
    async with ScriptedPlc(silence, silence, right) as plc, modbus.connect(plc.impatient) as wire:
        devices = [
            modbus.device(wire, replace(PLC_DEVICE, unit=unit), b"{}", time.time_ns) for unit in (7, 8)
        ]
        for _ in range(2):
            with pytest.raises(DeviceError, match="timeout"):
                await devices[0].read("fast")
        await devices[1].read("fast")

        told = modbus.statistics(wire)

    assert (told["requests"], told["failures"], told["opened"]) == (3, {"timeout": 2}, 1)
    (silent,) = cast("list[dict[str, float]]", told["silent"])
    assert (silent["unit"], silent["misses"]) == (7, 2)
    assert 1.0 < silent["next_probe_s"] <= 2.0
    assert isinstance(told["utilisation_percent"], float)
    assert 0.0 < told["utilisation_percent"] <= 100.0


def profile() -> Profile:
    fields = [Field(f"tag_{at}", "holding", 2 * at, "float32") for at in range(2)]
    tags = tuple(Tag(field.name, "fast", "float32", field) for field in fields)
    return Profile("a/b", "1.0.0", "", "modbus", "", GROUPS, tags, Limits())


PLC_DEVICE = Device("d", profile(), "plc", 1, GROUPS, profile().tags)


def device(modbus: ModbusDriver, profile: Profile) -> ModbusDevice:
    wire = wire_of(ModbusConnection("plc", "127.0.0.1", 502))
    return modbus.device(wire, Device("d", profile, "plc", 1, GROUPS, profile.tags), b"{}", time.time_ns)


def wire_of(connection: ModbusConnection) -> Wire:
    return Wire(connection, uniform=lambda low, _high: low)
