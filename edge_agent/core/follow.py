"""Report by exception where the device tells its news: what is worth a record, and full scans from memory.

A column goes when its tag reports always, when it moved by more than its deadband since it was last
*reported*, or when its quality changed. The same sample told twice (same time, value and quality) is one. A
full scan is made of what is known of all columns, each with the time of its own sample.

The deadbands are those in the schema of the news: a device may tell only when it is there how far one is.
"""

from collections.abc import Sequence

from edge_agent.core.model import GOOD, Column, Scan, Schema, Value
from edge_agent.core.report import UNKNOWN, due, moved


class Follower:
    """What is known of one stream and what was reported of it. Times and `heartbeat_ns` in ns.

    Samples of one scan further apart than `resolution_ns` get a time of their own.
    """

    def __init__(self, schema: Schema, *, heartbeat_ns: int, resolution_ns: int) -> None:
        count = len(schema.columns)
        self._schema = schema
        self._heartbeat_ns = heartbeat_ns
        self._resolution_ns = resolution_ns
        self._values: list[Value] = [None] * count
        self._quality = [UNKNOWN] * count
        self._times = [0] * count
        self._told: list[Value] = [None] * count
        self._told_quality = [UNKNOWN] * count
        self._unknown = count
        self._full_at_ns: int | None = None

    @property
    def quality(self) -> Sequence[str]:
        """The present quality of each column."""
        return self._quality

    def renew(self) -> None:
        """Make the next scan a full one: the device came back, or a gap was recorded at the head."""
        self._full_at_ns = None

    def report(self, scan: Scan) -> Scan | None:
        """What of news is to be recorded; None when there is nothing to say."""
        fresh = self._enter(scan)
        now_ns = scan.time_ns + scan.lag_ns
        if not self._unknown and due(self._full_at_ns, now_ns, self._heartbeat_ns):
            return self._full(scan.time_ns, now_ns)
        index = [i for i in fresh if self._worth(i, scan.schema.columns[i])]
        if not index:
            return None
        self._note(index)
        return self._scan(index, scan.time_ns, scan.lag_ns)

    def confirm(self, now_ns: int) -> Scan | None:
        """The device lives and has no news: a full scan when one is due and every column is known."""
        if self._unknown or not due(self._full_at_ns, now_ns, self._heartbeat_ns):
            return None
        return self._full(max(self._times), now_ns)

    def _enter(self, scan: Scan) -> list[int]:
        """Remember samples; gives the columns that have one which was not known before."""
        columns = scan.index or range(len(self._schema.columns))
        fresh = []
        for at, i in enumerate(columns):
            time_ns = _moment(scan.time_ns, scan.offsets_ms[at] if scan.offsets_ms else 0.0)
            quality = scan.quality[at] if scan.quality else GOOD
            sample = (scan.values[at], quality, time_ns)
            if sample == (self._values[i], self._quality[i], self._times[i]):
                continue
            self._unknown -= self._quality[i] == UNKNOWN
            self._values[i], self._quality[i], self._times[i] = sample
            fresh.append(i)
        return fresh

    def _worth(self, i: int, column: Column) -> bool:
        quality = self._quality[i]
        if quality != self._told_quality[i]:
            return True
        if quality.startswith("bad:"):
            return False
        return not column.on_change or moved(column.deadband, self._told[i], self._values[i])

    def _full(self, time_ns: int, now_ns: int) -> Scan:
        self._full_at_ns = now_ns
        everything = range(len(self._schema.columns))
        self._note(everything)
        return self._scan(everything, time_ns, now_ns - time_ns, full=True)

    def _note(self, index: Sequence[int]) -> None:
        for i in index:
            self._told[i], self._told_quality[i] = self._values[i], self._quality[i]

    def _scan(self, index: Sequence[int], time_ns: int, lag_ns: int, *, full: bool = False) -> Scan:
        quality = tuple(self._quality[i] for i in index)
        offsets = [self._times[i] - time_ns for i in index]
        wide = max(map(abs, offsets)) > self._resolution_ns
        return Scan(
            self._schema,
            time_ns,
            tuple(self._values[i] for i in index),
            quality if any(quality) else None,
            None if len(index) == len(self._schema.columns) else tuple(index),
            tuple(round(offset / 1e6, 3) for offset in offsets) if wide else None,
            full=full,
            lag_ns=lag_ns,
        )


def _moment(time_ns: int, offset_ms: float) -> int:
    """The time of a sample in ns: to the us, since an offset of months is no better as a float."""
    return (time_ns + round(offset_ms * 1e6) + 500) // 1000 * 1000 if offset_ms else time_ns
