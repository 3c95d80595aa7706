"""How far the clock of a server is from ours: an event when it is wrong, and when it is right again."""

import structlog

from edge_agent.ports import Clock

WRONG_S = 10.0
"""From here on two clocks are not just late answers; two seconds less make it right again."""

log = structlog.get_logger("opcua")


class ServerClock:
    """Of one connection. `offset_s` is how far the server is ahead of us, None while it has not said."""

    def __init__(self, connection: str, clock: Clock) -> None:
        self._log = log.bind(connection=connection)
        self._clock = clock
        self._wrong = False
        self.offset_s: float | None = None

    def heard(self, server_ns: int) -> None:
        """A server has just said what time it is, UTC in ns."""
        self.offset_s = round((server_ns - self._clock()) / 1e9, 1) + 0.0  # never -0.0
        wrong = abs(self.offset_s) > (WRONG_S - 2.0 if self._wrong else WRONG_S)
        if wrong and not self._wrong:
            self._log.warning(
                "server clock differs", ahead_s=self.offset_s, advice="set the clock there, or here"
            )
        elif self._wrong and not wrong:
            self._log.info("server clock agrees again", ahead_s=self.offset_s)
        self._wrong = wrong
