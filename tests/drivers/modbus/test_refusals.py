"""A device that refuses some of its addresses: the rest is good, and it is not asked in vain for ever."""

import asyncio
from collections.abc import Callable, Collection
from typing import cast

import pytest
from structlog.testing import capture_logs

from edge_agent.config.settings import Device, Group, Limits, ModbusConnection, Profile, Tag
from edge_agent.core.model import Scan
from edge_agent.core.registers import Field, Table
from edge_agent.drivers.modbus.client import Question
from edge_agent.drivers.modbus.device import AGAIN_S, FRUITLESS_S, ModbusDevice
from edge_agent.drivers.modbus.driver import ModbusDriver
from edge_agent.drivers.modbus.turns import Urgency
from edge_agent.drivers.modbus.wire import Answer, Pace, Wire
from edge_agent.errors import DeviceError

NOW = 1_760_000_000_000_000_000
FUNCTIONS: dict[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


class Plc:
    """Holds its own addresses; refuses any request that touches one of `illegal`, or is too long."""

    connection = ModbusConnection("plc", "127.0.0.1", 502)

    def __init__(self, *illegal: int, code: int = 2, longest: int = 2000) -> None:
        self.illegal: Collection[int] = illegal
        self.code = code
        self.longest = longest
        self.asked: list[tuple[int, int]] = []
        self.refusals = 0
        self.refuses = 1_000_000
        self.silent: Callable[[], bool] = lambda: False
        self.holds: asyncio.Event | None = None

    def expect(self, unit: int, group: str, within_s: float) -> None:
        pass

    def pace(self, _timeout_s: float | None, _turnaround_s: float | None) -> Pace:
        return Pace(1.0)

    async def ask(
        self,
        unit: int,  # noqa: ARG002 - as the port has it
        question: Question,
        pace: Pace,  # noqa: ARG002
        urgency: Urgency = Urgency.POLL,  # noqa: ARG002
    ) -> Answer:
        function, address, count = (
            question.pdu[0],
            int.from_bytes(question.pdu[1:3], "big"),
            int.from_bytes(question.pdu[3:5], "big"),
        )
        self.asked.append((address, count))
        if self.holds is not None:
            await self.holds.wait()
        if self.silent():
            raise DeviceError("timeout")
        bad = count > self.longest or any(address <= each < address + count for each in self.illegal)
        if bad and self.refusals < self.refuses:
            self.refusals += 1
            raise DeviceError(f"exception:{self.code}")
        now = asyncio.get_running_loop().time()
        if FUNCTIONS[function] in {"coil", "discrete"}:
            bits = sum((address + at) % 2 << at for at in range(count))
            return Answer(bits.to_bytes((count + 7) // 8, "little"), now, now)
        return Answer(b"".join((address + at).to_bytes(2, "big") for at in range(count)), now, now)


async def test_one_illegal_register_of_a_hundred_costs_its_own_tag_alone() -> None:
    plc = Plc(57)
    device = made(plc, registers(100))

    first = await device.read("fast")
    assert good(first) == set(range(100)) - {57}
    second = await device.read("fast")

    assert good(second) == set(range(100)) - {57}
    assert (second.quality or ())[57] == "bad:illegal_address"
    plc.refusals = 0
    plc.asked.clear()
    await device.read("fast")
    assert plc.refusals == 0
    assert plc.asked == [(0, 57), (58, 42)]


@pytest.mark.parametrize("illegal", [(0,), (99,), (0, 1, 2), (3, 50, 51, 97)])
async def test_any_few_illegal_registers_are_found(illegal: tuple[int, ...]) -> None:
    plc = Plc(*illegal)
    device = made(plc, registers(100))

    await device.read("fast")
    scan = await device.read("fast")

    assert good(scan) == set(range(100)) - set(illegal)
    plc.refusals = 0
    await device.read("fast")
    assert plc.refusals == 0


async def test_many_illegal_registers_are_found_scan_by_scan() -> None:
    plc = Plc(*range(0, 100, 3))
    device = made(plc, registers(100))

    for _ in range(12):
        before = len(plc.asked)
        await device.read("fast")
        assert len(plc.asked) - before <= 64 + 40

    assert good(await device.read("fast")) == set(range(100)) - set(range(0, 100, 3))


async def test_a_hole_that_was_read_along_is_gone_around() -> None:
    tags = tuple(tag(at) for at in (*range(10), *range(14, 24)))
    plc = Plc(11)
    device = made(plc, tags)

    first = await device.read("fast")
    assert first.quality is None
    plc.asked.clear()
    second = await device.read("fast")

    assert second.quality is None
    assert plc.asked == [(0, 10), (14, 10)]


async def test_a_device_that_takes_shorter_requests_than_its_profile_says_gets_them() -> None:
    plc = Plc(code=3, longest=64)
    device = made(plc, registers(100))

    first = await device.read("fast")
    assert first.quality is None
    plc.asked.clear()
    await device.read("fast")

    assert plc.asked == [(0, 50), (50, 50)]


async def test_an_illegal_coil_is_found_as_well() -> None:
    plc = Plc(7)
    device = made(plc, tuple(tag(at, "coil") for at in range(20)))

    await device.read("fast")
    scan = await device.read("fast")

    assert good(scan) == set(range(20)) - {7}
    assert scan.values[9] is True


async def test_a_refusal_that_passes_by_itself_changes_nothing() -> None:
    plc = Plc(57)
    device = made(plc, registers(100))
    plc.refuses = 1

    scan = await device.read("fast")

    assert scan.quality is None
    plc.asked.clear()
    await device.read("fast")
    assert plc.asked == [(0, 100)]


@pytest.mark.parametrize("code", [2, 4])
async def test_a_device_that_refuses_everything_keeps_its_addresses(code: int) -> None:
    plc = Plc(*range(200), code=code)
    device = made(plc, registers(20))

    for _ in range(3):
        with pytest.raises(DeviceError, match=f"exception:{code}"):
            await device.read("fast")
    plc.illegal = ()

    scan = await device.read("fast")
    assert scan.quality is None
    plc.asked.clear()
    await device.read("fast")
    assert plc.asked == [(0, 20)]


async def test_it_is_not_searched_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plc = Plc(*range(200))
    device = made(plc, registers(20))
    loop = asyncio.get_running_loop()
    start, now = loop.time(), [0.0]
    monkeypatch.setattr(loop, "time", lambda: start + now[0])
    asked = []
    for at in (0.0, 1.0, 2.0, FRUITLESS_S):
        now[0], before = at, len(plc.asked)
        with pytest.raises(DeviceError):
            await device.read("fast")
        asked.append(len(plc.asked) - before)

    assert asked[1:3] == [1, 1]
    assert asked[0] == asked[3] > 2


async def test_another_group_shows_that_it_is_a_matter_of_addresses() -> None:
    plc = Plc(500)
    slow = Tag("slow", "slow", "uint16", Field("slow", "holding", 0, "uint16"))
    lost = Tag("lost", "fast", "uint16", Field("lost", "holding", 500, "uint16"))
    device = made(plc, (slow, lost), groups=("slow", "fast"))

    with pytest.raises(DeviceError, match="exception:2"):
        await device.read("fast")
    plc.asked.clear()
    with pytest.raises(DeviceError, match="illegal_address"):
        await device.read("fast")

    assert plc.asked == []
    assert (await device.read("slow")).values == (0,)


async def test_what_was_refused_is_asked_for_again_and_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plc = Plc(7)
    device = made(plc, registers(20))
    loop = asyncio.get_running_loop()
    start, now = loop.time(), [0.0]
    monkeypatch.setattr(loop, "time", lambda: start + now[0])
    waits = []
    last = 0.0
    with capture_logs() as events:
        await device.read("fast")
        while now[0] < 20_000:
            plc.refusals = 0
            await device.read("fast")
            if plc.refusals:
                waits.append(now[0] - last)
                last = now[0]
            now[0] += 10
        plc.illegal = ()
        now[0] += 3600
        assert (await device.read("fast")).quality is None
        plc.illegal = (7,)
        await device.read("fast")

    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    # Told once, and once more when it had been given in between.
    assert [each["tags"] for each in events] == [["r7"], ["r7"]]


async def test_silence_in_a_search_ends_it_with_what_is_known() -> None:
    plc = Plc(57)
    device = made(plc, registers(100))
    plc.silent = lambda: len(plc.asked) > 5

    scan = await device.read("fast")

    assert len(plc.asked) == 6
    assert good(scan) < set(range(100)) - {57}
    plc.silent = lambda: False
    assert good(await device.read("fast")) == set(range(100)) - {57}


async def test_refused_tags_are_told_once() -> None:
    device = made(Plc(3, 5), registers(10))

    with capture_logs() as events:
        for _ in range(3):
            await device.read("fast")

    assert [(each["event"], each["tags"]) for each in events] == [("tags refused", ["r3", "r5"])]


async def test_refused_tags_are_named_in_the_order_of_the_profile_until_they_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plc = Plc(5, 3, 500)
    lost = Tag("lost", "slow", "uint16", Field("lost", "holding", 500, "uint16"))
    device = made(plc, (*registers(10), lost), groups=("fast", "slow"))
    loop = asyncio.get_running_loop()
    start, now = loop.time(), [0.0]
    monkeypatch.setattr(loop, "time", lambda: start + now[0])
    assert list(device.refused) == []

    await device.read("fast")
    assert list(device.refused) == ["r3", "r5"]
    with pytest.raises(DeviceError):
        await device.read("slow")
    assert list(device.refused) == ["r3", "r5", "lost"]

    plc.illegal, now[0] = (), AGAIN_S[0]
    await device.read("fast")
    assert list(device.refused) == ["lost"]


async def test_a_failure_that_is_one_of_an_address_keeps_its_own_reason() -> None:
    device = made(Plc(3, code=4), registers(10))

    await device.read("fast")
    scan = await device.read("fast")

    assert (scan.quality or ())[3] == "bad:exception:4"
    assert good(scan) == set(range(10)) - {3}


def tag(address: int, table: Table = "holding") -> Tag:
    field = Field(f"r{address}", table, address, "bool" if table == "coil" else "uint16")
    return Tag(field.name, "fast", field.type, field)


def registers(count: int) -> tuple[Tag, ...]:
    return tuple(tag(at) for at in range(count))


def made(plc: Plc, tags: tuple[Tag, ...], groups: tuple[str, ...] = ("fast",)) -> ModbusDevice:
    its = {name: Group(name, 1.0) for name in groups}
    profile = Profile("a/b", "1.0.0", "", "modbus", "", its, tags, Limits())
    device = Device("plc", profile, "plc", 1, its, tags)
    return ModbusDriver().device(cast("Wire", plc), device, b"{}", lambda: NOW)


def good(scan: Scan) -> set[int]:
    """Positions of the columns that are good; each holds its own address then, or whether that is odd."""
    quality = scan.quality or ("",) * len(scan.values)
    found = {at for at, text in enumerate(quality) if not text}
    for at in found:
        value, address = scan.values[at], int(scan.schema.names[at][1:])
        assert value == (address % 2 == 1 if isinstance(value, bool) else address)
    return found
