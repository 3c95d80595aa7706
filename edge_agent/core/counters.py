"""Counters only rise: a fall that is neither a wrap-around nor a reset is doubted, once.

A good value below the last good one is
* a wrap-around, when the last value lay in the highest sixteenth of what the counter can hold and the new one
  lies in the lowest: good;
* a reset, when the new value is that of an empty counter, or no more above it than can have been counted
  since the last reading at twice the fastest pace at which it was seen to count, and less than half of the
  last value: good. A pace counts once the reading behind it did not fall, so that one value that is too high
  teaches none;
* anything else: `uncertain:counter_fell`. One of the two values was wrong and nobody knows which, so the new
  one is the base from now on and the pace is learned anew.

Values that are bad or uncertain are not looked at. Floats and numbers with a factor of their own have no end
at which to wrap around.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

from edge_agent.core.model import GOOD, Column, Range, uncertain

FELL = uncertain("counter_fell")

MARGIN = 16
"""The highest and the lowest sixteenth are the ends of a counter's range."""

PACE = 2
"""How many times its fastest pace a counter may have counted since a reset."""

SHORTEST_S = 1.0
"""Readings closer together say little of a pace: one more within a millisecond is not a thousand a second."""


class Counters:
    """The counters among the columns of one group, and what is known of each. False when there are none."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._counters = [
            _Counter(at, column.counter.zero, *_ends(column.counter))
            for at, column in enumerate(columns)
            if column.counter is not None
        ]

    def __bool__(self) -> bool:
        return bool(self._counters)

    def judged(
        self, values: Sequence[Any], quality: tuple[str, ...] | None, time_s: float
    ) -> tuple[str, ...] | None:
        """The quality of one reading of all columns, with every fall that is none of the good ones in it.

        `quality` is None when every value is good, and so is the result. `time_s` is that of the reading, in
        seconds of any clock that never goes back. To be called once for each reading, in their order.
        """
        fallen = [
            counter.at
            for counter in self._counters
            if (quality is None or quality[counter.at] == GOOD) and counter.fell(values[counter.at], time_s)
        ]
        if not fallen:
            return quality
        marked = list(quality or (GOOD,) * len(values))
        for at in fallen:
            marked[at] = FELL
        return tuple(marked)


@dataclass(slots=True)
class _Counter:
    """One counter: `zero` when empty, `low` ends its lowest sixteenth, from `high` on it may wrap around.

    `base` is the last good value, read at `since_s`; `pace` the fastest it was seen to rise, in 1/s, but for
    the last rise at `latest`.
    """

    at: int
    zero: float
    low: float
    high: float
    base: float | None = None
    since_s: float = 0.0
    pace: float = 0.0
    latest: float = 0.0

    def fell(self, value: float, time_s: float) -> bool:
        """Enter a good value; whether it lies below the last one for no good reason."""
        base, passed_s = self.base, max(time_s - self.since_s, SHORTEST_S)
        self.base, self.since_s = value, time_s
        if base is None:
            return False
        if value >= base:
            self.pace = max(self.pace, self.latest)
            self.latest = (value - base) / passed_s
            return False
        self.latest = 0.0
        if self._reset(value - self.zero, base - self.zero, passed_s):
            return False
        if base >= self.high and value <= self.low:
            return False
        self.pace = 0.0
        return True

    def _reset(self, count: float, before: float, passed_s: float) -> bool:
        return count == 0 or (0 < count <= PACE * self.pace * passed_s and count < before / 2)


def _ends(range_: Range) -> tuple[float, float]:
    """The end of the lowest sixteenth of a range and the beginning of the highest one."""
    if isinf(range_.highest):
        return range_.lowest, range_.highest
    sixteenth = (range_.highest - range_.lowest) / MARGIN
    return range_.lowest + sixteenth, range_.highest - sixteenth
