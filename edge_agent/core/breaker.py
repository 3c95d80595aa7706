"""When a unit that does not answer is asked again, and how much of a wire's time that may cost.

closed: it is asked whenever it is due. After `MISSES` requests in a row without an answer it opens: nobody
waits for it any more. From time to time it is probed with one request; any answer closes it.

    wait before a probe    2 s, doubled with each one that fails, up to 5 min; up to 30 s for a unit that is
                           alone on its wire, where probing costs nobody anything
    time for its answer    a few times the slowest answer seen on the wire, doubled with each probe up to the
                           timeout: a unit that died answers fast when it is back, a slow one is found later
"""

from collections.abc import Callable

MISSES = 2
FIRST_S = 2.0
LONGEST_S = 300.0
LONGEST_ALONE_S = 30.0
SHARE = 0.05
"""Of a wire's time that probes may take while others are behind it."""
QUICKEST_S = 0.05
"""No probe gives an answer less time than this."""
SLACK = 3.0
"""Times the slowest answer seen: what a first probe waits."""


class Breaker:
    """The state of one unit. All times in seconds of one clock that never goes back.

    `uniform(a, b)` gives a random number in [a, b]: it keeps units that died together apart.
    """

    __slots__ = ("_misses", "_next", "_patient", "_probes", "_probing", "_uniform")

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._misses = 0
        self._probes = 0
        self._next = 0.0
        self._probing = False
        self._patient = False

    @property
    def misses(self) -> int:
        """Requests in a row without an answer."""
        return self._misses

    @property
    def open(self) -> bool:
        """Nobody asks it but probes."""
        return self._misses >= MISSES

    @property
    def next_probe(self) -> float:
        """When it may be probed."""
        return self._next

    def probe(self, now: float) -> bool:
        """Whether a probe may go out now; true once, until it is told how that ended."""
        if self._probing or now < self._next:
            return False
        self._probing = True
        return True

    def forgo(self) -> None:
        """The probe that was granted did not take place."""
        self._probing = False

    def timeout(self, slowest_s: float, longest_s: float) -> float:
        """How long a probe waits; `slowest_s` is the slowest answer seen, `longest_s` the timeout."""
        if self._patient:
            return longest_s
        first = max(QUICKEST_S, SLACK * slowest_s)
        return min(longest_s, first * 2.0 ** min(self._probes, 16))

    def answered(self) -> bool:
        """It said something. True when it had been open."""
        was = self.open
        self._misses = self._probes = 0
        self._probing = self._patient = False
        self._next = 0.0
        return was

    def missed(self, now: float, *, alone: bool) -> bool:
        """It did not answer a request or a probe. True when that has opened it."""
        was, self._misses = self.open, self._misses + 1
        self._probes += self._probing
        self._probing = False
        if self.open:
            longest = LONGEST_ALONE_S if alone else LONGEST_S
            wait = min(longest, FIRST_S * 2.0 ** min(self._probes, 16))
            self._next = now + self._uniform(0.75 * wait, wait)
        return self.open and not was

    def renew(self) -> None:
        """Something has changed: it may be probed now."""
        self._next = 0.0

    def heard(self) -> None:
        """An answer came after its time: it lives, and the next probe gives it all the time there is."""
        self._next = 0.0
        self._patient = True


class Share:
    """How much of a wire's time goes to probes: one at a time, and behind each that failed others have it.

    However many units are silent: a pause that each of them took for itself would be none.
    """

    __slots__ = ("_next", "_taken")

    def __init__(self) -> None:
        self._next = 0.0
        self._taken = False

    def free(self, now: float) -> bool:
        """Whether a probe may take wire time now."""
        return not self._taken and now >= self._next

    def take(self) -> None:
        """A probe goes out, or waits for its moment."""
        self._taken = True

    def give_back(self) -> None:
        """It has ended, however it did."""
        self._taken = False

    def spent(self, now: float, seconds: float) -> None:
        """A probe failed and took this long until now."""
        self._next = now + seconds * (1 / SHARE - 1)

    def renew(self) -> None:
        """Something has changed: the next probe may go out now."""
        self._next = 0.0
