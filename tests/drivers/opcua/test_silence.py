"""When a subscription that tells nothing is dead, and when it is not; when it is not ours any more."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
import structlog
from asyncua import ua
from structlog.testing import capture_logs
from typing_extensions import override

from edge_agent.config.settings import Device, Group, NodeLimits, Profile
from edge_agent.core.mark import Mark
from edge_agent.drivers.opcua.driver import OpcUaDevice
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.wire import SessionWire
from edge_agent.errors import DeviceError
from edge_agent.ports import News, Subscriber
from tests.drivers.opcua.test_lost import GROUP, NOW, SUBSCRIPTION, TAGS, FakeSession, force
from tests.flow.clock import at_once


class Quiet(FakeSession):
    """A session whose subscription gives a sign of life every so often, as the server says."""

    def __init__(self, interval_ms: float = 100.0, keepalive_count: int = 50) -> None:
        super().__init__()
        self.deleted: list[int] = []
        self.items = ua.MonitoredItemCreateResult()
        self.revised = ua.Duration(interval_ms), keepalive_count

    @override
    async def subscribe(self, _parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        interval, count = self.revised
        return ua.CreateSubscriptionResult(ua.IntegerId(SUBSCRIPTION), interval, 600, count)

    @override
    async def add_items(
        self, _subscription: int, items: list[ua.MonitoredItemCreateRequest], _timestamps: object
    ) -> list[ua.MonitoredItemCreateResult]:
        return [self.items for _ in items]

    @override
    async def delete(self, subscription: int) -> None:
        self.deleted.append(subscription)

    @override
    def has(self, _subscription: int) -> bool:
        return True

    def acknowledge(self, _subscription: int, _sequence: int) -> None:
        """Nobody looks at it."""

    async def look_around(self) -> None:
        """Its namespaces are what they were."""

    def fail_silent(self, error: DeviceError) -> None:
        self.failure = error
        if self.listener is not None:
            self.listener.end()


def mark_of(heard: "Heard") -> Mark:
    return next(news.mark for news in heard.news if news.mark is not None)


@dataclass
class Heard:
    """What came until the session ended, if it did."""

    news: list[News] = field(default_factory=list)
    failure: DeviceError | None = None


def subscriber_of(session: FakeSession, group: Group = GROUP) -> Subscriber:
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": group}, TAGS, NodeLimits())
    device = Device("press", profile, "plc", 1, {"fast": group}, TAGS)
    return OpcUaDevice(cast("SessionWire", session), device, b"{}", lambda: NOW).subscriber("fast")


async def heard(session: FakeSession, subscriber: Subscriber, seconds: float, *told: Notification) -> Heard:
    """What comes within a time, when this is told at its beginning; from the last mark on."""
    found = Heard()

    async def follow() -> None:
        async with aclosing(subscriber.changes(None)) as changes:
            async for news in changes:
                found.news.append(news)

    following = asyncio.create_task(follow())
    await asyncio.sleep(0.01)
    session.tell(*told)
    await asyncio.wait([following], timeout=seconds)
    if following.done():
        found.failure = cast("DeviceError", following.exception())
    following.cancel()
    await asyncio.wait([following])
    return found


@at_once
async def test_subscription_is_dead_after_one_and_a_half_times_what_the_server_says() -> None:
    session = Quiet(100.0, 50)
    subscriber = subscriber_of(session)

    assert (await heard(session, subscriber, 12.0)).failure is None
    assert (await heard(session, subscriber, 13.0)).failure is not None


@pytest.mark.parametrize("interval_ms", [0.0, float("nan"), float("inf"), -1.0])
def test_server_that_says_no_sense_of_its_signs_of_life_is_held_to_what_it_was_asked_for(
    interval_ms: float,
) -> None:
    @at_once
    async def both() -> tuple[Heard, Heard]:
        session = Quiet(interval_ms, 50)
        subscriber = subscriber_of(session)
        return await heard(session, subscriber, 12.0), await heard(session, subscriber, 13.0)

    early, late = both()

    assert early.failure is None
    assert late.failure is not None


@at_once
async def test_subscription_that_goes_on_is_as_slow_with_its_signs_of_life_as_it_was() -> None:
    session = Quiet(1000.0, 60)
    subscriber = subscriber_of(session)
    first = await heard(session, subscriber, 1.0, force(1, 2.0))
    mark = mark_of(first)

    changes = subscriber.changes(mark)
    async with aclosing(changes):
        assert (await anext(changes)).mark is None  # what is queued: nothing
        assert (await anext(changes)).complete
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.wait([waiting], timeout=90.0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])


@at_once
async def test_server_that_is_not_asked_is_not_silent() -> None:
    session = Quiet(100.0, 50)
    session.asking_since = None
    subscriber = subscriber_of(session)

    assert (await heard(session, subscriber, 100.0)).failure is None


@at_once
async def test_numbers_that_begin_anew_let_the_subscription_go() -> None:
    session = Quiet()
    subscriber = subscriber_of(session)
    mark = replace(mark_of(await heard(session, subscriber, 1.0, force(1, 2.0))), sequence=57)
    found: list[News] = []

    async def follow() -> None:
        async with aclosing(subscriber.changes(mark)) as changes:
            async for news in changes:
                found.append(news)  # noqa: PERF401 - they are looked at when it has ended

    following = asyncio.create_task(follow())
    await asyncio.sleep(0.01)
    session.tell(force(1, 99.0))
    with pytest.raises(DeviceError, match="another one"):
        await following

    assert session.deleted == [SUBSCRIPTION]
    assert [scan.values for news in found for scan in news.scans if not news.complete] == []


@at_once
async def test_subscription_that_tells_other_times_is_not_taken_over() -> None:
    session = Quiet()
    mark = mark_of(await heard(session, subscriber_of(session), 1.0, force(1, 2.0)))

    changes = subscriber_of(session, replace(GROUP, timestamp="source")).changes(mark)
    async with aclosing(changes):
        first = await anext(changes)

    assert first.loss == "source:lost"
    assert session.deleted == [SUBSCRIPTION]


@pytest.mark.parametrize(("sampling_ms", "told"), [(50.0, 1), (100.0, 0)])
def test_queue_of_one_sample_that_may_run_over_without_a_word_is_told_once(
    sampling_ms: float, told: int
) -> None:
    @at_once
    async def twice() -> None:
        session = Quiet()
        session.items.RevisedQueueSize = ua.Counter(1)
        session.items.RevisedSamplingInterval = ua.Duration(sampling_ms)
        subscriber = subscriber_of(session)
        for _ in range(2):
            await heard(session, subscriber, 1.0)

    structlog.reset_defaults()
    with capture_logs() as logs:
        twice()

    assert [each["event"] for each in logs].count("server keeps one sample a tag") == told
