"""Notifications of one subscription as they come over several requests, to be taken out in order."""

import asyncio

from typing_extensions import override

from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.session import LEAST_BYTES, PUBLISHING, Listener

LAST_SEQUENCE = 0xFFFFFFFF  # then comes 1 (OPC UA Part 4, 7.8)
LONG_PAST = PUBLISHING[1]
"""Notifications may change places with as many as there are requests."""


class Inbox(Listener):
    """Notifications of one subscription as they come, to be taken out in order.

    `newest` is the last number that came, `anew` says that the numbers have begun anew behind it: this is no
    longer what was listened to. `is_gone` says that the server has none any more.
    """

    def __init__(self) -> None:
        self.newest = 0
        self.anew = False
        self.is_gone = False
        self._messages: dict[int, Notification] = {}
        self._event = asyncio.Event()
        self._announced = 0
        self.heard_at = asyncio.get_running_loop().time()
        self.alive = False
        self.alive_ns: int | None = None

    @property
    @override
    def waiting_bytes(self) -> int:
        return sum(max(told.bytes_, LEAST_BYTES) for told in self._messages.values())

    @override
    def take(self, told: Notification) -> None:
        self.alive, self.heard_at = True, asyncio.get_running_loop().time()
        if self._is_past(told):
            self.anew = True
        elif told.has_news:
            self._messages[told.sequence] = told
            self.newest = told.sequence if _is_before(self.newest, told.sequence) else self.newest
        else:
            self._announced = told.sequence - 1 if told.sequence > 1 else 0
            self.alive_ns = told.sent_ns
        self._event.set()

    @override
    def end(self) -> None:
        self._event.set()

    @override
    def gone(self) -> None:
        self.is_gone = True
        self._event.set()

    def _is_past(self, told: Notification) -> bool:
        """Whether this is of numbers that were had long ago."""
        if not self.newest:
            return False
        if told.has_news:
            return _is_before(told.sequence, self.newest - LONG_PAST)
        # Some servers say nothing of the number that comes next.
        return told.sequence > 1 and _is_before(told.sequence, self.newest)

    def pop(self, sequence: int) -> Notification | None:
        """The notification of this number; what was before it has been had."""
        message = self._messages.pop(sequence, None)
        if message is not None:
            for each in [each for each in self._messages if _is_before(each, sequence)]:
                del self._messages[each]
        return message

    def lacks(self, sequence: int) -> bool:
        """Whether this number is not there although a later one is, or the server says it was sent."""
        known = (self._announced, *self._messages)
        return sequence not in self._messages and any(
            each and not _is_before(each, sequence) for each in known
        )

    async def wait(self, seconds: float) -> None:
        """Wait for the next message, or the end; so long at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()


def _is_before(number: int, other: int) -> bool:
    """Whether one number comes before another, where 1 follows the last one (OPC UA Part 4, 7.8)."""
    return 0 < (other - number) % (LAST_SEQUENCE + 1) <= LAST_SEQUENCE // 2
