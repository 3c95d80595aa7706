"""OPC UA servers whose links, sessions and nodes fail at random, followed as the agent does, and judged."""

import asyncio
import gc
import logging
import random
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from edge_agent.config.settings import Device, Group, NodeLimits, OpcUaConnection, Profile, Tag
from edge_agent.core.follow import Follower
from edge_agent.core.gap import Gap
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.drivers.opcua.driver import OpcUaDriver
from edge_agent.drivers.opcua.wire import SessionWire
from edge_agent.flow.health import Health
from edge_agent.flow.intake import Intake
from edge_agent.flow.subscriber import Following, follow
from edge_agent.ports import News, Subscriber
from edge_agent.sim.faults import Faults, Late
from edge_agent.sim.nodes import TYPES
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.signals import TICK_NS
from tests.truth.followed import Judge, Record, Tally, blind

TAGS = 200
URI = "urn:acme:truth"
GROUP = Group(
    "fast",
    0.4,
    mode="subscribe",
    timestamp="source",
    time_resolution_s=0.001,
    sampling_s=0.1,
    queue=300,  # a minute of ticks
    keepalive_s=1.0,
    lifetime_s=120.0,
    heartbeat_s=10.0,
)
TIMEOUT_S = 2.0
COMMIT_S = 0.1
SOUND_S = (1.0, 4.0)
"""Between two faults."""
SETTLE_S = 90.0
"""After the last fault, until everything has to be there: some tries to connect, on a busy machine."""
SETTLED = 20
"""Ticks behind the last fault that have to be told; by then what was before them has been. With so many
more the judge is tried."""
TRACED = 3000
"""Lines that are kept of what was told, for a run that was not right."""
KEPT = 32
"""Records of the end with which the judge is tried."""


@dataclass
class Result:
    """What came of following one server. `blind` are planted faults that the judge did not see."""

    name: str
    tally: Tally = field(default_factory=Tally)
    faults: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    blind: list[str] = field(default_factory=list)
    late_ms: float = 0.0
    trace: list[str] = field(default_factory=list)


def run(numbers: Sequence[int], values: int, seed: int, longest_s: float) -> list[Result]:
    """Follow a server of each number until so many values came of it, or for so long, in this process."""
    structlog.configure(processors=[_dropped])
    logging.disable()  # the library tells of every link that is lost
    return asyncio.run(_run([_Job(number, values, seed, longest_s) for number in numbers]))


async def _run(jobs: "Sequence[_Job]") -> list[Result]:
    async with AsyncExitStack() as stack:
        for job in jobs:
            await stack.enter_async_context(job.plc)
        gc.freeze()
        return await asyncio.gather(*(job.run() for job in jobs))


def _dropped(_logger: object, _name: str, _event: object) -> str:
    raise structlog.DropEvent  # sessions go and come back all the time here


def tags() -> tuple[Tag, ...]:
    """Tags of all types that are simulated, one after the other."""
    types = tuple(TYPES)
    return tuple(_tag(f"t{at}", types[at % len(types)]) for at in range(TAGS))


def _tag(name: str, type_: BuiltIn) -> Tag:
    return Tag(name, GROUP.name, type_, Node(name, URI, f"s={name}", type_))


class _Traced:
    """A subscriber whose news is written down, for those that look for what went wrong."""

    def __init__(self, subscriber: Subscriber, trace: Callable[[str], None]) -> None:
        self._subscriber = subscriber
        self._trace = trace

    async def changes(self, mark: Mark | None) -> AsyncGenerator[News, None]:
        """What the subscriber tells."""
        self._trace(f"BEGIN behind {_marked(mark)}")
        try:
            async with aclosing(self._subscriber.changes(mark)) as changes:
                async for news in changes:
                    self._trace(_told(news))
                    yield news
        except BaseException as error:
            self._trace(f"END {error!r}")
            raise

    def stored(self, mark: Mark) -> None:
        """As it says."""
        self._trace(f"stored {_marked(mark)}")
        self._subscriber.stored(mark)


def _marked(mark: Mark | None) -> str:
    return "none" if mark is None else f"{mark.subscription}/{mark.sequence} of {mark.server[-15:]}"


def _told(news: News) -> str:
    ticks = sorted(scan.time_ns // TICK_NS for scan in news.scans)
    span = f"{ticks[0]}..{ticks[-1]}" if ticks else "-"
    columns = [len(scan.values) for scan in news.scans]
    known, until = (
        "-" if each is None else f"{each / TICK_NS:.2f}" for each in (news.known_ns, news.until_ns)
    )
    kind = "complete " if news.complete else ""
    loss = f"LOSS {news.loss} " if news.loss else ""
    return f"{loss}{kind}ticks {span} of {columns} mark {_marked(news.mark)} known {known} until {until}"


class _Log:
    """What the buffer does: a group commit now and then; what was not durable is gone with a kill."""

    def __init__(self, take: Callable[[Record], None], trace: Callable[[str], None]) -> None:
        self.mark: Mark | None = None
        self.dead = False
        self.trace = trace
        self._take = take
        self._pending: list[tuple[Record | Mark, asyncio.Future[None]]] = []

    def append(self, what: Record | Mark) -> Awaitable[None]:
        """Behind all that was stored before."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.dead:
            self._pending.append((what, stored))
        return stored

    def lose(self, gap: Gap) -> None:
        """A gap goes before what comes next."""
        self.trace(
            f"GAP {gap.reason} {(gap.start_ns or 0) / TICK_NS:.2f} to {(gap.end_ns or 0) / TICK_NS:.2f}"
        )
        self.append(gap)

    async def commit(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(COMMIT_S)
            pending, self._pending = self._pending, []
            for what, stored in pending:
                if isinstance(what, Mark):
                    self.mark = what
                else:
                    self._take(what)
                if not stored.done():
                    stored.set_result(None)

    def kill(self) -> None:
        """What is not durable has never been, nor what comes until the next life."""
        self.dead = True
        pending, self._pending = self._pending, []
        for _, stored in pending:
            stored.cancel()


class _Job:
    """One server, the agent that follows it, and what befalls them."""

    def __init__(self, number: int, values: int, seed: int, longest_s: float) -> None:
        self.result = Result(f"server {number}")
        self._values = values
        self._longest_s = longest_s
        self._random = random.Random(seed * 1000 + number)
        self._tags = tags()
        self.plc = OpcUaPlc(self._tags)
        self._judge = Judge(self._tags, f"{self.result.name}, seed {seed}", self._now)
        self._kept: deque[Scan] = deque(maxlen=KEPT)
        self._lines: deque[str] = deque(maxlen=TRACED)
        self._log = _Log(self._judged, self._trace)
        self._unsound: dict[str, int] = {}
        self._life: asyncio.Task[None] | None = None

    @property
    def _now(self) -> int:
        """The tick of now, counted since 1970."""
        return time.time_ns() // TICK_NS

    async def run(self) -> Result:
        """Follow until there were enough values, and judge."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        commit = asyncio.create_task(self._log.commit())
        watch = asyncio.create_task(self._watch())
        self._live()
        while self._judge.tally.values < self._values and loop.time() - began < self._longest_s:
            await asyncio.sleep(self._random.uniform(*SOUND_S))
            await self._fault()
        await self._switch(Faults())
        over_at = loop.time() + SETTLE_S
        until = self._now
        await self._told(until + SETTLED, over_at)
        self._kept.clear()
        await self._told(self._judge.newest + SETTLED, over_at)
        await self._end()
        commit.cancel()
        watch.cancel()
        await asyncio.wait([commit, watch])
        self.result.tally = self._judge.settle(until)
        if not self.result.tally.right:
            self.result.trace = list(self._lines)
        self.result.blind = self._tried()
        return self.result

    async def _told(self, tick: int, over_at: float) -> None:
        """Wait until this tick has been told, or the time is over."""
        loop = asyncio.get_running_loop()
        while self._judge.newest < tick and loop.time() < over_at:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.2)

    # The agent

    def _live(self) -> None:
        self._log.dead = False
        self._life = asyncio.create_task(self._follow())

    async def _end(self) -> None:
        assert self._life is not None
        self._life.cancel()
        with suppress(asyncio.CancelledError):
            await self._life

    async def _follow(self) -> None:
        """One life of the agent, from the last mark that was stored on."""
        connection = OpcUaConnection("plc", self.plc.endpoint, timeout_s=TIMEOUT_S)
        wire = SessionWire(connection, uniform=lambda low, high: self._random.uniform(low, high / 4))
        groups = {GROUP.name: GROUP}
        profile = Profile("acme/truth", "1.0.0", "", "opcua", "", groups, self._tags, NodeLimits())
        device = Device("truth", profile, "plc", 1, groups, self._tags)
        made = OpcUaDriver().device(wire, device, b"{}", time.time_ns)
        schema = made.schemas[GROUP.name]
        follower = Follower(schema, heartbeat_ns=round(GROUP.heartbeat_s * 1e9), resolution_ns=1_000_000)
        following = Following(
            _Traced(made.subscriber(GROUP.name), self._trace),
            schema,
            follower,
            Intake(schema, follower, self._log.append, self._log.lose),
            Health("truth", time.time_ns, lambda _: None),
            time.time_ns,
            "life",
            partial(_stored, self._log),
            self._log.mark,
        )
        try:
            await follow(following)
        finally:
            events = wire.statistics()["subscription_events"]
            self.result.events.update(events if isinstance(events, dict) else {})
            await wire.close()

    def _trace(self, words: str) -> None:
        self._lines.append(f"{self._now} {words}")

    def _judged(self, record: Record) -> None:
        self._judge.take(record)
        if isinstance(record, Scan):
            self._kept.append(record)

    def _tried(self) -> list[str]:
        """What the judge does not see in the records of the end, which are sound."""
        sound = [scan for scan in self._kept if scan.quality is None]
        return blind(self._tags, sound) if len(sound) > 8 else ["nothing to try it with"]

    # What befalls it

    async def _fault(self) -> None:
        kind = self._random.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
        if self._log.mark is None:
            return  # nothing has been stored yet: it has not begun
        self.result.faults[kind] += 1
        self._judge.befell.append((self._now, kind))
        self._trace(f"FAULT {kind}")
        await _KINDS[kind][1](self)

    async def _for(self, faults: Faults, low_s: float, high_s: float) -> None:
        """Fail like this for some time, beside what is wrong with the nodes."""
        await self._switch(replace(faults, missing=self.plc.faults.missing, bad=self.plc.faults.bad))
        await asyncio.sleep(self._random.uniform(low_s, high_s))
        await self._switch(Faults(missing=self.plc.faults.missing, bad=self.plc.faults.bad))

    async def _switch(self, faults: Faults) -> None:
        sure = self._now  # ticks behind it may be told late, and then as it is by then
        await self.plc.show()  # what was to be told until now is told as it was
        before = self.plc.faults.missing | self.plc.faults.bad
        await self.plc.switch(faults)
        self._note(before, faults.missing | faults.bad, sure)

    def _note(self, before: frozenset[str], after: frozenset[str], sure: int) -> None:
        for name in after - before:
            self._unsound[name] = self._now
        for name in before - after:
            self._judge.unsound(name, self._unsound.pop(name), self._now, sure)

    async def _cut(self) -> None:
        for _ in range(self._random.choice((1, 1, 2, 3))):
            await self.plc.cut()
            await asyncio.sleep(self._random.uniform(0.0, 0.5))

    async def _frozen(self) -> None:
        await self._for(Faults(frozen=True), 0.5, 8.0)
        if self._random.random() < 0.5:
            await self.plc.cut()

    async def _frozen_and_cut(self) -> None:
        await self.plc.switch(replace(self.plc.faults, frozen=True))
        await asyncio.sleep(self._random.uniform(0.5, 6.0))
        await self.plc.cut()
        await self.plc.switch(replace(self.plc.faults, frozen=False))

    async def _nodes(self) -> None:
        """Other nodes are missing or bad from now on, or none."""
        names = [tag.name for tag in self._tags]
        missing = frozenset(self._random.sample(names, self._random.choice((0, 1, 5))))
        bad = frozenset(self._random.sample(names, self._random.choice((0, 1, 5)))) - missing
        await self._switch(replace(self.plc.faults, missing=missing, bad=bad))

    async def _restart(self) -> None:
        """Another run of the server, often with other indexes, and now and then with nodes that come late."""
        await self.plc.show()
        if self._random.random() < 0.5:
            self.plc.namespaces_before = (f"urn:{self._random.random()}",) * self._random.choice((0, 1))
        late = frozenset(tag.name for tag in self._tags) if self._random.random() < 0.3 else frozenset()
        if not late:
            await self.plc.restart()
            return
        seconds = self._random.uniform(1.0, 3.0)
        gone = late - self.plc.faults.missing - self.plc.faults.bad
        began = self._now
        await self.plc.switch(replace(self.plc.faults, late_nodes=Late(seconds)))
        await self.plc.restart()
        await asyncio.sleep(seconds + 0.5)
        await self.plc.switch(replace(self.plc.faults, late_nodes=None))
        for name in gone:
            self._judge.unsound(name, began, self._now, began + int(seconds * 1e9) // TICK_NS)

    async def _kill(self) -> None:
        """The agent goes without a word, and begins again from what is durable."""
        assert self._life is not None
        self._log.kill()
        await self.plc.cut()  # before its session can be closed in order
        await self._end()
        await asyncio.sleep(self._random.uniform(0.0, 1.0))
        self._live()

    async def _watch(self) -> None:
        """How late this process is: what it does not tell in time is no fault of the agent."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.05
            await asyncio.sleep(0.05)
            self.result.late_ms = max(self.result.late_ms, (loop.time() - due) * 1000)


_Befalls = Callable[[_Job], Awaitable[None]]
_KINDS: dict[str, tuple[int, _Befalls]] = {
    "cut": (6, _Job._cut),
    "frozen": (2, _Job._frozen),
    "frozen, then cut": (2, _Job._frozen_and_cut),
    "refused": (2, lambda job: job._for(Faults(refuse=True), 0.2, 3.0)),
    "slow": (2, lambda job: job._for(Faults(slow_s=job._random.uniform(0.05, 0.6)), 1.0, 4.0)),
    "silent": (1, lambda job: job._for(Faults(silence=True), 0.2, 4.0)),
    "nodes": (4, _Job._nodes),
    "restart": (1, _Job._restart),
    "sessions ended": (1, lambda job: job.plc.forget()),
    "subscriptions deleted": (1, lambda job: job.plc.drop()),
    "agent killed": (1, _Job._kill),
}
"""What befalls it, how often beside the others, and how."""


async def _stored(log: _Log, mark: Mark) -> None:
    await log.append(mark)
