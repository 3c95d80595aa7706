"""Read the log forward for one destination, and notice every number that should be there and is not.

A hole is a number that the log has passed without a record and without a gap that names it: its frame is
damaged, or its segment is gone. Each one becomes a gap `unreadable` at the moment it is met.
"""

from collections.abc import Sequence

from edge_agent.buffer import segment, state
from edge_agent.buffer.segment import Segment
from edge_agent.buffer.state import Catalogue
from edge_agent.core import frame
from edge_agent.core.cursor import Cursor
from edge_agent.core.frame import SEGMENT_HEAD_SIZE, Frame, Kind
from edge_agent.core.gap import Gap
from edge_agent.core.model import Schema
from edge_agent.core.ranges import Ranges
from edge_agent.core.record import Record
from edge_agent.core.window import Position

StreamName = tuple[str, str]


class Reader:
    """The reading place of one destination. `pending` are gaps that it is to be told of anyway."""

    def __init__(
        self, destination: str, cursor: Cursor, pending: Sequence[Gap], catalogue: Catalogue
    ) -> None:
        self._catalogue = catalogue
        self._destination = destination
        self._cursor = cursor
        self._holes: list[Gap] = []
        self._at: Position = (cursor.position[0], 0)
        self._life = ""
        self._names: dict[int, StreamName] = {}
        self._schemas: dict[int, Schema] = {}
        self._expected: dict[StreamName, int] = {}
        self._named: dict[tuple[str | None, str | None, str | None], Ranges] = {}
        self._base = False
        for gap in pending:
            self.know(gap)

    def read(self, segments: Sequence[Segment], limit: int) -> tuple[list[Record], list[Gap], bool]:
        """The next records, whole segments until `limit` bytes are there.

        The holes met; and whether that was all.
        """
        records: list[Record] = []
        self._holes, size = [], 0
        for each in segments:
            if each.generation < self._at[0]:
                continue
            if size >= limit:
                return records, self._holes, False
            if each.generation > self._at[0]:
                self._at = (each.generation, 0)
            start = self._at[1] or SEGMENT_HEAD_SIZE
            if start >= each.end:
                continue
            if self._at[1] == 0:
                self._enter(each)
            data = segment.read(each, start)
            ends = (
                (found, (each.generation, start + found.end))
                for found in frame.scan(data, each.generation, 0)
            )
            fresh = [record for found, end in ends if (record := self._take(found, end)) is not None]
            size += sum(len(record.payload) for record in fresh)
            records += fresh
            self._at = (each.generation, each.end)
        return records, self._holes, True

    def know(self, gap: Gap) -> None:
        """The numbers of a gap are named: where they are not in the log is no hole."""
        if gap.first is not None and gap.last is not None:
            self._named.setdefault(gap.stream, Ranges()).add(gap.first, gap.last)

    def skip(self, generation: int, gaps: Sequence[Gap]) -> None:
        """Segments up to `generation` are gone; `gaps` name what was lost with them."""
        for gap in gaps:
            self.know(gap)
        if self._at[0] <= generation:
            self._at = (generation + 1, 0)

    def _enter(self, each: Segment) -> None:
        """Begin with a segment: its streams are named anew, its numbers go on within the same life."""
        self._names, self._schemas = {}, {}
        if each.head.life != self._life:
            self._life = each.head.life
            done = self._cursor.done.items()
            self._expected = {(d, g): n + 1 for (life, d, g), n in done if life == self._life}
        # All that the HEAD of the cursor's own segment counts was done before; any other HEAD shows holes.
        # Without that HEAD, what is known to be done bounds what is lost.
        self._base = each.generation == self._cursor.position[0]

    def _take(self, found: Frame, end: Position) -> Record | None:
        if found.kind is Kind.DATA:
            return self._data(found, end)
        if not found.sound:
            return None
        if found.kind is Kind.HEAD:
            self._head(found)
        elif found.kind is Kind.SCHEMA:
            schema = self._catalogue.unpacked(found.stream, found.payload)
            self._names[found.stream], self._schemas[found.stream] = schema.stream, schema
        elif found.kind is Kind.GAP:
            destination, gap = state.unpack_gap(found.payload)
            if destination == self._destination:
                self.know(gap)
        return None

    def _head(self, found: Frame) -> None:
        before = state.unpack_head(self._life, found.payload)
        for gap in before.gaps.get(self._destination, {}).values():
            self.know(gap)
        for name, stream in before.streams.items():
            self._names[stream.id] = name
            if not self._base:
                self._hole(name, stream.next - 1, found.time_ns)
            self._expected[name] = max(stream.next, self._expected.get(name, 1))

    def _data(self, found: Frame, end: Position) -> Record | None:
        name = self._names.get(found.stream)
        if name is None:
            return None  # its SCHEMA and the HEAD are damaged; the next HEAD shows the hole
        # Below the expected number there is no hole, but there may be records: a gap can be done before what
        # was stored ahead of it.
        if found.n >= self._expected.get(name, 1):
            self._hole(name, found.n - 1, found.time_ns)
            self._expected[name] = found.n + 1
        schema = self._schemas.get(found.stream)
        if self._cursor.covers(end):
            return None
        if not found.sound or schema is None:
            self._unreadable(name, found.n, found.n, found.time_ns)
            return None
        return Record(self._life, schema, found.n, found.time_ns, found.payload, end)

    def _hole(self, name: StreamName, last: int, seen_ns: int) -> None:
        first = self._expected.get(name, 1)
        if first > last:
            return
        named = self._named.get((self._life, *name), Ranges())
        for start, end in named.missing(first, last):
            self._unreadable(name, start, end, seen_ns)

    def _unreadable(self, name: StreamName, first: int, last: int, seen_ns: int) -> None:
        gap = Gap(self._life, *name, "unreadable", first, last, None, seen_ns or None, last - first + 1)
        self.know(gap)
        self._holes.append(gap)


def unacknowledged(each: Segment, following: Segment | None, cursor: Cursor) -> list[Gap]:
    """What is lost to a destination with a segment: per stream the records it had not acknowledged, as gaps.

    `following` is the segment behind; its HEAD tells the numbers that ended here, readable or not. The reason
    is left to the caller: an empty text.
    """
    reader = Reader("", Cursor((each.generation, 0)), (), Catalogue())
    records, lost, _ = reader.read(
        [each] if following is None else [each, _head_only(following)], limit=1 << 62
    )
    rows = [(r.life, *r.schema.stream, r.n, r.time_ns) for r in records if not cursor.covers(r.end)]
    spans = [Gap(life, d, g, "", n, n, ns, ns, 1) for life, d, g, n, ns in rows]
    named = [Gap(g.life, g.device, g.group, "", g.first, g.last, None, g.end_ns, g.scans) for g in lost]
    return spans + named


def _head_only(each: Segment) -> Segment:
    """A segment of which only the HEAD frame is read."""
    data = segment.read(each)
    first = next(frame.scan(data, each.generation), None)
    end = first.end if first is not None and first.kind is Kind.HEAD else SEGMENT_HEAD_SIZE
    return Segment(each.path, each.head, each.size, end)
