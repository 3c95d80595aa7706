"""Who is next on a wire: a lock with room for a few, given to the most urgent, then to the first."""

import asyncio
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count


class Urgency(IntEnum):
    """What a request is for; the smaller goes first. A probe may wait: it is of no poll."""

    COMMAND = 0
    POLL = 1
    PROBE = 2


class Turns:
    """`slots` may go at a time."""

    def __init__(self, slots: int = 1) -> None:
        self._free = slots
        self._waiting: list[tuple[Urgency, int, asyncio.Future[None]]] = []
        self._order = count()

    @property
    def idle(self) -> bool:
        """Nobody goes and nobody waits."""
        return self._free > 0 and not self._waiting

    async def take(self, urgency: Urgency) -> None:
        """Wait for a turn. Whoever has one gives it back."""
        if self.idle:
            self._free -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (urgency, next(self._order), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give_back()  # it was mine already
            raise

    def give_back(self) -> None:
        """The turn goes to whoever is next."""
        while self._waiting:
            _, _, waiting = heappop(self._waiting)
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1
