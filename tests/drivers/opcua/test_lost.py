"""A notification that stays out: had again where the server has kept it, else named and read anew."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from asyncua import ua

from edge_agent.config.settings import Device, Group, NodeLimits, Profile, Tag
from edge_agent.core.mark import Mark
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.answer import Answer
from edge_agent.drivers.opcua.driver import OpcUaDevice
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.session import Bears, Listener
from edge_agent.drivers.opcua.wire import SessionWire
from edge_agent.errors import DeviceError

NOW = 1_760_000_000_000_000_000
FLOAT = ua.VariantType.Float
TAGS = (Tag("force", "fast", "Float", Node("force", "urn:acme", "s=force", "Float")),)
GROUP = Group("fast", 0.1, mode="subscribe", timestamp="agent", sampling_s=0.1, queue=10, keepalive_s=5.0)
SUBSCRIPTION = 7


class FakeSession:
    """A session of one subscription. `present` is what a read gives, `kept` what can be asked for again."""

    namespaces = ("http://opcfoundation.org/UA/", "urn:acme")
    server = "server"
    resumed = False

    def __init__(self) -> None:
        self.failure: DeviceError | None = None
        self.bears = Bears()
        self.present = 1.0
        self.kept: dict[int, Notification] = {}
        self.asked_again: list[int] = []
        self.listener: Listener | None = None

    async def session(self) -> "FakeSession":
        return self

    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        return [ua.DataValue(ua.Variant(self.present, FLOAT)) for _ in parameters.NodesToRead]

    async def subscribe(self, _parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        return ua.CreateSubscriptionResult(ua.IntegerId(SUBSCRIPTION), ua.Duration(100.0), 600, 50)

    async def add_items(
        self, _subscription: int, items: list[ua.MonitoredItemCreateRequest], _timestamps: object
    ) -> list[ua.MonitoredItemCreateResult]:
        return [ua.MonitoredItemCreateResult() for _ in items]

    async def republish(self, _subscription: int, sequence: int) -> Notification | None:
        self.asked_again.append(sequence)
        return self.kept.get(sequence)

    def listen(self, _subscription: int, listener: Listener) -> None:
        self.listener = listener

    def forget(self, _subscription: int) -> None:
        self.listener = None

    def held(self, _told: Notification) -> None:
        """Nothing bounds what waits here."""

    def count(self, _what: str) -> None:
        """Nobody asks for it."""

    def has(self, _subscription: int) -> bool:
        return True

    async def delete(self, _subscription: int) -> None:
        """It is gone."""

    async def server_time_ns(self) -> int:
        return NOW

    def abandon(self, subscription: int) -> None:
        self.forget(subscription)

    def time_ns(self, now_ns: int) -> int:
        return now_ns

    def tell(self, *told: Notification) -> None:
        assert self.listener is not None
        for each in told:
            self.listener.take(each)


def force(sequence: int, value: float) -> Notification:
    return Notification(SUBSCRIPTION, sequence, [(0, Answer(FLOAT.value, value))], has_news=True)


def sign_of_life(following: int) -> Notification:
    return Notification(SUBSCRIPTION, following)


def device_of(session: FakeSession) -> OpcUaDevice:
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": GROUP}, TAGS, NodeLimits())
    device = Device("press", profile, "plc", 1, {"fast": GROUP}, TAGS)
    return OpcUaDevice(cast("SessionWire", session), device, b"{}", lambda: NOW)


async def heard(session: FakeSession, tell: Callable[[], None], count: int) -> list[str]:
    """What comes of it, signs of life left out: values, `read VALUE` for what was read, reasons of losses."""
    found: list[str] = []
    changes = device_of(session).subscriber("fast").changes(None)
    async with aclosing(changes), asyncio.timeout(20):
        assert (await anext(changes)).complete
        await anext(changes)  # the items have been made
        tell()
        while len(found) < count:
            news = await anext(changes)
            found += [news.loss] if news.loss else []
            found += [f"{'read ' if news.complete else ''}{scan.values[0]}" for scan in news.scans]
    return found


async def test_notification_that_cannot_be_had_again_is_a_loss_and_all_is_read_anew() -> None:
    session = FakeSession()

    def tell() -> None:
        session.present = 5.0
        session.tell(force(1, 2.0), force(3, 4.0))

    assert await heard(session, tell, 4) == ["2.0", "source:lost", "4.0", "read 5.0"]
    assert session.asked_again == [2]


async def test_notification_that_the_server_has_kept_comes_in_its_place() -> None:
    session = FakeSession()
    session.kept = {2: force(2, 3.0)}

    assert await heard(session, lambda: session.tell(force(1, 2.0), force(3, 4.0)), 3) == [
        "2.0",
        "3.0",
        "4.0",
    ]
    assert session.asked_again == [2]


async def test_notifications_that_change_places_are_asked_for_by_nobody() -> None:
    session = FakeSession()

    assert await heard(session, lambda: session.tell(force(2, 3.0), force(1, 2.0)), 2) == ["2.0", "3.0"]
    assert session.asked_again == []


async def test_last_word_on_a_tag_that_was_lost_is_noticed_at_the_sign_of_life() -> None:
    session = FakeSession()

    def tell() -> None:
        session.present = 3.0
        session.tell(force(1, 2.0), sign_of_life(3))

    assert await heard(session, tell, 3) == ["2.0", "source:lost", "read 3.0"]


async def test_only_a_sign_of_life_with_nothing_missing_before_it_says_that_all_was_told() -> None:
    session = FakeSession()
    told = [
        force(1, 2.0),
        Notification(SUBSCRIPTION, 2, sent_ns=NOW + 7),
        Notification(SUBSCRIPTION, 3, sent_ns=NOW + 9),
    ]

    assert await known(session, told) == [None, NOW + 7, None]


async def known(session: FakeSession, told: Sequence[Notification]) -> list[int | None]:
    """Up to when all was told behind each message, as the first news without a mark says."""
    group = replace(GROUP, timestamp="source")
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": group}, TAGS, NodeLimits())
    device = Device("press", profile, "plc", 1, {"fast": group}, TAGS)
    subscriber = OpcUaDevice(cast("SessionWire", session), device, b"{}", lambda: NOW).subscriber("fast")
    found: list[int | None] = []
    changes = subscriber.changes(None)
    async with aclosing(changes), asyncio.timeout(20):
        await anext(changes)
        await anext(changes)  # the items have been made
        for each in told:
            session.tell(each)
            news = await anext(changes)
            found.append((news if news.mark is None else await anext(changes)).known_ns)
    return found


async def test_what_was_had_of_a_subscription_that_is_not_taken_over_is_none_of_the_next_one() -> None:
    session = FakeSession()
    session.kept = {2: force(2, 99.0)}
    device, about_others = device_of(session), Mark("server", SUBSCRIPTION, 1, "others:", NOW)
    found: list[object] = []

    async with aclosing(device.subscriber("fast").changes(about_others)) as changes, asyncio.timeout(20):
        async for news in changes:
            found += [scan.values[0] for scan in news.scans if not news.complete]
            if not news.scans and not news.loss and not found:
                session.tell(force(1, 2.0))
                asyncio.get_running_loop().call_later(0.3, session.tell, force(2, 3.0))
            if len(found) == 2:
                break

    assert found == [2.0, 3.0]
