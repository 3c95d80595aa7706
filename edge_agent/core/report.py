"""Report by exception: which columns of a scan are worth a record.

Per column: with good or uncertain quality it goes when its tag reports always, when it changed (by more than
its deadband since it was last *reported*), or when its quality changed. A bad one goes when its quality
changed. A full scan carries all, every heartbeat and whenever the receiver cannot know what it missed.
"""

from collections.abc import Sequence

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
        if (
            self._full_at_ns is None
            or scan.time_ns - self._full_at_ns >= self._heartbeat_ns
            or self._stepped(scan)
        ):
            self._full_at_ns = scan.time_ns
            self._values, self._quality = list(scan.values), quality
            return Scan(
                self._schema, scan.time_ns, scan.values, scan.quality, None, scan.offsets_ms, full=True
            )
        if self._always and scan.quality is None and self._quality == self._all_good:
            return scan
        index = tuple(i for i, worth in enumerate(self._worth(scan.values, quality)) if worth)
        if not index:
            return None
        for i in index:
            self._values[i] = scan.values[i]
        self._quality = quality
        return _columns(scan, quality, index)

    def _stepped(self, scan: Scan) -> bool:
        """Has the clock gone back? Then no age is known, and a full scan is the safe answer."""
        return self._full_at_ns is not None and scan.time_ns < self._full_at_ns

    def _worth(self, values: tuple[Value, ...], quality: Sequence[str]) -> list[bool]:
        return [
            now != before
            or (not now.startswith("bad:") and (not column.on_change or _moved(column.deadband, old, new)))
            for column, new, old, now, before in zip(
                self._schema.columns, values, self._values, quality, self._quality, strict=True
            )
        ]


def _moved(deadband: float, old: Value, new: Value) -> bool:
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
