"""What has been read from the log and not yet acknowledged, and how far a cursor may move.

Records are known by the order in which they were read. The cursor stands behind the last record before which
everything is done; what is done above it is kept as ranges, so that a restart does not send it again.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice

Position = tuple[int, int]
"""A place in the log: generation of the segment, offset in it. Ordered."""

MOST_RANGES = 64


class AckWindow:
    """Records between the cursor and the head of reading. `position` is the cursor."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self._first = 0
        self._ends: deque[tuple[Position, int]] = deque()
        self._done: set[int] = set()

    def __len__(self) -> int:
        """Records read and not done."""
        return len(self._ends) - len(self._done)

    @property
    def oldest_ns(self) -> int | None:
        """The time of the first record read and not done; None when there is none."""
        return self._ends[0][1] if self._ends else None

    def took(self, end: Position, time_ns: int) -> int:
        """A record of this time that ends at `end` was read; gives the number it is known by here."""
        self._ends.append((end, time_ns))
        return self._first + len(self._ends) - 1

    def done(self, records: Iterable[int]) -> None:
        """These records need no more sending: acknowledged, or named in a gap. Unknown ones are ignored."""
        last = self._first + len(self._ends)
        self._done.update(number for number in records if self._first <= number < last)
        while self._first in self._done:
            self._done.remove(self._first)
            self.position, _ = self._ends.popleft()
            self._first += 1

    def ranges(self) -> list[tuple[Position, Position]]:
        """At most 64 stretches above the cursor that are done: records that end in (start, end]."""
        stretches: list[tuple[Position, Position]] = []
        before = self.position
        if self._done:
            for number, (end, _) in enumerate(self._ends, start=self._first):
                if number in self._done:
                    if stretches and stretches[-1][1] == before:
                        stretches[-1] = (stretches[-1][0], end)
                    else:
                        stretches.append((before, end))
                before = end
        return list(islice(stretches, MOST_RANGES))
