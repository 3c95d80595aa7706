"""How long to wait before trying again: exponential with full jitter, forgotten only after a stable time."""

from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 120.0
STABLE_S = 60.0
"""A link that held this long was good: the next trouble starts again with short waits."""


class Backoff:
    """Waits of one link.

    `uniform(a, b)` gives a random number in [a, b]; full jitter keeps 10,000 gateways apart.
    """

    def __init__(
        self,
        uniform: Callable[[float, float], float],
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        stable_s: float = STABLE_S,
    ) -> None:
        self._uniform = uniform
        self._first_s = first_s
        self._longest_s = longest_s
        self.stable_s = stable_s
        self._failures = 0

    def after(self, held_s: float) -> float:
        """Seconds to wait after a link that held `held_s` seconds (0 when it never came up)."""
        if held_s >= self.stable_s:
            self._failures = 0
        ceiling = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return self._uniform(0.0, ceiling)
