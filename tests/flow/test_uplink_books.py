"""Whatever the broker and the log do, the receiver's books balance: a random walk of the forwarder."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.audit import Audit
from edge_agent.core.cursor import Cursor
from edge_agent.flow.uplink import Sending
from tests.flow.clock import at_once
from tests.flow.doubles import LIFE, Broker, Forwarding, Log, Sent, hold, schema

STREAMS = [schema("a"), schema("b"), schema("c")]
Number = tuple[str, str, str, int]
"""Buffer id, device, group, number of a scan."""


@dataclass
class Receiver:
    """Keeps the books of what arrives, and what the broker has acknowledged."""

    audit: Audit = field(default_factory=Audit)
    acknowledged: set[Number] = field(default_factory=set)
    gaps: list[dict[str, object]] = field(default_factory=list)
    metadata: set[tuple[int, str]] = field(default_factory=set)

    def arrive(self, sent: Sent) -> None:
        """The broker hands a message to its subscribers."""
        if sent.kind == "data":
            self.audit.data(sent.document)
        elif sent.kind == "gap":
            self.audit.gap(sent.document)

    def acknowledge(self, sent: Sent) -> None:
        """The message has arrived and the gateway is told so."""
        self.arrive(sent)
        if sent.kind == "gap":
            self.gaps.append(sent.document)
        if sent.kind == "meta":
            self.metadata.add((sent.connection, sent.message.topic))
        elif sent.document["n"]:
            first, last = sent.numbers
            self.acknowledged.update((*sent.stream, n) for n in range(first, last + 1))
        sent.accept()


@dataclass
class Walk:
    """One run: a log that grows, a broker whose answers the steps choose, and what must hold at each step."""

    log: Log = field(default_factory=lambda: Log(chunk=3))
    receiver: Receiver = field(default_factory=Receiver)

    def __post_init__(self) -> None:
        self.broker = Broker(self.sent)
        self.log.moved = self.moved

    def sent(self, sent: Sent) -> None:
        """A message leaves the gateway."""
        hold(sent)
        if sent.kind == "meta":
            return
        others = [each.stream for each in self.broker.waiting if each.kind != "meta" and each is not sent]
        assert sent.stream not in others, "two messages of a stream under way"
        assert len(self.broker.waiting) <= 2, "more messages under way than the window has"
        if sent.kind == "data":
            device = f"edge/gw/_agent/meta/{sent.document['d']}"
            assert (sent.connection, device) in self.receiver.metadata, "data before its metadata"
            done = {(*sent.stream, n) for n in range(1, sent.document["c"] + 1)}
            assert done <= self.receiver.acknowledged, "`c` names what was not acknowledged"

    def moved(self, cursor: Cursor, gaps: tuple[int, ...]) -> None:
        """The log is told what it may forget."""
        for each in self.log.records:
            if cursor.covers(each.end) and each.end > self.log.oldest:
                assert (each.life, *each.schema.stream, each.n) in self.receiver.acknowledged
        for number in gaps:
            assert self.log.gaps[number].document("gw") in self.receiver.gaps

    def expect_all(self) -> None:
        """At the end: nothing is missing, all came in order, the log may forget everything."""
        last: dict[tuple[str, str, str, str], int] = {}
        for record in self.log.records:
            last["gw", record.life, *record.schema.stream] = record.n
        audit = self.receiver.audit
        for key, n in last.items():
            audit.expect(key, n)
        assert audit.missing() == {}
        assert all(books.out_of_order == books.malformed == 0 for books in audit.streams.values())
        assert sorted(self.log.acknowledged_gaps) == list(self.log.gaps)
        assert all(
            self.log.cursor.covers(each.end) or each.end <= self.log.oldest for each in self.log.records
        )


@dataclass(frozen=True)
class Step:
    """What happens next; `at` chooses of which stream or of which waiting message."""

    what: str
    at: int
    count: int


def steps(*more: str) -> st.SearchStrategy[list[Step]]:
    what = st.sampled_from(
        ("scans", "scans", "lost", "accept", "accept", "accept", "refuse", "cut", "down", "wait", *more)
    )
    return st.lists(st.builds(Step, what, st.integers(0, 5), st.integers(1, 5)), max_size=40)


def take(walk: Walk, step: Step) -> None:
    """One step, without waiting for what follows from it."""
    of = STREAMS[step.at % len(STREAMS)]
    waiting = walk.broker.waiting
    one = waiting[step.at % len(waiting)] if waiting else None
    match step.what:
        case "scans":
            walk.log.write(of, step.count)
        case "lost":
            walk.log.lose(of, step.count)
        case "evict":
            walk.log.evict(step.count)
        case "accept" if one:
            walk.receiver.acknowledge(one)
        case "refuse" if one:
            one.refuse()
        case "cut" | "down" if walk.broker.connects:
            walk.broker.up = step.what == "cut"
            for each in waiting[: step.count]:  # these arrive, but no answer comes back
                walk.receiver.arrive(each)
            walk.broker.cut()


async def play(taken: list[Step], seconds: Callable[[Step], float]) -> Walk:
    """All steps with time between them, then a broker that is well until all is sent."""
    walk = Walk()
    case = Forwarding(walk.log, walk.broker, Sending(window_messages=2, batch_age_s=0.2))
    async with case.running() as (uplink, task):
        for step in taken:
            take(walk, step)
            await asyncio.sleep(seconds(step))
        walk.broker.up = True
        uplink.stop()
        while not task.done():
            for each in walk.broker.waiting:
                walk.receiver.acknowledge(each)
            await asyncio.sleep(0.1)
    return walk


def pause(step: Step) -> float:
    return {"wait": step.count * 0.5, "cut": 1.5, "down": step.count * 2.0}.get(
        step.what, 0.01 * (step.count - 1)
    )


@given(steps())
@at_once
async def test_books_balance_whatever_is_refused_lost_or_cut(taken: list[Step]) -> None:
    walk = await play(taken, pause)

    walk.expect_all()


@given(steps("evict"))
@at_once
async def test_books_balance_when_the_log_evicts_too(taken: list[Step]) -> None:
    walk = await play(taken, pause)

    walk.expect_all()


@at_once
async def test_gap_of_what_was_under_way_goes_before_what_is_offered_again() -> None:
    walk = await play(
        [Step("scans", 0, 4), Step("accept", 0, 2), Step("evict", 0, 1), Step("refuse", 0, 1)], pause
    )

    walk.expect_all()


@at_once
async def test_books_notice_a_message_that_never_came() -> None:
    walk = await play([Step("scans", 0, 3)], pause)
    walk.receiver.audit.expect(("gw", LIFE, "a", "fast"), 4)

    assert walk.receiver.audit.missing() == {("gw", LIFE, "a", "fast"): [(4, 4)]}
