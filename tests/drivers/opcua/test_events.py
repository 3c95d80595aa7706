"""The events of a source, at a simulated server: all of them, in order, and what was missed is named."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from edge_agent.config.settings import Device, Group, NodeLimits, OpcUaConnection, Profile
from edge_agent.core.events import ABSENT, CONDITION, EventField, EventSource
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan
from edge_agent.core.nodes import Spot, Step
from edge_agent.drivers.opcua.driver import OpcUaDriver
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock, News, Subscriber
from edge_agent.sim import opcua_events as truth
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.opcua_events import Happenings

URI = "urn:acme"
FIELDS = (
    EventField("batch", (Step(URI, "Batch"), Step(URI, "Number")), "UInt32"),
    EventField("speed", (Step(URI, "Speed"),), "Double"),
    EventField("running", (Step(URI, "Running"),), "Boolean"),
    EventField("operator", (Step(URI, "Operator"),), "String"),
    EventField("hint", (Step(URI, "Hint"),), "LocalizedText"),
    EventField("since", (Step(URI, "Since"),), "DateTime"),
    EventField("order", (Step(URI, "Order"),), "Guid"),
    EventField("token", (Step(URI, "Token"),), "ByteString"),
    EventField("part", (Step(URI, "Part"),), "NodeId"),
)
SOURCE = EventSource(Spot(URI, "s=Press"), (Spot(URI, "i=1001"),), 300, (*CONDITION, *FIELDS))
GROUP = Group(
    "alarms",
    0.1,
    mode="events",
    timestamp="source",
    queue=1000,
    keepalive_s=0.5,
    lifetime_s=60.0,
    lane="alarm",
    events=SOURCE,
)
REFRESH = ("RefreshStartEventType", "RefreshEndEventType")


@pytest.fixture
async def plc() -> AsyncIterator[OpcUaPlc]:
    async with simulated(SOURCE) as made:
        yield made


@pytest.fixture
async def still() -> AsyncIterator[OpcUaPlc]:
    """One at which nothing happens by itself."""
    async with simulated(SOURCE, clock=lambda: 1_760_000_000_000_000_000) as made:
        yield made


async def test_every_event_comes_once_in_order_with_its_fields(plc: OpcUaPlc) -> None:
    async with subscriber(plc) as events:
        news = await taken(events, None, lambda found: len(numbers(found)) >= 12)

    assert {each.loss for each in news} == {""}
    assert numbers(news) == whole(news)
    assert [fault for scan in told(news) for fault in faults(scan)] == []


async def test_what_the_filter_keeps_out_does_not_come(plc: OpcUaPlc) -> None:
    async with subscriber(plc) as events:
        news = await taken(events, None, lambda found: len(numbers(found)) >= truth.EVERY + 2)

    assert {scan.values[1] for scan in told(news)} == {f"nsu={URI};i=1001"}
    messages = {str(scan.values[4]) for scan in scans(news)}
    assert {each for each in messages if not each.startswith("event ")} == {"refresh"}


async def test_a_type_lets_those_below_it_pass() -> None:
    source = EventSource(types=(Spot("", "i=2041"),), fields=CONDITION)
    async with simulated(source) as plc, subscriber(plc, replace(GROUP, events=source)) as events:
        news = await taken(events, None, lambda found: len(numbers(found)) >= 3)

    assert {scan.values[1] for scan in told(news)} == {"BaseEventType"}


async def test_events_come_with_the_time_that_they_happened(plc: OpcUaPlc) -> None:
    before = time.time_ns()
    async with subscriber(plc) as events:
        news = await taken(events, None, lambda found: len(numbers(found)) >= 3)

    times = [scan.time_ns for scan in told(news)]
    assert times == sorted(times)
    assert all(before <= scan.time_ns <= scan.time_ns + scan.lag_ns <= time.time_ns() for scan in told(news))


async def test_conditions_are_told_anew_at_the_start(still: OpcUaPlc) -> None:
    await still.happenings.happen(5)  # alarm 1 is over, alarm 2 acknowledged

    async with subscriber(still) as events:
        news = await taken(events, None, lambda found: len(refreshes(found)) >= 1)

    (refresh,) = refreshes(news)
    assert [name(scan) for scan in refresh] == [REFRESH[0], "alarm 2", REFRESH[1]]
    assert all(scan.full for scan in refresh)


async def test_what_was_not_stored_can_be_had_again_and_nothing_is_told_twice(plc: OpcUaPlc) -> None:
    async with subscriber(plc) as events:
        first = await taken(events, None, lambda found: len(numbers(found)) >= 4)
    mark = marks(first)[1]
    await plc.happenings.happen(3)

    async with subscriber(plc) as events:
        again = await taken(events, mark, lambda found: len(numbers(found)) >= 10)

    assert {each.loss for each in again} == {""}
    assert marks(again)[0].sequence == mark.sequence + 1
    stored = [
        n for each in first if each.mark and each.mark.sequence <= mark.sequence for n in numbers([each])
    ]
    assert [*stored, *numbers(again)] == whole([*first, *again])
    assert refreshes(again) == []


async def test_what_happens_before_the_first_event_was_told_is_not_missed(still: OpcUaPlc) -> None:
    async with subscriber(still) as events:
        first = await taken(events, None, lambda found: bool(marks(found)))
    await still.happenings.happen(5)

    async with subscriber(still) as events:
        again = await taken(events, marks(first)[0], lambda found: 5 in numbers(found))

    assert marks(first)[0].sequence == 0
    assert losses(again) == []
    assert numbers(again) == [1, 2, 3, 4, 5]


async def test_a_cut_link_costs_no_event(plc: OpcUaPlc) -> None:
    found: list[News] = []
    for _ in range(3):
        async with subscriber(plc) as events:
            with pytest.raises(DeviceError, match="disconnected"):
                await cut_after(events, plc, found, 3)
    async with subscriber(plc) as events:
        found += await taken(events, marks(found)[-1], lambda now: len(numbers(now)) >= 3)

    assert {each.loss for each in found} == {""}
    assert numbers(found) == whole(found)


async def test_a_server_that_was_started_again_is_a_loss_and_its_conditions_are_told_anew(
    plc: OpcUaPlc,
) -> None:
    async with subscriber(plc) as events:
        first = await taken(events, None, lambda found: len(numbers(found)) >= 4)
    plc.namespaces_before = ("urn:one", "urn:two")
    await plc.restart()

    async with subscriber(plc) as events:
        again = await taken(
            events, marks(first)[-1], lambda found: bool(refreshes(found)) and len(numbers(found)) >= 4
        )

    assert again[0].loss == "source:lost"
    assert [fault for scan in told(again) for fault in faults(scan)] == []


async def test_a_queue_that_ran_over_is_a_named_loss_and_conditions_are_told_anew(plc: OpcUaPlc) -> None:
    async with subscriber(plc, replace(GROUP, queue=20, interval_s=0.5)) as events:
        found: list[News] = []
        flooded = False
        async with aclosing(events.changes(None)) as changes, asyncio.timeout(20):
            async for news in changes:
                found.append(news)
                if numbers(found) and not flooded:
                    flooded = True
                    await plc.happenings.happen(100)
                if losses(found) and len(refreshes(found)) == 2:
                    break

    assert losses(found) == ["source:overflow"]
    at = next(i for i, each in enumerate(found) if each.loss)
    before, after = numbers(found[:at]), numbers(found[at:])
    assert after[0] - before[-1] > 60
    assert "EventQueueOverflowEventType" not in {scan.values[1] for scan in scans(found)}


async def test_a_refresh_that_runs_over_is_not_asked_for_at_once_again(still: OpcUaPlc) -> None:
    await still.happenings.happen(1)  # with start and end a refresh has three events for a queue of two
    async with subscriber(still, replace(GROUP, queue=2, interval_s=0.5)) as events:
        news = await taken(events, None, lambda found: bool(losses(found)) and len(found) >= 8)

    assert losses(news) == ["source:overflow"]
    assert still.happenings.refreshed == 1


async def test_a_refresh_that_is_cut_off_goes_on_where_it_was(still: OpcUaPlc) -> None:
    async with subscriber(still) as events:
        news = await taken(events, None, lambda found: bool(marks(found)))
    within = replace(marks(news)[0], items=marks(news)[0].items.partition(":")[0] + ":3")
    await still.happenings.happen(3)

    async with subscriber(still) as events:
        again = await taken(events, within, lambda found: len(scans(found)) >= 3)

    assert all(scan.full for scan in scans(again))
    assert again[-1].mark is not None
    assert again[-1].mark.items.endswith(":3")


async def test_a_refresh_that_is_owed_is_had_by_the_session_that_takes_over(plc: OpcUaPlc) -> None:
    async with subscriber(plc) as events:
        news = await taken(events, None, lambda found: bool(refreshes(found)))
    owed = replace(marks(news)[-1], items=marks(news)[-1].items.partition(":")[0] + ":1")

    async with subscriber(plc) as events:
        again = await taken(events, owed, lambda found: bool(refreshes(found)))

    assert losses(again) == []


async def test_a_subscription_to_other_events_is_not_taken_over(plc: OpcUaPlc) -> None:
    async with subscriber(plc) as events:
        mark = marks(await taken(events, None, lambda found: bool(marks(found))))[0]

    other = replace(GROUP, events=replace(SOURCE, severity=400))
    async with subscriber(plc, other) as events:
        again = await taken(events, mark, lambda found: bool(marks(found)))

    assert again[0].loss == "source:lost"


async def test_a_source_that_is_not_there_is_refused_and_the_server_lives(plc: OpcUaPlc) -> None:
    lost = replace(GROUP, events=replace(SOURCE, node=Spot(URI, "s=Nowhere")))
    async with subscriber(plc, lost) as events:
        news = await taken(events, None, lambda found: len(found) >= 6)

    assert news[-1].refused == "bad:BadNodeIdUnknown"
    assert scans(news) == []


async def test_a_field_in_a_namespace_that_the_server_lacks_is_absent_and_said(plc: OpcUaPlc) -> None:
    strange = EventField("more", (Step("urn:nobody", "More"),), "Int32")
    group = replace(GROUP, events=replace(SOURCE, fields=(strange, *SOURCE.fields)))
    async with subscriber(plc, group) as events:
        news = await taken(events, None, lambda found: len(numbers(found)) >= 2)

    assert news[-1].refused == "bad:BadNodeIdUnknown"
    scan = told(news)[0]
    at = scan.schema.names.index("more")
    assert scan.quality is not None
    assert (scan.values[at], scan.quality[at]) == (None, ABSENT)
    assert faults(scan) == []


# A server, and what comes of it


@asynccontextmanager
async def simulated(source: EventSource, clock: Clock = time.time_ns) -> AsyncIterator[OpcUaPlc]:
    plc = OpcUaPlc((), clock=clock)
    plc.happenings = Happenings({"alarms": source})
    async with plc:
        yield plc


@asynccontextmanager
async def subscriber(plc: OpcUaPlc, group: Group = GROUP) -> AsyncIterator[Subscriber]:
    """A Subscriber over a session of its own."""
    opcua = OpcUaDriver()
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"alarms": group}, (), NodeLimits())
    device = Device("press", profile, "plc", 1, {"alarms": group}, ())
    async with opcua.connect(OpcUaConnection("plc", plc.endpoint, timeout_s=2.0)) as wire:
        yield opcua.device(wire, device, b"{}", time.time_ns).subscriber("alarms")


async def taken(
    subscriber: Subscriber, mark: Mark | None, enough: Callable[[list[News]], bool]
) -> list[News]:
    """News until there is enough of it."""
    found: list[News] = []
    async with aclosing(subscriber.changes(mark)) as changes, asyncio.timeout(20):
        async for news in changes:
            found.append(news)
            if enough(found):
                break
    return found


async def cut_after(subscriber: Subscriber, plc: OpcUaPlc, found: list[News], count: int) -> None:
    """Follow on from the last mark, enter all that comes, cut the link after some notifications."""
    mark = marks(found)[-1] if marks(found) else None
    async with aclosing(subscriber.changes(mark)) as changes, asyncio.timeout(20):
        async for news in changes:
            found.append(news)
            count -= news.mark is not None
            if count == 0:
                await plc.cut()


def marks(news: Iterable[News]) -> list[Mark]:
    return [each.mark for each in news if each.mark is not None]


def losses(news: Iterable[News]) -> list[str]:
    return [each.loss for each in news if each.loss]


def scans(news: Iterable[News]) -> list[Scan]:
    return [scan for each in news for scan in each.scans]


def told(news: Iterable[News]) -> list[Scan]:
    """What happened, without what was told again."""
    return [scan for scan in scans(news) if not scan.full]


def numbers(news: Iterable[News]) -> list[int]:
    return [number(scan) for scan in told(news)]


def whole(news: Iterable[News]) -> list[int]:
    """All numbers from the first to the last that came."""
    found = numbers(news)
    return list(range(min(found), max(found) + 1))


def number(scan: Scan) -> int:
    return int(str(scan.values[4]).removeprefix("event "))


def name(scan: Scan) -> object:
    return (
        scan.values[1]
        if scan.values[1] in REFRESH
        else scan.values[scan.schema.names.index("condition_name")]
    )


def refreshes(news: Iterable[News]) -> list[Sequence[Scan]]:
    """Whole refreshes, from start to end."""
    found: list[list[Scan]] = []
    ended: list[Sequence[Scan]] = []
    for scan in scans(news):
        if scan.values[1] == REFRESH[0]:
            found.append([])
        if found and scan.full:
            found[-1].append(scan)
        if found and scan.values[1] == REFRESH[1]:
            ended.append(found.pop())
    return ended


def faults(scan: Scan) -> list[str]:
    """What of an event is not what its number says."""
    n = number(scan)
    expected = {
        "id": b64encode(n.to_bytes(8, "big")).decode(),
        "severity": truth.severity(SOURCE, n),
        "source": "alarms",
        **{field.name: truth.value(field, n) for field in SOURCE.fields},
    }
    found = dict(zip(scan.schema.names, scan.values, strict=True))
    return [f"{key}: {found[key]} instead of {each}" for key, each in expected.items() if found[key] != each]
