"""Report by exception: which columns of a scan are worth a record.

Per column: with good or uncertain quality it goes when its tag reports always, when it changed (by more than
its deadband since it was last *reported*), or when its quality changed. A bad one goes when its quality
changed. A full scan carries all, every heartbeat and whenever the receiver cannot know what it missed.

The deadbands are those in the schema of the scan: a device may tell only when it is there how far one is.
"""

from collections.abc import Sequence
from dataclasses import replace

from edge_agent.core.model import GOOD, Scan, Schema, Value

UNKNOWN = "unknown"
"""Never a quality of a scan: the last reported quality before anything was reported."""


class Reporter:
    """What was last reported of one stream. `heartbeat_ns` is the time between full scans."""

    def __init__(self, schema: Schema, *, heartbeat_ns: int) -> None:
        self._schema = schema
        self._heartbeat_ns = heartbeat_ns
        self._always = all(not column.on_change for column in schema.columns)
        self._values: list[Value] = [None] * len(schema.columns)
        self._quality: Sequence[str] = [UNKNOWN] * len(schema.columns)
        self._all_good = (GOOD,) * len(schema.columns)
        self._full_at_ns: int | None = None

    def renew(self) -> None:
        """Make the next scan a full one: the device came back, or a gap was recorded at the head."""
        self._full_at_ns = None

    def report(self, scan: Scan) -> Scan | None:
        """What of a scan of all columns is to be recorded; None when there is nothing to say."""
        quality = scan.quality or self._all_good
        if due(self._full_at_ns, scan.time_ns + scan.lag_ns, self._heartbeat_ns):
            self._full_at_ns = scan.time_ns + scan.lag_ns
            self._values, self._quality = list(scan.values), quality
            return replace(scan, full=True)
        if self._always and scan.quality is None and self._quality == self._all_good:
            return scan
        index = tuple(i for i, worth in enumerate(self._worth(scan, quality)) if worth)
        if not index:
            return None
        for i in index:
            self._values[i] = scan.values[i]
        self._quality = quality
        return _columns(scan, quality, index)

    def _worth(self, scan: Scan, quality: Sequence[str]) -> list[bool]:
        return [
            now != before
            or (not now.startswith("bad:") and (not column.on_change or moved(column.deadband, old, new)))
            for column, new, old, now, before in zip(
                scan.schema.columns, scan.values, self._values, quality, self._quality, strict=True
            )
        ]


def due(full_at_ns: int | None, now_ns: int, heartbeat_ns: int) -> bool:
    """Whether a full scan is due, the last one being that of `full_at_ns`.

    When the clock has gone back no age is known, and a full scan is the safe answer.
    """
    return full_at_ns is None or not 0 <= now_ns - full_at_ns < heartbeat_ns


def moved(deadband: float, old: Value, new: Value) -> bool:
    """Whether a value differs from the last reported one by more than its deadband (0: at all)."""
    if deadband and isinstance(old, int | float) and isinstance(new, int | float):
        return abs(new - old) > deadband
    return new != old


def _columns(scan: Scan, quality: Sequence[str], index: tuple[int, ...]) -> Scan:
    if len(index) == len(scan.values):
        return scan
    picked = tuple(quality[i] for i in index)
    return Scan(
        scan.schema,
        scan.time_ns,
        tuple(scan.values[i] for i in index),
        picked if any(picked) else None,
        index,
        tuple(scan.offsets_ms[i] for i in index) if scan.offsets_ms else None,
        lag_ns=scan.lag_ns,
    )
