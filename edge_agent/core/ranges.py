"""A set of whole numbers kept as ranges, small as long as the numbers lie together."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Ranges:
    """Numbers as ascending, disjoint, non-touching ranges (inclusive)."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number <= self._ends[at]

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts) + len(self._starts)

    @property
    def last(self) -> int | None:
        """The highest number, None when empty."""
        return self._ends[-1] if self._ends else None

    def add(self, first: int, last: int) -> int:
        """Put in all numbers from `first` to `last`; gives how many of them were new."""
        before = len(self)
        low = bisect_left(self._ends, first - 1)
        high = bisect_right(self._starts, last + 1)
        if low < high:
            first, last = min(first, self._starts[low]), max(last, self._ends[high - 1])
        self._starts[low:high] = [first]
        self._ends[low:high] = [last]
        return len(self) - before

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """The ranges between `first` and `last` (inclusive) that are not in the set."""
        holes, at = [], first
        for start, end in self:
            if end < at:
                continue
            if start > last:
                break
            if start > at:
                holes.append((at, start - 1))
            at = end + 1
        if at <= last:
            holes.append((at, last))
        return holes
