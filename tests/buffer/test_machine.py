"""The log against a plain model of it: whatever comes in whatever order, the books balance.

Every number that was durable is acknowledged, readable, or named in a gap; a number never names two scans;
what the log knows to be acknowledged does not come again.
"""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from typing_extensions import override

from edge_agent.buffer.log import Entry, SegmentLog
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.core.record import Record
from edge_agent.core.window import AckWindow, Position
from tests.buffer.conftest import MACHINE, Bench, everything, schema

Key = tuple[str, str, int]
"""Buffer id, device, number."""
SCHEMAS = {device: schema(device) for device in ("press", "oven", "pump")}
DEVICES = st.sampled_from(sorted(SCHEMAS))


class Books(RuleBasedStateMachine):
    """One log over all its starts, the uplink that reads it, and what must be true of both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.bench = Bench(self.folder / "data", segment_bytes=2048, max_bytes=6 * 2048)
        self.payloads: dict[Key, bytes] = {}
        self.durable: set[Key] = set()
        self.refused: set[Key] = set()
        self.acknowledged: set[Key] = set()
        self.ends: dict[Key, Position] = {}
        self.settled: set[Key] = set()  # acknowledged, by a cursor that is durable
        self.named: set[Key] = set()
        self.losses: set[int] = set()  # starts of unnumbered gaps that are durable
        self.told: set[int] = set()

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        self.log: SegmentLog = self.bench.open()
        self.life = self.log.state.life
        self.next = {device: self.log.state.stream(device, "fast").next for device in SCHEMAS}
        self.window = AckWindow(self.log.state.cursors["cloud"].position)
        self.flying: list[tuple[int, Record]] = []
        self.gaps: dict[int, Gap] = {}
        self.done: dict[tuple[str, str, str], int] = dict(self.log.state.cursors["cloud"].done)
        self.waiting: set[int] = set()
        self.unsaid: set[Key] = set()

    def entries(self, device: str, count: int) -> list[Entry]:
        first = self.next[device]
        self.next[device] += count
        made = []
        for entry in self.bench.entries(first, first + count - 1, of=SCHEMAS[device]):
            key = (self.life, device, entry.n)
            # A payload of its own for each scan there ever was.
            payload = entry.payload + len(self.payloads).to_bytes(4, "little")
            assert key not in self.payloads, f"{key} names two scans"
            self.payloads[key] = payload
            made.append(Entry(entry.schema, entry.n, entry.time_ns, payload))
        return made

    @rule(device=DEVICES, count=st.integers(1, 30))
    def append(self, device: str, count: int) -> None:
        entries = self.entries(device, count)
        self.log.write(entries)
        self.durable |= {(self.life, device, entry.n) for entry in entries}
        # What was entered as lost before goes to the disk with it.
        self.losses |= self.waiting
        self.refused |= self.unsaid
        self.waiting, self.unsaid = set(), set()

    @rule(device=DEVICES)
    def lose_without_number(self, device: str) -> None:
        start = len(self.payloads) * 1000 + len(self.losses | self.waiting) * 2
        if start in self.losses | self.waiting | self.told:
            return
        self.log.lose(
            [Gap(self.life, device, "fast", "overrun", None, None, start, start + 1, 1)], ("cloud",)
        )
        self.waiting.add(start)

    @rule(device=DEVICES, count=st.integers(1, 5))
    def lose_numbers(self, device: str, count: int) -> None:
        first = self.next[device]
        self.next[device] += count
        last = first + count - 1
        self.log.lose(
            [Gap(self.life, device, "fast", "not_stored:disk", first, last, 1, 2, count)], ("cloud",)
        )
        self.unsaid |= {(self.life, device, n) for n in range(first, last + 1)}

    @rule(limit=st.sampled_from([1, 3000]))
    def read(self, limit: int) -> None:
        gaps, records, _ = self.log.read("cloud", limit)
        self.take(dict(gaps), records)
        self.gaps |= dict(gaps)
        self.flying += [(self.window.took(each.end, each.time_ns), each) for each in records]

    def take(self, gaps: dict[int, Gap], records: list[Record]) -> None:
        """What is handed out is what was appended, and nothing that is settled."""
        for gap in gaps.values():
            self.note(gap)
        for each in records:
            key = key_of(each)
            assert each.payload == self.payloads[key]
            self.ends[key] = each.end
            assert key not in self.settled, f"{key} was acknowledged for good"
            assert key not in {key_of(other) for _, other in self.flying}, f"{key} was handed out twice"

    def note(self, gap: Gap) -> None:
        if gap.reason == "overrun":
            self.told.add(gap.start_ns or 0)
        if gap.life and gap.device and gap.first and gap.last:
            self.named |= {(gap.life, gap.device, n) for n in range(gap.first, gap.last + 1)}

    @rule(device=DEVICES, count=st.integers(1, 40), durably=st.booleans())
    def acknowledge(self, device: str, count: int, *, durably: bool) -> None:
        """The broker takes the oldest records of a stream: never a later one before an earlier one."""
        self.forget_evicted()
        mine = [each for each in self.flying if each[1].schema.device == device][:count]
        self.flying = [each for each in self.flying if each not in mine]
        self.window.done(ticket for ticket, _ in mine)
        for _, each in mine:
            self.acknowledged.add(key_of(each))
            self.done[each.life, *each.schema.stream] = each.n
        self.settle([], durably=durably)

    @rule(count=st.integers(1, 3), durably=st.booleans())
    def acknowledge_gaps(self, count: int, *, durably: bool) -> None:
        gone = sorted(self.gaps)[:count]
        for number in gone:
            gap = self.gaps.pop(number)
            if gap.life and gap.device and gap.group and gap.last:
                name = (gap.life, gap.device, gap.group)
                self.done[name] = max(gap.last, self.done.get(name, 0))
        self.settle(gone, durably=durably)

    def settle(self, gone: list[int], *, durably: bool) -> None:
        self.log.acknowledge(
            "cloud", Cursor(self.window.position, tuple(self.window.ranges()), dict(self.done)), gone
        )
        if not durably:
            return
        self.log.write_cursors()
        cursor = self.log.state.cursors["cloud"]
        # The ranges above a cursor that has not moved need not have been written.
        before = Cursor(cursor.position)
        self.settled |= {key for key in self.acknowledged if before.covers(self.ends[key])}

    def forget_evicted(self) -> None:
        oldest = (self.log.segments[0].generation, 0) if self.log.segments else (0, 0)
        gone = [each for each in self.flying if each[1].end <= oldest]
        self.flying = [each for each in self.flying if each[1].end > oldest]
        self.window.done(ticket for ticket, _ in gone)

    @rule()
    def stop_and_start(self) -> None:
        self.losses |= self.waiting
        self.refused |= self.unsaid
        following = dict(self.next)
        self.log.close(MACHINE)
        self.open()
        assert self.next == following

    @rule(
        device=DEVICES,
        count=st.integers(0, 60),
        torn=st.floats(0, 1),
        rubbish=st.binary(max_size=200),
    )
    def kill_while_writing(self, device: str, count: int, torn: float, rubbish: bytes) -> None:
        """The machine loses power in a write: of what was not synced, some reached the disk."""
        for entry in self.entries(device, count):
            self.log._append_data(entry)
        if self.log._descriptor is not None:
            out = bytes(self.log._out)
            tail = out[: int(len(out) * torn)] + rubbish
            os.pwrite(self.log._descriptor, tail, self.log.segments[-1].end)
        wrote = self.log._descriptor is not None
        self.log.give_up()
        before = self.life
        self.open()
        # A run that wrote nothing has used no number: the end before it still counts.
        assert self.life != before or not wrote

    @override
    def teardown(self) -> None:
        """After a last kill, everything that is left is read."""
        try:
            if hasattr(self, "log"):
                self.audit()
        finally:
            shutil.rmtree(self.folder)

    def audit(self) -> None:
        self.log.give_up()
        self.open()
        records, gaps = everything(self.log)
        self.take(dict(enumerate(gaps)), records)
        readable = {key_of(each) for each in records}
        assert len(readable) == len(records)
        assert self.durable <= self.acknowledged | readable | self.named, "lost in silence"
        assert not readable & self.named, "both named as lost and delivered"
        assert self.refused <= self.named
        assert self.losses <= self.told


def key_of(each: Record) -> Key:
    return each.life, each.schema.device, each.n


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, phases=[Phase.generate, Phase.shrink]
)
