"""The screen of the demo: a snapshot and a size give the lines of a frame, and nothing else does.

From top to bottom: the agent; the devices, each with its tags; link, buffer and books; the last faults; the
verdict; the keys. Where there are more tags than rows, the bad ones are shown first, then those that changed.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Style = Literal["plain", "head", "good", "fresh", "warn", "bad", "dim"]
Line = tuple[tuple[str, Style], ...]
"""Pieces of text, each in its style."""

FRESH_S = 1.0
"""For so long a change is marked."""
RECENT_S = 3.0
"""For so long a change makes a tag more interesting; longer than a mark, so that rows stay put."""
ALIKE = 3
"""From so many tags on that have no value for the same reason they share a row."""
EVENTS = 3
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class TagLine:
    """A tag as the cloud knows it.

    `value` is None when there is none to show. `age_s` since it was last confirmed, None for never;
    `changed_s` since it last changed. `count` tags without a value may share a line.
    """

    tag: str
    value: str | None
    unit: str
    quality: str
    age_s: float | None
    changed_s: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A device as the cloud knows it: its state since `since_s` seconds and why, and its tags."""

    device: str
    state: str
    since_s: float
    why: str
    tags: Sequence[TagLine]


@dataclass(frozen=True, slots=True)
class LinkLine:
    """The way to the broker. `cut_s` since the cable was pulled, None while it is in."""

    cut_s: float | None
    connected: bool
    why: str


@dataclass(frozen=True, slots=True)
class BufferLine:
    """Records that wait in the buffer, at least when there is `more`; the oldest of so many seconds."""

    waiting: int
    more: bool
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class Books:
    """The receiver's verdict so far. Counts are scans, but for `values`; `gaps` are reasons, oldest first."""

    delivered: int
    values: int
    duplicates: int
    gaps: Sequence[str]
    missing: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a frame shows. `buffer` is None when the agent does not answer; `agent` says how it is.

    `online` is what the cloud thinks of the gateway. `events` are times of day with words, oldest first.
    `keys` are what each does, and to what: the second is left out where there is no room for both.
    """

    title: str
    running_s: float
    agent: str
    online: bool
    devices: Sequence[DeviceLine]
    link: LinkLine
    buffer: BufferLine | None
    books: Books
    events: Sequence[tuple[str, str]]
    keys: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths in cells."""

    tag: int
    value: int
    unit: int
    quality: int
    age: int = 6


def frame(now: Snapshot, width: int, height: int) -> list[Line]:
    """The lines of a frame: exactly `height`, each exactly `width` cells wide."""
    columns = _columns(width)
    above = [_header(now), _heading(columns)]
    below = [*_facts(now), *_events(now.events), _verdict(now.books), _keys(now.keys, width)]
    room = height - len(above) - len(below) - len(now.devices)
    table = list(_table(now, columns, max(room, 0)))
    blank: list[Line] = [()] * max(0, height - len(above) - len(table) - len(below))
    lines: list[Line] = [*above, *table, *blank, *below]
    # On a terminal too low for all, the verdict and the keys are what must stay.
    lines = lines[-height:] if len(lines) > height else lines
    return [_fitted(line, width) for line in lines]


def text(line: Line) -> str:
    """A line without its styles."""
    return "".join(piece for piece, _ in line)


def cells(words: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(_cells(char) for char in words)


def cut(words: str, width: int) -> str:
    """A text in exactly `width` cells: filled up with blanks, or cut with an ellipsis.

    What a terminal would not print as one sign, a device's text among it, becomes a question mark.
    """
    clean = "".join(char if char.isprintable() else "?" for char in words)
    if cells(clean) <= width:
        return clean + " " * (width - cells(clean))
    kept, used = "", 0
    for char in clean:
        if used + _cells(char) > width - 1:
            break
        kept, used = kept + char, used + _cells(char)
    return (kept + ELLIPSIS + " " * (width - 1 - used))[: max(width, 0)]


def span(seconds: float) -> str:
    """A duration in at most six cells."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _columns(width: int) -> _Columns:
    """Widths of the columns, those of 80 cells in proportion."""
    room = max(width - 6 - 6, 20)  # mark, blanks between columns, age
    value, unit, quality = room * 17 // 68, room * 6 // 68, room * 21 // 68
    return _Columns(room - value - unit - quality, value, unit, quality)


def _fitted(line: Line, width: int) -> Line:
    pieces: list[tuple[str, Style]] = []
    left = width
    for words, style in line:
        piece = cut(words, min(cells(words), left))
        pieces.append((piece, style))
        left -= cells(piece)
    return (*pieces, (" " * left, "plain"))


def _header(now: Snapshot) -> Line:
    minutes, seconds = divmod(int(now.running_s), 60)
    return (
        (f"{now.title}   {minutes}:{seconds:02d}   ", "head"),
        (now.agent, "good" if now.buffer else "bad"),
    )


def _heading(columns: _Columns) -> Line:
    what = _what(columns, "TAG", "VALUE", "UNIT")
    return ((_row(" ", columns, what, "QUALITY", "AGE"), "dim"),)


def _row(mark: str, columns: _Columns, what: str, quality: str, age: str) -> str:
    what = cut(what, columns.tag + columns.value + columns.unit + 2)
    return f"{mark} {what} {cut(quality, columns.quality)} {age:>{columns.age}}"


def _what(columns: _Columns, tag: str, value: str, unit: str) -> str:
    return f"{cut(tag, columns.tag)} {cut(value, columns.value)} {cut(unit, columns.unit)}"


# The devices and their tags


def _table(now: Snapshot, columns: _Columns, room: int) -> Iterator[Line]:
    """One line per device, and below it those of its tags that get one of the `room` rows."""
    rows = [list(_alike(device.tags)) for device in now.devices]
    chosen = _chosen(rows, room)
    for at, (device, tags) in enumerate(zip(now.devices, rows, strict=True)):
        shown = [tag for i, tag in enumerate(tags) if (at, i) in chosen]
        yield _device_line(device, sum(tag.count for tag in tags) - sum(tag.count for tag in shown))
        yield from (_tag_line(tag, columns, online=now.online) for tag in shown)


def _alike(tags: Sequence[TagLine]) -> Iterator[TagLine]:
    """The tags of a device; those that have no value for the same reason share a row."""
    for tag in tags:
        alike = [each for each in tags if each.value is None and each.quality == tag.quality]
        if tag.value is not None or len(alike) < ALIKE:
            yield tag
        elif tag is alike[0]:
            yield _together(alike, every=len(alike) == len(tags))


def _together(alike: Sequence[TagLine], *, every: bool) -> TagLine:
    names = ", ".join(each.tag for each in alike)
    tag = f"all {len(alike)} tags" if every else f"{len(alike)} tags: {names}"
    ages = [each.age_s for each in alike if each.age_s is not None]
    changed_s = min(each.changed_s for each in alike)
    return TagLine(tag, None, "", alike[0].quality, max(ages, default=None), changed_s, len(alike))


def _chosen(rows: Sequence[Sequence[TagLine]], room: int) -> set[tuple[int, int]]:
    """Which tags get a row, as device and place: the bad first, and no device before its turn."""
    ranked = []
    for at, tags in enumerate(rows):
        turns: Counter[int] = Counter()
        for i, rank in enumerate(map(_rank, tags)):
            ranked.append((rank, turns[rank], at, i))
            turns[rank] += 1
    return {(at, i) for _, _, at, i in sorted(ranked)[:room]}


def _rank(tag: TagLine) -> int:
    if tag.quality.startswith("bad:"):
        return 0
    if tag.quality.startswith("uncertain:"):
        return 1
    return 2 if tag.changed_s < RECENT_S else 3


def _device_line(device: DeviceLine, hidden: int) -> Line:
    style: Style = "good" if device.state == "ok" else "warn" if device.state == "unknown" else "bad"
    return (
        (f"{device.device} ", "head"),
        (f"{device.state} for {span(device.since_s)}", style),
        (f"  +{hidden} more" if hidden else "", "dim"),
        (f"  {device.why}", style),
    )


def _tag_line(tag: TagLine, columns: _Columns, *, online: bool) -> Line:
    age = "" if tag.age_s is None else span(tag.age_s)
    if tag.value is None:
        what = _what(columns, tag.tag, "-", "") if tag.count == 1 else tag.tag
        if tag.quality.startswith("bad:"):
            return ((_row("!", columns, what, tag.quality, age), "bad"),)
        return ((_row("?", columns, what, tag.quality, age), "warn"),)
    # Nobody vouches for it while the gateway is not there.
    quality = tag.quality if online else f"was {tag.quality}"
    what = _what(columns, tag.tag, tag.value, tag.unit)
    if tag.quality != "good":
        return ((_row("~", columns, what, quality, age), "warn"),)
    if tag.changed_s < FRESH_S:
        return ((_row("*", columns, what, quality, age), "fresh"),)
    return ((_row(" ", columns, what, quality, age), "plain" if online else "dim"),)


# What lies below them


def _facts(now: Snapshot) -> Iterator[Line]:
    yield (("broker   ", "head"), _link(now.link))
    yield (("buffer   ", "head"), _buffer(now.buffer, now.agent))
    books = now.books
    twice = f", {books.duplicates} scans twice" if books.duplicates else ""
    yield (("arrived  ", "head"), (f"{books.delivered} scans, {books.values} values{twice}", "plain"))
    last = ", ".join(reversed(books.gaps[-3:]))
    named = f"{len(books.gaps)} named, the last: {last}" if books.gaps else "none"
    yield (("gaps     ", "head"), (named, "plain"))


def _link(link: LinkLine) -> tuple[str, Style]:
    if link.cut_s is not None:
        return f"CUT for {span(link.cut_s)}: the agent keeps what it reads", "bad"
    if not link.connected:
        return f"cable in, the agent is not connected: {link.why}", "warn"
    return "link up", "good"


def _buffer(buffer: BufferLine | None, agent: str) -> tuple[str, Style]:
    if buffer is None:
        return f"not known: {agent}", "bad"
    if not buffer.waiting and not buffer.more:
        return "nothing waits", "good"
    oldest = "of unknown age" if buffer.oldest_s is None else f"{span(buffer.oldest_s)} old"
    if buffer.waiting == 1 and not buffer.more:
        return f"1 record waits, {oldest}", "plain"
    return f"{buffer.waiting}{' or more' if buffer.more else ''} records wait, the oldest {oldest}", "plain"


def _events(events: Sequence[tuple[str, str]]) -> Iterator[Line]:
    if not events:
        events = (("", "nothing has gone wrong yet; the keys below make it go wrong"),)
    last = events[-EVENTS:]
    yield from (((f"{at:<9}", "dim"), (words, "plain")) for at, words in last)
    yield from (() for _ in range(EVENTS - len(last)))


def _verdict(books: Books) -> Line:
    good = not books.missing and not books.wrong
    end = "all accounted for" if good else "NOT ALL ACCOUNTED FOR"
    return ((f"missing {books.missing}  wrong {books.wrong}  {end}", "good" if good else "bad"),)


def _keys(keys: Sequence[tuple[str, str]], width: int) -> Line:
    words = "   ".join(f"{does} {what}".rstrip() for does, what in keys)
    if cells(words) > width:
        words = "  ".join(does for does, _ in keys)
    return ((words, "head"),)
