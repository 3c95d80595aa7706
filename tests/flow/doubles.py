"""A log and a broker in memory, with the ports of the real ones; the test decides what becomes of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from edge_agent.core import record
from edge_agent.core.backoff import Backoff
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.core.metadata import short_name
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.record import Record
from edge_agent.core.window import Position
from edge_agent.errors import LinkLost, Refused
from edge_agent.flow.uplink import Sending, Uplink, Wording
from edge_agent.ports import Chunk, Limits, Message

NAME = "cloud"
LIFE = "b1"
S = 1_000_000_000


def schema(device: str = "press", group: str = "fast", *, version: int = 1) -> Schema:
    """A stream with one text column, so that a test can make scans of any size."""
    document = orjson.dumps({"d": device, "version": version})
    return Schema(device, group, (Column("text", "s"),), document, short_name(document))


class Log:
    """A Source. Records lie at places (1, 1), (1, 2) ...; `chunk` is the most a read gives."""

    def __init__(self, *, chunk: int = 1000, cursor: Cursor | None = None) -> None:
        self.records: list[Record] = []
        self.gaps: dict[int, Gap] = {}
        self.cursor = cursor or Cursor()
        self.acknowledged_gaps: list[int] = []
        self.moved: Callable[[Cursor, tuple[int, ...]], None] = lambda _cursor, _gaps: None
        self._chunk = chunk
        self._at = 0
        self._evicted = 0
        self._handed: set[int] = set()
        self._news: Callable[[], None] = lambda: None
        self._next: dict[tuple[str, str, str], int] = {}

    # What a test does

    def write(self, of: Schema, count: int = 1, *, life: str = LIFE, size: int = 1) -> None:
        """Append scans of a stream, their text `size` bytes long."""
        for _ in range(count):
            n = self._number(life, of)
            scan = Scan(of, n * S, ("x" * size,))
            end = (1, len(self.records) + 1)
            self.records.append(Record(life, of, n, n * S, record.encode(scan), end))
        self._news()

    def lose(self, of: Schema, count: int = 1, *, life: str = LIFE, reason: str = "unreadable") -> int:
        """Use up numbers that no record has, and name them; gives the id of the gap."""
        numbers = [self._number(life, of) for _ in range(count)]
        number = self._name(Gap(life, *of.stream, reason, numbers[0], numbers[-1]))
        self._news()
        return number

    def evict(self, count: int) -> None:
        """Free the oldest records; what the destination had not acknowledged is named."""
        until = min(self._evicted + count, len(self.records))
        freed, self._evicted = self.records[self._evicted : until], until
        for each in freed:
            if not self.cursor.covers(each.end):
                self._name(Gap(each.life, *each.schema.stream, "evicted:max_bytes", each.n, each.n))
        self._news()

    def _number(self, life: str, of: Schema) -> int:
        n = self._next[life, *of.stream] = self._next.get((life, *of.stream), 0) + 1
        return n

    def _name(self, gap: Gap) -> int:
        number = len(self.gaps) + 1
        self.gaps[number] = gap
        return number

    # The port

    @property
    def oldest(self) -> Position:
        return 1, self._evicted

    def start(self, destination: str, news: Callable[[], None]) -> Cursor:
        assert destination == NAME
        self._news = news
        return self.cursor

    async def read(self, destination: str, limit: int) -> Chunk:
        assert destination == NAME
        fresh = [(i, gap) for i, gap in self.gaps.items() if i not in self._handed]
        self._handed.update(self.gaps)
        at = max(self._at, self._evicted)
        found: list[Record] = []
        size = 0
        while at < len(self.records) and len(found) < self._chunk and size < limit:
            found.append(self.records[at])
            size += len(self.records[at].payload)
            at += 1
        self._at = at
        unsent = [each for each in found if not self.cursor.covers(each.end)]
        return Chunk(fresh, unsent, at == len(self.records))

    def acknowledge(self, destination: str, cursor: Cursor, gaps: Iterable[int] = ()) -> None:
        assert destination == NAME
        gone = tuple(gaps)
        self.moved(cursor, gone)
        self.cursor = cursor
        self.acknowledged_gaps += gone


@dataclass(eq=False)
class Sent:
    """A message that reached the broker, and the answer the uplink waits for."""

    message: Message
    answer: "asyncio.Future[None]"
    connection: int

    @property
    def kind(self) -> str:
        """`meta`, `gap`, `data`, or the last word of another topic of the agent."""
        _, _, agent = self.message.topic.partition("/_agent/")
        return agent.split("/")[0] if agent else "data"

    @property
    def document(self) -> Any:
        return orjson.loads(self.message.payload)

    @property
    def stream(self) -> tuple[str, str, str]:
        return self.document["b"], self.document["d"], self.document["g"]

    @property
    def numbers(self) -> tuple[int, int]:
        first, last = self.document["n"]
        return first, last

    @property
    def waits(self) -> bool:
        return not self.answer.done()

    def accept(self) -> None:
        self.answer.set_result(None)

    def refuse(self) -> None:
        self.answer.set_exception(Refused(0x97, "quota_exceeded"))


def accept(sent: Sent) -> None:
    """The answer of a broker that is well."""
    sent.accept()


def hold(sent: Sent) -> None:
    """No answer: the test gives it later, or never."""


class Broker:
    """A Link, and the Publisher of its present connection. `answer` is called with each message."""

    def __init__(self, answer: Callable[[Sent], None] = accept, limits: Limits | None = None) -> None:
        self.answer = answer
        self.limits = limits or Limits()
        self.up = True
        self.sent: list[Sent] = []
        self.connects = 0
        self.goodbyes = 0
        self.lost: asyncio.Future[None]

    # What a test sees and does

    def of(self, kind: str) -> list[Sent]:
        """The messages of one kind so far, in the order they came."""
        return [each for each in self.sent if each.kind == kind]

    @property
    def waiting(self) -> list[Sent]:
        """Messages without an answer."""
        return [each for each in self.sent if each.waits]

    def cut(self) -> None:
        """The connection ends; what had no answer gets none."""
        for each in self.waiting:
            each.answer.set_exception(LinkLost("reset by peer"))
        if not self.lost.done():
            self.lost.set_exception(LinkLost("reset by peer"))

    # The ports

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Broker"]:
        if not self.up:
            raise LinkLost("connection refused")
        self.connects += 1
        self.lost = asyncio.get_running_loop().create_future()
        try:
            yield self
            self.goodbyes += 1
        finally:
            self.cut()
            self.lost.exception()

    def publish(self, message: Message) -> "asyncio.Future[None]":
        sent = Sent(message, asyncio.get_running_loop().create_future(), self.connects)
        sent.answer.add_done_callback(lambda answer: answer.exception())
        self.sent.append(sent)
        self.answer(sent)
        return sent.answer


@dataclass(frozen=True)
class Says:
    """A presence that says the same each time."""

    first: tuple[Message, ...]
    last: tuple[Message, ...]

    def greeting(self, destination: str) -> tuple[Message, ...]:
        assert destination == NAME
        return self.first

    def farewell(self, destination: str) -> tuple[Message, ...]:
        assert destination == NAME
        return self.last


@dataclass
class Forwarding:
    """An uplink between a log and a broker, not started yet. Waits for a link are 1 s, 2 s, 4 s ..."""

    log: Log = field(default_factory=Log)
    broker: Broker = field(default_factory=Broker)
    sending: Sending = field(default_factory=lambda: Sending(batch_age_s=0.1))
    current: dict[str, str] = field(default_factory=dict)
    alarms: frozenset[tuple[str, str]] = frozenset()
    first: tuple[Message, ...] = ()
    last: tuple[Message, ...] = ()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Uplink, "asyncio.Task[None]"]]:
        """The uplink runs for as long as the context lasts, or until it is stopped."""
        uplink = Uplink(
            self.broker,
            self.log,
            Wording(
                destination=NAME,
                gateway="gw",
                topic=lambda device, group: f"edge/gw/{device}/{group}",
                agent_topic="edge/gw/_agent",
                encode=orjson.dumps,
                parse=orjson.loads,
                current=self.current,
                alarms=self.alarms,
            ),
            self.sending,
            Backoff(lambda _low, high: high),
            Says(self.first, self.last),
        )
        task = asyncio.create_task(uplink.run())
        try:
            yield uplink, task
        finally:
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.result()
