"""Groups that are followed as the agent follows them, with a log in memory: what came, and when."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from edge_agent.config.settings import (
    Device,
    Group,
    Home,
    Login,
    NodeLimits,
    OpcUaConnection,
    Profile,
    Security,
    Tag,
)
from edge_agent.core.follow import Follower
from edge_agent.core.gap import Gap
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan, Value
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.driver import OpcUaDevice, OpcUaDriver
from edge_agent.drivers.opcua.wire import SessionWire
from edge_agent.flow.health import Health
from edge_agent.flow.intake import Intake
from edge_agent.flow.subscriber import Following, follow

S = 1_000_000_000
TICK_NS = S // 20
"""The counter's."""
URI = "urn:acme"
SOON_S = 30.0  # what is waited for comes within seconds; a loaded machine needs longer
SHORT = 0.1
"""Of the longest wait between two attempts to connect: a test has no time for the dice."""


def tag(name: str, group: str = "fast") -> Tag:
    """A number that tells its place and its tick."""
    return Tag(name, group, "UInt32", Node(name, URI, f"s={name}", "UInt32"))


COUNTER = (tag("counter"),)
FAST = Group(
    "fast",
    0.1,
    mode="subscribe",
    timestamp="source",
    time_resolution_s=0.001,
    sampling_s=0.0,  # every change is a sample
    queue=400,  # 20 s of the counter
    keepalive_s=1.0,
    lifetime_s=300.0,
)


@dataclass
class Log:
    """What was stored: scans and gaps of all groups in their order."""

    scans: list[Scan] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    notifications: int = 0

    def append(self, scan: Scan) -> Awaitable[None]:
        """Durable at once."""
        self.scans.append(scan)
        return _done()

    def mark(self, group: str, mark: Mark) -> Awaitable[None]:
        """The last one of a group counts."""
        self.marks[group] = mark
        self.notifications += 1
        return _done()

    def samples(self, name: str) -> list[tuple[int, Value]]:
        """Time in ns and value of all that was good of a tag, in order of arrival."""
        return [(at, value) for at, value, quality in self.told(name) if not quality]

    def told(self, name: str) -> list[tuple[int, Value, str]]:
        """Time, value and quality of all that came of a tag."""
        found = []
        for scan in self.scans:
            names = scan.schema.names
            if name not in names:
                continue
            column = names.index(name)
            index = range(len(names)) if scan.index is None else scan.index
            if column in index:
                at = list(index).index(column)
                offset = scan.offsets_ms[at] if scan.offsets_ms else 0.0
                quality = scan.quality[at] if scan.quality else ""
                found.append((scan.time_ns + round(offset * 1e6), scan.values[at], quality))
        return found

    def last(self, name: str) -> tuple[Value, str] | None:
        """Value and quality that a receiver shows now; None for nothing yet."""
        told = self.told(name)
        return (told[-1][1], told[-1][2]) if told else None

    def ticks(self, name: str, tick_ns: int = TICK_NS) -> list[int]:
        """The ticks, since 1970, that came of a tag: each once, ascending."""
        return sorted({round(at / tick_ns) for at, _ in self.samples(name)})

    def missing(self, name: str, since: int, tick_ns: int = TICK_NS) -> list[int]:
        """The ticks from one on, when it was followed already, to the last one, that never came."""
        ticks = self.ticks(name, tick_ns)
        return sorted(set(range(since, ticks[-1] + 1)) - set(ticks))

    def wrong(self, name: str, index: int = 1, tick_ns: int = TICK_NS) -> list[tuple[int, Value]]:
        """Samples whose value is not the one of their time."""
        return [
            (at, value)
            for at, value in self.samples(name)
            if value != index * 4096 + round(at / tick_ns) % 4096
        ]


def _done() -> "asyncio.Future[None]":
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


@dataclass
class Gateway:
    """One connection with one device, whose groups are followed; `log` is what came of it."""

    endpoint: str
    tags: Sequence[Tag] = COUNTER
    groups: Mapping[str, Group] = field(default_factory=lambda: {"fast": FAST})
    limits: NodeLimits = field(default_factory=NodeLimits)
    timeout_s: float = 2.0
    security: Security | None = None
    login: Login | None = None
    home: Home = field(default_factory=Home)
    log: Log = field(default_factory=Log)
    health: Health = field(init=False)
    wire: SessionWire = field(init=False)
    device: OpcUaDevice = field(init=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Gateway"]:
        """The device, without anybody who follows it."""
        profile = Profile("a/b", "1.0.0", "", "opcua", "", self.groups, tuple(self.tags), self.limits)
        device = Device("press", profile, "plc", 1, self.groups, tuple(self.tags))
        connection = OpcUaConnection(
            "plc", self.endpoint, self.login, self.timeout_s, self.security, home=self.home
        )
        self.health = Health("press", time.time_ns, lambda _: None)
        self.wire = SessionWire(connection, uniform=lambda low, high: low + SHORT * (high - low))
        try:
            self.device = OpcUaDriver().device(self.wire, device, b"{}", time.time_ns)
            yield self
        finally:
            await self.wire.close()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Log]:
        """Follow all groups until the end."""
        async with self.open():
            tasks = [asyncio.create_task(follow(self._following(name))) for name in self.groups]
            try:
                yield self.log
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                for task in tasks:
                    if not task.cancelled():
                        task.result()

    def _following(self, name: str) -> Following:
        schema = self.device.schemas[name]
        follower = Follower(schema, heartbeat_ns=300 * S, resolution_ns=1_000_000)
        intake = Intake(schema, follower, self.log.append, self.log.gaps.append)
        return Following(
            self.device.subscriber(name),
            schema,
            follower,
            intake,
            self.health,
            time.time_ns,
            "b1",
            lambda mark: self.log.mark(name, mark),
            self.log.marks.get(name),
        )


async def until(condition: Callable[[], bool], what: str, timeout_s: float = SOON_S) -> None:
    """Wait for something that tells nobody when it happens. Raises AssertionError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.02)


async def more(log: Log, name: str, count: int, timeout_s: float = SOON_S) -> None:
    """Wait for so many more samples of a tag."""
    wanted = len(log.samples(name)) + count
    await until(lambda: len(log.samples(name)) >= wanted, f"{count} more samples of {name}", timeout_s)


def neighbours(ticks: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of ticks without a hole."""
    runs = itertools.groupby(enumerate(ticks), lambda pair: pair[1] - pair[0])
    return [((run := [tick for _, tick in each])[0], run[-1]) for _, each in runs]
