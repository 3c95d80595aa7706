"""What the log knows besides its records, and the JSON in which frames carry it.

HEAD    {"streams": [[id, device, group, next], ...], "cursors": {destination: cursor},
         "gaps": {destination: [[id, gap fields...], ...]}, "prev": life | null, "gap": next gap id,
         "marks": [mark, ...]}
CURSOR  {"to": destination, "at": [generation, offset], "over": [[[g, o], [g, o]], ...], "gone": [id, ...]}
GAP     {"to": destination, "id": gap id, "gap": [fields...]}
SCHEMA  zlib of {"d": device, "g": group, "columns": [[name, store], ...], "document": metadata}
CLOSE   {"machine": hash}
MARK    mark: [device, group, server, subscription, sequence, items, time]
"""

import zlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap, merged
from edge_agent.core.mark import Mark
from edge_agent.core.metadata import short_name
from edge_agent.core.model import Column, Schema


@dataclass(slots=True)
class StreamState:
    """A stream of the present life: its number in frame headers and its next scan number."""

    id: int
    next: int = 1


@dataclass(slots=True)
class LogState:
    """The state that every segment repeats in its HEAD frame."""

    life: str
    previous_life: str | None = None
    streams: dict[tuple[str, str], StreamState] = field(default_factory=dict)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    gaps: dict[str, dict[int, Gap]] = field(default_factory=dict)
    next_gap: int = 1
    marks: dict[tuple[str, str], Mark] = field(default_factory=dict)

    def stream(self, device: str, group: str) -> StreamState:
        """The state of a stream; a stream not known yet begins with number 1."""
        key = (device, group)
        if key not in self.streams:
            self.streams[key] = StreamState(max((s.id for s in self.streams.values()), default=0) + 1)
        return self.streams[key]

    def use_numbers(self, gap: Gap) -> None:
        """The numbers of a gap of the present life are used up, whether a record had them or not."""
        if gap.life == self.life and gap.device and gap.group and gap.last:
            stream = self.stream(gap.device, gap.group)
            stream.next = max(stream.next, gap.last + 1)

    def add_gap(self, destination: str, gap: Gap, mergeable: set[int]) -> int:
        """Enter a gap, as part of one that is in `mergeable` where it belongs to it; gives its id."""
        table = self.gaps.setdefault(destination, {})
        for number in mergeable & table.keys():
            both = merged(table[number], gap)
            if both is not None:
                table[number] = both
                return number
        number, self.next_gap = self.next_gap, self.next_gap + 1
        table[number] = gap
        return number


def pack_head(state: LogState) -> bytes:
    """The payload of a HEAD frame."""
    return orjson.dumps(
        {
            "streams": [[s.id, device, group, s.next] for (device, group), s in state.streams.items()],
            "cursors": {
                name: {
                    "at": cursor.position,
                    "over": cursor.over,
                    "done": [[*stream, n] for stream, n in cursor.done.items()],
                }
                for name, cursor in state.cursors.items()
            },
            "gaps": {
                to: [[i, *gap.fields()] for i, gap in table.items()] for to, table in state.gaps.items()
            },
            "prev": state.previous_life,
            "gap": state.next_gap,
            "marks": [_mark(stream, mark) for stream, mark in state.marks.items()],
        }
    )


def unpack_head(life: str, payload: bytes) -> LogState:
    """The state a HEAD frame carries."""
    doc: dict[str, Any] = orjson.loads(payload)
    return LogState(
        life,
        doc["prev"],
        {(device, group): StreamState(i, following) for i, device, group, following in doc["streams"]},
        {
            name: Cursor(_position(c["at"]), _over(c["over"]), {(b, d, g): n for b, d, g, n in c["done"]})
            for name, c in doc["cursors"].items()
        },
        {to: {row[0]: Gap(*row[1:]) for row in rows} for to, rows in doc["gaps"].items()},
        doc["gap"],
        # Logs of before there were marks have none.
        {(device, group): Mark(*fields) for device, group, *fields in doc.get("marks", ())},
    )


def pack_cursor(destination: str, cursor: Cursor, gone: list[int]) -> bytes:
    """The payload of a CURSOR frame; `gone` are the ids of gaps that the destination has acknowledged."""
    return orjson.dumps({"to": destination, "at": cursor.position, "over": cursor.over, "gone": gone})


def enter_cursor(state: LogState, payload: bytes) -> None:
    """Bring a CURSOR frame into the state."""
    doc = orjson.loads(payload)
    before = state.cursors.get(doc["to"], Cursor())
    state.cursors[doc["to"]] = Cursor(_position(doc["at"]), _over(doc["over"]), before.done)
    for number in doc["gone"]:
        state.gaps.get(doc["to"], {}).pop(number, None)


def pack_gap(destination: str, number: int, gap: Gap) -> bytes:
    """The payload of a GAP frame."""
    return orjson.dumps({"to": destination, "id": number, "gap": gap.fields()})


def unpack_gap(payload: bytes) -> tuple[str, Gap]:
    """The destination and the gap of a GAP frame."""
    doc = orjson.loads(payload)
    return doc["to"], Gap(*doc["gap"])


def enter_gap(state: LogState, payload: bytes) -> None:
    """Bring a GAP frame into the state."""
    doc = orjson.loads(payload)
    gap = state.gaps.setdefault(doc["to"], {})[doc["id"]] = Gap(*doc["gap"])
    state.use_numbers(gap)
    state.next_gap = max(state.next_gap, doc["id"] + 1)


def pack_mark(stream: tuple[str, str], mark: Mark) -> bytes:
    """The payload of a MARK frame."""
    return orjson.dumps(_mark(stream, mark))


def enter_mark(state: LogState, payload: bytes) -> None:
    """Bring a MARK frame into the state."""
    device, group, *fields = orjson.loads(payload)
    state.marks[device, group] = Mark(*fields)


def pack_schema(schema: Schema) -> bytes:
    """The payload of a SCHEMA frame: names repeat a lot, so it is compressed."""
    doc = {
        "d": schema.device,
        "g": schema.group,
        "columns": [[column.name, column.store] for column in schema.columns],
        "document": orjson.Fragment(schema.document),
    }
    return zlib.compress(orjson.dumps(doc), 6)


def unpack_schema(payload: bytes) -> Schema:
    """The schema of a SCHEMA frame."""
    plain = zlib.decompress(payload)
    doc = orjson.loads(plain)
    # The document is the last member: its bytes are kept as they are, since `m` is their hash.
    document = plain[plain.index(b'"document":') + 11 : -1]
    columns = tuple(Column(name, store) for name, store in doc["columns"])
    group = doc["document"].get("groups", {}).get(doc["g"], {})
    events = group.get("mode") == "events"
    return Schema(doc["d"], doc["g"], columns, document, short_name(document), events)


class Catalogue:
    """Schemas in both forms, so that each is packed and unpacked once and lives once.

    Bounded by the streams.
    """

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Schema, bytes]] = {}

    @property
    def size_bytes(self) -> int:
        """What the schemas of all streams take in a segment."""
        return sum(len(payload) for _, payload in self._packed.values())

    def packed(self, stream: int, schema: Schema) -> bytes:
        """The payload of a stream's SCHEMA frame."""
        known = self._packed.get(stream)
        if known is None or known[0] is not schema:
            known = self._packed[stream] = (schema, pack_schema(schema))
        return known[1]

    def unpacked(self, stream: int, payload: bytes) -> Schema:
        """The schema of a SCHEMA frame: the very one that was packed, where it was packed here."""
        known = self._packed.get(stream)
        return known[0] if known is not None and known[1] == payload else unpack_schema(payload)


def _mark(stream: tuple[str, str], mark: Mark) -> list[object]:
    return [*stream, mark.server, mark.subscription, mark.sequence, mark.items, mark.time_ns]


def _position(pair: list[int]) -> tuple[int, int]:
    return pair[0], pair[1]


def _over(pairs: list[list[list[int]]]) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    return tuple((_position(low), _position(high)) for low, high in pairs)
