"""The seams between the parts: Protocols of one to three methods, each implemented by a sibling."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge_agent.core.claims import Identified
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan, Value
from edge_agent.core.record import Record
from edge_agent.core.window import Position


class Poller(Protocol):
    """One device that is read when asked."""

    async def read(self, group: str) -> Scan:
        """Read every tag of a group now.

        A request that fails alone leaves None and its quality in its columns. Raises DeviceError when nothing
        of the device answered. Never retries, never sleeps but for the pacing of its protocol.
        """
        ...

    @property
    def refused(self) -> Sequence[str]:
        """The tags that it does not give, as far as is known; for a while nobody asks for them."""
        ...


class Identifying(Protocol):
    """One device that can be asked what it is."""

    async def identify(self, *, claimed: bool = False) -> Identified:
        """What it says it is, held against what its profile claims.

        With `claimed` nothing is asked that the profile claims nothing of: there are devices that an unusual
        request puts out of step, so that nobody asks one by the way.
        Polls go first, and no answer is waited for long. One that refuses, is silent or absent says nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """How a command to write one value ended.

    `there` says that the device shows it afterwards; `value` and `quality` are what it shows, None and bad
    where nothing could be read. `how` is in the words of the protocol. `failure` is why the request was not
    answered, which does not say that it was not carried out; empty when it was.
    """

    there: bool
    value: Value
    quality: str
    how: str
    failure: str = ""


@runtime_checkable
class Writer(Protocol):
    """One device that takes commands."""

    async def write(self, column: str, text: str, within_s: float) -> Written:
        """Write what a person gave for a tag, or a part of one, and read it back until it is there.

        Before all polls, once, never repeated. Raises ValueError, in words, for what cannot be written,
        KeyError for a column that does not exist, DeviceError when the device refuses or cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Called:
    """How a call ended: what came of it, by name, as JSON can have it, and the server's word for it.

    `signature` is the method with its arguments, as the server tells them. `failure` is why the request was
    not answered, which does not say that it was not carried out; empty when it was.
    """

    signature: str
    outputs: Sequence[tuple[str, object]]
    status: str
    failure: str = ""


@runtime_checkable
class Caller(Protocol):
    """One device that does something when it is asked to."""

    async def call(self, method: str, arguments: Sequence[str], within_s: float) -> Called:
        """Call a method with what a person gave for its arguments: in their order, or each as NAME=VALUE.

        Once, never repeated. Raises ValueError, in words with the signature, for arguments that do not fit,
        KeyError for a method that does not exist, DeviceError when the device refuses or cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class News:
    """What a server told of a group: scans in their order, or none, which is a sign of life.

    `mark` is where the server's notifications stand behind these scans; whoever takes them in says `stored`.
    `loss` is the reason of a gap before them: samples that the server dropped or that could not be had again.
    It lies between what was known before and `until_ns` (UTC), None for the first of these scans.
    `complete` says that the scan holds the present value of every tag, read just now; `filled` that the
    scans are what the device had recorded: older than what was told before. `known_ns` is the time up to
    which nothing more can come (UTC, by the clock that gives the scans their times), None where it follows
    from the scans. `refused` is why the server does not tell all of an event source; empty when it does.
    """

    scans: Sequence[Scan] = ()
    mark: Mark | None = None
    loss: str = ""
    complete: bool = False
    until_ns: int | None = None
    filled: bool = False
    known_ns: int | None = None
    refused: str = ""


class Subscriber(Protocol):
    """One group of a device whose server tells the news."""

    def changes(self, mark: Mark | None) -> AsyncGenerator[News, None]:
        """The news for as long as the session lasts; `mark` is the last one stored, where to go on from.

        Raises DeviceError when there is no session, when it ends, or when the server keeps silent.
        """
        ...

    def stored(self, mark: Mark) -> None:
        """What came up to this mark is durable, or named as lost: the server may forget it."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message. `properties` are MQTT 5 user properties; 3.1.1 leaves them out."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    properties: tuple[tuple[str, str], ...] = ()


class Publisher(Protocol):
    """One live connection to a broker."""

    def publish(self, message: Message) -> Awaitable[None]:
        """Send at once; the awaitable resolves when the broker has taken the message with a success code.

        It raises Refused (the broker answered with a failure code) or LinkLost (no answer will come).
        """
        ...

    @property
    def lost(self) -> "asyncio.Future[None]":
        """Gets LinkLost as its exception when the connection has ended."""
        ...

    @property
    def limits(self) -> "Limits":
        """What the broker allowed in its CONNACK."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a connection: messages in flight (Receive Maximum) and bytes of one packet, retain or not."""

    receive_maximum: int = 65535
    maximum_packet: int = 268435455
    retain: bool = True


class Link(Protocol):
    """A way to a broker that can be opened again and again."""

    def open(self) -> AbstractAsyncContextManager[Publisher]:
        """Connect; leaving the context sends a clean DISCONNECT. Raises LinkLost or Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """What comes next for a destination: gaps with their ids, then records.

    `is_all` when no more is durable yet.
    """

    gaps: Sequence[tuple[int, Gap]]
    records: Sequence[Record]
    is_all: bool


class Source(Protocol):
    """The log as a forwarder sees it."""

    @property
    def oldest(self) -> Position:
        """Nothing before this place is in the log any more."""
        ...

    def start(self, destination: str, news: Callable[[], None]) -> Cursor:
        """Where a destination stands; `news` is called whenever there may be more to read for it."""
        ...

    async def read(self, destination: str, limit: int) -> Chunk:
        """What comes next, durable all of it: whole segments until there are `limit` bytes."""
        ...

    def acknowledge(self, destination: str, cursor: Cursor, gaps: Iterable[int] = ()) -> None:
        """All before the cursor, and the gaps of these ids, have been taken by the destination."""
        ...


Clock = Callable[[], int]
"""UTC in ns as this gateway knows it."""
