"""An outside client reads and writes the simulated PLC, over TCP and over a serial line."""

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Tag
from edge_agent.config.shelf import shipped_profiles
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.image import Image
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Serial, Tcp
from edge_agent.sim.signals import tick_at
from edge_agent.sim.truth import Truth
from tests.peers import socat
from tests.peers.mbpoll import mbpoll

MakeTag = Callable[..., Tag]

NOW_NS = 1_760_000_000_050 * 1_000_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed"),
]
both_ways = pytest.mark.parametrize("way", ["tcp", "rtu"])


@both_ways
async def test_registers_and_bits_are_those_of_the_image(
    sixty: Sequence[Tag], tmp_path: Path, way: str
) -> None:
    held = Image(sixty).at(tick_at(NOW_NS))

    async with played(sixty, tmp_path, way) as where:
        holding = await mbpoll(where, "-r", "20", "-c", "100", "-t", "4:hex")
        inputs = await mbpoll(where, "-r", "0", "-c", "17", "-t", "3:hex")
        coils = await mbpoll(where, "-r", "0", "-c", "8", "-t", "0")

    assert holding == {at: word(held.registers["holding"], at) for at in range(20, 120)}
    assert inputs == {at: word(held.registers["input"], at) for at in range(17)}
    assert coils == {at: str(held.bits["coil"] >> at & 1) for at in range(8)}


@both_ways
async def test_the_values_of_a_meter_are_the_truth(tmp_path: Path, way: str) -> None:
    profile, _ = load_profile(shipped_profiles() / "eastron/sdm630-v2.yaml", kinds())
    assert profile is not None
    truth = Truth(profile.tags)
    columns = ("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3")

    async with played(profile.tags, tmp_path, way) as where:
        values = await mbpoll(where, "-r", "0", "-c", "6", "-t", "3:float", "-B")

    expected = [float(f"{truth.expected(column, NOW_NS):.6g}") for column in columns]
    assert [float(value) for value in values.values()] == expected  # it prints six digits


@both_ways
async def test_what_it_writes_it_reads_back(sixty: Sequence[Tag], tmp_path: Path, way: str) -> None:
    async with played(sixty, tmp_path, way) as where:
        await mbpoll(where, "-r", "20", "-t", "4:hex", write=["0x1234"])
        await mbpoll(where, "-r", "22", "-t", "4:hex", write=["0x5678", "0x9abc"])
        await mbpoll(where, "-r", "3", "-t", "0", write=["1", "0", "1"])

        assert await mbpoll(where, "-r", "20", "-c", "1", "-t", "4:hex") == {20: "0x1234"}
        assert await mbpoll(where, "-r", "22", "-c", "2", "-t", "4:hex") == {22: "0x5678", 23: "0x9ABC"}
        assert await mbpoll(where, "-r", "3", "-c", "3", "-t", "0") == {3: "1", 4: "0", 5: "1"}


@asynccontextmanager
async def played(tags: Sequence[Tag], folder: Path, way: str) -> AsyncIterator[list[str]]:
    """A PLC at a moment that stands still; gives the words with which mbpoll finds it."""
    if way == "tcp":
        async with ModbusPlc(tags, at=Tcp(), clock=lambda: NOW_NS) as plc:
            yield ["-m", "tcp", "-p", str(plc.port), "127.0.0.1"]
        return
    with socat.line(folder) as (near, far):
        at = Serial(str(far), baudrate=19200, parity="none")
        async with ModbusPlc(tags, at=at, clock=lambda: NOW_NS):
            yield ["-m", "rtu", "-b", "19200", "-P", "none", str(near)]


def word(data: bytes, at: int) -> str:
    return f"0x{int.from_bytes(data[2 * at : 2 * at + 2], 'big'):04X}"
