"""Events and alarms of a server that is not asyncua: their fields, filters, refreshes, and none missing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from edge_agent.config.settings import Device, Group, NodeLimits, OpcUaConnection, Profile
from edge_agent.core.events import CONDITION, EventField, EventSource
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan
from edge_agent.core.nodes import Spot, Step
from edge_agent.drivers.opcua.driver import OpcUaDriver
from edge_agent.errors import DeviceError
from edge_agent.ports import News, Subscriber
from edge_agent.sim.relay import Relay

pytestmark = pytest.mark.slow

URI = "http://acme.example/Anlage Süd/Fräse 1"
COUNTED = EventSource(
    types=(Spot(URI, "i=7000"),), fields=(EventField("number", (Step(URI, "Nummer"),), "UInt32"),)
)
ALARMS = EventSource(
    types=(Spot("", "i=2915"),),  # AlarmConditionType
    fields=(
        *CONDITION,
        EventField("high", (Step("", "HighLimit"),), "Double"),
        EventField("level", (Step("", "LimitState"), Step("", "CurrentState")), "LocalizedText"),
    ),
)
GROUP = Group("alarms", 0.2, mode="events", timestamp="source", queue=1000, keepalive_s=1.0, lifetime_s=60.0)
TELLING = {"RefreshStartEventType", "RefreshEndEventType"}


async def test_an_alarm_is_raised_acknowledged_and_over_with_its_fields(node_opcua: str) -> None:
    async with subscriber(node_opcua, ALARMS) as alarms:
        news = await taken(alarms, None, lambda now: len(of_tank(now)) >= 6)

    tank = of_tank(news)
    at = next(i for i, each in enumerate(tank) if each["active"] and not each["acked"])
    raised, acked, over = tank[at : at + 3]
    assert (acked["active"], acked["acked"]) == (True, True)
    # This server says severity 0, of which the standard knows nothing: it is an event all the same.
    assert (over["active"], over["acked"], over["severity"]) == (False, True, 0)
    assert raised.pop("id") not in {over["id"], acked["id"]}
    assert str(raised.pop("condition_id")).endswith("s=FüllstandAlarm")
    assert str(raised.pop("source")).endswith(":Füllstand")  # its own text has the index of a namespace
    assert raised == {
        "type": "ExclusiveLevelAlarmType",
        "severity": 150,
        "message": "Condition is 90.000 and state is High",
        "condition_name": "Füllstand",
        "active": True,
        "acked": False,
        "retain": True,
        "high": 80.0,
        "level": "High",
    }


async def test_only_what_the_filter_lets_pass_comes(node_opcua: str) -> None:
    severe = replace(COUNTED, severity=500)

    async with subscriber(node_opcua, severe) as counted:
        news = await taken(counted, None, lambda now: len(numbers(now)) >= 10)

    assert {fields(scan)["type"] for scan in told(news)} == {f"nsu={URI};i=7000"}
    assert all(scan.values[2] == 100 + 100 * (number(scan) % 9) >= 500 for scan in told(news))


async def test_alarms_that_hold_are_told_at_the_start_and_again_after_a_loss(node_opcua: str) -> None:
    async with subscriber(node_opcua, ALARMS) as alarms:
        news = await taken(alarms, None, refreshed)
    lost = replace(marks(news)[-1], subscription=4_000_000)

    async with subscriber(node_opcua, ALARMS) as alarms:
        again = await taken(alarms, lost, refreshed)

    assert again[0].loss == "source:lost"
    for each in (news, again):
        pressure = [fields(scan) for scan in again_told(each) if scan.values[1] not in TELLING]
        assert {"Kesseldruck"} <= {alarm["condition_name"] for alarm in pressure}


async def test_cuts_of_the_link_cost_no_event(node_opcua: str) -> None:
    found: list[News] = []
    async with relay(node_opcua) as (endpoint, between):
        for _ in range(3):
            async with subscriber(endpoint, COUNTED) as counted:
                with pytest.raises(DeviceError):
                    await cut_after(counted, between, found, 4)
        async with subscriber(endpoint, COUNTED) as counted:
            found += await taken(counted, marks(found)[-1], lambda now: len(marks(now)) >= 4)

    assert {each.loss for each in found} == {""}
    assert numbers(found) == list(range(numbers(found)[0], numbers(found)[-1] + 1))


# What comes of it


async def taken(
    subscriber: Subscriber, mark: Mark | None, enough: Callable[[list[News]], bool]
) -> list[News]:
    """News until there is enough of it."""
    found: list[News] = []
    async with aclosing(subscriber.changes(mark)) as changes, asyncio.timeout(30):
        async for news in changes:
            found.append(news)
            if enough(found):
                break
    return found


@asynccontextmanager
async def subscriber(endpoint: str, source: EventSource) -> AsyncIterator[Subscriber]:
    opcua = OpcUaDriver()
    group = replace(GROUP, events=source)
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"alarms": group}, (), NodeLimits())
    device = Device("plant", profile, "plc", 1, {"alarms": group}, ())
    async with opcua.connect(OpcUaConnection("plc", endpoint)) as wire:
        yield opcua.device(wire, device, b"{}", time.time_ns).subscriber("alarms")


def fields(scan: Scan) -> dict[str, object]:
    """All that an event has."""
    named = zip(scan.schema.names, scan.values, strict=True)
    return {name: value for name, value in named if value is not None}


def marks(news: Iterable[News]) -> list[Mark]:
    return [each.mark for each in news if each.mark is not None]


def told(news: Iterable[News]) -> list[Scan]:
    """What happened, without what was told again."""
    return [scan for each in news for scan in each.scans if not scan.full]


def again_told(news: Iterable[News]) -> list[Scan]:
    return [scan for each in news for scan in each.scans if scan.full]


def refreshed(news: list[News]) -> bool:
    return any(scan.values[1] == "RefreshEndEventType" for scan in again_told(news))


def number(scan: Scan) -> int:
    return int(str(fields(scan)["number"]))


def numbers(news: Iterable[News]) -> list[int]:
    return [number(scan) for scan in told(news)]


def of_tank(news: Iterable[News]) -> list[dict[str, object]]:
    return [each for each in map(fields, told(news)) if each.get("condition_name") == "Füllstand"]


@asynccontextmanager
async def relay(endpoint: str) -> AsyncIterator[tuple[str, Relay]]:
    """A way to the server that can be cut; gives its endpoint."""
    between = Relay("127.0.0.1", 0)
    between.to = urlsplit(endpoint).port or 0
    await between.bind()
    await between.listen()
    try:
        yield f"opc.tcp://127.0.0.1:{between.port}", between
    finally:
        await between.close()


async def cut_after(subscriber: Subscriber, between: Relay, found: list[News], count: int) -> None:
    """Follow on from the last mark, enter all that comes, cut the link after some notifications."""
    mark = marks(found)[-1] if marks(found) else None
    async with aclosing(subscriber.changes(mark)) as changes, asyncio.timeout(30):
        async for news in changes:
            found.append(news)
            count -= news.mark is not None
            if count == 0:
                between.cut()
