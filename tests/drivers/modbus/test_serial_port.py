"""A serial line: a pseudo terminal whose other end is a unit written by hand."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from edge_agent.config.settings import Framing, ModbusConnection, SerialLine
from edge_agent.core.registers import Table
from edge_agent.drivers.modbus.client import ModbusClient, reading
from edge_agent.drivers.modbus.framing import cutter
from edge_agent.drivers.modbus.wire import Wire
from edge_agent.errors import DeviceError
from tests.drivers.modbus.rtu import right
from tests.drivers.modbus.scripted import block, registers, until

TABLES: tuple[Table, ...] = ("coil", "discrete", "holding", "input")


class Unit:
    """Answers requests on one end of a pseudo terminal; `path` is the other end."""

    def __init__(self, framing: Framing = "rtu") -> None:
        self.requests: list[bytes] = []
        self._framing: Framing = framing
        self._received = b""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def pull(self) -> None:
        """Pull the adapter out."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)

    def _read(self) -> None:
        try:
            self._received += os.read(self._master, 4096)
        except OSError:  # nobody has the other end open just now
            return
        while self._framing == "rtu" and len(self._received) >= 8:
            request, self._received = self._received[:8], self._received[8:]
            self._answer(request)
        if self._framing == "ascii" and self._received.endswith(b"\n"):
            message, _ = cutter("ascii").cut(self._received, [])
            self._received = b""
            self._answer((message or b"") + b"??")

    def _answer(self, request: bytes) -> None:
        self.requests.append(request)
        answer = right(request)
        os.write(self._master, answer if self._framing == "rtu" else cutter("ascii").frame(answer[:-2]))


def line_to(path: str, framing: Framing = "rtu") -> ModbusConnection:
    line = SerialLine(path, 115200, databits=7 if framing == "ascii" else 8)
    return ModbusConnection("line", timeout_s=2.0, transport="serial", framing=framing, line=line)


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
async def test_a_unit_on_a_line_is_read(framing: Framing) -> None:
    with unit(framing) as played:
        async with opened(line_to(played.path, framing)) as client:
            for address in range(50):
                assert (await client.ask(1, reading(block(address, 125)))).pdu == registers(address, 125)


async def test_an_adapter_that_is_pulled_out_ends_the_request_at_once() -> None:
    played = Unit()
    async with opened(line_to(played.path)) as client:
        await client.ask(1, reading(block(0, 2)))
        played.pull()

        with pytest.raises(DeviceError) as caught:
            await client.ask(1, reading(block(0, 2)))

        assert caught.value.reason == "disconnected"
        assert not client.connected


async def test_an_adapter_that_is_plugged_in_again_is_read_again(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI-port0"
    wire = Wire(line_to(str(link)), uniform=lambda _low, _high: 0.0)

    async def reason() -> str:
        try:
            answer = await wire.ask(1, reading(block(7, 2)), wire.pace(None, None))
        except DeviceError as error:
            return error.reason
        return "good" if answer.data == registers(7, 2) else "wrong"

    for _ in range(3):
        played = Unit()
        link.symlink_to(played.path)
        assert [await reason() for _ in range(3)] == ["good"] * 3
        played.pull()
        link.unlink()
        assert [await reason() for _ in range(3)] == ["disconnected"] * 3
    wire.close()


async def test_a_port_is_opened_by_one_program_only() -> None:
    with unit() as played:
        async with opened(line_to(played.path)):
            with pytest.raises(DeviceError, match="another program has it open"):
                await ModbusClient(line_to(played.path)).connect()


async def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceError) as caught:
        await ModbusClient(line_to("/dev/serial/by-id/none")).connect()

    assert caught.value.detail == "/dev/serial/by-id/none: No such file or directory"


async def test_a_speed_that_the_port_does_not_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "port").touch()

    with pytest.raises(DeviceError, match="disconnected"):
        await ModbusClient(line_to(str(tmp_path / "port"))).connect()


async def test_three_hundred_cancels_leave_a_line_that_gives_right_values() -> None:
    with unit() as played:
        wire = Wire(line_to(played.path), uniform=lambda _low, _high: 0.0)
        for turn in range(300):
            # Each table has its own sizes of answers, of which more than a hundred may be late.
            asked = reading(block(turn, 3, TABLES[turn % 4]))
            task = asyncio.create_task(wire.ask(1, asked, wire.pace(None, None)))
            for _ in range(turn % 7):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await until(lambda: wire._turns.idle)

        for address in range(20):
            answer = await wire.ask(1, reading(block(address, 3)), wire.pace(None, None))
            assert answer.data == registers(address, 3)
        wire.close()


@contextmanager
def unit(framing: Framing = "rtu") -> Iterator[Unit]:
    played = Unit(framing)
    try:
        yield played
    finally:
        played.pull()


@asynccontextmanager
async def opened(connection: ModbusConnection) -> AsyncIterator[ModbusClient]:
    client = ModbusClient(connection)
    await client.connect()
    try:
        yield client
    finally:
        client.close()
        await asyncio.sleep(0)
