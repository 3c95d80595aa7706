"""One group that is subscribed to: made or taken over, its notifications in order and none missing.

A notification carries the next number of its subscription; a keep-alive carries the number that comes next.
What is missing before either is asked for again; what cannot be had again is a named loss. After a restart
the subscription of the earlier life is taken over where the server still has it, from the last notification
that was stored on.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from functools import reduce
from operator import or_
from typing import Protocol

import structlog
from asyncua import ua
from typing_extensions import override

from edge_agent.config.settings import Device, Group, NodeLimits, Tag
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan, bad
from edge_agent.drivers.opcua.answer import SEMANTICS, Answer, answer_of
from edge_agent.drivers.opcua.columns import Columns, timestamps
from edge_agent.drivers.opcua.filters import Filters
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.questions import Questions
from edge_agent.drivers.opcua.session import Listener, Session, reading_of
from edge_agent.drivers.opcua.sources import Sources
from edge_agent.drivers.opcua.values import name
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock, News

LAST_SEQUENCE = 0xFFFFFFFF  # then comes 1 (OPC UA Part 4, 7.8)
LATE_S = 1.0
"""How long a notification may stay out behind a later one before it is asked for again."""
ABSENT_S = 10.0
"""Between two attempts to make the items that a server refused."""
SOURCE_LOST, OVERFLOWED = "source:lost", "source:overflow"

log = structlog.get_logger("opcua")


class Wire(Protocol):
    """What a subscription needs of its connection."""

    async def session(self) -> Session:
        """The live session. Raises DeviceError."""
        ...


class Inbox(Listener):
    """Notifications of one subscription as they come, to be taken out in order."""

    def __init__(self) -> None:
        self._messages: dict[int, Notification] = {}
        self._event = asyncio.Event()
        self._announced = 0
        self.heard_at = asyncio.get_running_loop().time()
        self.alive = False

    @override
    def take(self, told: Notification) -> None:
        self.alive, self.heard_at = True, asyncio.get_running_loop().time()
        if told.has_news:
            self._messages[told.sequence] = told
        else:
            self._announced = told.sequence - 1
        self._event.set()

    @override
    def end(self) -> None:
        self._event.set()

    def pop(self, sequence: int) -> Notification | None:
        """The notification of this number; what was before it has been had."""
        message = self._messages.pop(sequence, None)
        if message is not None:
            for each in [each for each in self._messages if each < sequence]:
                del self._messages[each]
        return message

    def lacks(self, sequence: int) -> bool:
        """Whether this number is not there although a later one is, or the server says it was sent."""
        return sequence not in self._messages and max((self._announced, *self._messages)) >= sequence

    async def wait(self, seconds: float) -> None:
        """Wait for the next message, or the end; so long at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()


class _Going:
    """What belongs to one session: the subscription, the number that comes next, items not made yet."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.inbox = Inbox()
        self.subscription = 0
        self.next = 1
        self.absent: set[int] = set()
        self.retry_at = 0.0
        self.late_at: float | None = None
        self.silence_s = 0.0
        self.unsure = False


class GroupSubscription:
    """A Subscriber of one group of a device."""

    def __init__(
        self, wire: Wire, device: Device, group: Group, columns: Columns, sources: Sources, clock: Clock
    ) -> None:
        self._wire = wire
        self._device = device
        self._group = group
        self._tags = [tag for tag in device.tags if tag.group == group.name]
        self._columns = columns
        self._sources = sources
        self._filters = Filters(self._tags, columns, sources.meanings, allowed=limits_of(device).filters)
        self._clock = clock
        self._limits = limits_of(device)
        self._items = _digest(group, self._tags)
        self._going: _Going | None = None

    def stored(self, mark: Mark) -> None:
        """What came up to this mark is durable, or named as lost: the server may forget it."""
        going = self._going
        if going is not None and going.subscription == mark.subscription:
            going.session.acknowledge(mark.subscription, mark.sequence)

    async def changes(self, mark: Mark | None) -> AsyncGenerator[News, None]:
        """The news for as long as the session lasts. Raises DeviceError."""
        going = self._going = _Going(await self._wire.session())
        try:
            held = await self._take_over(going, mark)
            if held is None:
                if mark is not None:
                    yield News(loss=SOURCE_LOST)
                # Read first: what changes before the items are there comes as their first value.
                yield await self._read(going)
                yield await self._make(going)
            else:
                for sequence in held:
                    yield await self._again(going, sequence)
                # What the server has queued comes first: what is read now is newer.
                yield await self._next(going)
                yield await self._read(going)
            while True:
                yield await self._next(going)
        finally:
            going.session.forget(going.subscription)

    # How it begins

    async def _take_over(self, going: _Going, mark: Mark | None) -> Sequence[int] | None:
        """Go on with the subscription of a mark: the numbers that the server has kept since.

        None when it is another server, or one that was started again (its numbers may be another client's by
        now), when it does not have it any more, or when it is about other items.
        """
        session = going.session
        if mark is None or not mark.server or mark.server != session.server:
            return None
        held = await session.transfer(mark.subscription)
        if held is None:
            return None
        items, _, absent = mark.items.partition(":")
        if items != self._items:
            await session.delete(mark.subscription)
            return None
        going.subscription, going.next = mark.subscription, _following(mark.sequence)
        going.absent = {int(each) for each in absent.split(",") if each}
        # No server gives a sign of life more often than it publishes.
        going.silence_s = _silence_s(max(self._group.keepalive_s, self._group.interval_s))
        session.listen(going.subscription, going.inbox)
        await self._sources.find(session)
        self._filters.taken_over()
        held = [each for each in held if each >= going.next]
        log.info("subscription goes on", device=self._device.name, group=self._group.name, held=len(held))
        return held

    async def _again(self, going: _Going, sequence: int) -> News:
        """A notification that the server has kept for us."""
        message = await going.session.republish(going.subscription, sequence)
        lost = sequence != going.next or message is None
        going.next = _following(sequence)
        # What was lost may have been the last word on a tag, which would stay wrong without a new reading.
        going.unsure = going.unsure or lost
        return self._news(going, message, SOURCE_LOST if lost else "")

    async def _read(self, going: _Going) -> News:
        """The present value of every tag."""
        session, going.unsure = going.session, False
        nodes = await self._sources.find(session)
        self._filters.thin()
        scan, status = await read(session, nodes, self._columns, self._group, self._limits, self._clock)
        if status & SEMANTICS:
            self._sources.doubt()
        return News((scan,), complete=True)

    async def _make(self, going: _Going) -> News:
        """A new subscription with all its items; the news is of those that the server refuses."""
        group = self._group
        count = max(1, round(group.keepalive_s / group.interval_s))
        lifetime = max(3 * count, round(group.lifetime_s / group.interval_s))
        parameters = ua.CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = ua.Duration(group.interval_s * 1000)
        parameters.RequestedMaxKeepAliveCount = ua.Counter(count)
        parameters.RequestedLifetimeCount = ua.Counter(lifetime)
        parameters.PublishingEnabled = True
        made = await going.session.subscribe(parameters)
        keepalive_s = made.RevisedPublishingInterval / 1000 * made.RevisedMaxKeepAliveCount
        going.subscription, going.next, going.silence_s = made.SubscriptionId, 1, _silence_s(keepalive_s)
        going.session.listen(going.subscription, going.inbox)
        going.absent = set(range(len(self._columns.asked)))
        self._filters.begin()
        return await self._add_absent(going)

    async def _add_absent(self, going: _Going) -> News:
        """Make the items that are not there yet; the news is of those that the server refuses."""
        session = going.session
        nodes = await self._sources.find(session, again=True)
        self._filters.thin()
        refused = [(i, node) for i in sorted(going.absent) if isinstance(node := nodes[i], str)]
        wanted = [(i, node) for i in sorted(going.absent) if not isinstance(node := nodes[i], str)]
        most = min(session.items_per_call or LAST_SEQUENCE, self._limits.items_per_call)
        while wanted:
            part, wanted = wanted[:most], wanted[most:]
            items = [self._item(*each) for each in part]
            results = await session.add_items(going.subscription, items, timestamps(self._group))
            for (i, node), result in zip(part, results, strict=True):
                if result.StatusCode.is_good():
                    going.absent.remove(i)
                    self._filters.made(i)
                elif self._filters.refused(i, name(result.StatusCode.value)):
                    wanted.append((i, node))  # once more, without the filter
                else:
                    refused.append((i, bad(name(result.StatusCode.value))))
        going.retry_at = asyncio.get_running_loop().time() + ABSENT_S
        # Such a tag may well be readable: a value that nobody follows would look alive for ever.
        return News((self._columns.refused(refused, self._clock()),) if refused else ())

    def _item(self, i: int, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        request = ua.MonitoredItemCreateRequest()
        elements = self._columns.asked[i].place.range or None
        request.ItemToMonitor = ua.ReadValueId(
            NodeId=node, AttributeId=ua.AttributeIds.Value, IndexRange=elements
        )
        request.MonitoringMode = ua.MonitoringMode.Reporting
        request.RequestedParameters.ClientHandle = ua.IntegerId(i)
        request.RequestedParameters.SamplingInterval = ua.Duration(self._group.sampling_s * 1000)
        request.RequestedParameters.QueueSize = ua.Counter(self._group.queue)
        request.RequestedParameters.DiscardOldest = True
        request.RequestedParameters.Filter = self._filters.filter_of(i)
        return request

    # How it goes on

    async def _next(self, going: _Going) -> News:
        """The next notification, sign of life, or item that has appeared."""
        loop = asyncio.get_running_loop()
        while True:
            message = going.inbox.pop(going.next)
            if message is not None:
                going.next, going.late_at = _following(going.next), None
                return self._news(going, message)
            if going.session.failure is not None:
                raise going.session.failure
            if going.unsure:
                return await self._read(going)
            if going.inbox.alive:
                going.inbox.alive = False
                return News()
            if _is_late(going, loop.time()):
                going.late_at = None
                return await self._again(going, going.next)
            if going.absent and loop.time() >= going.retry_at:
                return await self._add_absent(going)
            await self._look(going)
            await self._wait(going, loop.time())

    async def _look(self, going: _Going) -> None:
        """Look now and then whether nodes are elsewhere. Raises DeviceError when they are."""
        if await self._sources.moved(going.session):
            # Items follow the nodes that they were made for, which may be other tags' by now.
            await going.session.delete(going.subscription)
            raise DeviceError("stale", "nodes of the server have moved")

    async def _wait(self, going: _Going, now: float) -> None:
        """Wait for the inbox; a subscription that keeps silent for too long ends its session."""
        left_s = going.inbox.heard_at + going.silence_s - now
        if left_s <= 0:
            going.session.fail(DeviceError("timeout", f"no sign of life for {going.silence_s:g} s"))
            return
        times = (going.late_at, going.retry_at if going.absent else None, self._sources.look_at)
        other = [at for at in times if at is not None]
        await going.inbox.wait(max(0.0, min([left_s, *(at - now for at in other)])))

    def _news(self, going: _Going, told: Notification | None, loss: str = "") -> News:
        if told is None:
            return News(loss=loss)
        now_ns = self._clock()
        scans = self._columns.news(told.items, now_ns)
        if odd := [answer for _, answer in told.items if answer.status]:
            loss = self._marked(going, odd, loss)
        if self._filters.waits:
            self._filters.heard(i for i, _ in told.items)
        if self._columns.structures.wanted:
            going.unsure = True  # a type that nobody has asked for: the values are read when it is known
        if told.ended:
            going.session.fail(DeviceError(name(told.ended), "the server ended the subscription"))
        going.session.held()
        about = f"{self._items}:{','.join(map(str, sorted(going.absent)))}"
        known_ns = max((scan.time_ns for scan in scans), default=now_ns)
        mark = Mark(going.session.server, going.subscription, told.sequence, about, known_ns)
        return News(scans, mark, loss)

    def _marked(self, going: _Going, odd: Sequence[Answer], loss: str) -> str:
        """What the bits of status codes say beside good and bad; gives the loss."""
        if any(answer.status & SEMANTICS for answer in odd):
            # Ranges, units or texts are others now: they are asked for before the values are read anew.
            self._sources.doubt()
            going.unsure = True
        if any(answer.overflowed for answer in odd):
            return loss or OVERFLOWED
        return loss


def limits_of(device: Device) -> NodeLimits:
    """What the server of a device bears in one call, as its profile says."""
    limits = device.profile.limits
    if not isinstance(limits, NodeLimits):
        raise TypeError("limits of another protocol")
    return limits


async def read(
    session: Session,
    nodes: Sequence[ua.NodeId | str],
    columns: Columns,
    group: Group,
    limits: NodeLimits,
    clock: Clock,
) -> tuple[Scan, int]:
    """The present values of a group in as many requests as it takes, the time in the middle of the first.

    Beside them the bits of all status codes. What has a text instead of a node is not asked for; that is its
    quality. Raises DeviceError.
    """
    loop = asyncio.get_running_loop()
    most = min(session.nodes_per_read or limits.nodes_per_read, limits.nodes_per_read)
    asked = [
        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value, IndexRange=each.place.range or None)
        for node, each in zip(nodes, columns.asked, strict=True)
        if not isinstance(node, str)
    ]
    answers: list[Answer] = []
    middle = loop.time()
    for at in range(0, len(asked), most):
        sent = loop.time()
        read_now = await session.read(reading_of(asked[at : at + most], timestamps(group)))
        answers += map(answer_of, read_now)
        if at == 0:
            middle = (sent + loop.time()) / 2
    rest = iter(answers)
    whole = [node if isinstance(node, str) else next(rest) for node in nodes]
    scan = columns.whole(whole, clock() - round((loop.time() - middle) * 1e9))
    if columns.structures.wanted:
        await columns.structures.learn(Questions(session))
        scan = columns.whole(whole, clock() - round((loop.time() - middle) * 1e9))
    return scan, reduce(or_, (answer.status for answer in answers), 0)


def _is_late(going: _Going, now: float) -> bool:
    """Whether the next notification has stayed out for too long behind a later one."""
    if not going.inbox.lacks(going.next):
        return False
    going.late_at = going.late_at or now + LATE_S
    return now >= going.late_at


def _silence_s(keepalive_s: float) -> float:
    """After how long without a sign of life a subscription is dead, whatever its socket says."""
    return 1.5 * keepalive_s + 5.0


def _following(sequence: int) -> int:
    return 1 if sequence >= LAST_SEQUENCE else sequence + 1


def _digest(group: Group, tags: Sequence[Tag]) -> str:
    """A hash of what is subscribed to, in the order of the handles, and how."""
    what = [(tag.name, tag.opcua.place, tag.opcua.field, tag.deadband, tag.percent) for tag in tags]
    how = (group.interval_s, group.sampling_s, group.queue, group.keepalive_s, group.lifetime_s)
    return hashlib.sha256(repr((what, how)).encode()).hexdigest()[:8]
