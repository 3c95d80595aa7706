"""The judge of tags that are followed: each step of each tag is there and right, or named as lost.

The simulated server tells every tick of every tag, with the start of the tick as its time. So a good value
must be that of the very tick it carries, and every tick that changed a value, between the first one seen and
the end, must come while the tag was sound at the server. What does not has to lie in a gap of its stream, or
behind a report that the server said it was bad (`bad:Bad...`), up to the next value. That the link is down
(`bad:disconnected`, `bad:timeout`) excuses nothing: what the server holds comes later, and what it does not
is a gap.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from edge_agent.config.settings import Tag
from edge_agent.core.floats import shortest
from edge_agent.core.gap import Gap
from edge_agent.core.model import Scan, Value
from edge_agent.sim.signals import TICK_NS
from edge_agent.sim.truth import EXACT_IN_JSON, Truth

EXAMPLES = 5
OWN = ("bad:disconnected", "bad:timeout", "bad:stale", "bad:BadSession", "bad:BadSubscription")
"""Qualities that speak of the link or the session, as they begin: they say nothing of what a tag was."""
HALF_MS, NEARLY_MS = TICK_NS / 2e6, TICK_NS / 2e6 - 10
"""In the middle of a tick, and less than half of one away from it: that tick and no other."""

Record = Scan | Gap


@dataclass
class Tally:
    """What came. Missing steps are `named` by a gap, `told` by a bad quality, or `unnamed`: a silent loss."""

    good: int = 0
    bad: int = 0
    uncertain: int = 0
    false_good: int = 0
    named: int = 0
    told: int = 0
    unnamed: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count another one in."""
        for name in ("good", "bad", "uncertain", "false_good", "named", "told", "unnamed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.gaps.update(other.gaps)
        self.reasons.update(other.reasons)
        self.examples += other.examples

    @property
    def values(self) -> int:
        """All that came, of any quality."""
        return self.good + self.bad + self.uncertain

    @property
    def right(self) -> bool:
        """No good value was wrong, and nothing was lost without a word."""
        return not self.false_good and not self.unnamed


class _Followed:
    """What is known of one tag; ticks are counted since 1970, kept from `base` on."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.read: int | None = None
        self.first: int | None = None  # behind the first reading, before which nobody followed
        self.seen = bytearray()
        self.bad_from: int | None = None
        self.told: list[tuple[int, int]] = []
        self.unsound: list[tuple[int, int]] = []
        self.surely: list[tuple[int, int]] = []

    def see(self, tick: int) -> None:
        at = tick - self.base
        if at < 0:
            return
        if at >= len(self.seen):
            self.seen.extend(bytes(at + 1000 - len(self.seen)))
        self.seen[at] = 1
        if self.read is None:
            self.read = tick
        elif self.first is None and tick != self.read:
            self.first = tick

    def missing(self, until: int) -> Iterable[int]:
        if self.first is None:
            return
        for tick in range(self.first, until + 1):
            at = tick - self.base
            if at >= len(self.seen) or not self.seen[at]:
                yield tick


class Judge:
    """Judges the records of one stream in their order. `base` is a tick before the first.

    `befell` is what happened to the server and when (by ticks): named beside what went wrong behind it.
    `newest` is the newest tick of what was told, readings left out.
    """

    def __init__(self, tags: Sequence[Tag], name: str, base: int) -> None:
        self.tally = Tally()
        self.newest = base
        self.befell: list[tuple[int, str]] = []
        self._name = name
        self._truth = Truth(tags)
        self._tags = {tag.name: _Followed(base) for tag in tags}
        self._gaps: list[tuple[int, int]] = []

    def unsound(self, tag: str, first: int, last: int, sure: int | None = None) -> None:
        """From this tick to that one the server itself has said that a tag is bad, or not there.

        At the two ends it may have been either way; `sure` is an earlier end of what is sure.
        """
        self._tags[tag].unsound.append((first, last))
        self._tags[tag].surely.append((first + 1, (last if sure is None else sure) - 1))

    def take(self, record: Record) -> None:
        """A record as the log has it."""
        if isinstance(record, Gap):
            self.tally.gaps[record.reason] += 1
            start_ns, end_ns = record.start_ns or 0, record.end_ns or 0
            self._gaps.append((start_ns // TICK_NS, -(-end_ns // TICK_NS)))
            return
        if not record.full and (
            record.quality is None or not all(each.startswith(OWN) for each in record.quality)
        ):
            self.newest = max(self.newest, record.time_ns // TICK_NS)
        index = range(len(record.schema.columns)) if record.index is None else record.index
        for at, column in enumerate(index):
            quality = record.quality[at] if record.quality else ""
            offset_ms = record.offsets_ms[at] if record.offsets_ms else 0.0
            shown = _as_sent(record.schema.columns[column].store, record.values[at])
            self._one(record.schema.columns[column].name, shown, quality, record.time_ns / 1e6 + offset_ms)

    def settle(self, until: int) -> Tally:
        """The end: every tick up to this one must have come by now."""
        silent: defaultdict[int, list[str]] = defaultdict(list)
        for name, its in self._tags.items():
            told = [*its.told, *([(its.bad_from, until)] if its.bad_from is not None else [])]
            for tick in its.missing(until):
                if _within(tick, its.unsound) or self._is_unchanged(name, tick):
                    continue
                if _within(tick, self._gaps):
                    self.tally.named += 1
                elif _within(tick, told):
                    self.tally.told += 1
                else:
                    self.tally.unnamed += 1
                    silent[tick].append(name)
            if its.first is None and not self._is_still(name, until):
                self.tally.unnamed += 1
                silent[its.base].append(name)
        for first, last, names in _runs(silent):
            self._note("LOST", last, f"steps {first} to {last} of {len(names)} tags, such as {min(names)}")
        return self.tally

    def _is_unchanged(self, name: str, tick: int) -> bool:
        """Whether a tag held at a tick what it held before: no news for a server."""
        now, before = (self._truth.expected(name, each * TICK_NS) for each in (tick, tick - 1))
        return now == before

    def _is_still(self, name: str, until: int) -> bool:
        """Whether a tag has never changed."""
        its = self._tags[name]
        return all(self._is_unchanged(name, tick) for tick in range(its.read or its.base, until + 1))

    def _one(self, name: str, value: Value, quality: str, ts_ms: float) -> None:
        its = self._tags[name]
        tick = int((ts_ms + 1) * 1e6) // TICK_NS  # a float of so many ms is exact to a microsecond
        if quality.startswith("bad:"):
            self.tally.bad += 1
            self.tally.reasons[quality.removeprefix("bad:")] += 1
            if not quality.startswith(OWN) and its.bad_from is None:
                its.bad_from = tick
            return
        if its.bad_from is not None:
            its.told.append((its.bad_from, tick))
            its.bad_from = None
        if quality:
            self.tally.uncertain += 1
        else:
            self.tally.good += 1
        its.see(tick)
        verdict = self._truth.check(name, value, tick * TICK_NS / 1e6 + HALF_MS, NEARLY_MS)
        if verdict is None and _within(tick, its.surely):
            verdict = "good while the server said it was bad"
        if verdict is not None:
            self.tally.false_good += 1
            self._note("FALSE GOOD", tick, f"step {tick} of {name}: {verdict}")

    def _note(self, what: str, tick: int, words: str) -> None:
        if len(self.tally.examples) < EXAMPLES:
            befell = [f"{kind} at {at}" for at, kind in self.befell if tick - 100 <= at <= tick + 5]
            self.tally.examples.append(
                f"{what}  {self._name}: {words}; there was {', '.join(befell) or 'nothing'}"
            )


def _runs(silent: dict[int, list[str]]) -> Iterable[tuple[int, int, list[str]]]:
    """Ticks without a word that follow one another, with the tags of the first."""
    first = last = None
    for tick in sorted(silent):
        if first is not None and last is not None and tick == last + 1:
            last = tick
            continue
        if first is not None and last is not None:
            yield first, last, silent[first]
        first = last = tick
    if first is not None and last is not None:
        yield first, last, silent[first]


def _within(tick: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(first <= tick <= last for first, last in spans)


def _as_sent(store: str, value: Value) -> Value:
    """A value as it comes out of the payload."""
    if store == "f" and isinstance(value, float):
        return shortest([value])[0]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT_IN_JSON:
        return str(value)
    return value


# --- faults that the judge must see -------------------------------------------------------------


Spoil = Callable[[Sequence[Scan]], list[Scan]]


def neighbour(scans: Sequence[Scan]) -> list[Scan]:
    """In the middle all values have slipped by a column."""
    at = _middle(scans)
    scan = scans[at]
    return [*scans[:at], replace(scan, values=scan.values[1:] + scan.values[:1]), *scans[at + 1 :]]


def stale(scans: Sequence[Scan]) -> list[Scan]:
    """In the middle the values of before stand under the time of now."""
    at = _middle(scans)
    before = {column: value for scan in scans[:at] for column, value in _by_column(scan)}
    values = tuple(before.get(column, value) for column, value in _by_column(scans[at]))
    return [*scans[:at], replace(scans[at], values=values), *scans[at + 1 :]]


def lost(scans: Sequence[Scan]) -> list[Scan]:
    """In the middle one scan is not there."""
    at = _middle(scans)
    return [*scans[:at], *scans[at + 1 :]]


def _middle(scans: Sequence[Scan]) -> int:
    """Where most was told about the middle, and told for the first time: a fault there is one."""
    inner = range(len(scans) // 4, len(scans) - len(scans) // 4)
    return max(inner, key=lambda at: (not scans[at].full, len(scans[at].values)))


def _by_column(scan: Scan) -> Iterable[tuple[int, Value]]:
    index = range(len(scan.schema.columns)) if scan.index is None else scan.index
    return zip(index, scan.values, strict=True)


PLANTED: dict[str, Spoil] = {"neighbour": neighbour, "stale": stale, "lost": lost}


def blind(tags: Sequence[Tag], scans: Sequence[Scan]) -> list[str]:
    """Which planted faults the judge does not see in sound records; `sound` when it sees one there.

    The scans follow one another; of the last two ticks the rest may not have come yet.
    """
    base = min(scan.time_ns for scan in scans) // TICK_NS
    until = max(scan.time_ns for scan in scans) // TICK_NS - 2

    def right(records: Iterable[Scan]) -> bool:
        judge = Judge(tags, "planted", base)
        for record in records:
            judge.take(record)
        return judge.settle(until).right

    unseen = [name for name, spoil in PLANTED.items() if right(spoil(scans))]
    return unseen if right(scans) else ["sound", *unseen]
