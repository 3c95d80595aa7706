"""What is filled at the edges of a loss: nothing that was lost stays out, and nothing comes twice."""

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

from asyncua import ua
from typing_extensions import override

from edge_agent.config.settings import Device, NodeLimits, Profile, Tag
from edge_agent.core.mark import Mark
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.answer import Answer
from edge_agent.drivers.opcua.driver import OpcUaDevice
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.wire import SessionWire
from edge_agent.ports import News, Subscriber
from tests.drivers.opcua.test_lost import FLOAT, GROUP, NOW, SUBSCRIPTION, FakeSession
from tests.flow.clock import at_once

MS, SECOND = 1_000_000, 1_000_000_000
HOUR = 3600 * SECOND
NAMES = ("force", "heat")
TAGS = tuple(Tag(name, "fast", "Float", Node(name, "urn:acme", f"s={name}", "Float")) for name in NAMES)
FILLING = replace(GROUP, timestamp="source", history_s=86400.0)
Recorded = dict[str, list[int]]
"""The times of samples in ns, by the tag."""


class Past(FakeSession):
    """A server that has recorded samples; the present one of each tag is the last of them."""

    def __init__(self, recorded: Recorded, now_ns: int, run: str) -> None:
        super().__init__()
        self.recorded = recorded
        self.now_ns = now_ns
        self.server = run

    @override
    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        return [value_at(self._times(each.NodeId)[-1]) for each in parameters.NodesToRead]

    async def history(self, parameters: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        details = parameters.HistoryReadDetails
        assert isinstance(details, ua.ReadRawModifiedDetails)
        first, last = (ns_of(each) for each in (details.StartTime, details.EndTime))
        return [
            ua.HistoryReadResult(
                HistoryData=cast(
                    "ua.ExtensionObject",
                    ua.HistoryData([value_at(at) for at in self._times(each.NodeId) if first <= at < last]),
                )
            )
            for each in parameters.NodesToRead
        ]

    @override
    async def server_time_ns(self) -> int:
        return self.now_ns

    async def look_around(self) -> None:
        """Its namespaces are what they were."""

    def _times(self, node: ua.NodeId) -> list[int]:
        return self.recorded[str(node.Identifier)]


@dataclass
class Wire:
    """A connection; its session is another one after a loss."""

    live: FakeSession
    known: list[int] = field(default_factory=list)

    async def session(self) -> Session:
        return cast("Session", self.live)


def utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)


def ns_of(time: datetime) -> int:
    return round(time.replace(tzinfo=UTC).timestamp() * 1e6) * 1000


def value_at(ns: int) -> ua.DataValue:
    return ua.DataValue(ua.Variant(1.0, FLOAT), SourceTimestamp=cast("ua.DateTime", utc(ns)))


def told(handle: int, at_ns: int, sent_ns: int) -> Notification:
    answer = Answer(FLOAT.value, 1.0, source_ns=at_ns)
    return Notification(SUBSCRIPTION, 1, [(handle, answer)], has_news=True, sent_ns=sent_ns)


async def lost_between(before: Past, last: Notification, after: Past) -> tuple[Recorded, list[str]]:
    """What is filled, and the losses that are named, where a server comes back that knows nothing of us."""
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": FILLING}, TAGS, NodeLimits())
    device = Device("press", profile, "plc", 1, {"fast": FILLING}, TAGS)
    wire = Wire(before)
    subscriber = OpcUaDevice(cast("SessionWire", wire), device, b"{}", lambda: NOW).subscriber("fast")
    mark = await marked(subscriber, before, last)
    wire.live = after
    news: list[News] = []
    changes = subscriber.changes(mark)
    async with aclosing(changes):
        while not news or not news[-1].complete:
            news.append(await anext(changes))
    filled: Recorded = {name: [] for name in NAMES}
    for scan in [scan for each in news if each.filled for scan in each.scans]:
        for at, i in enumerate(range(len(NAMES)) if scan.index is None else scan.index):
            offset = scan.offsets_ms[at] if scan.offsets_ms else 0.0
            filled[NAMES[i]].append(scan.time_ns + round(offset * 1e6))
    return filled, [each.loss for each in news if each.loss]


async def marked(subscriber: Subscriber, session: FakeSession, last: Notification) -> Mark:
    changes = subscriber.changes(None)
    async with aclosing(changes):
        await anext(changes)
        await anext(changes)  # the items have been made
        session.tell(last)
        async for news in changes:
            if news.mark is not None:
                return news.mark
    raise AssertionError("nothing came")


@at_once
async def test_what_was_sampled_late_or_told_in_another_part_is_filled_and_nothing_twice() -> None:
    before = Past({"force": [NOW], "heat": [NOW - HOUR]}, NOW, "first")
    recorded = {"force": [NOW, NOW + 500 * MS], "heat": [NOW - 20 * MS, NOW, NOW + 300 * MS]}

    filled, losses = await lost_between(
        before, told(0, NOW, NOW + 50 * MS), Past(recorded, NOW + SECOND, "second")
    )

    assert losses == []
    assert filled == {"force": [NOW + 500 * MS], "heat": [NOW - 20 * MS, NOW, NOW + 300 * MS]}


@at_once
async def test_loss_over_a_clock_that_was_set_back_stays_one() -> None:
    before = Past({"force": [NOW], "heat": [NOW]}, NOW, "first")
    back = NOW - HOUR
    recorded = {"force": [back, back + 500 * MS], "heat": [back]}

    _, losses = await lost_between(
        before, told(0, NOW, NOW + 50 * MS), Past(recorded, back + SECOND, "second")
    )

    assert losses == ["source:lost"]


@at_once
async def test_what_sources_ahead_of_their_server_have_told_is_filled() -> None:
    ahead = NOW + HOUR
    before = Past({"force": [ahead], "heat": [ahead]}, NOW, "first")
    recorded = {"force": [ahead, ahead + 200 * MS, ahead + 500 * MS], "heat": [ahead]}

    filled, losses = await lost_between(
        before, told(0, ahead, NOW + 50 * MS), Past(recorded, NOW + SECOND, "second")
    )

    assert losses == []
    assert filled["force"] == [ahead + 200 * MS, ahead + 500 * MS]
