"""Due times without drift: a group is due at phase + k * interval for ever, however late a reading was."""

import math
from hashlib import blake2b

SLOTS = 50
"""Phases are put into this many slots of an interval: devices of a slot wake together, which saves wake-ups,
and at most 2 % of the devices start at the same instant."""


def phase(interval_s: float, *names: str) -> float:
    """A stable phase in [0, interval_s) that follows from names such as device and group."""
    digest = blake2b("/".join(names).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % SLOTS * interval_s / SLOTS


class Cadence:
    """The due times of one group on a clock that never goes back. All in seconds."""

    def __init__(self, interval_s: float, phase_s: float) -> None:
        self._interval_s = interval_s
        self._phase_s = phase_s
        self._turn: int | None = None

    def next(self, now_s: float) -> tuple[float, int]:
        """The next due time after `now_s`, and how many due times have passed unused since the last call.

        A due time that is less than half an interval ago is still taken, late; it is not missed.
        """
        turn = math.ceil((now_s - self._phase_s) / self._interval_s - 0.5)
        if self._turn is None:
            self._turn = math.ceil((now_s - self._phase_s) / self._interval_s)
            return self._due(), 0
        wanted = self._turn + 1
        self._turn = max(turn, wanted)
        return self._due(), self._turn - wanted

    def _due(self) -> float:
        assert self._turn is not None  # noqa: S101 - set by `next`, the only caller
        return self._phase_s + self._turn * self._interval_s
