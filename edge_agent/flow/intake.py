"""Readings of one stream -> the buffer: a function call per scan, no queue."""

from collections.abc import Awaitable, Callable

from edge_agent.core.gap import Gap
from edge_agent.core.model import Scan, Schema
from edge_agent.core.report import Reporter


class Intake:
    """Takes the scans of one stream. `append` stores one, `lose` records what never became a scan."""

    def __init__(
        self,
        schema: Schema,
        reporter: Reporter,
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
        """Store what is worth reporting of a scan of all columns; the awaitable resolves when it is durable.

        `came_back` asks for a full scan: the device was away. None: there was nothing to report.
        """
        self.read += 1
        if came_back:
            self._reporter.renew()
        worth = self._reporter.report(scan)
        if worth is None:
            self.unchanged += 1
            return None
        return self._append(worth)

    def renew(self) -> None:
        """What was stored last may be lost: the next scan is a full one."""
        self._reporter.renew()

    def overrun(self, life: str, start_ns: int, end_ns: int, scans: int) -> None:
        """Due times that passed while the device was still being read, between two readings."""
        device, group = self._schema.stream
        self._lose(Gap(life, device, group, "overrun", None, None, start_ns, end_ns, scans))
