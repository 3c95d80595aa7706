"""A link that is lost: the session goes on, on another channel; nothing that the server had is missing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from edge_agent.config.settings import Device, Group, NodeLimits, OpcUaConnection, Profile
from edge_agent.core.mark import Mark
from edge_agent.drivers.opcua.driver import OpcUaDriver
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.wire import SessionWire, connect
from edge_agent.errors import DeviceError
from edge_agent.ports import News, Subscriber
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from tests.drivers.opcua.test_subscription import GROUP, TAGS, carried, faults, marks, ticks_of

PATIENCE_S = 60.0


async def test_a_session_goes_on_after_every_cut() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc) as (wire, subscriber):
        news = await followed(subscriber, [plc.cut, plc.cut, plc.cut], marks_between=3)

    assert whole(news)
    assert events(wire)["resumed"] == 3
    assert "transferred" not in events(wire)


async def test_values_that_changed_while_the_link_was_away_are_had_again() -> None:
    async def away() -> None:
        await plc.switch(Faults(refuse=True))
        await asyncio.sleep(2.0)
        await plc.switch(Faults())

    async with OpcUaPlc(TAGS) as plc, connected(plc) as (wire, subscriber):
        news = await followed(subscriber, [away], marks_between=3)

    assert whole(news)
    assert events(wire)["resumed"] == 1


async def test_a_session_that_the_server_has_forgotten_is_made_anew() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc) as (wire, subscriber):
        news = await followed(subscriber, [plc.restart], marks_between=3)

    assert [each.loss for each in news if each.loss] == ["source:lost"]
    assert faults(news) == []
    assert "resumed" not in events(wire)


async def test_the_session_of_an_agent_that_was_killed_goes_on(tmp_path: Path) -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, tmp_path) as (killed, subscriber):
        first = await followed(subscriber, [], marks_between=3)
        # As the kernel does it: the socket ends, and nobody says goodbye.
        (await killed.session()).fail(DeviceError("disconnected", "killed"))
        assert [path.stat().st_mode & 0o777 for path in lying(tmp_path)] == [0o600]
        async with connected(plc, tmp_path) as (wire, again):
            second = await followed(again, [], marks_between=3, mark=marks(first)[-1])

    assert whole([*first, *second])
    assert events(wire)["resumed"] == 1
    assert lying(tmp_path) == []


async def test_a_file_that_says_nothing_is_as_good_as_none(tmp_path: Path) -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, tmp_path) as (_, subscriber):
        await followed(subscriber, [], marks_between=1)
        (file,) = lying(tmp_path)
        file.write_text('{"token": 5}')
        async with connected(plc, tmp_path) as (wire, again):
            news = await followed(again, [], marks_between=1)

    assert faults(news) == []
    assert "resumed" not in events(wire)


async def test_a_subscription_that_keeps_silent_is_not_taken_up_again() -> None:
    group = replace(GROUP, keepalive_s=0.1)

    async def silent() -> None:
        await plc.switch(Faults(silence=True))
        await asyncio.sleep(6.0)
        await plc.switch(Faults())

    async with OpcUaPlc(TAGS) as plc, connected(plc, group=group) as (wire, subscriber):
        news = await followed(subscriber, [silent], marks_between=3)

    assert faults(news) == []
    assert marks(news)[0].subscription != marks(news)[-1].subscription
    assert [each.loss for each in news if each.loss] == ["source:lost"]
    assert "resumed" not in events(wire)


async def test_a_server_with_room_for_one_session_is_enough() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc) as (_, subscriber):
        await plc.switch(Faults(sessions=1))
        news = await followed(subscriber, [plc.cut, plc.cut], marks_between=3)
        assert plc.sessions == 1
        assert plc.subscriptions == 1

    assert whole(news)


async def test_subscriptions_that_the_server_has_deleted_are_made_anew_in_the_same_session() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc) as (_, subscriber):

        async def dropped() -> None:
            await plc.drop()
            await plc.cut()

        news = await followed(subscriber, [dropped], marks_between=3)
        assert (plc.sessions, plc.subscriptions) == (1, 1)

    assert [each.loss for each in news if each.loss] == ["source:lost"]
    assert faults(news) == []


async def test_subscriptions_that_the_server_has_deleted_are_missed_at_once() -> None:
    # The link is well, and the watchdog would wait for a sign of life for half a minute.
    group = replace(GROUP, keepalive_s=20.0)

    async with OpcUaPlc(TAGS) as plc, connected(plc, group=group) as (_, subscriber):
        began = asyncio.get_running_loop().time()
        news = await followed(subscriber, [plc.drop], marks_between=3)
        assert asyncio.get_running_loop().time() - began < 20.0
        assert (plc.sessions, plc.subscriptions) == (1, 1)

    assert [each.loss for each in news if each.loss] == ["source:lost"]
    assert faults(news) == []


async def test_fewer_publish_requests_wait_where_the_server_bears_no_more() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc) as (_, subscriber):
        await plc.switch(Faults(publish=1))
        news = await followed(subscriber, [], marks_between=10)

    assert whole(news)


async def test_nothing_more_is_asked_for_while_too_much_waits_to_be_stored() -> None:
    news: list[News] = []

    async def follow(subscriber: Subscriber) -> None:
        async with aclosing(subscriber.changes(None)) as changes:
            async for each in changes:
                news.append(each)  # noqa: PERF401 - they are looked at meanwhile

    async def told(count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(marks(news)) < count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)

    async with OpcUaPlc(TAGS) as plc, connected(plc) as (wire, subscriber), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow(subscriber))
        await told(2)
        session = await wire.session()
        for sequence in range(1, 1001):
            session.held(Notification(0, sequence))
        await told(5)  # those that were asked for by then
        before = len(marks(news))
        await asyncio.sleep(1.0)
        assert len(marks(news)) == before
        for sequence in range(1, 1001):
            session.acknowledge(0, sequence)
        await told(before + 5)
        following.cancel()

    assert whole(news)


async def test_a_node_that_was_not_there_is_bad_behind_a_lost_link_until_it_is_followed() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc) as (_, subscriber):
        await plc.switch(Faults(missing=frozenset({"heat"})))

        async def back() -> None:
            await plc.switch(Faults(refuse=True))
            await asyncio.sleep(1.0)
            await plc.switch(Faults())

        news = await followed(subscriber, [plc.cut, back], marks_between=8)

    qualities = [
        scan.quality[carried(scan).index("heat")] if scan.quality else ""
        for each in news
        for scan in each.scans
        if "heat" in carried(scan)
    ]
    came = qualities.index("")
    assert set(qualities[:came]) == {"bad:BadNodeIdUnknown"}
    assert set(qualities[came:]) == {""}
    ticks = ticks_of(news, "heat")
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))


# --- helpers ------------------------------------------------------------------------------


@asynccontextmanager
async def connected(
    plc: OpcUaPlc, runtime: Path | None = None, group: Group = GROUP
) -> AsyncIterator[tuple[SessionWire, Subscriber]]:
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": group}, TAGS, NodeLimits())
    device = Device("press", profile, "plc", 1, {"fast": group}, TAGS)
    async with connect(OpcUaConnection("plc", plc.endpoint, timeout_s=5.0), runtime) as wire:
        yield wire, OpcUaDriver().device(wire, device, b"{}", time.time_ns).subscriber("fast")


async def followed(
    subscriber: Subscriber,
    troubles: list[Callable[[], Awaitable[None]]],
    *,
    marks_between: int,
    mark: Mark | None = None,
) -> list[News]:
    """All news, as an agent follows them, with a trouble behind every so many marks."""
    found: list[News] = []
    left, to_come = list(troubles), marks_between
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with aclosing(subscriber.changes(mark)) as changes:
                    async for news in changes:
                        found.append(news)
                        if news.mark is None:
                            continue
                        mark, to_come = news.mark, to_come - 1
                        if to_come == 0 and not left:
                            return found
                        if to_come == 0:
                            to_come = marks_between
                            await left.pop(0)()
            except DeviceError:
                await asyncio.sleep(0.1)


def whole(news: list[News]) -> bool:
    """Nothing is wrong, named as lost, or missing."""
    ticks = ticks_of(news, "strokes")
    return (
        faults(news) == []
        and not any(each.loss for each in news)
        and ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    )


def lying(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def events(wire: SessionWire) -> dict[str, int]:
    found = wire.statistics()["subscription_events"]
    assert isinstance(found, dict)
    return found
