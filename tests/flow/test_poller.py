import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

import pytest
import structlog
from structlog.testing import capture_logs

from edge_agent.core.cadence import Cadence
from edge_agent.core.counters import Counters
from edge_agent.core.gap import Gap
from edge_agent.core.model import Column, Range, Scan, Schema, Value
from edge_agent.core.report import Reporter
from edge_agent.errors import DeviceError, NotStored
from edge_agent.flow.health import Health
from edge_agent.flow.intake import Intake
from edge_agent.flow.poller import Polling, poll
from tests.flow.clock import at_once

SCHEMA = Schema("press", "fast", (Column("a", "f"), Column("b", "f")), b"{}", "00000000")
Answer = tuple[Value, ...] | DeviceError | float


@pytest.fixture(autouse=True)
def _fresh_loggers() -> None:
    structlog.reset_defaults()


@dataclass
class Plc:
    """Gives these answers in turn (a number: it takes so many seconds), then the last one for ever.

    `refuses` are the tags that each reading shows to be refused. With `queued` it is the wire that takes the
    time: the device is asked at the end of it.
    """

    answers: list[Answer]
    read_at: list[float] = field(default_factory=list)
    refuses: list[Sequence[str]] = field(default_factory=list)
    refused: Sequence[str] = ()
    queued: bool = False
    slow_to_fail_s: float = 0.0

    async def read(self, group: str) -> Scan:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.read_at.append(began)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = (1.0, 2.0)
        self.refused = self.refuses.pop(0) if self.refuses else self.refused
        if isinstance(answer, DeviceError):
            await asyncio.sleep(self.slow_to_fail_s)
            raise answer
        quality = tuple("bad:exception:2" if value is None else "" for value in answer)
        assert group == "fast"
        asked = loop.time() if self.queued else began
        return Scan(SCHEMA, round(asked * 1e9), answer, quality if any(quality) else None)


@dataclass
class Case:
    """One group polled every second, on a clock that jumps."""

    plc: Plc
    refuse: bool = False
    counters: Counters = field(default_factory=lambda: Counters(()))
    scans: list[Scan] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def append(self, scan: Scan) -> Awaitable[None]:
        self.scans.append(scan)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.refuse:
            stored.set_exception(NotStored("full"))
            stored.exception()
        else:
            stored.set_result(None)
        return stored

    async def run(self, seconds: float) -> Health:
        loop = asyncio.get_running_loop()

        def clock() -> int:
            return round(loop.time() * 1e9)

        health = Health("press", clock, self.changes.append)
        intake = Intake(SCHEMA, Reporter(SCHEMA, heartbeat_ns=300 * 10**9), self.append, self.gaps.append)
        cadence = Cadence(1.0, 0.25)
        polling = Polling(self.plc, SCHEMA, cadence, intake, health, clock, "b1", self.counters)
        task = asyncio.create_task(poll(polling))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait((task,))
        return health


@at_once
async def test_group_is_read_when_it_is_due_without_drift() -> None:
    case = Case(Plc([0.3, 0.1, (1.0, 2.0)]))

    await case.run(4.0)

    assert case.plc.read_at == pytest.approx([1000.25, 1001.25, 1002.25, 1003.25])
    assert case.gaps == []


@at_once
async def test_device_that_does_not_answer_is_reported_once_and_then_at_heartbeat() -> None:
    case = Case(Plc([(1.0, 2.0), DeviceError("timeout")]))

    await case.run(310.0)

    assert [scan.quality for scan in case.scans] == [None, ("bad:timeout",) * 2, ("bad:timeout",) * 2]
    assert [scan.full for scan in case.scans] == [True, False, True]
    assert case.gaps == []


@at_once
async def test_values_are_unknown_since_the_device_was_asked() -> None:
    case = Case(Plc([(1.0, 2.0), DeviceError("timeout"), (1.0, 2.0)], slow_to_fail_s=2.5))

    await case.run(5.0)

    assert [scan.time_ns for scan in case.scans[:2]] == [1000_250_000_000, 1001_250_000_000]
    assert case.scans[1].quality == ("bad:timeout",) * 2


@at_once
async def test_device_that_came_back_gives_a_full_scan() -> None:
    case = Case(Plc([(1.0, 2.0), DeviceError("timeout"), (1.0, 2.0)]))

    await case.run(4.0)

    assert [scan.full for scan in case.scans] == [True, False, True, False]


@at_once
async def test_due_times_that_a_slow_device_cost_are_a_gap() -> None:
    case = Case(Plc([(1.0, 2.0), 3.4, (1.0, 2.0)]))

    await case.run(8.0)

    (gap,) = case.gaps
    assert (gap.reason, gap.scans, gap.life, gap.device, gap.group) == ("overrun", 2, "b1", "press", "fast")
    assert (gap.start_ns or 0) < (gap.end_ns or 0)


@at_once
async def test_due_times_lost_while_a_wire_is_taken_lie_within_their_gap() -> None:
    case = Case(Plc([(1.0, 2.0), 3.4, (1.0, 2.0)], queued=True))

    await case.run(8.0)

    (gap,) = case.gaps
    assert gap.scans == 2
    assert (gap.start_ns or 0) <= 1002.25e9
    assert (gap.end_ns or 0) >= 1003.25e9


@at_once
async def test_scan_after_one_that_was_not_stored_is_full() -> None:
    case = Case(Plc([(1.0, 2.0)]), refuse=True)

    await case.run(3.0)

    assert [scan.full for scan in case.scans] == [True, True, True]


@at_once
async def test_health_tells_each_change_once() -> None:
    plc = Plc(
        [(1.0, 2.0), (1.0, None), (1.0, None), DeviceError("timeout"), DeviceError("timeout"), (1.0, 2.0)]
    )
    case = Case(plc)

    with capture_logs() as events:
        health = await case.run(8.0)

    assert [event["event"] for event in events] == [
        "device answers",
        "device answers in part",
        "device down",
        "device back",
    ]
    assert case.changes == ["press"] * 4
    document = health.document("gw")
    assert (document["state"], document["why"], document["d"]) == ("ok", "", "press")
    assert document["last_good"] is not None


@at_once
async def test_refused_tags_are_told_when_they_change() -> None:
    case = Case(Plc([(1.0, 2.0)], refuses=[(), ("b",), ("b",), ("a", "b")]))

    health = await case.run(6.0)

    assert health.document("gw")["refused"] == ["a", "b"]
    assert case.changes == ["press"] * 3  # it answers, refuses one, refuses two


@at_once
async def test_tags_of_a_group_that_is_refused_altogether_are_told_too() -> None:
    case = Case(Plc([DeviceError("illegal_address")], refuses=[("a", "b")]))

    health = await case.run(1.0)

    assert health.document("gw")["refused"] == ["a", "b"]


def test_health_before_the_first_reading_says_so() -> None:
    health = Health("press", lambda: 5_000_000, lambda _: None)

    assert health.document("gw") == {
        "v": 1,
        "gw": "gw",
        "d": "press",
        "state": "starting",
        "since": 5,
        "last_good": None,
        "why": "",
        "identity": None,
        "confirmed": False,
        "mismatch": None,
        "clock_offset_s": None,
        "refused": [],
    }


@at_once
async def test_a_counter_that_falls_is_doubted_once_and_only_by_polls() -> None:
    range_ = Range(0, 0, 2**32 - 1)
    schema = Schema("press", "fast", (Column("a", "f"), Column("b", "f", counter=range_)), b"{}", "00000000")
    case = Case(Plc([(1.0, 900.0), (1.0, 800.0), (1.0, 810.0)]))
    case.counters = Counters(schema.columns)

    await case.run(3.0)

    assert [scan.quality for scan in case.scans] == [None, ("", "uncertain:counter_fell"), None]
