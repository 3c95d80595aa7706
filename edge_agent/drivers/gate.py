"""When a connection may be opened again, and the one event that tells of its loss and its return."""

import asyncio
from collections.abc import Callable

import structlog

from edge_agent.core.backoff import Backoff
from edge_agent.errors import DeviceError

LONGEST_WAIT_S = 30.0
"""Between two attempts to connect: a PLC that is switched on again is read half a minute later at most."""

log = structlog.get_logger("connection")


class Gate:
    """Stands before the attempts to open one connection.

    `uniform(a, b)` gives a random number in [a, b].
    """

    def __init__(self, connection: str, uniform: Callable[[float, float], float]) -> None:
        self._connection = connection
        self._backoff = Backoff(uniform, longest_s=LONGEST_WAIT_S)
        self._retry_at = 0.0
        self._down = ""
        self._reason = "disconnected"

    def check(self) -> None:
        """Raises DeviceError while the next attempt has to wait.

        Its reason is `disconnected`, or why the last attempt was refused by an answer.
        """
        if asyncio.get_running_loop().time() < self._retry_at:
            raise DeviceError(self._reason, self._down or "lost; the next attempt waits a moment")

    @property
    def why(self) -> str:
        """Why the connection cannot be opened, as the last attempt met it; empty when it can."""
        return self._down

    def open(self) -> None:
        """Let the next attempt through whenever it comes: a person asks."""
        self._retry_at = 0.0

    def failed(self, error: DeviceError, held_s: float) -> None:
        """An attempt failed, after a connection that had held so many seconds."""
        self._wait(held_s)
        reason = "disconnected" if error.silent else error.reason
        # One that is back and refuses us is another trouble, and another one to mend it.
        if not self._down or reason != self._reason:
            log.warning("connection down", connection=self._connection, why=error.detail or error.reason)
        self._down, self._reason = error.detail or error.reason, reason

    def opened(self, held_s: float) -> None:
        """An attempt succeeded, after a connection that had held so many seconds."""
        self._wait(held_s)
        if self._down:
            log.info("connection up", connection=self._connection)
        self._down, self._reason = "", "disconnected"

    def _wait(self, held_s: float) -> None:
        self._retry_at = asyncio.get_running_loop().time() + self._backoff.after(held_s)
