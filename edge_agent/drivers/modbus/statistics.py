"""What went over a wire, in numbers."""

from collections import Counter

WINDOW_S = 60.0
"""Over which utilisation is told: longer than most intervals, short enough to see a change."""


LEARNED = 0.02
"""How much of a new latency goes into the mean: that of the last hundred answers or so."""


class Statistics:
    """Counts since the start, and the share of the last minute in which the wire was busy."""

    def __init__(self) -> None:
        self.requests = 0
        self.probes = 0
        self.late = 0
        self.opened = 0
        self.failures: Counter[str] = Counter()
        self._latency_s: float | None = None
        self._busy_s = 0.0
        self._marks = ((0.0, 0.0), (0.0, 0.0))

    def busy(self, began: float, ended: float) -> None:
        """A request took the wire from one time to another (of the loop, s)."""
        if not self.requests:
            self._marks = (began, 0.0), (began, 0.0)
        self.requests += 1
        self._busy_s += ended - began
        _, newer = self._marks
        if ended - newer[0] >= WINDOW_S / 2:
            self._marks = newer, (ended, self._busy_s)

    def answered(self, latency_s: float) -> None:
        """A device took so long to answer, without the time that the characters took on a line."""
        if self._latency_s is None:
            self._latency_s = latency_s
        self._latency_s += LEARNED * (latency_s - self._latency_s)

    def failed(self, reason: str) -> None:
        """A request failed."""
        self.failures[reason] += 1

    def utilisation(self, now: float) -> float:
        """The share of about the last minute in which the wire was busy, 0 to 1."""
        at, busy_s = self._marks[0]
        return min(1.0, (self._busy_s - busy_s) / (now - at)) if self.requests and at < now else 0.0

    def document(self, now: float) -> dict[str, object]:
        """All of it, as JSON has it."""
        return {
            "requests": self.requests,
            "failures": dict(sorted(self.failures.items())),
            "probes": self.probes,
            "late_answers": self.late,
            "opened": self.opened,
            "latency_ms": None if self._latency_s is None else round(self._latency_s * 1000, 2),
            "utilisation_percent": round(100 * self.utilisation(now), 1),
        }
