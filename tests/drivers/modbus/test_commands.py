"""Writing to devices: the functions that do it, what a device knows of them, and what is there afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction

import pytest

from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, Tag
from edge_agent.core.registers import Bit, Field, with_factor
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.wire import Wire, connect
from edge_agent.errors import DeviceError
from edge_agent.ports import Written
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Place, Tcp
from tests.drivers.modbus.scripted import Answer, ScriptedPlc, frame, refusal, silence, until

FIELDS = (
    Field("lamp", "coil", 3, "bool"),
    Field("speed", "holding", 10, "uint16"),
    Field("level", "holding", 12, "int16", scale=Fraction(1, 10)),
    Field("force", "holding", 14, "float32", order="CDAB"),
    Field("word", "holding", 20, "uint16", bits=(Bit("run", 2), Bit("mode", 4, 2)), whole=True),
    Field("small", "holding", 22, "uint8"),
    Field("name", "holding", 30, "string", length=4),
    Field("shown", "input", 0, "uint16"),
)
POWER = with_factor(Field("power", "holding", 40, "int16"), Field("power_sf", "holding", 42, "int16"))
TAGS = tuple(
    Tag(field.name, "fast", field.type, field, access="r" if field.name == "shown" else "rw")
    for field in FIELDS
)


@pytest.mark.parametrize("place", [Tcp(), Tcp(mode="rtu"), Tcp(mode="ascii")], ids=lambda place: place.mode)
@pytest.mark.parametrize(
    ("column", "text", "value", "how"),
    [
        ("lamp", "on", True, "function 5"),
        ("speed", "1500", 1500, "function 6"),
        ("level", "-12.5", -12.5, "function 6"),
        ("force", "230.2", pytest.approx(230.2, rel=1e-6), "function 16"),
        ("word.run", "true", True, "function 22"),
        ("word.mode", "3", 3, "function 22"),
        ("small", "7", 7, "function 22"),
        ("name", "SX-001", "SX-001", "function 16"),
    ],
)
async def test_a_value_is_written_and_read_back(
    place: Place, column: str, text: str, value: object, how: str
) -> None:
    async with plant(place) as (plc, device):
        written = await device.write(column, text, 1.0)

        assert (written.there, written.value, written.quality, written.how) == (True, value, "", how)
        scan = await device.read("fast")
        assert scan.values[scan.schema.names.index(column)] == value
        assert plc.requests > 0


async def test_a_value_with_a_factor_is_written_as_the_device_has_that_now() -> None:
    async with scripted(holding(0xFFFE), echo, holding(1250, 0, 0xFFFE)) as (plc, device):
        written = await device.write("power", "12.5", 1.0)

        assert (written.there, written.value) == (True, 12.5)
        assert plc.requests[1][7:].hex() == "06002804e2"


async def test_a_factor_that_says_nothing_lets_nothing_be_written() -> None:
    async with scripted(holding(0x8000)) as (plc, device):
        with pytest.raises(ValueError, match="its scale cannot be told"):
            await device.write("power", "12.5", 1.0)

        assert len(plc.requests) == 1


async def test_the_bits_beside_a_written_one_stay() -> None:
    async with plant(Tcp()) as (_, device):
        await device.write("word", "0xFFFF", 1.0)

        await device.write("word.mode", "0", 1.0)
        written = await device.write("word.run", "off", 1.0)

        assert written.there
        scan = await device.read("fast")
        assert scan.values[scan.schema.names.index("word")] == 0xFFFF & ~0b110100


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("shown", "1", "shown cannot be written: its profile does not say access: rw"),
        ("speed", "70000", "speed: 70000 is outside of uint16"),
        ("speed", "fast", "speed: "),
        ("word.mode", "4", "word.mode: 4 does not fit"),
    ],
)
async def test_what_cannot_be_written_is_told_before_anything_is_sent(
    column: str, text: str, message: str
) -> None:
    async with plant(Tcp()) as (plc, device):
        with pytest.raises(ValueError, match=message):
            await device.write(column, text, 1.0)

        assert plc.requests == 0


@pytest.mark.parametrize("column", ["nothing", "word.nothing", "speed.run"])
async def test_a_tag_that_is_not_there_is_a_key_error(column: str) -> None:
    async with plant(Tcp()) as (_, device):
        with pytest.raises(KeyError):
            await device.write(column, "1", 1.0)


def echo(request: bytes) -> bytes:
    """What a device says to functions 5, 6 and 22, and to 15 and 16."""
    return frame(request, request[7:12] if request[7] in (15, 16) else request[7:])


def holding(*registers: int) -> Answer:
    """An answer with these registers."""
    data = b"".join(each.to_bytes(2, "big") for each in registers)
    return lambda request: frame(request, bytes((3, len(data))) + data)


async def test_a_device_without_the_function_for_one_register_gets_that_for_several() -> None:
    async with scripted(refusal(1), echo, holding(1500)) as (plc, device):
        written = await device.write("speed", "1500", 1.0)

        assert (written.there, written.how) == (True, "function 6 then function 16")
        assert plc.requests[1][7:] == bytes.fromhex("10 000A 0001 02 05DC")


async def test_a_device_without_the_function_for_one_coil_gets_that_for_several() -> None:
    async with scripted(refusal(1), echo, lambda request: frame(request, b"\x01\x01\x01")) as (plc, device):
        written = await device.write("lamp", "on", 1.0)

        assert (written.there, written.how) == (True, "function 5 then function 15")
        assert plc.requests[1][7:] == bytes.fromhex("0F 0003 0001 01 01")


async def test_a_device_without_masks_has_its_register_changed_while_nobody_else_asks() -> None:
    async with scripted(refusal(1), holding(0xFFF0), echo, holding(0xFFC0)) as (plc, device):
        writing = asyncio.create_task(device.write("word.mode", "0", 1.0))
        await until(lambda: len(plc.requests) == 1)
        poll = asyncio.create_task(device.read("fast"))

        written = await writing

        assert (written.there, written.how) == (True, "function 22 then function 6")
        assert [request[7:].hex() for request in plc.requests[:4]] == [
            "160014ffcf0000",
            "0300140001",
            "060014ffc0",
            "0300140001",
        ]
        await poll


async def test_a_device_that_takes_over_later_is_looked_at_again() -> None:
    async with scripted(echo, holding(0), holding(0), holding(1500)) as (plc, device):
        written = await device.write("speed", "1500", 2.0)

        assert written == Written(there=True, value=1500, quality="", how="function 6")
        assert len(plc.requests) == 4


async def test_a_device_that_does_not_take_over_is_told() -> None:
    async with scripted(echo, *[holding(7)] * 9) as (_, device):
        written = await device.write("speed", "1500", 0.15)

        assert written == Written(there=False, value=7, quality="", how="function 6")


async def test_a_write_without_an_answer_is_not_repeated_and_may_have_been_done() -> None:
    async with scripted(silence, holding(1500)) as (plc, device):
        written = await device.write("speed", "1500", 0.5)

        assert (written.there, written.failure) == (True, "timeout")
        assert [request[7] for request in plc.requests] == [6, 3]


@pytest.mark.parametrize("code", [5, 10, 11])
async def test_a_write_that_may_have_been_done_is_looked_at(code: int) -> None:
    """Acknowledged and under way (5), or handed on by a gateway that heard nothing of the unit (10, 11)."""
    async with scripted(refusal(code), holding(1500)) as (plc, device):
        written = await device.write("speed", "1500", 0.5)

        assert (written.there, written.failure) == (True, f"exception:{code}")
        assert [request[7] for request in plc.requests] == [6, 3]


async def test_a_write_at_which_the_connection_ends_is_read_back() -> None:
    def hang_up(_request: bytes) -> bytes:
        plc.hang_up()
        return b""

    async with scripted() as (plc, device):
        await device.read("fast")
        plc.script.extend([hang_up, holding(1500)])

        written = await device.write("speed", "1500", 1.0)

        assert written.there
        assert written.failure.startswith("disconnected")


async def test_a_write_that_is_refused_is_told_so() -> None:
    async with scripted(refusal(3)) as (plc, device):
        with pytest.raises(DeviceError, match="exception:3"):
            await device.write("speed", "1500", 0.5)

        assert len(plc.requests) == 1


async def test_a_device_that_repeats_something_else_is_not_believed() -> None:
    async with scripted(lambda request: frame(request, request[7:10] + b"\0\0"), holding(7)) as (_, device):
        written = await device.write("speed", "1500", 0.0)

        assert not written.there
        assert written.failure.startswith("wrong_answer")


async def test_what_cannot_be_read_back_is_not_there() -> None:
    async with scripted(echo, refusal(2)) as (_, device):
        written = await device.write("speed", "1500", 0.0)

        assert written == Written(there=False, value=None, quality="bad:timeout", how="function 6")


async def test_a_plc_that_is_switched_off_is_told() -> None:
    async with plant(Tcp()) as (plc, device):
        await plc.switch(Faults(refuse=True))

        with pytest.raises(DeviceError, match="disconnected"):
            await device.write("speed", "1500", 1.0)


def made(wire: Wire, tags: tuple[Tag, ...] = TAGS) -> ModbusDevice:
    groups = {"fast": Group("fast", 1.0)}
    profile = Profile("a/b", "1.0.0", "", "modbus", "", groups, tags, Limits(max_gap=16))
    device = Device("press", profile, "plc", 1, groups, tags)
    return ModbusDriver().device(wire, device, b"{}", time.time_ns)


@asynccontextmanager
async def plant(place: Place) -> AsyncIterator[tuple[ModbusPlc, ModbusDevice]]:
    async with ModbusPlc(TAGS, at=place) as plc:
        connection = ModbusConnection("plc", "127.0.0.1", plc.port, framing=place.mode)
        async with connect(connection) as wire:
            yield plc, made(wire, (*TAGS, Tag("power", "fast", "int16", POWER, access="rw")))


@asynccontextmanager
async def scripted(*script: Answer) -> AsyncIterator[tuple[ScriptedPlc, ModbusDevice]]:
    async with ScriptedPlc(*script) as plc, connect(replace(plc.connection, timeout_s=0.3)) as wire:
        yield plc, made(wire, (*TAGS, Tag("power", "fast", "int16", POWER, access="rw")))
