"""Notifications of one subscription as they come over several requests, to be taken out in order."""

import asyncio

from typing_extensions import override

from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.session import LEAST_BYTES, Listener


class Inbox(Listener):
    """Notifications of one subscription as they come, to be taken out in order."""

    def __init__(self) -> None:
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
        if told.has_news:
            self._messages[told.sequence] = told
        else:
            self._announced = told.sequence - 1
            self.alive_ns = told.sent_ns
        self._event.set()

    @override
    def end(self) -> None:
        self._event.set()

    def pop(self, sequence: int) -> Notification | None:
        """The notification of this number; what was before it has been had."""
        message = self._messages.pop(sequence, None)
        if message is not None:
            for each in [each for each in self._messages if each < sequence]:
                del self._messages[each]
        return message

    def behind(self, sequence: int) -> int | None:
        """The first number here that comes behind this one."""
        return min((each for each in self._messages if each > sequence), default=None)

    def lacks(self, sequence: int) -> bool:
        """Whether this number is not there although a later one is, or the server says it was sent."""
        return sequence not in self._messages and max((self._announced, *self._messages)) >= sequence

    async def wait(self, seconds: float) -> None:
        """Wait for the next message, or the end; so long at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()
