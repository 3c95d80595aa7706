"""A log in a folder of its own, with short segments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from edge_agent.buffer.log import Entry, Marked, SegmentLog
from edge_agent.buffer.recovery import recover
from edge_agent.core import record
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.core.mark import Mark
from edge_agent.core.metadata import short_name
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.record import Record

MACHINE = "0123"
S = 1_000_000_000


def schema(device: str = "press", *, columns: int = 4, document: bytes = b'{"x":1}') -> Schema:
    named = tuple(Column(f"c{i}", "f") for i in range(columns))
    return Schema(device, "fast", named, document, short_name(document))


@dataclass
class Bench:
    """Opens the log of one folder again and again, as starts of an agent would."""

    folder: Path
    segment_bytes: int = 4096
    max_bytes: int = 1 << 20
    now_ns: int = 1000 * S
    lives: Iterator[int] = field(default_factory=lambda: count(1))
    schema: Schema = field(default_factory=schema)

    def open(self, *, machine: str = MACHINE, destinations: tuple[str, ...] = ("cloud",)) -> SegmentLog:
        found = recover(self.folder, machine, lambda: f"{next(self.lives):016x}", self.now_ns)
        log = SegmentLog(
            self.folder,
            found,
            segment_bytes=self.segment_bytes,
            max_bytes=self.max_bytes,
            clock=lambda: self.now_ns,
        )
        for name in destinations:
            log.destination(name)
        if found.restart is not None:
            log.lose((found.restart,), log.state.cursors)
        return log

    def entries(self, first: int, last: int, *, of: Schema | None = None) -> list[Entry]:
        of = of or self.schema
        return [
            Entry(of, n, n * S, record.encode(Scan(of, n * S, tuple(float(n) for _ in of.columns))))
            for n in range(first, last + 1)
        ]


def mark(sequence: int) -> Mark:
    """All notifications of a server up to this one are stored."""
    return Mark("opc.tcp://plc:4840 2026-01-02", 7, sequence, "0123abcd:", sequence * S)


def marked(sequence: int, device: str = "press") -> Marked:
    """The entry of a log that says so."""
    return Marked((device, "fast"), mark(sequence))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "data")


@pytest.fixture
def read_all() -> Callable[[SegmentLog], tuple[list[Record], list[Gap]]]:
    return everything


def everything(log: SegmentLog, destination: str = "cloud") -> tuple[list[Record], list[Gap]]:
    """All records and gaps that a destination is handed."""
    records: list[Record] = []
    gaps: list[Gap] = []
    while True:
        fresh, more, is_all = log.read(destination, 1)
        gaps += [gap for _, gap in fresh]
        records += more
        if is_all:
            return records, gaps


def numbers(records: list[Record]) -> list[int]:
    return [each.n for each in records]


def acknowledge(log: SegmentLog, last: Record, destination: str = "cloud") -> None:
    """Everything up to this record is done."""
    done = {(last.life, *last.schema.stream): last.n}
    log.acknowledge(destination, Cursor(last.end, (), done), [])
    log.write_cursors()
