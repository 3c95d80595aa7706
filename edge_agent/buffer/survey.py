"""What lies in a log, counted without touching it, also while an agent writes it or in a copy of its folder.

Segment by segment: memory depends on none of records, streams and backlog but on the size of one segment.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from edge_agent.buffer import recovery, segment, state
from edge_agent.buffer.segment import Segment
from edge_agent.core.cursor import Cursor
from edge_agent.core.frame import HEADER_SIZE, SEGMENT_HEAD_SIZE, Kind, headers
from edge_agent.core.gap import Gap
from edge_agent.core.window import Position

DATA, HEAD, SCHEMA, CLOSE = int(Kind.DATA), int(Kind.HEAD), int(Kind.SCHEMA), int(Kind.CLOSE)
ATTEMPTS = 5
"""An agent that delivers frees the oldest segments, hardly ever one that is just about to be counted."""

T = TypeVar("T")
StreamKey = tuple[str, str, str]
"""Life, device, group."""


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """One segment: `frames` that are sound, `records` among them, and `damaged` places."""

    file: str
    generation: int
    life: str
    created_ns: int
    size_bytes: int
    frames: int
    records: int
    damaged: int


@dataclass(slots=True)
class StreamCount:
    """One stream: its next number in the present life (None in an earlier one), and what is in the log."""

    next: int | None
    records: int = 0
    oldest_ns: int | None = None
    newest_ns: int | None = None


@dataclass(slots=True)
class Waiting:
    """What a destination has not acknowledged: records, the time of the oldest (ns UTC), gaps."""

    at: Position
    records: int = 0
    oldest_ns: int | None = None
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Survey:
    """A whole log. `closed`: it was ended in order.

    `torn`: the last frame is not whole, as after a power cut or while it is being written. `unreadable` are
    segment files that are none, `foreign` names that have no business in the folder.
    """

    folder: Path
    life: str
    previous_life: str | None
    closed: bool
    torn: bool
    segments: tuple[SegmentCount, ...]
    spare_bytes: int
    streams: Mapping[StreamKey, StreamCount]
    destinations: Mapping[str, Waiting]
    unreadable: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def damaged(self) -> int:
        """Places of the log that cannot be read."""
        return sum(each.damaged for each in self.segments)


def survey(path: Path) -> Survey | None:
    """Count the log in a buffer's folder, or in the folder `data` of one; None when there is none.

    Raises OSError when it cannot be read.
    """
    folder = path / "data" if (path / "data").is_dir() else path
    return unhurried(lambda: _survey(folder))


def unhurried(count: Callable[[], T]) -> T:
    """What a count gives, begun again when a segment was freed between its listing and its turn."""
    for _ in range(ATTEMPTS - 1):
        try:
            return count()
        except FileNotFoundError:
            continue
    return count()


def _survey(folder: Path) -> Survey | None:
    names = sorted(each.name for each in folder.iterdir())
    found = {
        name: segment.load(folder / name) if (folder / name).is_file() else None
        for name in names
        if name.endswith(segment.SUFFIX)
    }
    segments = [each for each in found.values() if each is not None]
    if not segments:
        return None
    last = recovery.replay(segments)
    streams = {
        (last.life, device, group): StreamCount(each.next) for (device, group), each in last.streams.items()
    }
    waiting = {
        name: Waiting(cursor.position, gaps=list(last.gaps.get(name, {}).values()))
        for name, cursor in last.cursors.items()
    }
    counts, tail = [], _Tail()
    for at, each in enumerate(segments):
        ends_life = at + 1 == len(segments) or segments[at + 1].head.life != each.head.life
        counted = _Counted.of(each)
        counts.append(counted.count(each, may_be_torn=ends_life))
        counted.enter_streams(each.head.life, streams)
        for name, its in waiting.items():
            counted.enter_waiting(each.generation, last.cursors[name], its)
        tail = counted.tail
    return Survey(
        folder=folder,
        life=last.life,
        previous_life=last.previous_life,
        closed=tail.kind == CLOSE and not tail.torn,
        torn=tail.torn,
        segments=tuple(counts),
        spare_bytes=sum((folder / name).stat().st_size for name in names if name.startswith("spare-")),
        streams=streams,
        destinations=waiting,
        unreadable=tuple(name for name, each in found.items() if each is None),
        foreign=tuple(name for name in names if _foreign(name)),
    )


def _foreign(name: str) -> bool:
    ours = name in ("quarantine", "new.tmp") or name.startswith("spare-")
    return not ours and not name.endswith(segment.SUFFIX)


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last frame of a segment."""

    kind: int = 0
    torn: bool = False


_Found = tuple[int, int, int]
"""Stream, time in ns and end of a sound record."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """The frames of one segment."""

    frames: int
    damaged: int
    records: list[_Found]
    names: Mapping[int, tuple[str, str]]
    tail: _Tail

    @staticmethod
    def of(each: Segment) -> "_Counted":
        data = segment.read(each)
        frames = damaged = last = 0
        records: list[_Found] = []
        names: dict[int, tuple[str, str]] = {}
        expected: int | None = SEGMENT_HEAD_SIZE
        for kind, stream, _, time_ns, start, end, sound in headers(data, each.generation):
            # Behind a damaged payload something is passed over in any case: it counts once.
            damaged += (expected is not None and start != expected) + (not sound)
            expected, last = end if sound else None, kind
            frames += sound
            if kind == DATA and sound:
                records.append((stream, time_ns, end))
            elif sound and (kind == HEAD or (kind == SCHEMA and stream not in names)):
                names.update(_names(kind, stream, each.head.life, data[start + HEADER_SIZE : end]))
        return _Counted(frames, damaged, records, names, _Tail(last, torn=expected is None))

    def count(self, each: Segment, *, may_be_torn: bool) -> SegmentCount:
        torn = may_be_torn and self.tail.torn
        return SegmentCount(
            file=each.path.name,
            generation=each.generation,
            life=each.head.life,
            created_ns=each.head.created_ns,
            size_bytes=each.size,
            frames=self.frames,
            records=len(self.records),
            damaged=self.damaged - torn,
        )

    def enter_streams(self, life: str, streams: dict[StreamKey, StreamCount]) -> None:
        oldest = {stream: time_ns for stream, time_ns, _ in reversed(self.records)}
        newest = {stream: time_ns for stream, time_ns, _ in self.records}
        for stream, records in Counter(stream for stream, _, _ in self.records).items():
            key = (life, *self.names.get(stream, ("?", str(stream))))
            its = streams.setdefault(key, StreamCount(None))
            its.records += records
            its.oldest_ns = oldest[stream] if its.oldest_ns is None else its.oldest_ns
            its.newest_ns = newest[stream]

    def enter_waiting(self, generation: int, cursor: Cursor, waiting: Waiting) -> None:
        times = list(self._waiting(generation, cursor))
        waiting.records += len(times)
        waiting.oldest_ns = min([*times, *_known(waiting.oldest_ns)], default=None)

    def _waiting(self, generation: int, cursor: Cursor) -> Iterable[int]:
        if generation < cursor.position[0]:
            return ()
        highest = max([cursor.position, *(high for _, high in cursor.over)])
        if generation > highest[0]:
            return (time_ns for _, time_ns, _ in self.records)
        return (time_ns for _, time_ns, end in self.records if not cursor.covers((generation, end)))


def _names(kind: int, stream: int, life: str, payload: bytes) -> Iterator[tuple[int, tuple[str, str]]]:
    if kind == HEAD:
        yield from ((each.id, name) for name, each in state.unpack_head(life, payload).streams.items())
    else:
        yield stream, state.unpack_schema(payload).stream


def _known(time_ns: int | None) -> tuple[int, ...]:
    return () if time_ns is None else (time_ns,)
