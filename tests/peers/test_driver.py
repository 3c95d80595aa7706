"""Our driver at a server that is neither ours nor pymodbus."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, SerialLine, Tag
from edge_agent.core.registers import Bit, Field
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.wire import connect
from tests.peers import socat
from tests.peers.libmodbus import Libmodbus

pytestmark = pytest.mark.slow
both_ways = pytest.mark.parametrize("way", ["tcp", "rtu"])

FIELDS = (
    *(Field(f"holding_{at}", "holding", at, "uint16") for at in range(200)),
    *(Field(f"input_{at}", "input", at, "uint16") for at in range(990, 1000)),
    *(Field(f"coil_{at}", "coil", at, "bool") for at in range(50)),
    *(Field(f"discrete_{at}", "discrete", at, "bool") for at in range(50)),
    Field("word", "holding", 300, "uint16", bits=(Bit("low", 0, 4), Bit("high", 12, 4))),
)
TAGS = tuple(Tag(field.name, "fast", field.type, field, access="rw") for field in FIELDS)


@both_ways
async def test_every_table_is_read_as_the_server_has_it(
    libmodbus: Libmodbus, tmp_path: Path, way: str
) -> None:
    async with reached(libmodbus, tmp_path, way) as device:
        scan = await device.read("fast")

        assert scan.quality is None
        for name, value in zip(scan.schema.names, scan.values, strict=True):
            table, _, at = name.partition("_")
            pattern = {
                "holding": lambda at: 0x1000 + at,
                "input": lambda at: 0x2000 + at,
                "coil": lambda at: at % 3 == 0,
                "discrete": lambda at: at % 2 == 1,
            }
            if table in pattern:
                assert value == pattern[table](int(at)), name


@both_ways
@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("coil_1", "on", True),
        ("holding_7", "4711", 4711),
        ("word.low", "9", 9),
        ("word.high", "5", 5),
    ],
)
async def test_what_is_written_is_there(
    libmodbus: Libmodbus, tmp_path: Path, way: str, column: str, text: str, value: object
) -> None:
    async with reached(libmodbus, tmp_path, way) as device:
        written = await device.write(column, text, 1.0)

        assert (written.there, written.value, written.failure) == (True, value, "")


@both_ways
async def test_an_address_that_it_does_not_have_costs_that_tag_alone(
    libmodbus: Libmodbus, tmp_path: Path, way: str
) -> None:
    beyond = tuple(
        Tag(f"r{at}", "fast", "uint16", Field(f"r{at}", "holding", at, "uint16")) for at in range(990, 1003)
    )
    async with reached(libmodbus, tmp_path, way, beyond) as device:
        await device.read("fast")
        scan = await device.read("fast")

        assert scan.values == (*range(0x1000 + 990, 0x1000 + 1000), None, None, None)
        assert (scan.quality or ())[10:] == ("bad:illegal_address",) * 3


@asynccontextmanager
async def reached(
    libmodbus: Libmodbus, folder: Path, way: str, tags: tuple[Tag, ...] = TAGS
) -> AsyncIterator[ModbusDevice]:
    """The server on TCP or on a serial line, as a device of the driver."""
    groups = {"fast": Group("fast", 1.0)}
    profile = Profile("a/b", "1.0.0", "", "modbus", "", groups, tags, Limits())
    device = Device("press", profile, "plc", 1, groups, tags)
    if way == "tcp":
        with libmodbus.on_tcp() as port:
            async with connect(ModbusConnection("plc", "127.0.0.1", port)) as wire:
                yield ModbusDriver().device(wire, device, b"{}", time.time_ns)
        return
    with socat.line(folder) as (ours, theirs), libmodbus.on_line(theirs, 19200):
        line = SerialLine(str(ours), 19200, "none")
        connection = ModbusConnection("plc", transport="serial", framing="rtu", line=line, quiet_s=0.1)
        async with connect(connection) as wire:
            yield ModbusDriver().device(wire, device, b"{}", time.time_ns)
