"""A group that is subscribed to, at a simulated server: what comes, what is kept, what can be had again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from edge_agent.config.settings import (
    Device,
    Group,
    Home,
    NodeLimits,
    OpcUaConnection,
    Profile,
    Security,
    Tag,
)
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.driver import OpcUaDriver
from edge_agent.errors import DeviceError
from edge_agent.ports import News, Subscriber
from edge_agent.sim import opcua_security as simulated
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.truth import Truth

NAMES = ("force", "heat", "strokes")
TAGS = tuple(
    Tag(name, "fast", kind, Node(name, "urn:acme", f"s={name}", kind))  # type: ignore[arg-type]  # a row of a table
    for name, kind in zip(NAMES, ("Float", "Double", "UInt32"), strict=True)
)
GROUP = Group(
    "fast",
    0.1,
    mode="subscribe",
    timestamp="source",
    time_resolution_s=0.001,
    sampling_s=0.05,
    queue=100,
    keepalive_s=0.5,
    lifetime_s=60.0,
)


@dataclass
class Case:
    """A server, and whoever subscribes to it: one connection after the other."""

    plc: OpcUaPlc
    security: Security | None = None
    home: Home = field(default_factory=Home)

    @asynccontextmanager
    async def subscriber(
        self, group: Group = GROUP, limits: NodeLimits | None = None
    ) -> AsyncIterator[Subscriber]:
        """A Subscriber over a session of its own."""
        opcua = OpcUaDriver()
        profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": group}, TAGS, limits or NodeLimits())
        device = Device("press", profile, "plc", 1, {"fast": group}, TAGS)
        connection = OpcUaConnection(
            "plc", self.plc.endpoint, timeout_s=2.0, security=self.security, home=self.home
        )
        async with opcua.connect(connection) as wire:
            yield opcua.device(wire, device, b"{}", time.time_ns).subscriber("fast")


@pytest.fixture(params=["open"])
async def case(request: pytest.FixtureRequest, home: Home) -> AsyncIterator[Case]:
    if request.param == "open":
        async with OpcUaPlc(TAGS) as plc:
            yield Case(plc)
        return
    guard = simulated.Security()
    pins = (guard.certificate.fingerprint,)
    async with OpcUaPlc(TAGS, security=guard) as plc:
        yield Case(plc, Security("Basic256Sha256", "sign_and_encrypt", pins=pins), home)


open_and_secured = pytest.mark.parametrize("case", ["open", "secured"], indirect=True)


async def test_the_present_values_come_first_then_every_sample(case: Case) -> None:
    async with case.subscriber() as subscriber:
        news = await taken(subscriber, None, marks=5)

    assert news[0].complete
    assert news[0].scans[0].index is None
    assert {each.loss for each in news} == {""}
    sequences = [each.mark.sequence for each in news if each.mark]
    assert sequences == list(range(1, 1 + len(sequences)))
    assert faults(news) == []
    ticks = ticks_of(news, "strokes")
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))


@open_and_secured
async def test_what_was_not_stored_can_be_had_again_by_the_next_session(case: Case) -> None:
    async with case.subscriber() as subscriber:
        first = await taken(subscriber, None, marks=4)
    early = next(each.mark for each in first if each.mark)

    async with case.subscriber() as subscriber:
        again = await taken(subscriber, early, marks=6)

    assert {each.loss for each in again} == {""}
    assert next(each.mark for each in again if each.mark).sequence == early.sequence + 1
    ticks = ticks_of([*first, *again], "strokes")
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))


@open_and_secured
async def test_what_was_stored_is_let_go_by_the_server(case: Case) -> None:
    async with case.subscriber() as subscriber:
        first: list[News] = []
        async with aclosing(subscriber.changes(None)) as changes:
            async for news in changes:
                first.append(news)
                if news.mark is not None:
                    subscriber.stored(news.mark)
                if len(marks(first)) == 8:
                    break

    async with case.subscriber() as subscriber:
        again = await taken(subscriber, marks(first)[0], marks=1)

    assert "source:lost" in {each.loss for each in again}


@open_and_secured
async def test_values_are_read_behind_what_the_server_had_queued(case: Case) -> None:
    async with case.subscriber() as subscriber:
        mark = marks(await taken(subscriber, None, marks=3))[-1]

    async with case.subscriber() as subscriber:
        again = await taken(subscriber, mark, marks=8)

    at = next(i for i, each in enumerate(again) if each.complete)
    before = [scan.time_ns for each in again[:at] for scan in each.scans]
    assert before
    assert max(before) <= again[at].scans[0].time_ns


@pytest.mark.parametrize(
    "changed", [{"items": "00000000:"}, {"server": "opc.tcp://other 2026"}, {"server": ""}]
)
async def test_a_subscription_about_something_else_is_not_taken_over(
    case: Case, changed: dict[str, str]
) -> None:
    async with case.subscriber() as subscriber:
        mark = replace(marks(await taken(subscriber, None, marks=2))[-1], **changed)  # type: ignore[arg-type]  # texts

    async with case.subscriber() as subscriber:
        again = await taken(subscriber, mark, marks=1)

    assert again[0].loss == "source:lost"
    assert again[1].complete
    assert marks(again)[0].subscription != mark.subscription
    assert marks(again)[0].sequence == 1


@open_and_secured
async def test_a_server_that_was_started_again_is_subscribed_to_anew(case: Case) -> None:
    async with case.subscriber() as subscriber:
        mark = marks(await taken(subscriber, None, marks=2))[-1]
    case.plc.namespaces_before = ("urn:one", "urn:two")
    await case.plc.restart()

    async with case.subscriber() as subscriber:
        again = await taken(subscriber, mark, marks=2)

    assert again[0].loss == "source:lost"
    assert marks(again)[0].server != mark.server
    assert faults(again) == []


@open_and_secured
async def test_a_full_queue_of_the_server_is_a_named_loss(case: Case) -> None:
    slow = replace(GROUP, interval_s=1.0, queue=2)

    async with case.subscriber(slow) as subscriber:
        news = await taken(subscriber, None, marks=3)

    assert "source:overflow" in {each.loss for each in news}
    assert faults(news) == []


async def test_an_item_that_is_not_there_is_bad_and_the_others_flow(case: Case) -> None:
    await case.plc.switch(Faults(missing=frozenset({"heat"})))

    async with case.subscriber() as subscriber:
        news = await taken(subscriber, None, marks=3)

    refused = [scan for each in news for scan in each.scans if scan.index == (1,)]
    assert [scan.quality for scan in refused] == [("bad:BadNodeIdUnknown",)]
    assert marks(news)[-1].items.endswith(":1")
    assert ticks_of(news, "strokes")


async def test_an_absent_item_is_absent_for_the_session_that_takes_over(case: Case) -> None:
    await case.plc.switch(Faults(missing=frozenset({"heat"})))
    async with case.subscriber() as subscriber:
        mark = marks(await taken(subscriber, None, marks=2))[-1]
    await case.plc.switch(Faults())

    async with case.subscriber() as subscriber:
        again = await taken(subscriber, mark, marks=6)

    assert marks(again)[0].subscription == mark.subscription
    assert marks(again)[-1].items.endswith(":")
    assert faults(again) == []
    assert ticks_of(again, "heat")


async def test_items_are_made_and_read_in_parts_that_the_server_bears(case: Case) -> None:
    async with case.subscriber(limits=NodeLimits(items_per_call=2, nodes_per_read=1)) as subscriber:
        news = await taken(subscriber, None, marks=2)

    assert faults(news) == []
    assert {name for each in news[1:] for scan in each.scans for name in carried(scan)} == set(NAMES)


async def test_a_server_without_news_gives_signs_of_life() -> None:
    fixed = OpcUaPlc(TAGS, clock=lambda: 1_760_000_000_000_000_000)

    async with fixed, Case(fixed).subscriber() as subscriber, aclosing(subscriber.changes(None)) as changes:
        news = [await anext(changes) for _ in range(6)]

    assert [each for each in news[2:] if each.mark is None and not each.scans]


async def test_a_server_that_keeps_silent_ends_the_session(case: Case) -> None:
    async with case.subscriber(replace(GROUP, keepalive_s=0.1)) as subscriber:
        with pytest.raises(DeviceError, match="no sign of life"):
            await followed(subscriber, lambda: case.plc.switch(Faults(silence=True)))


@open_and_secured
async def test_a_link_that_is_cut_ends_the_news_at_once(case: Case) -> None:
    async with case.subscriber() as subscriber:
        with pytest.raises(DeviceError, match="disconnected"):
            await followed(subscriber, case.plc.cut)


async def test_a_server_that_refuses_is_disconnected_without_a_wait(case: Case) -> None:
    await case.plc.switch(Faults(refuse=True))

    async with case.subscriber() as subscriber:
        with pytest.raises(DeviceError, match="Connection refused"):
            await taken(subscriber, None, marks=1)
        with pytest.raises(DeviceError, match="Connection refused"):
            await taken(subscriber, None, marks=1)


async def followed(subscriber: Subscriber, fail: Callable[[], Awaitable[None]]) -> None:
    """Follow until it ends; the server fails with the first notification."""
    failed = False
    async with aclosing(subscriber.changes(None)) as changes, asyncio.timeout(20):
        async for news in changes:
            if news.mark is not None and not failed:
                failed = True
                await fail()


async def taken(subscriber: Subscriber, mark: Mark | None, *, marks: int) -> list[News]:
    """News until so many of them have a mark."""
    found: list[News] = []
    async with aclosing(subscriber.changes(mark)) as changes, asyncio.timeout(20):
        async for news in changes:
            found.append(news)
            marks -= news.mark is not None
            if marks == 0:
                break
    return found


def marks(news: Sequence[News]) -> list[Mark]:
    return [each.mark for each in news if each.mark is not None]


def carried(scan: Scan) -> list[str]:
    return [NAMES[i] for i in scan.index or range(len(NAMES))]


def samples(news: Sequence[News]) -> list[tuple[str, object, float]]:
    """Name, value and time in ms of every good sample."""
    return [
        (name, value, scan.time_ns / 1e6 + (scan.offsets_ms[at] if scan.offsets_ms else 0))
        for each in news
        for scan in each.scans
        for at, (name, value) in enumerate(zip(carried(scan), scan.values, strict=True))
        if not (scan.quality and scan.quality[at])
    ]


def faults(news: Sequence[News]) -> list[str]:
    truth = Truth(TAGS)
    found = (truth.check(name, value, at) for name, value, at in samples(news))
    return [fault for fault in found if fault]


def ticks_of(news: Sequence[News], tag: str) -> list[int]:
    """The ticks of all samples of a tag, each once, ascending."""
    return sorted({round(at / 200) for name, _, at in samples(news) if name == tag})
