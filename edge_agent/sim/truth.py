"""The judge of received values: what the simulated device held then, or whose, or how old they are."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from edge_agent.config.settings import Tag
from edge_agent.core.model import Value
from edge_agent.sim.signals import TICK_NS, TICKS, nearest, signals, tick_at

TICK_MS = TICK_NS // 1_000_000

DATED = 128  # steps, 25.6 s: with fewer, an old value is met again too soon to tell its age

EXACT_IN_JSON = (1 << 53) - 1  # a larger whole number travels as text


class Truth:
    """What one unit of a simulated PLC has shown, for all time.

    `tags` are all tags of the profile in its order, as the PLC has them, even when a device leaves some out.
    ValueError when a tag cannot be simulated.
    """

    def __init__(self, tags: Sequence[Tag], unit: int = 1) -> None:
        self._signals = signals(tags)
        self._unit = unit
        # The same few ticks are asked for again and again by all values of a scan.
        self._expected = lru_cache(maxsize=1 << 16)(self._compute)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column these tags have."""
        return tuple(self._signals)

    def expected(self, column: str, time_ns: int) -> Value:
        """What a column held at a moment of UTC in ns. KeyError for a column that does not exist."""
        return self._signals[column].expected(tick_at(time_ns, self._unit))

    def check(self, column: str, value: object, ts_ms: float, tolerance_ms: float = 300) -> str | None:
        """None when the column held this value at `ts_ms` (UTC in ms) or at most the tolerance away from it.

        Otherwise what is wrong in a few words. `value` is as it comes out of JSON. A column of a bit, an enum
        or of very few steps takes a wrong value for right now and then; look at several.
        """
        if column not in self._signals:
            return f"no such column: {column}"
        ticks = self._ticks(ts_ms, tolerance_ms)
        if any(self._is(column, tick, value) for tick in ticks):
            return None
        if value is None or isinstance(value, bool):
            return f"wrong: {value!r}"
        neighbour = self._neighbour(column, value, ticks)
        if neighbour is not None:
            return f"neighbour: is {neighbour}'s"
        return self._age(column, value, ts_ms) or f"wrong: {value!r}"

    def _ticks(self, ts_ms: float, tolerance_ms: float) -> list[int]:
        """The ticks that touch the tolerance around a time."""
        first = int((ts_ms - tolerance_ms) // TICK_MS)
        last = int((ts_ms + tolerance_ms) // TICK_MS)
        return [tick_at(tick * TICK_NS, self._unit) for tick in range(first, last + 1)]

    def _is(self, column: str, tick: int, value: object) -> bool:
        return _alike(self._signals[column].float_bits, self._expected(column, tick), value)

    def _compute(self, column: str, tick: int) -> Value:
        return self._signals[column].expected(tick)

    def _neighbour(self, column: str, value: object, ticks: Iterable[int]) -> str | None:
        """The nearest column that tells its index and holds this value at one of the ticks."""
        names = list(self._signals)
        here = names.index(column)
        others = sorted(range(len(names)), key=lambda at: abs(at - here))
        told = (names[at] for at in others if at != here and self._signals[names[at]].steps)
        return next((name for name in told if any(self._is(name, tick, value) for tick in ticks)), None)

    def _age(self, column: str, value: object, ts_ms: float) -> str | None:
        """How far from its own time a value of the right column is, in whole ticks, if it can be told."""
        steps = min(self._signals[column].steps, TICKS)
        if steps < DATED:
            return None
        now = int(ts_ms // TICK_MS)
        for distance in range(1, steps // 2 + 1):
            if self._is(column, tick_at((now - distance) * TICK_NS, self._unit), value):
                return f"stale: {distance * TICK_MS / 1000:.1f} s old"
            if self._is(column, tick_at((now + distance) * TICK_NS, self._unit), value):
                return f"early: {distance * TICK_MS / 1000:.1f} s ahead"
        return None


def _alike(float_bits: int, expected: Value, value: object) -> bool:
    """Whether a value from JSON is the expected one: of the same kind, and equal; an array all along."""
    if isinstance(expected, tuple):
        row = (
            value
            if isinstance(value, list | tuple) and len(value) == len(expected)
            else [None] * len(expected)
        )
        return all(_alike(float_bits, *pair) for pair in zip(expected, row, strict=True))
    if isinstance(expected, bool) or isinstance(value, bool):
        return value is expected
    if isinstance(expected, int):
        if abs(expected) > EXACT_IN_JSON:
            return value == str(expected)
        return isinstance(value, int) and value == expected
    if isinstance(expected, float) and isinstance(value, int | float):
        return (nearest(value, float_bits) if float_bits else value) == expected
    return type(value) is type(expected) and value == expected
