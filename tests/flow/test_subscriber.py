import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
import structlog
from structlog.testing import capture_logs

from edge_agent.core.events import EventSource, Everything
from edge_agent.core.follow import Follower
from edge_agent.core.gap import Gap
from edge_agent.core.mark import Mark
from edge_agent.core.model import Column, Scan, Schema, Value
from edge_agent.errors import DeviceError, NotStored
from edge_agent.flow.health import Health
from edge_agent.flow.intake import Intake
from edge_agent.flow.subscriber import Following, Follows, follow
from edge_agent.ports import News
from tests.flow.clock import at_once

S = 1_000_000_000
START_NS = 1000 * S  # where the clock of these tests begins
SCHEMA = Schema(
    "press", "fast", (Column("a", "d", on_change=True), Column("b", "d", on_change=True)), b"{}", "00000000"
)


@pytest.fixture(autouse=True)
def _fresh_loggers() -> None:
    structlog.reset_defaults()


def at(seconds: float) -> int:
    """UTC in ns, so many seconds after the start."""
    return START_NS + round(seconds * S)


def whole(seconds: float, *values: Value) -> Scan:
    return Scan(SCHEMA, at(seconds), values)


def sample(seconds: float, column: int, value: Value) -> Scan:
    return Scan(SCHEMA, at(seconds), (value,), None, (column,))


def mark(sequence: int, seconds: float = 0.0) -> Mark:
    return Mark("plc", 7, sequence, "items", at(seconds))


@dataclass
class Server:
    """A Subscriber that says what a test tells it to say."""

    news: "asyncio.Queue[News | DeviceError | None]" = field(default_factory=asyncio.Queue)
    asked: list[Mark | None] = field(default_factory=list)
    said: list[Mark] = field(default_factory=list)
    closed: int = 0

    async def changes(self, mark: Mark | None) -> AsyncGenerator[News, None]:
        self.asked.append(mark)
        try:
            while (each := await self.news.get()) is not None:
                if isinstance(each, DeviceError):
                    raise each
                yield each
        finally:
            self.closed += 1

    def stored(self, mark: Mark) -> None:
        self.said.append(mark)


@dataclass
class Case:
    """One group that is followed, on a clock that jumps. What it stores is durable when a test says so."""

    server: Server = field(default_factory=Server)
    mark: Mark | None = None
    schema: Schema = SCHEMA
    stored: list[Scan | Mark | Gap] = field(default_factory=list)
    waiting: "list[asyncio.Future[None]]" = field(default_factory=list)
    health: Health = field(init=False)

    @property
    def scans(self) -> list[Scan]:
        return [each for each in self.stored if isinstance(each, Scan)]

    @property
    def gaps(self) -> list[Gap]:
        return [each for each in self.stored if isinstance(each, Gap)]

    def state(self) -> str:
        """How the device is doing just now."""
        return self.health.state

    def store(self, what: Scan | Mark) -> Awaitable[None]:
        self.stored.append(what)
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    async def tell(self, *news: News | DeviceError | None, after_s: float = 0.0) -> None:
        """So many seconds later the server says this."""
        await asyncio.sleep(after_s)
        for each in news:
            self.server.news.put_nowait(each)
        await asyncio.sleep(0.001)

    async def settle(self, error: NotStored | None = None) -> None:
        """All that waits becomes durable, or is refused by the disk."""
        for each in self.waiting:
            if error is None:
                each.set_result(None)
            else:
                each.set_exception(error)
                each.exception()
        self.waiting = []
        await asyncio.sleep(0.001)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def clock() -> int:
            return round(loop.time() * S)

        self.health = Health("press", clock, lambda _: None)
        follower: Follows = Everything()
        if not self.schema.events:
            follower = Follower(self.schema, heartbeat_ns=300 * S, resolution_ns=1_000_000)
        intake = Intake(self.schema, follower, self.store, self.stored.append)
        following = Following(
            self.server, self.schema, follower, intake, self.health, clock, "b1", self.store, self.mark
        )
        task = asyncio.create_task(follow(following))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.result()


# --- news ---------------------------------------------------------------------------------


@at_once
async def test_news_is_stored_in_its_order() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), complete=True))
        await case.tell(News((sample(1, 0, 3.0), sample(1.5, 0, 4.0), sample(2, 1, 2.0))))

    assert case.stored == [
        Scan(SCHEMA, at(0), (1.0, 2.0), full=True),
        Scan(SCHEMA, at(1), (3.0,), None, (0,)),
        Scan(SCHEMA, at(1.5), (4.0,), None, (0,)),
    ]
    assert case.state() == "ok"


@at_once
async def test_tag_that_the_server_does_not_give_is_a_device_that_answers_in_part() -> None:
    case = Case()
    async with case.running():
        await case.tell(
            News((Scan(SCHEMA, at(0), (1.0, None), ("", "bad:BadNodeIdUnknown")),), complete=True)
        )
        assert case.state() == "failing"
        await case.tell(News((sample(1, 0, 3.0),)))
        assert case.state() == "failing"
        await case.tell(News((sample(2, 1, 2.0),)))
        assert case.state() == "ok"


@at_once
async def test_reading_of_all_tags_is_a_full_scan_each_time() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), complete=True))
        await case.tell(News((whole(1, 1.0, 2.0),), complete=True))

    assert case.scans == [
        Scan(SCHEMA, at(0), (1.0, 2.0), full=True),
        Scan(SCHEMA, at(1), (1.0, 2.0), full=True),
    ]


# --- signs of life ------------------------------------------------------------------------


@at_once
async def test_sign_of_life_makes_a_full_scan_at_heartbeat_only() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), complete=True))
        await case.tell(News(), after_s=200)
        assert len(case.scans) == 1
        await case.tell(News(), after_s=200)
        await case.tell(News(), after_s=200)

    assert len(case.scans) == 2
    full = case.scans[1]
    assert (full.full, full.values, full.time_ns) == (True, (1.0, 2.0), at(0))
    assert full.lag_ns == pytest.approx(400 * S, abs=S)


@at_once
async def test_sign_of_life_before_anything_is_known_says_nothing() -> None:
    case = Case()
    async with case.running():
        await case.tell(News(), News(), after_s=400)

    assert case.stored == []


# --- losses -------------------------------------------------------------------------------


@at_once
async def test_losses_that_follow_each_other_closely_are_one_event() -> None:
    case = Case()
    with capture_logs() as events:
        async with case.running():
            await case.tell(News((whole(0, 1.0, 2.0),)))
            await case.tell(News((sample(1, 0, 3.0),)))
            await case.tell(News((sample(5, 0, 7.0),), loss="source:overflow"), after_s=5)
            await case.tell(News((sample(50, 0, 8.0),), loss="source:overflow"), after_s=45)
            await case.tell(News((sample(105, 0, 8.0),), loss="source:overflow"), after_s=55)
            await case.tell(News((sample(106, 0, 8.0),), loss="source:lost"), after_s=1)
            await case.tell(News((sample(206, 0, 9.0),), loss="source:overflow"), after_s=100)

    told = [each for each in events if each["event"] == "news lost"]
    assert [(each["log_level"], each["group"], each["reason"], each["within_s"]) for each in told] == [
        ("error", "fast", "source:overflow", 4.0),
        ("error", "fast", "source:lost", 1.0),
        ("error", "fast", "source:overflow", 100.0),
    ]


@at_once
async def test_loss_lies_between_what_is_known_and_what_comes_then() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),)))
        await case.tell(News((sample(1, 0, 3.0), sample(2, 1, 4.0))))
        await case.tell(News((sample(5, 0, 7.0), sample(6, 0, 8.0)), loss="source:overflow"))

    assert case.stored[3:] == [
        Gap("b1", "press", "fast", "source:overflow", None, None, at(2), at(5)),
        Scan(SCHEMA, at(5), (7.0, 4.0), None, None, (0.0, -3000.0), full=True),
        Scan(SCHEMA, at(6), (8.0,), None, (0,)),
    ]


@at_once
async def test_loss_after_a_sign_of_life_begins_where_that_says_that_all_was_told() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),)))
        await case.tell(News(known_ns=at(10)), News(), after_s=12)
        await case.tell(News((sample(15, 0, 7.0),), loss="source:overflow"), after_s=10)

    (gap,) = case.gaps
    assert gap.start_ns == pytest.approx(at(10), abs=S // 10)
    assert gap.end_ns == at(15)


@at_once
async def test_loss_begins_where_the_server_says_that_all_was_told() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),)))
        await case.tell(News(known_ns=at(-3600 + 9)), after_s=10)
        await case.tell(News((sample(-3600 + 15, 0, 7.0),), loss="source:overflow"), after_s=5)

    (gap,) = case.gaps
    assert (gap.start_ns, gap.end_ns) == (at(-3600 + 9), at(-3600 + 15))


@at_once
async def test_loss_ends_where_what_ran_over_goes_on() -> None:
    case = Case()
    ran_over = News((sample(15, 0, 7.0), sample(3, 1, 5.0)), loss="source:overflow", until_ns=at(15))
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),)))
        await case.tell(ran_over, after_s=20)

    assert [(gap.start_ns, gap.end_ns) for gap in case.gaps] == [(at(0), at(15))]


@at_once
async def test_loss_behind_another_begins_where_that_ends() -> None:
    case = Case(mark=mark(41, -60))
    async with case.running():
        await case.tell(News(loss="source:lost", until_ns=at(-20)))
        await case.tell(News(loss="source:lost", until_ns=at(-10)))

    assert [(gap.start_ns, gap.end_ns) for gap in case.gaps] == [(at(-60), at(-20)), (at(-20), at(-10))]


@at_once
async def test_reading_does_not_say_that_the_server_has_no_more_to_tell_of_before() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),)))
        await case.tell(News((whole(9, 1.0, 2.0),), complete=True), after_s=10)
        await case.tell(News((sample(15, 0, 7.0),), loss="source:overflow"), after_s=5)

    assert [(gap.start_ns, gap.end_ns) for gap in case.gaps] == [(at(0), at(15))]


@at_once
async def test_what_is_filled_is_stored_as_it_is_and_says_nothing_of_the_present() -> None:
    case = Case()
    past = [replace(sample(-9, 0, 5.0), filled=True), replace(sample(-8, 0, 5.0), filled=True)]
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),)))
        await case.tell(News(past, filled=True))
        await case.tell(News((sample(1, 0, 1.5),)))

    assert case.scans[1:] == [*past, sample(1, 0, 1.5)]
    assert case.state() == "ok"


@at_once
async def test_loss_after_a_reading_begins_there_however_old_its_values_are() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(-9000, 1.0, 2.0),), complete=True), after_s=10)
        await case.tell(News((sample(15, 0, 7.0),), loss="source:overflow"), after_s=10)

    (gap,) = case.gaps
    assert gap.start_ns == pytest.approx(at(10), abs=S // 10)


@at_once
async def test_loss_at_the_first_start_has_no_beginning() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(5, 1.0, 2.0),), loss="source:overflow"))

    assert case.gaps == [Gap("b1", "press", "fast", "source:overflow", None, None, None, at(5))]


@at_once
async def test_loss_over_a_restart_begins_where_the_earlier_life_knew_everything() -> None:
    case = Case(mark=mark(41, -60))
    async with case.running():
        await case.tell(News(loss="source:lost"), after_s=3)

    (gap,) = case.gaps
    assert (gap.reason, gap.life, gap.start_ns) == ("source:lost", "b1", at(-60))
    assert gap.end_ns == pytest.approx(at(3), abs=S // 10)


@at_once
@pytest.mark.parametrize("clock_s", [-3600, 3600])
async def test_loss_has_a_beginning_before_its_end_whatever_clock_the_device_has(clock_s: int) -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(clock_s, 1.0, 2.0),)))
        await case.tell(News(loss="source:lost"), after_s=1)
        await case.tell(News((sample(clock_s + 2, 0, 1.5),), loss="source:overflow"), after_s=1)

    for gap in case.gaps:
        assert (gap.start_ns or 0) < (gap.end_ns or 0)
    assert len(case.gaps) == 2


@at_once
async def test_loss_alone_confirms_nothing() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), complete=True))
        await case.tell(News(loss="source:lost"), after_s=1)
        assert len(case.scans) == 1
        await case.tell(News((whole(0, 1.0, 9.0),), complete=True))

    assert case.scans[1] == Scan(SCHEMA, at(0), (1.0, 9.0), full=True)


# --- the device is away -------------------------------------------------------------------


@at_once
async def test_device_that_is_down_is_reported_once_and_then_at_heartbeat() -> None:
    case = Case()
    for _ in range(400):
        case.server.news.put_nowait(DeviceError("timeout", "no answer within 5 s"))
    async with case.running():
        await asyncio.sleep(310)

    assert [scan.quality for scan in case.scans] == [("bad:timeout",) * 2] * 2
    assert [scan.full for scan in case.scans] == [True, True]
    assert case.gaps == []
    assert (case.state(), case.health.why) == ("down", "timeout: no answer within 5 s")
    assert len(case.server.asked) == 310


@at_once
async def test_device_that_went_away_is_bad_from_then_on_and_whole_when_it_is_back() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), complete=True))
        await case.tell(DeviceError("disconnected"), DeviceError("disconnected"))
        assert case.state() == "down"
        await case.tell(News((whole(0, 1.0, 2.0),), complete=True), after_s=10)

    assert [(scan.values, scan.quality) for scan in case.scans] == [
        ((1.0, 2.0), None),
        ((None, None), ("bad:disconnected",) * 2),
        ((1.0, 2.0), None),
    ]
    assert [scan.full for scan in case.scans] == [True, False, True]
    assert case.state() == "ok"


@at_once
async def test_news_that_ends_is_asked_for_again() -> None:
    case = Case()
    async with case.running():
        await case.tell(None)
        await case.tell(News((whole(2, 1.0, 2.0),)), after_s=2)

    assert len(case.server.asked) == 2
    assert len(case.scans) == 1


@at_once
async def test_news_is_closed_when_nobody_follows_it_any_more() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(2, 1.0, 2.0),)))
        assert case.server.closed == 0

    assert case.server.closed == 1


# --- marks --------------------------------------------------------------------------------


@at_once
async def test_mark_stands_behind_the_scans_it_speaks_of() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0), sample(1, 0, 3.0)), mark(1)), News((), mark(2)))

    assert case.stored == [
        Scan(SCHEMA, at(0), (1.0, 2.0), full=True),
        Scan(SCHEMA, at(1), (3.0,), None, (0,)),
        mark(1),
        mark(2),
    ]


@at_once
async def test_mark_is_said_to_be_stored_when_it_is_durable() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), mark(1)))
        await case.tell(News((sample(1, 0, 3.0),), mark(2)), after_s=100)
        assert case.server.said == []
        await case.settle()

        assert case.server.said == [mark(1), mark(2)]


@at_once
async def test_mark_of_what_is_named_as_lost_is_said_to_be_stored_too() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), mark(1)))
        await case.settle(NotStored("full"))
        assert case.server.said == [mark(1)]
        await case.tell(News((sample(1, 0, 3.0),), mark(2)))

    assert case.scans[1] == Scan(SCHEMA, at(1), (3.0, 2.0), None, None, (0.0, -1000.0), full=True)


@at_once
async def test_mark_whose_storing_was_cancelled_is_not_said_to_be_stored() -> None:
    case = Case()
    async with case.running():
        await case.tell(News((whole(0, 1.0, 2.0),), mark(1)))
        for each in case.waiting:
            each.cancel()
        await asyncio.sleep(0.001)

        assert case.server.said == []


@at_once
async def test_following_goes_on_from_the_mark_of_the_earlier_life() -> None:
    case = Case(mark=mark(41))
    async with case.running():
        await case.tell(DeviceError("disconnected"))
        await case.tell(News((whole(2, 1.0, 2.0),), mark(42)), None, after_s=2)
        await asyncio.sleep(2)

    assert case.server.asked == [mark(41), mark(41), mark(42)]


# --- events -------------------------------------------------------------------------------

ALARMS = Schema("press", "alarms", EventSource().columns, b"{}", "00000000", events=True)


def event(seconds: float, *, full: bool = False) -> Scan:
    return Scan(ALARMS, at(seconds), ("AQ==", "BaseEventType", 1, "Pump", "hot"), full=full)


@at_once
async def test_every_event_is_stored_as_it_is_and_nothing_by_itself() -> None:
    case = Case(schema=ALARMS)
    async with case.running():
        await case.tell(News((event(0), event(0)), mark(1)))
        await case.tell(News(), after_s=4000)
        await case.tell(News((event(4000),), mark(2)))

    assert case.scans == [event(0), event(0), event(4000)]


@at_once
async def test_a_source_of_events_that_is_away_is_down_and_no_event() -> None:
    case = Case(schema=ALARMS)
    async with case.running():
        await case.tell(News())
        assert case.state() == "ok"
        await case.tell(DeviceError("disconnected", "gone"))
        assert case.state() == "down"
        await case.tell(News(), after_s=2)
        assert case.state() == "ok"

    assert case.stored == []


@at_once
async def test_a_source_of_events_that_is_refused_is_a_device_that_answers_in_part() -> None:
    case = Case(schema=ALARMS)
    async with case.running():
        await case.tell(News(refused="bad:BadNodeIdUnknown"))
        assert (case.state(), case.health.why) == ("failing", "bad:BadNodeIdUnknown")
        await case.tell(News())
        assert case.state() == "ok"


@at_once
async def test_events_are_lost_since_the_last_ones_were_told_whatever_their_own_time() -> None:
    case = Case(schema=ALARMS)
    async with case.running():
        await case.tell(News((event(-900_000),), mark(1), known_ns=at(9)), after_s=10)
        await case.tell(News((event(-800_000),), mark(3), loss="source:lost", until_ns=at(29)), after_s=20)

    (gap,) = case.gaps
    assert (gap.reason, gap.start_ns, gap.end_ns) == ("source:lost", at(9), at(29))
