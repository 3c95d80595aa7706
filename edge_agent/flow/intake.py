"""Readings of one stream -> the buffer: a function call per scan, no queue."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from edge_agent.core.gap import Gap
from edge_agent.core.model import Scan, Schema
from edge_agent.errors import NotStored


class Reports(Protocol):
    """What of the scans of one stream is worth a record."""

    def report(self, scan: Scan) -> Scan | None:
        """What of a scan is to be recorded; None when there is nothing to say."""
        ...

    def renew(self) -> None:
        """Make the next scan a full one."""
        ...


class Intake:
    """Takes the scans of one stream. `append` stores one, `lose` records what never became a scan."""

    def __init__(
        self,
        schema: Schema,
        reporter: Reports,
        append: Callable[[Scan], Awaitable[None]],
        lose: Callable[[Gap], None],
    ) -> None:
        self._schema = schema
        self._reporter = reporter
        self._append = append
        self._lose = lose
        self.read = 0
        self.unchanged = 0

    def take(self, scan: Scan, *, came_back: bool = False) -> Awaitable[None] | None:
        """Store what is worth reporting of a scan; the awaitable resolves when it is durable.

        `came_back` asks for a full scan: the device was away. None: there was nothing to report.
        """
        self.read += 1
        if came_back:
            self._reporter.renew()
        worth = self._reporter.report(scan)
        if worth is None:
            self.unchanged += 1
            return None
        return self.store(worth)

    def fill(self, scan: Scan) -> None:
        """Store what a device had recorded while it was away: no news, and all of it counts."""
        self.read += 1
        self.store(scan)

    def store(self, scan: Scan) -> Awaitable[None]:
        """Store a scan as it is; the next one is full when this one could not be stored."""
        stored = self._append(scan)
        if isinstance(stored, asyncio.Future):
            stored.add_done_callback(self._settled)
        return stored

    def _settled(self, stored: "asyncio.Future[None]") -> None:
        # After a gap at the head of its stream the receiver knows nothing.
        if not stored.cancelled() and isinstance(stored.exception(), NotStored):
            self._reporter.renew()

    def renew(self) -> None:
        """The receiver cannot know what it missed: the next scan is a full one."""
        self._reporter.renew()

    def lost(self, life: str, reason: str, start_ns: int | None, end_ns: int) -> None:
        """What the device had to say between two times never came, or in part."""
        self._lose(Gap(life, *self._schema.stream, reason, None, None, start_ns, end_ns))
        self._reporter.renew()

    def overrun(self, life: str, start_ns: int, end_ns: int, scans: int) -> None:
        """Due times that passed while the device was still being read, between two readings."""
        device, group = self._schema.stream
        self._lose(Gap(life, device, group, "overrun", None, None, start_ns, end_ns, scans))
