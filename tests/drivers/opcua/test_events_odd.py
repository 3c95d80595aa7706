"""Servers that do not bear a filter, refuse a refresh, get their namespaces late; on a clock that jumps."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import structlog
from asyncua import ua
from structlog.testing import capture_logs

from edge_agent.config.settings import Device, Group, NodeLimits, Profile
from edge_agent.core.events import EventField, EventSource
from edge_agent.core.nodes import Spot, Step
from edge_agent.drivers.opcua.answer import of_variant
from edge_agent.drivers.opcua.driver import OpcUaDevice
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.session import Listener
from edge_agent.drivers.opcua.wire import SessionWire
from edge_agent.errors import DeviceError
from edge_agent.ports import News
from tests.flow.clock import at_once

NOW = 1_760_000_000_000_000_000
SUBSCRIPTION = 7
SOURCE = EventSource(types=(Spot("", "i=2915"),), severity=300)
VT = ua.VariantType
GOOD = ua.MonitoredItemCreateResult()


@pytest.fixture(autouse=True)
def _fresh_loggers() -> None:
    structlog.reset_defaults()


def refused(code: int) -> ua.MonitoredItemCreateResult:
    return ua.MonitoredItemCreateResult(ua.StatusCode(ua.UInt32(code)))


@dataclass
class FakeSession:
    """A session of one subscription. `results` are of items, `refreshes` why a refresh is refused."""

    results: list[ua.MonitoredItemCreateResult] = field(default_factory=list)
    refreshes: list[int] = field(default_factory=list)
    late: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ("http://opcfoundation.org/UA/",)
    filters: list[ua.EventFilter] = field(default_factory=list)
    refreshed_at: list[float] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    listener: Listener | None = None
    failure: DeviceError | None = None
    resumed: bool = False
    server: str = "server"

    async def session(self) -> "FakeSession":
        return self

    async def subscribe(self, _parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        return ua.CreateSubscriptionResult(ua.IntegerId(SUBSCRIPTION), ua.Duration(100.0), 600, 5000)

    async def add_items(
        self, _subscription: int, items: list[ua.MonitoredItemCreateRequest], _timestamps: object
    ) -> list[ua.MonitoredItemCreateResult]:
        self.filters += [item.RequestedParameters.Filter for item in items]
        return [self.results.pop(0) if self.results else GOOD]

    async def call(self, request: ua.CallMethodRequest, _within_s: float) -> ua.CallMethodResult:
        assert request.InputArguments == [ua.Variant(SUBSCRIPTION, VT.UInt32)]
        self.refreshed_at.append(asyncio.get_running_loop().time())
        code = self.refreshes.pop(0) if self.refreshes else 0
        return ua.CallMethodResult(ua.StatusCode(ua.UInt32(code)))

    async def server_time_ns(self) -> int:
        return NOW

    def count(self, _what: str) -> None:
        """Nobody asks."""

    async def look_around(self) -> None:
        self.namespaces += self.late

    async def delete(self, subscription: int) -> None:
        self.deleted.append(subscription)

    def listen(self, _subscription: int, listener: Listener) -> None:
        self.listener = listener

    def abandon(self, subscription: int) -> None:
        self.forget(subscription)

    def time_ns(self, now_ns: int) -> int:
        return now_ns

    def forget(self, _subscription: int) -> None:
        self.listener = None

    def acknowledge(self, _subscription: int, sequence: int) -> None:
        self.acknowledged.append(sequence)

    def held(self, _told: Notification) -> None:
        """Nothing bounds what waits here."""

    def tell(self, sequence: int, *types: int) -> None:
        assert self.listener is not None
        events = [(0, [of_variant(each) for each in fields_of(type_)]) for type_ in types]
        self.listener.take(Notification(SUBSCRIPTION, sequence, has_news=True, events=events))


def fields_of(type_: int, severity: int = 500) -> list[ua.Variant]:
    return [
        ua.Variant(b"\x01", VT.ByteString),
        ua.Variant(node_id(type_, 0), VT.NodeId),
        ua.Variant(severity, VT.UInt16),
        *[ua.Variant()] * 4,
    ]


async def followed(
    session: FakeSession, enough: Callable[[list[News]], bool], source: EventSource = SOURCE
) -> list[News]:
    group = Group("alarms", 0.1, mode="events", queue=5, keepalive_s=600.0, events=source)
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"alarms": group}, (), NodeLimits())
    device = Device("press", profile, "plc", 1, {"alarms": group}, ())
    subscriber = OpcUaDevice(cast("SessionWire", session), device, b"{}", lambda: NOW).subscriber("alarms")
    found: list[News] = []
    async with aclosing(subscriber.changes(None)) as changes, asyncio.timeout(20_000):
        async for news in changes:
            found.append(news)
            if news.mark is not None:
                subscriber.stored(news.mark)
            if enough(found):
                break
    return found


def said(logs: list[Any], event: str) -> list[Any]:
    return [each for each in logs if each["event"] == event]


@at_once
async def test_a_filter_that_is_not_understood_is_asked_for_in_fewer_words_and_kept_by_us() -> None:
    session = FakeSession([refused(ua.StatusCodes.BadFilterOperatorUnsupported)])

    def enough(found: list[News]) -> bool:
        if session.listener is not None and session.refreshed_at and not any(each.scans for each in found):
            told = [(0, [of_variant(each) for each in fields_of(2915, severity)]) for severity in (299, 300)]
            session.listener.take(Notification(SUBSCRIPTION, 1, has_news=True, events=told))
        return any(each.scans for each in found)

    news = await followed(session, enough)

    assert [len(each.WhereClause.Elements) for each in session.filters] == [5, 1]
    assert [scan.values[2] for each in news for scan in each.scans] == [300]
    assert news[-1].refused == ""


@at_once
async def test_an_item_that_is_refused_for_another_reason_is_tried_again() -> None:
    session = FakeSession([refused(ua.StatusCodes.BadUserAccessDenied)] * 2)

    with capture_logs() as logs:
        news = await followed(session, lambda now: any(each.mark for each in now))

    assert len(session.filters) == 3
    assert {each.refused for each in news[:-1]} == {"bad:BadUserAccessDenied"}
    assert news[-1].refused == ""
    assert len(said(logs, "event source is refused")) == len(said(logs, "event source is there")) == 1


@at_once
async def test_a_server_that_cannot_tell_conditions_anew_is_named_once() -> None:
    session = FakeSession(refreshes=[ua.StatusCodes.BadMethodInvalid] * 2)

    def enough(_: list[News]) -> bool:
        if len(session.refreshed_at) == 1:
            session.tell(1, ua.ObjectIds.RefreshRequiredEventType)
        return len(session.refreshed_at) == 2

    with capture_logs() as logs:
        await followed(session, enough)

    assert len(said(logs, "conditions cannot be refreshed")) == 1


@at_once
async def test_a_refresh_that_is_refused_for_now_is_asked_for_again() -> None:
    session = FakeSession(refreshes=[ua.StatusCodes.BadRefreshInProgress])

    await followed(session, lambda _: len(session.refreshed_at) == 2)

    first, second = session.refreshed_at
    assert second - first == pytest.approx(10.0, abs=1.0)


@at_once
async def test_refreshes_that_the_queue_is_too_short_for_come_later_and_later() -> None:
    session = FakeSession()
    sequence = 0

    def enough(_: list[News]) -> bool:
        nonlocal sequence
        if len(session.refreshed_at) > sequence:
            sequence += 1
            overflow = ua.ObjectIds.EventQueueOverflowEventType
            session.tell(sequence, overflow, overflow, ua.ObjectIds.RefreshEndEventType)
        return len(session.refreshed_at) == 5

    with capture_logs() as logs:
        news = await followed(session, enough)

    between = [b - a for a, b in zip(session.refreshed_at, session.refreshed_at[1:], strict=False)]
    assert between == [pytest.approx(each, rel=0.1) for each in (10.0, 20.0, 40.0, 80.0)]
    assert {each.loss for each in news if each.scans} == {"source:overflow"}
    assert len(said(logs, "queue is too short for a refresh")) == 1


@at_once
async def test_a_namespace_that_appears_has_the_subscription_made_anew() -> None:
    source = EventSource(fields=(EventField("a", (Step("urn:late", "A"),), "Byte"),))
    session = FakeSession(late=("urn:late",))

    with pytest.raises(DeviceError, match="other namespaces"):
        await followed(session, lambda _: False, source)

    assert session.deleted == [SUBSCRIPTION]


@at_once
async def test_a_refresh_that_does_not_end_is_over_after_a_while() -> None:
    session = FakeSession()

    async def play() -> None:
        await asyncio.sleep(1)
        session.tell(1, ua.ObjectIds.RefreshStartEventType, 2915)
        await asyncio.sleep(100)
        session.tell(2, 2915)

    playing = asyncio.create_task(play())
    news = await followed(session, lambda now: len([each for each in now if each.scans]) == 2)
    await playing

    assert [scan.full for each in news for scan in each.scans] == [True, True, False]


@at_once
async def test_the_beginning_is_no_notification_that_the_server_could_forget() -> None:
    session = FakeSession()

    def enough(found: list[News]) -> bool:
        if len([each for each in found if each.mark]) == 1:
            session.tell(1, 2915)
        return len([each for each in found if each.mark]) == 2

    news = await followed(session, enough)

    assert [each.mark.sequence for each in news if each.mark] == [0, 1]
    assert session.acknowledged == [1]
