"""One group that is subscribed to: made or taken over, its notifications in order and none missing.

A notification carries the next number of its subscription; a keep-alive carries the number that comes next.
What is missing before either is asked for again; what cannot be had again is filled from what the server has
recorded, where the profile says so, or is a named loss.

After a lost link, from the last notification that was stored on:

1. the session is the same on another channel: its subscription too, and all that is missing is had again;
2. a new session: the subscription comes along, and what the server still holds of it is had again;
3. neither (another run of the server, its time is over, other items): a new one. The present values are read
   and its items made before the loss ends, so that nothing changes unseen between the two.

In all cases the present values are read once more: the last word on a tag may have gone with the link.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

import structlog
from asyncua import ua

from edge_agent.config.settings import Device, Group, Tag
from edge_agent.core.backoff import Backoff
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan, bad
from edge_agent.drivers.opcua.answer import SEMANTICS
from edge_agent.drivers.opcua.columns import Columns, timestamps
from edge_agent.drivers.opcua.filters import Filters
from edge_agent.drivers.opcua.history import Recorded
from edge_agent.drivers.opcua.inbox import LAST_SEQUENCE, Inbox
from edge_agent.drivers.opcua.notification import Item, Notification
from edge_agent.drivers.opcua.reading import code_of, limits_of, read
from edge_agent.drivers.opcua.session import NO_SUBSCRIPTION, Session
from edge_agent.drivers.opcua.sources import Sources
from edge_agent.drivers.opcua.values import BAD, name
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock, News

LATE_S = 1.0
"""How long a notification may stay out behind a later one before it is asked for again."""
ABSENT_S = 2.0, 60.0
"""Between two attempts to make the items that a server refused: the first, and in the long run.

A controller whose program is loaded has its nodes back within seconds.
"""
BEGUN_NS = 1_000_000_000
"""How much earlier than it looks a subscription may have begun, by the clock of a server that is far away."""
FADE = 0.9
"""What is left with each notification of the lag of samples before it."""
MOST_LAG_NS = 60_000_000_000
"""Samples that come later are the present values of sources that have not changed for long."""
SETTLED = 2
"""The first notification of a subscription holds the present values, however old they are."""
SOURCE_LOST, OVERFLOWED = "source:lost", "source:overflow"

log = structlog.get_logger("opcua")


class Wire(Protocol):
    """What a subscription needs of its connection."""

    async def session(self) -> Session:
        """The live session. Raises DeviceError."""
        ...


class Going:
    """What belongs to one session: the subscription, the number that comes next, items not made yet."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.inbox = Inbox()
        self.subscription = 0
        self.next = 1
        self.absent: set[int] = set()
        self.refused: dict[int, str] = {}
        self.retry_at = 0.0
        self.patience = Backoff(lambda _, most: most, first_s=ABSENT_S[0], longest_s=ABSENT_S[1])
        self.late_at: float | None = None
        self.silence_s = 0.0
        self.unsure = False
        self.known_ns: int | None = None
        self.lag_ns = 0
        self.here = False
        self.marked = False
        self.ended: DeviceError | None = None


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
        self._going: Going | None = None
        self._had: dict[int, int] = {}
        self._told_of_queues = False
        self._silent = 0
        self._keepalive = 0, 0.0
        self._begun_ns: int | None = None
        self._digest: tuple[tuple[Sequence[str], Sequence[object]], str] | None = None

    def stored(self, mark: Mark) -> None:
        """What came up to this mark is durable, or named as lost: the server may forget it."""
        going = self._going
        # A server that was started again gives out the same numbers for other things.
        same = going is not None and (going.session.server, going.subscription) == (
            mark.server,
            mark.subscription,
        )
        if going is not None and same:
            going.session.acknowledge(mark.subscription, mark.sequence)

    async def changes(self, mark: Mark | None) -> AsyncGenerator[News, None]:
        """The news for as long as the session lasts. Raises DeviceError."""
        going = self._going = Going(await self._wire.session())
        try:
            held = await self._take_over(going, mark)
            beginning = self._anew(going, mark) if held is None else self._kept(going, held)
            async with aclosing(beginning):
                async for news in beginning:
                    yield news
            while True:
                async with aclosing(self._behind(going, await self._next(going))) as whole:
                    async for news in whole:
                        yield news
        finally:
            if going.marked:
                going.session.forget(going.subscription)
            elif going.subscription:
                going.session.abandon(going.subscription)

    # How it begins

    async def _take_over(self, going: Going, mark: Mark | None) -> Sequence[int] | None:
        """Go on with the subscription of a mark: the numbers the server has kept since, as far as it says.

        None when it is another server, or one that was started again (its numbers may be another client's by
        now), when it does not have it any more, when it kept silent, or when it is about other items.
        """
        session = going.session
        if mark is None or not mark.server or mark.server != session.server:
            return None
        going.subscription, going.next, going.marked = mark.subscription, _following(mark.sequence), True
        going.inbox.newest = mark.sequence
        held = await self._found(going)
        await self._sources.find(session)
        items, _, absent = mark.items.partition(":")
        if held is None or items != self._about(session) or mark.subscription == self._silent:
            if held is not None:
                await self._let_go(session, mark.subscription)
            # What was had of it by the way has a number that the next one will give out too.
            going.subscription, going.marked, going.inbox = 0, False, Inbox()
            return None
        going.known_ns = mark.time_ns
        going.absent = {int(each) for each in absent.split(",") if each}
        going.silence_s = _silence_s(self._keepalive_s(mark.subscription))
        session.listen(going.subscription, going.inbox)
        self._filters.taken_over()
        held = [each for each in held if each >= going.next]
        session.count("resumed" if going.here else "transferred")
        log.info(
            "subscription goes on",
            device=self._device.name,
            group=self._group.name,
            session="the same" if going.here else "another",
        )
        return held

    def _keepalive_s(self, subscription: int) -> float:
        """How often a subscription gives a sign of life; of one of an earlier life, as it was asked for."""
        if self._keepalive[0] == subscription:
            return self._keepalive[1]
        # No server gives one more often than it publishes.
        return max(self._group.keepalive_s, self._group.interval_s)

    async def _let_go(self, session: Session, subscription: int) -> None:
        try:
            await session.delete(subscription)
        except DeviceError:
            if not session.open:
                raise

    async def _found(self, going: Going) -> Sequence[int] | None:
        """The numbers that the server has kept of a subscription, as far as it says; None without one.

        One that the session has is not brought to it again: some servers refuse that, and it would look lost.
        """
        going.here = going.session.has(going.subscription) and await self._is_there(going)
        return () if going.here else await going.session.transfer(going.subscription)

    async def _is_there(self, going: Going) -> bool:
        """Whether the session still has its subscription; what comes of it by the way waits its turn."""
        try:
            message = await going.session.republish(going.subscription, going.next)
        except DeviceError as error:
            if error.reason != NO_SUBSCRIPTION:
                raise
            return False
        if message is not None:
            going.inbox.take(message)
        return True

    async def _anew(self, going: Going, mark: Mark | None) -> AsyncGenerator[News, None]:
        """A new subscription, behind what was lost since the last one and the present values."""
        present, refused = await self._read(going), await self._make(going)
        known_ns = self._begun_ns if mark is None else mark.time_ns
        if known_ns is not None:
            going.known_ns = await self._until_ns(going)
            lost = News(loss=SOURCE_LOST, until_ns=going.known_ns)
            async for news in self._filled(going, lost, known_ns, times_of(present), self._had):
                yield news
        self._begun_ns = going.session.time_ns(self._clock()) - BEGUN_NS
        yield present
        yield replace(refused, known_ns=going.known_ns)

    async def _kept(self, going: Going, held: Sequence[int]) -> AsyncGenerator[News, None]:
        """What the server has kept for us: of these numbers, or one after the other until none is left.

        What it has queued comes next; the values that are read then are newer.
        """
        for sequence in held:
            async with aclosing(self._behind(going, await self._again(going, sequence))) as whole:
                async for news in whole:
                    yield news
        while going.here and (message := await self._still(going)) is not None:
            going.session.count("republished")
            going.next = _following(going.next)
            async with aclosing(self._behind(going, self._news(going, message))) as whole:
                async for news in whole:
                    yield news
        # What was asked for again is no word on what is queued, though it came just now.
        going.inbox.alive = False
        queued = await self._next(going, within_s=max(1.0, 2 * self._group.interval_s))
        async with aclosing(self._behind(going, queued)) as whole:
            async for news in whole:
                yield news
        if going.absent:
            yield await self._add_absent(going)
        yield await self._read(going)

    async def _still(self, going: Going) -> Notification | None:
        message = going.inbox.pop(going.next)
        return message or await going.session.republish(going.subscription, going.next)

    async def _again(self, going: Going, sequence: int) -> News:
        """A notification that the server has kept for us."""
        message = await going.session.republish(going.subscription, sequence)
        lost = sequence != going.next or message is None
        going.session.count("lost" if message is None else "republished")
        going.next = _following(sequence)
        # What was lost may have been the last word on a tag, which would stay wrong without a new reading.
        going.unsure = going.unsure or lost
        return self._news(going, message, SOURCE_LOST if lost else "")

    async def _read(self, going: Going) -> News:
        """The present value of every tag."""
        session, going.unsure = going.session, False
        nodes = await self._sources.find(session)
        self._filters.thin()
        scan, status = await read(session, nodes, self._columns, self._group, self._limits, self._clock)
        if status & SEMANTICS:
            self._sources.doubt()
        # A value that nobody follows would look alive, and what it does until somebody does would be missing.
        return News((self._columns.overlaid(scan, going.refused) if going.refused else scan,), complete=True)

    async def _behind(self, going: Going, news: News) -> AsyncGenerator[News, None]:
        """News, behind what fills the loss in it."""
        had = self._had
        if self._group.history_s and news.scans:
            self._had = {**had, **times_of(news)}
        if not news.loss or not self._group.history_s or going.known_ns is None:
            yield news
        elif news.scans:
            known = times_of(News(news.scans[:1]))  # each column's first behind the loss
            async for each in self._filled(going, news, going.known_ns, known, had):
                yield each
        else:
            # The values that are read close it, and say up to when something may be missing.
            present = await self._read(going)
            lost = replace(news, until_ns=await self._until_ns(going))
            async for each in self._filled(going, lost, going.known_ns, times_of(present), had):
                yield each
            yield present
        if news.known_ns is not None:
            going.known_ns = news.known_ns

    async def _until_ns(self, going: Going) -> int:
        """What time it is now, by the clock that gives our samples their times."""
        server_ns = None if self._group.timestamp == "agent" else await going.session.server_time_ns()
        return server_ns or self._clock()

    async def _filled(
        self, going: Going, news: News, known_ns: int, known: Mapping[int, int], had: Mapping[int, int]
    ) -> AsyncGenerator[News, None]:
        """Lossy news, behind what the server has recorded meanwhile: no loss if that is all of it."""
        if not self._group.history_s:
            yield news
            return
        until_ns = news.until_ns or min((scan.time_ns for scan in news.scans), default=self._clock())
        if not news.scans:
            # Sources may be ahead of their server; what was read just now is recorded behind what was lost.
            until_ns = max([until_ns, *known.values()])
        if until_ns <= known_ns:
            yield news  # a clock was set back: nobody can say which of what is recorded was lost
            return
        start_ns = max(known_ns, until_ns - round(self._group.history_s * 1e9))
        if known_ns < start_ns:
            yield News(loss=news.loss, until_ns=start_ns)
        session, absent = going.session, going.absent
        nodes = enumerate(await self._sources.find(session))
        there = [(i, node) for i, node in nodes if not isinstance(node, str) and i not in absent]
        span = start_ns, until_ns
        recorded = Recorded(session, there, self._columns, span, (had, known), self._clock)
        count = 0
        async for scans in recorded.scans():
            count += len(scans)
            yield News(scans, filled=True)
        if recorded.whole:
            session.count("filled")
            log.info("filled from history", device=self._device.name, group=self._group.name, scans=count)
        yield replace(news, loss="") if recorded.whole else news

    async def _make(self, going: Going) -> News:
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
        told_s = made.RevisedPublishingInterval / 1000 * made.RevisedMaxKeepAliveCount
        keepalive_s = told_s if 0 < told_s < math.inf else count * group.interval_s
        self._keepalive = made.SubscriptionId, keepalive_s
        going.subscription, going.next, going.silence_s = made.SubscriptionId, 1, _silence_s(keepalive_s)
        going.session.listen(going.subscription, going.inbox)
        going.absent = set(range(len(self._columns.asked)))
        self._filters.begin()
        return await self._add_absent(going)

    async def _add_absent(self, going: Going) -> News:
        """Make the items that are not there yet; the news is of those that the server refuses."""
        session = going.session
        nodes = await self._sources.find(session, again=True)
        self._filters.thin()
        refused = [(i, node) for i in sorted(going.absent) if isinstance(node := nodes[i], str)]
        wanted = [(i, node) for i in sorted(going.absent) if not isinstance(node := nodes[i], str)]

        async def make(part: list[tuple[int, ua.NodeId]]) -> list[int]:
            items = [self._item(*each) for each in part]
            results = await session.add_items(going.subscription, items, timestamps(self._group))
            self._note_queues(results)
            return [result.StatusCode.value for result in results]

        while wanted:
            codes = await session.bears.items.ask(wanted, make, code_of, self._limits.items_per_call)
            unfiltered = []
            for (i, node), code in zip(wanted, codes, strict=True):
                if code >> 30 < BAD:
                    going.absent.remove(i)
                    self._filters.made(i)
                elif self._filters.refused(i, name(code)):
                    unfiltered.append((i, node))
                else:
                    refused.append((i, bad(name(code))))
            wanted = unfiltered
        going.retry_at = asyncio.get_running_loop().time() + going.patience.after(0.0)
        # Such a tag may well be readable: a value that nobody follows would look alive for ever.
        # That says nothing of the others, whose samples may still be on their way.
        going.refused = dict(refused)
        scans = (self._columns.refused(refused, self._clock()),) if refused else ()
        return News(scans, known_ns=going.known_ns)

    def _note_queues(self, made: Sequence[ua.MonitoredItemCreateResult]) -> None:
        """Tell once of queues of one sample: they run over without a word (OPC UA Part 4, 7.22)."""
        short = [
            each
            for each in made
            if each.StatusCode.value >> 30 < BAD
            and each.RevisedQueueSize == 1 < self._group.queue
            and each.RevisedSamplingInterval / 1000 < self._group.interval_s
        ]
        if short and not self._told_of_queues:
            self._told_of_queues = True
            log.warning(
                "server keeps one sample a tag",
                device=self._device.name,
                group=self._group.name,
                asked_for=self._group.queue,
                advice="what changes twice within publishing is lost; write publishing as short as sampling",
            )

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

    async def _next(self, going: Going, within_s: float = math.inf) -> News:
        """The next notification, sign of life, or item that has appeared; nothing when time is over."""
        loop = asyncio.get_running_loop()
        over_at = loop.time() + within_s
        while True:
            message = going.inbox.pop(going.next)
            if message is not None:
                going.next, going.late_at = _following(going.next), None
                return self._news(going, message)
            if (failure := going.session.failure or going.ended) is not None:
                raise failure
            if going.inbox.alive and not going.unsure:
                going.inbox.alive = False
                return News(known_ns=self._quiet_ns(going))
            due = await self._due(going, loop.time())
            if due is not None or loop.time() >= over_at:
                return due or News()
            await self._wait(going, loop.time(), over_at)

    async def _due(self, going: Going, now: float) -> News | None:
        """What has to be asked for by now: present values, what stays out, items that were not there."""
        if going.inbox.anew:
            # Ids of subscriptions are given again by some servers: this may be another client's by now.
            await self._let_go(going.session, going.subscription)
            raise DeviceError("stale", "the subscription is another one")
        if going.inbox.is_gone:
            raise DeviceError("BadNoSubscription", "the server has let go of the subscription")
        if going.unsure:
            return await self._read(going)
        if _is_late(going, now):
            # The next one, if it is missing too, has stayed out for as long.
            return await self._again(going, going.next)
        if going.absent and now >= going.retry_at:
            return await self._add_absent(going)
        if await self._sources.moved(going.session):
            # Items follow the nodes that they were made for, which may be other tags' by now.
            await self._let_go(going.session, going.subscription)
            raise DeviceError("stale", "nodes of the server have moved")
        return None

    async def _wait(self, going: Going, now: float, over_at: float) -> None:
        """Wait for the inbox; a subscription that keeps silent for too long ends its session."""
        since = going.session.asking_since
        heard_at = now if since is None else max(since, going.inbox.heard_at)
        left_s = heard_at + going.silence_s - now
        if left_s <= 0:
            self._silent = going.subscription
            going.session.fail_silent(DeviceError("timeout", f"no sign of life for {going.silence_s:g} s"))
            return
        times = (going.late_at, going.retry_at if going.absent else None, self._sources.look_at)
        other = [at for at in times if at is not None]
        await going.inbox.wait(max(0.0, min([left_s, *(at - now for at in (*other, over_at))])))

    def _news(self, going: Going, told: Notification | None, loss: str = "") -> News:
        if told is None:
            return News(loss=loss)
        now_ns = self._clock()
        scans = self._columns.news(told.items, now_ns)
        until_ns = None
        odd = [item for item in told.items if item[1].status]
        self._look_at(going, told.items, odd)
        if overflowed := [item for item in odd if item[1].overflowed]:
            loss = loss or OVERFLOWED
            # What was dropped lies before the first sample that is left of these items.
            until_ns = self._columns.news(overflowed, now_ns)[0].time_ns
            going.session.count("overflowed")
        if told.ended:
            going.ended = DeviceError(name(told.ended), "the server ended the subscription")
        going.marked = True
        going.session.held(told)
        going.session.count("notifications")
        about = f"{self._about(going.session)}:{','.join(map(str, sorted(going.absent)))}"
        known_ns = self._known_ns(going, scans, told.sent_ns)
        mark = Mark(going.session.server, going.subscription, told.sequence, about, known_ns)
        return News(scans, mark, loss, until_ns=until_ns, known_ns=known_ns)

    def _quiet_ns(self, going: Going) -> int | None:
        """Up to when a sign of life says that all is told; None where none came, or one that names more."""
        sent_ns, going.inbox.alive_ns = going.inbox.alive_ns, None
        if sent_ns is None or going.inbox.lacks(going.next):
            return None
        return self._known_ns(going, (), sent_ns)

    def _look_at(self, going: Going, items: Sequence[Item], odd: Sequence[Item]) -> None:
        """What items say beside their values; `odd` are those with a status code that is not 0."""
        if self._filters.waits:
            self._filters.heard(i for i, _ in items)
        if any(answer.status & SEMANTICS for _, answer in odd):
            # Ranges, units or texts are others now: they are asked for before the values are read anew.
            self._sources.doubt()
            going.unsure = True
        if self._columns.structures.wanted:
            going.unsure = True  # a type that nobody has asked for: values are read when it is known

    def _known_ns(self, going: Going, scans: Sequence[Scan], sent_ns: int | None) -> int:
        """Up to when everything is told behind what was sent then, by the clock of the samples.

        What is missing later is younger. A source whose times come late may have more from before it was
        sent; as late as the samples were lately, the next ones may be.
        """
        if self._group.timestamp == "agent":
            return self._clock()
        # A source may have had it up to one sampling before the server took it.
        sampled = self._group.timestamp == "source" and self._group.events is None
        before_ns = round(self._group.sampling_s * 1e9) if sampled else 0
        if sent_ns is None:
            return max((scan.time_ns for scan in scans), default=self._clock()) - before_ns
        going.lag_ns = int(going.lag_ns * FADE)
        if not scans or going.next <= SETTLED:
            return sent_ns - going.lag_ns - before_ns
        oldest_ns = scans[0].time_ns + round(min(scans[0].offsets_ms or (0.0,)) * 1e6)
        going.lag_ns = max(going.lag_ns, min(sent_ns - oldest_ns, MOST_LAG_NS))
        # The clock of the sources may be behind that of their server by more than that.
        newest_ns = max(scan.time_ns for scan in scans)
        return min(sent_ns - going.lag_ns, newest_ns) - before_ns

    def _about(self, session: Session) -> str:
        """A hash of what is subscribed to, and how.

        The indexes of this session's namespaces are in it, and the nodes at the ends of paths.
        """
        known = (session.namespaces, self._sources.ends)
        if self._digest is None or self._digest[0] != known:
            self._digest = known, _digest(self._group, self._tags, (*known, self._limits.filters))
        return self._digest[1]


def times_of(news: News) -> dict[int, int]:
    """When the newest sample of each column was taken; UTC in ns."""
    times: dict[int, int] = {}
    for scan in news.scans:
        columns = range(len(scan.values)) if scan.index is None else scan.index
        offsets = scan.offsets_ms or [0.0] * len(scan.values)
        for i, offset in zip(columns, offsets, strict=True):
            times[i] = max(times.get(i, 0), scan.time_ns + round(offset * 1e6))
    return times


def _is_late(going: Going, now: float) -> bool:
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


def _digest(group: Group, tags: Sequence[Tag], known: tuple[Sequence[str], Sequence[object], bool]) -> str:
    """A hash of what is subscribed to, in the order of the handles, and how.

    `known` are the namespaces, what stands at the ends of paths, and whether the server applies deadbands.
    """
    namespaces, *rest = known
    what = [(tag.name, tag.opcua.place, tag.opcua.field, tag.deadband, tag.percent) for tag in tags]
    how = (
        group.interval_s,
        group.sampling_s,
        group.queue,
        group.keepalive_s,
        group.lifetime_s,
        group.timestamp,  # which times the items of a server tell
    )
    where = [(each, i) for i, each in enumerate(namespaces) if each in {tag.opcua.namespace for tag in tags}]
    return hashlib.sha256(repr((what, how, where, rest)).encode()).hexdigest()[:8]
