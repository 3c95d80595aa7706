"""One destination: read the log, publish, move the cursor only on acknowledgements.

At most one unacknowledged message per stream, a window of messages and bytes over all streams, memory bounded
by `AHEAD_BYTES` whatever the backlog. What was under way when a link is lost waits again, in order, under the
same numbers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

import structlog

from edge_agent.core import payload, record
from edge_agent.core.backoff import Backoff
from edge_agent.core.cursor import Cursor
from edge_agent.core.drain import Drain, Lane, StreamKey
from edge_agent.core.gap import Gap
from edge_agent.core.model import Schema
from edge_agent.core.record import Record
from edge_agent.core.window import AckWindow
from edge_agent.errors import LinkLost, Refused
from edge_agent.ports import Link, Message, Publisher, Source

READ_BYTES = 1 << 20
"""Packed bytes that are read from the log at a time: whole segments until there are so many."""
AHEAD_BYTES = 4 << 20
"""Reading pauses when so many bytes of messages wait to be sent: a few windows' worth."""
ANSWER_S = 10.0
"""A broker that has not acknowledged for this long is not there, whatever its socket says."""
REFUSED_PAUSE_S = 5.0
"""Before a message that the broker refused is offered again; its stream waits, the others do not."""
BURST = 4
"""Messages made in one turn, about 2 ms of work: polls that are due do not wait for a whole window."""
GAP_BYTES = 250
"""What a gap message takes, about."""
RATIO = 6.0
"""JSON bytes per packed byte, before a stream's first message tells."""

log = structlog.get_logger("uplink")


@dataclass(frozen=True, slots=True)
class Wording:
    """How messages of a destination are addressed and written."""

    destination: str
    gateway: str
    topic: Callable[[str, str], str]
    agent_topic: str
    encode: Callable[[object], bytes]
    parse: Callable[[str], list[float]]
    current: Mapping[str, str]
    """The short name of each device's present metadata: only that is retained."""
    alarms: frozenset[tuple[str, str]] = frozenset()
    """The streams in lane alarm: what waits of them is sent before all else, without waiting for more."""


class Presence(Protocol):
    """What a destination is told of the agent itself."""

    def greeting(self, destination: str) -> Iterable[Message]:
        """What is said first over each new connection."""
        ...

    def farewell(self, destination: str) -> Iterable[Message]:
        """What is said last before an orderly end."""
        ...


@dataclass(frozen=True, slots=True)
class Sending:
    """Bounds of a destination: window in messages and bytes, batches in seconds and bytes."""

    window_messages: int = 50
    window_bytes: int = 524288
    batch_age_s: float = 1.0
    batch_bytes: int = 65536


@dataclass(slots=True)
class Progress:
    """What the status tells of a destination. Times in ns UTC; counts since the start.

    `waiting` records, the oldest of `oldest_ns`, have been read from the log and not acknowledged; `more`
    when there may be others in it, not read yet.
    """

    connected: bool = False
    why: str = "not connected yet"
    delivered_until_ns: int | None = None
    oldest_ns: int | None = None
    waiting: int = 0
    more: bool = True
    messages: int = 0
    scans: int = 0
    bytes: int = 0
    gaps: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    """A record or a gap that waits; `ticket` is what the ack window or the log knows it by."""

    what: Record | Gap
    ticket: int


@dataclass(slots=True)
class _Flight:
    """A message under way; `lane` is None for what is not of the log, `m` is set for metadata."""

    lane: Lane[_Item] | None
    items: list[tuple[_Item, int]]
    size: int
    sent_at: float
    m: str = ""


@dataclass(slots=True)
class _Link:
    """What belongs to one connection."""

    publisher: Publisher
    flights: dict["asyncio.Future[None]", _Flight] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    size: int = 0


class Uplink:
    """The forwarder of one destination.

    `backoff` gives the waits between connections, `presence` what is told of the agent itself.
    """

    def __init__(
        self,
        link: Link,
        source: Source,
        wording: Wording,
        sending: Sending,
        backoff: Backoff,
        presence: Presence,
    ) -> None:
        self._name = wording.destination
        self._link = link
        self._source = source
        self._wording = wording
        self._sending = sending
        self._backoff = backoff
        self._presence = presence
        self._posts: deque[Message] = deque()
        self._drain: Drain[_Item] = Drain(batch_age_s=sending.batch_age_s, batch_bytes=sending.batch_bytes)
        self._window = AckWindow((0, 0))
        self._done: dict[tuple[str, str, str], int] = {}
        self._ratio: dict[StreamKey, float] = {}
        self._gone: list[int] = []
        self._acked = False
        self._more = self._fresh = True
        self._wake = asyncio.Event()
        self._stopping = False
        self.progress = Progress()

    def post(self, message: Message) -> None:
        """Send a message that is not of the log, soon and at most once; dropped while there is no link."""
        if self.progress.connected:
            self._posts.append(message)
            self._wake.set()

    def stop(self) -> None:
        """Send what is left without waiting for fuller batches, then end."""
        self._stopping = True
        self._news()

    async def run(self) -> None:
        """Connect, drain, wait, again; ends after `stop` once everything is acknowledged."""
        cursor = self._source.start(self._name, self._news)
        self._window = AckWindow(cursor.position)
        self._done = dict(cursor.done)
        loop = asyncio.get_running_loop()
        while not (self._stopping and self._ended):
            began = None
            try:
                async with self._link.open() as publisher:
                    began = loop.time()
                    await self._serve(publisher)
            except (LinkLost, Refused) as error:
                self._down(str(error))
            held_s = loop.time() - began if began is not None else 0.0
            if not self._ended:
                await self._wait(self._backoff.after(held_s))

    @property
    def _ended(self) -> bool:
        return self._stopping and not self._more and not self._drain.size_bytes and not len(self._window)

    @property
    def _room_to_read(self) -> bool:
        return self._drain.size_bytes < AHEAD_BYTES

    async def _wait(self, seconds: float) -> None:
        """Wait before the next attempt; a stop is no reason to wait long.

        The log is read on meanwhile, as far as there is room: what waits is known without a link too.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + (min(seconds, 0.5) if self._stopping else seconds)
        while loop.time() < until:
            self._wake.clear()
            await self._read()  # outside the timeout: what is read and dropped would not be sent
            if self._more and self._room_to_read:
                continue
            try:
                async with asyncio.timeout_at(until):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _news(self) -> None:
        self._more = self._fresh = True
        self._wake.set()

    def _down(self, why: str) -> None:
        if self.progress.connected or why != self.progress.why:
            log.warning("broker link down", destination=self._name, why=why)
        self.progress.connected, self.progress.why = False, why

    async def _serve(self, publisher: Publisher) -> None:
        """Send over one connection until it is lost, or until all is sent after `stop`."""
        log.info("broker link up", destination=self._name)
        self.progress.connected, self.progress.why = True, ""
        self.progress.reconnects += 1
        link = _Link(publisher)
        self._posts = deque(self._presence.greeting(self._name))
        publisher.lost.add_done_callback(lambda _: self._wake.set())
        try:
            while not self._ended or link.flights:
                await self._turn(link)
            for message in self._presence.farewell(self._name):
                async with asyncio.timeout(ANSWER_S):
                    await publisher.publish(message)
        except TimeoutError:
            msg = f"no acknowledgement within {ANSWER_S:g} s"
            raise LinkLost(msg) from None
        finally:
            self._take_back(link)

    async def _turn(self, link: _Link) -> None:
        loop = asyncio.get_running_loop()
        self._wake.clear()
        if link.publisher.lost.done():
            await link.publisher.lost
        await self._read()
        self._send(link, loop.time())
        if self._acked:
            self._acked = False
            self._acknowledge()
        if not self._ended or link.flights:
            await self._sleep(link, loop.time())

    async def _sleep(self, link: _Link, now: float) -> None:
        """Wait for news: something to read, an answer, a stream that is due.

        Raise LinkLost when answers stay out.
        """
        oldest = min((flight.sent_at for flight in link.flights.values()), default=now)
        if now - oldest >= ANSWER_S:
            msg = f"no acknowledgement within {ANSWER_S:g} s"
            raise LinkLost(msg)
        due = self._drain.next_due_s() if self._room(link) else None
        until = min(oldest + ANSWER_S, now + ANSWER_S if due is None else max(due, now))
        if self._more and self._room_to_read:
            return
        try:
            async with asyncio.timeout(until - now):
                await self._wake.wait()
        except TimeoutError:
            pass  # a stream is due, or an answer is overdue: the next turn looks

    # Reading

    async def _read(self) -> None:
        self._forget_evicted()
        await self._read_on()
        self._count()

    async def _read_on(self) -> None:
        room = self._room_to_read
        if not self._fresh and not (self._more and room):
            return
        self._fresh = False
        self._more = self._more and not room
        # Gaps are told at once, also while there is no room for records: later data must not overtake them.
        chunk = await self._source.read(self._name, READ_BYTES if room else 0)
        self._more = self._more or not chunk.is_all
        now = asyncio.get_running_loop().time()
        for number, gap in reversed(chunk.gaps):
            self._drain.put_first(gap.stream, _Item(gap, number), GAP_BYTES, now)
        for each in chunk.records:
            key = (each.life, *each.schema.stream)
            item = _Item(each, self._window.took(each.end, each.time_ns))
            size = round(len(each.payload) * self._ratio.get(key, RATIO))
            if each.schema.stream in self._wording.alarms:
                self._drain.put(key, item, size, -inf, at_once=True)
            else:
                self._drain.put(key, item, size, now, at_once=not chunk.is_all or self._stopping)

    def _forget_evicted(self) -> None:
        """What the log evicted is named in gaps by now: it is not sent any more."""
        oldest = self._source.oldest
        if oldest <= self._window.position:
            return
        gone = self._drain.discard(lambda item: isinstance(item.what, Record) and item.what.end <= oldest)
        self._window.done(item.ticket for item in gone)

    # Sending

    def _room(self, link: _Link) -> bool:
        most = min(self._sending.window_messages, link.publisher.limits.receive_maximum)
        return len(link.flights) < most and (not link.flights or link.size < self._sending.window_bytes)

    def _send(self, link: _Link, now: float) -> None:
        while self._posts and self._room(link):
            self._publish(link, self._posts.popleft(), _Flight(None, [], 0, now))
        for lane in self._due(link, now):
            first = lane.waiting[0][0].what
            if isinstance(first, Gap):
                self._send_gap(link, lane, first, now)
            elif first.schema.m not in link.known:
                self._send_metadata(link, lane, first.schema, now)
            else:
                self._send_data(link, lane, now)

    def _due(self, link: _Link, now: float) -> Iterable[Lane[_Item]]:
        due = self._drain.due(now, hurry=self._stopping)
        for _ in range(BURST):
            lane = next(due, None) if self._room(link) else None
            if lane is None:
                return
            if lane.waiting:
                yield lane
            else:
                self._drain.release(lane, now)

    def _send_gap(self, link: _Link, lane: Lane[_Item], gap: Gap, now: float) -> None:
        body = self._wording.encode(gap.document(self._wording.gateway))
        message = Message(f"{self._wording.agent_topic}/gap", body)
        self._publish(link, message, _Flight(lane, self._drain.take(lane, 1), len(body), now))

    def _send_metadata(self, link: _Link, lane: Lane[_Item], schema: Schema, now: float) -> None:
        current = self._wording.current.get(schema.device) == schema.m
        message = Message(
            f"{self._wording.agent_topic}/meta/{schema.device}",
            schema.document,
            retain=current and link.publisher.limits.retain,
        )
        self._publish(link, message, _Flight(lane, [], len(schema.document), now, m=schema.m))

    def _send_data(self, link: _Link, lane: Lane[_Item], now: float) -> None:
        records = self._batch(lane)
        body = self._data(records)
        while len(body) > link.publisher.limits.maximum_packet - 512 and len(records) > 1:
            records = records[: (len(records) + 1) // 2]
            body = self._data(records)
        packed = sum(len(each.payload) for each in records)
        self._ratio[lane.key] = max(1.0, len(body) / max(1, packed))
        first = records[0]
        message = Message(self._wording.topic(first.schema.device, first.schema.group), body)
        self._publish(link, message, _Flight(lane, self._drain.take(lane, len(records)), len(body), now))

    def _batch(self, lane: Lane[_Item]) -> list[Record]:
        """The records of the next message.

        One behind the other in number, of one schema, about one batch in size.
        """
        records: list[Record] = []
        size = 0
        for item, bytes_, _ in lane.waiting:
            each = item.what
            if isinstance(each, Gap) or (records and not _follows(records[-1], each)):
                break
            if records and size + bytes_ > self._sending.batch_bytes:
                break
            records.append(each)
            size += bytes_
        return records

    def _data(self, records: list[Record]) -> bytes:
        first = records[0]
        scans = [record.decode(each.schema, each.time_ns, each.payload) for each in records]
        # All before `first` was sent before it, one message at a time: it is acknowledged, or named in a gap.
        document = payload.message(
            self._wording.gateway, first.life, first.n, scans, done=first.n - 1, parse=self._wording.parse
        )
        return self._wording.encode(document)

    def _publish(self, link: _Link, message: Message, flight: _Flight) -> None:
        future = asyncio.ensure_future(link.publisher.publish(message))
        link.flights[future] = flight
        link.size += flight.size
        future.add_done_callback(lambda done: self._answered(link, done))

    # Answers

    def _answered(self, link: _Link, future: "asyncio.Future[None]") -> None:
        error = None if future.cancelled() else future.exception()
        flight = link.flights.get(future)
        if flight is None or isinstance(error, LinkLost) or future.cancelled():
            return  # `_take_back` sees to it
        del link.flights[future]
        link.size -= flight.size
        now = asyncio.get_running_loop().time()
        if error is None:
            self._taken(link, flight)
            if flight.lane is not None:
                self._drain.release(flight.lane, now)
        elif flight.lane is not None:
            log.warning(
                "broker refused a message", destination=self._name, why=str(error), stream=flight.lane.key
            )
            self._drain.give_back(flight.lane, flight.items)
            self._drain.release(flight.lane, now, pause_s=REFUSED_PAUSE_S)
        self._wake.set()

    def _taken(self, link: _Link, flight: _Flight) -> None:
        if flight.m:
            link.known.add(flight.m)
        for item, _ in flight.items:
            what = item.what
            if isinstance(what, Gap):
                self._gone.append(item.ticket)
                self.progress.gaps += 1
                _note_done(self._done, what.stream, what.last)
            else:
                self._window.done((item.ticket,))
                self.progress.scans += 1
                self.progress.delivered_until_ns = what.time_ns
                _note_done(self._done, (what.life, *what.schema.stream), what.n)
        self.progress.messages += 1
        self.progress.bytes += flight.size
        self._acked = self._acked or bool(flight.items)

    def _acknowledge(self) -> None:
        gone, self._gone = self._gone, []
        cursor = Cursor(self._window.position, tuple(self._window.ranges()), dict(self._done))
        self._source.acknowledge(self._name, cursor, gone)
        self._count()

    def _count(self) -> None:
        self.progress.waiting, self.progress.oldest_ns = len(self._window), self._window.oldest_ns
        self.progress.more = self._more

    def _take_back(self, link: _Link) -> None:
        """The link is gone: what was under way waits again, and what was acknowledged is entered."""
        now = asyncio.get_running_loop().time()
        flights, link.flights = list(link.flights.values()), {}
        for flight in flights:
            if flight.lane is not None:
                self._drain.give_back(flight.lane, flight.items)
                self._drain.release(flight.lane, now)
        if self._acked:
            self._acked = False
            self._acknowledge()


def _follows(before: Record, after: Record) -> bool:
    return after.n == before.n + 1 and after.schema.m == before.schema.m and after.life == before.life


def _note_done(done: dict[tuple[str, str, str], int], key: StreamKey, n: int | None) -> None:
    life, device, group = key
    if n is None or life is None or device is None or group is None:
        return
    if (life, device, group) not in done:
        # Only the newest life of a stream bounds what may still be lost.
        for old in [each for each in done if each[1:] == (device, group)]:
            del done[old]
    done[life, device, group] = max(n, done.get((life, device, group), 0))
