"""What to send next: per stream a queue of what was read, and which streams are due for a message.

A stream is due when its oldest waiting item is `batch_age_s` old, when `batch_bytes` wait, or when its items
were put to go at once. It has one message under way at most, so first arrivals are in order whatever a broker
refuses.
"""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import Generic, TypeVar

Item = TypeVar("Item")
StreamKey = tuple[str | None, str | None, str | None]
"""Buffer id, device, group; device and group are None for what concerns the whole gateway."""


@dataclass(slots=True)
class Lane(Generic[Item]):
    """What waits of one stream: items, each with its size in bytes and the time from which it is due.

    The first `urgent` of them go before all others.
    """

    key: StreamKey
    waiting: deque[tuple[Item, int, float]] = field(default_factory=deque)
    size_bytes: int = 0
    urgent: int = 0
    busy: bool = False
    due_s: float = inf
    paused_until_s: float = -inf


class Drain(Generic[Item]):
    """The queues of all streams. Times in seconds on a clock that never goes back, sizes in bytes."""

    def __init__(self, *, batch_age_s: float, batch_bytes: int) -> None:
        self._batch_age_s = batch_age_s
        self._batch_bytes = batch_bytes
        self._lanes: dict[StreamKey, Lane[Item]] = {}
        self._due: list[tuple[float, int, Lane[Item]]] = []
        self._count = 0
        self.size_bytes = 0

    def put(
        self, key: StreamKey, item: Item, size_bytes: int, now_s: float, *, at_once: bool = False
    ) -> None:
        """An item of a stream waits to be sent; `at_once` when it shall not wait for others.

        At once at -inf is before all streams that are due.
        """
        lane = self._lanes.setdefault(key, Lane(key))
        due_s = (
            now_s
            if at_once or lane.size_bytes + size_bytes >= self._batch_bytes
            else now_s + self._batch_age_s
        )
        lane.waiting.append((item, size_bytes, due_s))
        lane.size_bytes += size_bytes
        self.size_bytes += size_bytes
        self._list(lane, due_s)

    def put_first(self, key: StreamKey, item: Item, size_bytes: int, now_s: float) -> None:
        """An item goes at once and before all that waits of its stream: it is urgent."""
        lane = self._lanes.setdefault(key, Lane(key))
        lane.waiting.appendleft((item, size_bytes, now_s))
        lane.urgent += 1
        lane.size_bytes += size_bytes
        self.size_bytes += size_bytes
        self._list(lane, now_s)

    def due(self, now_s: float, *, hurry: bool = False) -> Generator[Lane[Item]]:
        """Streams that want a message now and have none under way.

        Use `take`, or `release` to leave it for later.
        """
        paused: list[Lane[Item]] = []
        try:
            while self._due and (hurry or self._due[0][0] <= now_s):
                due_s, _, lane = heappop(self._due)
                if due_s != lane.due_s or lane.busy:
                    continue  # it was listed again for an earlier time, or `release` will list it
                if lane.paused_until_s > now_s:
                    paused.append(lane)
                    continue
                lane.due_s = inf
                lane.busy = True
                yield lane
        finally:
            # Whoever asks may stop asking: what was looked at on the way stays listed.
            for lane in paused:
                lane.due_s = inf
                self._list(lane, lane.paused_until_s)

    def next_due_s(self) -> float | None:
        """When the next stream is due; None when nothing waits that is not under way."""
        while self._due and (self._due[0][0] != self._due[0][2].due_s or self._due[0][2].busy):
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def take(self, lane: Lane[Item], count: int) -> list[tuple[Item, int]]:
        """The `count` oldest items of a stream with their sizes, for one message."""
        taken = [lane.waiting.popleft()[:2] for _ in range(count)]
        lane.urgent = max(0, lane.urgent - count)
        size = sum(item[1] for item in taken)
        lane.size_bytes -= size
        self.size_bytes -= size
        return taken

    def give_back(self, lane: Lane[Item], items: list[tuple[Item, int]]) -> None:
        """Items of a message that was not taken, with their sizes.

        They wait again, in front of all others but the urgent ones.
        """
        due_s = lane.waiting[0][2] if lane.waiting else 0.0
        urgent = [lane.waiting.popleft() for _ in range(lane.urgent)]
        lane.waiting.extendleft((item, size, due_s) for item, size in reversed(items))
        lane.waiting.extendleft(reversed(urgent))
        added = sum(size for _, size in items)
        lane.size_bytes += added
        self.size_bytes += added

    def release(self, lane: Lane[Item], now_s: float, *, pause_s: float = 0.0) -> None:
        """The stream has no message under way any more; its next one may go after `pause_s`."""
        lane.busy = False
        if not lane.waiting:
            self._lanes.pop(lane.key, None)
            return
        full = lane.size_bytes >= self._batch_bytes
        if pause_s:
            lane.paused_until_s = now_s + pause_s
        self._list(lane, min(now_s, lane.waiting[0][2]) if full else lane.waiting[0][2])

    def discard(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Forget the waiting items for which `unwanted` is true; gives them."""
        gone: list[Item] = []
        for lane in self._lanes.values():
            kept = deque(entry for entry in lane.waiting if not unwanted(entry[0]))
            if len(kept) < len(lane.waiting):
                gone += [entry[0] for entry in lane.waiting if unwanted(entry[0])]
                self.size_bytes -= lane.size_bytes
                lane.waiting, lane.size_bytes = kept, sum(entry[1] for entry in kept)
                self.size_bytes += lane.size_bytes
        return gone

    def _list(self, lane: Lane[Item], due_s: float) -> None:
        due_s = max(due_s, lane.paused_until_s)
        if lane.busy or due_s >= lane.due_s:
            return
        lane.due_s = due_s
        self._count += 1
        heappush(self._due, (due_s, self._count, lane))
