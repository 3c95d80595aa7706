"""Named losses: what a gap is, when two are one, and how it is told to the receiver."""

from dataclasses import dataclass, replace

NUMBERED = ("evicted:", "not_stored:", "unreadable", "refused:")
"""Reasons of scans that existed and had numbers; the others never became scans."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A loss within one stream, or of the whole gateway when device and group are None.

    `life` is the buffer id whose numbers these are; None when it is not known. `first` and `last` are scan
    numbers (inclusive) or None; `start_ns` and `end_ns` UTC or None; `scans` how many scans, None if unknown.
    """

    life: str | None
    device: str | None
    group: str | None
    reason: str
    first: int | None = None
    last: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    scans: int | None = None

    @property
    def stream(self) -> tuple[str | None, str | None, str | None]:
        """What the gap belongs to."""
        return self.life, self.device, self.group

    def document(self, gateway: str) -> dict[str, object]:
        """The gap message as it stands on the gap topic."""
        return {
            "v": 1,
            "gw": gateway,
            "b": self.life,
            "d": self.device,
            "g": self.group,
            "n": None if self.first is None else [self.first, self.last],
            "t": None
            if self.start_ns is None and self.end_ns is None
            else [_ms(self.start_ns), _ms(self.end_ns)],
            "scans": self.scans,
            "reason": self.reason,
        }

    def fields(self) -> list[object]:
        """What the log keeps of it, in the order of the constructor."""
        return [
            self.life, self.device, self.group, self.reason,
            self.first, self.last, self.start_ns, self.end_ns, self.scans,
        ]  # fmt: skip


def merged(older: Gap, newer: Gap) -> Gap | None:
    """One gap for two neighbours of the same stream and reason; None when they are not neighbours.

    Numbered gaps are neighbours when no number lies between them; unnumbered ones only when they touch in
    time.
    """
    if (older.stream, older.reason) != (newer.stream, newer.reason):
        return None
    if (
        older.first is not None
        and older.last is not None
        and newer.first is not None
        and newer.last is not None
    ):
        if newer.first > older.last + 1 or newer.last < older.first - 1:
            return None
        first, last = min(older.first, newer.first), max(older.last, newer.last)
        scans: int | None = last - first + 1
    elif older.end_ns is not None and older.end_ns == newer.start_ns:
        first, last = None, None
        scans = None if older.scans is None or newer.scans is None else older.scans + newer.scans
    else:
        return None
    start = _least(older.start_ns, newer.start_ns)
    end = _most(older.end_ns, newer.end_ns)
    return replace(older, first=first, last=last, start_ns=start, end_ns=end, scans=scans)


def _least(a: int | None, b: int | None) -> int | None:
    known = [each for each in (a, b) if each is not None]
    return min(known, default=None)


def _most(a: int | None, b: int | None) -> int | None:
    known = [each for each in (a, b) if each is not None]
    return max(known, default=None)


def _ms(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // 1_000_000
