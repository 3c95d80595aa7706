"""The segmented log: appends, rolls, frees and evicts. Blocking; used by the buffer's one thread only.

A segment is: head, HEAD frame (state), then SCHEMA, DATA, CURSOR and GAP frames as they come. Each segment
can be read alone. Nothing is ever changed in place; the state that counts is the last one written.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge_agent.buffer import recovery, segment, state
from edge_agent.buffer.reader import Reader, unacknowledged
from edge_agent.buffer.recovery import Recovered
from edge_agent.buffer.state import Catalogue
from edge_agent.core import frame
from edge_agent.core.cursor import Cursor
from edge_agent.core.frame import HEADER_SIZE, Kind, SegmentHead
from edge_agent.core.gap import Gap, merged
from edge_agent.core.mark import Mark
from edge_agent.core.model import Schema
from edge_agent.core.record import Record
from edge_agent.core.retain import victims
from edge_agent.core.window import Position
from edge_agent.errors import StorageError

SPARES = 2
"""Freed segments kept for reuse: the log breathes in and out by one or two."""
HEADS_PER_SEGMENT = 8
"""A segment is at least this many times what it repeats, state and schemas, so that repeating stays cheap."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One scan to be written: its stream's schema, its number, its time (ns UTC) and packed columns."""

    schema: Schema
    n: int
    time_ns: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Marked:
    """The scans of a stream before this one come from notifications up to a mark."""

    stream: tuple[str, str]
    mark: Mark


class SegmentLog:
    """The log of one folder, going on from what was recovered. Sizes in bytes."""

    def __init__(
        self, folder: Path, found: Recovered, *, segment_bytes: int, max_bytes: int, clock: Callable[[], int]
    ) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._clock = clock
        self._spares = found.spares
        self._generation = found.next_generation
        self._schemas: dict[int, Schema] = {}
        self._catalogue = Catalogue()
        self._descriptor: int | None = None
        self._out = bytearray()
        self._readers: dict[str, Reader] = {}
        self._handed: dict[str, set[int]] = {}
        self._gone: dict[str, list[int]] = {}
        self._written: dict[str, Position] = {}
        self._unsure: set[int] = set()
        self._doomed: list[segment.Segment] = []
        self.state = found.state
        self.segments = found.segments
        self.evicted = 0
        self.stored = 0
        self._taken = 0

    @property
    def size_bytes(self) -> int:
        """What the segments take on disk."""
        return sum(each.size for each in self.segments)

    def destination(self, name: str) -> Cursor:
        """Begin to read for a destination: where it stood, or at the head when it is new."""
        cursor = self.state.cursors.setdefault(name, Cursor((self._generation, 0)))
        pending = self.state.gaps.setdefault(name, {})
        self._handed[name] = set()
        self._readers[name] = Reader(name, cursor, list(pending.values()), self._catalogue)
        return cursor

    def read(self, name: str, limit: int) -> tuple[list[tuple[int, Gap]], list[Record], bool]:
        """Gaps not handed out yet, the next records of about `limit` bytes, and whether these were all."""
        records, holes, is_all = self._readers[name].read(self.segments, limit)
        self._tell(self._enter(holes, (name,)))
        known = self._handed[name] | self._unsure
        fresh = [(i, gap) for i, gap in self.state.gaps[name].items() if i not in known]
        self._handed[name].update(i for i, _ in fresh)
        return fresh, records, is_all

    def begin(self) -> None:
        """A group of scans begins: `stored` counts those of it that are durable, whatever fails."""
        self._taken = self.stored = 0

    def write(self, entries: Iterable[Entry | Marked]) -> None:
        """Append scans and make them durable. Raises OSError; then only the first `stored` of them are."""
        for entry in entries:
            if isinstance(entry, Entry):
                self._append_data(entry)
            else:
                self.state.marks[entry.stream] = entry.mark
                self._append(Kind.MARK, state.pack_mark(entry.stream, entry.mark))
            self._taken += 1
        self.sync()

    def acknowledge(self, name: str, cursor: Cursor, gone: Iterable[int]) -> None:
        """A destination has come this far; durable with the next `write_cursors`."""
        if cursor.position >= self.state.cursors[name].position:
            self.state.cursors[name] = cursor
        for number in gone:
            self.state.gaps[name].pop(number, None)
            self._gone.setdefault(name, []).append(number)

    def write_cursors(self) -> None:
        """Make the cursors durable and free what every destination has behind it."""
        self.append_cursors()
        self.sync()
        self.free()

    def append_cursors(self) -> None:
        """Enter the cursors that have moved; durable with the next sync."""
        for name in self._readers:
            cursor, gone = self.state.cursors[name], self._gone.pop(name, [])
            if gone or cursor.position != self._written.get(name):
                self._append(Kind.CURSOR, state.pack_cursor(name, cursor, gone))
                self._written[name] = cursor.position

    def free(self) -> None:
        """Let go of segments that all destinations have behind them, by cursors that are durable.

        Without a destination nothing is freed.
        """
        if not self._readers:
            return
        needed = min(cursor.position[0] for cursor in self.state.cursors.values())
        while len(self.segments) > 1 and self.segments[0].generation < needed:
            self._release(self.segments.pop(0))

    def lose(self, gaps: Iterable[Gap], destinations: Iterable[str]) -> None:
        """Enter gaps for destinations.

        Durable with the next sync, or in the next segment when none is open. Numbers are not handed out
        before: after a kill, those that nothing on disk has used could be given to other scans.
        """
        entered = self._enter(gaps, destinations)
        for name, number in entered:
            gap = self.state.gaps[name][number]
            if gap.first is not None and gap.life == self.state.life:
                self._unsure.add(number)
        self._tell(entered)

    def ready(self) -> None:
        """Open a segment if none is: it begins with all gaps. Raises OSError."""
        if self._descriptor is None:
            self._roll()

    def sync(self) -> None:
        """Write what was appended and make it durable. Raises OSError."""
        if self._descriptor is None or not self._out:
            return
        active = self.segments[-1]
        view = memoryview(self._out)
        at = active.end
        while view:
            written = os.pwrite(self._descriptor, view, at)
            view, at = view[written:], at + written
        view.release()
        os.fdatasync(self._descriptor)
        active.end = at
        self.stored = self._taken
        self._unsure.clear()
        self._out.clear()

    def close(self, machine: str) -> None:
        """End the log in order: the next start on this machine goes on with the numbers."""
        self.write_cursors()
        self._append(Kind.CLOSE, recovery.closing(self.state.life, machine), time_ns=self._clock())
        self.sync()
        self.give_up()

    def give_up(self) -> None:
        """Write no more to the present segment."""
        self._out = bytearray()  # not cleared: the view of a write that failed may still be held
        self._schemas.clear()
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def abandon(self) -> None:
        """The present segment failed: cut off what it may have taken of a write that does not count.

        Otherwise a later start would find records that were named as lost. Where the disk refuses the cut as
        well, they are told twice, not lost.
        """
        if self._descriptor is not None:
            active = self.segments[-1]
            with suppress(OSError):
                os.ftruncate(self._descriptor, active.end)
                active.size = active.end
        self.give_up()

    def _enter(self, gaps: Iterable[Gap], destinations: Iterable[str]) -> list[tuple[str, int]]:
        entered: list[tuple[str, int]] = []
        named = tuple(destinations)
        for gap in gaps:
            for name in named:
                waiting = self.state.gaps.get(name, {}).keys() - self._handed.get(name, set())
                entered.append((name, self.state.add_gap(name, gap, waiting)))
                if name in self._readers:
                    self._readers[name].know(gap)
            self.state.use_numbers(gap)
        return entered

    def _tell(self, entered: Iterable[tuple[str, int]]) -> None:
        # All are in the state before the first is written: a HEAD that is made on the way has them all.
        for name, number in entered:
            if self._descriptor is not None:
                self._append(Kind.GAP, state.pack_gap(name, number, self.state.gaps[name][number]))

    def _append_data(self, entry: Entry) -> None:
        stream = self.state.stream(*entry.schema.stream)
        schema = self._catalogue.packed(stream.id, entry.schema)
        self._room(2 * HEADER_SIZE + len(schema) + len(entry.payload))
        if self._schemas.get(stream.id) is not entry.schema:
            self._put(Kind.SCHEMA, schema, stream=stream.id)
            self._schemas[stream.id] = entry.schema
        self._put(Kind.DATA, entry.payload, stream=stream.id, n=entry.n, time_ns=entry.time_ns)
        stream.next = entry.n + 1

    def _append(self, kind: Kind, payload: bytes, *, time_ns: int = 0) -> None:
        self._room(HEADER_SIZE + len(payload))
        self._put(kind, payload, time_ns=time_ns)

    def _put(self, kind: Kind, payload: bytes, *, stream: int = 0, n: int = 0, time_ns: int = 0) -> None:
        self._out += frame.pack(
            kind, payload, self.segments[-1].generation, stream=stream, n=n, time_ns=time_ns
        )

    def _room(self, need: int) -> None:
        """Make sure that `need` bytes fit into the segment that is being written."""
        self.ready()
        if self.segments[-1].end + len(self._out) + need > self.segments[-1].size:
            self.sync()
            self._roll()
        if self.segments[-1].end + len(self._out) + need > self.segments[-1].size:
            msg = f"a record of {need} bytes does not fit into a segment of {self.segments[-1].size}"
            raise StorageError(msg)

    def _roll(self) -> None:
        """Go on in a new segment, made from a freed one where possible.

        What the quota costs goes when it is durable that it is named, so for a moment the log is one segment
        larger.
        """
        self.give_up()
        self._evict(self._next_size(len(state.pack_head(self.state))))
        payload = state.pack_head(self.state)  # with the gaps of what was just evicted
        size = self._next_size(len(payload))
        generation, self._generation = self._generation, self._generation + 1
        head = SegmentHead(generation, self.state.life, self._clock())
        made = segment.create(self._folder, head, size, self._spares[-1] if self._spares else None)
        del self._spares[-1:]
        self.segments.append(made)
        self._descriptor = os.open(made.path, os.O_RDWR | os.O_CLOEXEC)
        self._put(Kind.HEAD, payload, time_ns=self._clock())
        if self._doomed:
            self.sync()
            while self._doomed:
                self._release(self._doomed.pop())

    def _next_size(self, head: int) -> int:
        return max(self._segment_bytes, HEADS_PER_SEGMENT * (head + self._catalogue.size_bytes))

    def _evict(self, need: int) -> None:
        """Keep the quota: the oldest segments are to go, and what a destination loses is named to it."""
        sizes = [each.size for each in self.segments]
        # The newest is closed by now, so it may go as well: a closing entry that stands for none.
        for _ in range(victims([*sizes, 0], need=need, most=self._max_bytes)):
            oldest = self.segments[0]
            following = self.segments[1] if len(self.segments) > 1 else None
            for name, cursor in tuple(self.state.cursors.items()):
                self._evict_for(name, cursor, oldest, following)
            self._doomed.append(self.segments.pop(0))
            self.evicted += 1

    def _evict_for(
        self, name: str, cursor: Cursor, oldest: segment.Segment, following: segment.Segment | None
    ) -> None:
        gaps: list[Gap] = []
        for found in unacknowledged(oldest, following, cursor):
            gap = replace(found, reason="evicted:max_bytes")
            at = next((i for i in range(len(gaps) - 1, -1, -1) if gaps[i].stream == gap.stream), None)
            both = merged(gaps[at], gap) if at is not None else None
            if at is not None and both is not None:
                gaps[at] = both
            else:
                gaps.append(gap)
        waiting = self.state.gaps.get(name, {}).keys() - self._handed.get(name, set())
        for gap in gaps:
            self.state.add_gap(name, gap, waiting)
        passed: Position = (oldest.generation + 1, 0)
        if passed > cursor.position:
            done = dict(cursor.done) | {
                (gap.life, gap.device, gap.group): gap.last
                for gap in gaps
                if gap.life and gap.device and gap.group and gap.last
            }
            self.state.cursors[name] = Cursor(passed, cursor.over, done)
        if name in self._readers:
            self._readers[name].skip(oldest.generation, gaps)

    def _release(self, old: segment.Segment) -> None:
        """A segment's file becomes a spare, or goes."""
        if len(self._spares) < SPARES and old.size == self._segment_bytes:
            spare = self._folder / f"spare-{old.generation:016x}"
            old.path.rename(spare)
            self._spares.append(spare)
        else:
            old.path.unlink()
