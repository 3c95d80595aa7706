"""What the link has lost is filled from what the server has recorded, where the group says so."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from edge_agent.config.settings import Group
from edge_agent.ports import News
from edge_agent.sim.faults import Faults, Limits
from edge_agent.sim.opcua import OpcUaPlc
from tests.drivers.opcua.test_resume import connected, events, followed
from tests.drivers.opcua.test_subscription import GROUP, TAGS, faults, ticks_of

FILLING = replace(GROUP, history_s=3600.0)
AWAY_S = 3.0


async def test_what_a_new_subscription_missed_is_filled_and_is_no_loss() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, group=FILLING) as (wire, subscriber):
        news = await followed(subscriber, [forgotten(plc)], marks_between=3)

    assert losses(news) == []
    assert faults(news) == []
    assert missing(news) == []
    assert events(wire)["filled"] == 1


async def test_what_is_filled_is_marked_and_older_than_what_was_told_before() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, group=FILLING) as (_, subscriber):
        news = await followed(subscriber, [forgotten(plc)], marks_between=3)

    filled = [scan for each in news if each.filled for scan in each.scans]
    assert filled
    assert all(scan.filled for scan in filled)
    assert not any(scan.filled for each in news if not each.filled for scan in each.scans)
    present = next(each for each in news[1:] if each.complete)
    assert max(scan.time_ns for scan in filled) <= present.scans[0].time_ns + 1_000_000_000


async def test_a_history_of_many_pages_is_read_to_its_end() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, group=FILLING) as (_, subscriber):
        await plc.switch(Faults(page=2))
        news = await followed(subscriber, [forgotten(plc)], marks_between=3)

    assert losses(news) == []
    assert missing(news) == []


async def test_a_history_is_asked_for_as_few_nodes_as_the_server_bears() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, group=FILLING) as (_, subscriber):
        await plc.switch(Faults(limits=Limits(history=1)))
        news = await followed(subscriber, [forgotten(plc)], marks_between=3)

    assert losses(news) == []
    assert missing(news) == []


async def test_a_server_without_a_past_leaves_a_named_loss() -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, group=FILLING) as (_, subscriber):
        await plc.switch(Faults(no_history=True))
        news = await followed(subscriber, [forgotten(plc)], marks_between=3)

    assert losses(news) == ["source:lost"]
    assert not any(each.filled for each in news)


async def test_what_lies_further_back_than_the_group_says_stays_a_loss() -> None:
    group = replace(GROUP, history_s=1.0)

    async with OpcUaPlc(TAGS) as plc, connected(plc, group=group) as (_, subscriber):
        news = await followed(subscriber, [forgotten(plc)], marks_between=3)

    (lost,) = [each for each in news if each.loss]
    filled = [scan.time_ns for each in news if each.filled for scan in each.scans]
    assert lost.until_ns is not None
    assert filled
    assert lost.until_ns < min(filled)
    assert max(filled) - lost.until_ns < 1_500_000_000


async def test_what_ran_over_in_the_server_is_filled() -> None:
    # Two samples fit: most of what comes while the link is away runs over.
    group = replace(FILLING, queue=2)

    async def away() -> None:
        await plc.switch(Faults(refuse=True))
        await asyncio.sleep(AWAY_S)
        await plc.switch(Faults())

    async with OpcUaPlc(TAGS) as plc, connected(plc, group=group) as (wire, subscriber):
        news = await followed(subscriber, [away], marks_between=3)

    assert events(wire)["overflowed"]
    assert losses(news) == []
    assert missing(news) == []
    assert faults(news) == []


@pytest.mark.parametrize("group", [GROUP, replace(GROUP, timestamp="agent")])
async def test_nothing_is_filled_unless_the_group_says_so(group: Group) -> None:
    async with OpcUaPlc(TAGS) as plc, connected(plc, group=group) as (_, subscriber):
        news = await followed(subscriber, [forgotten(plc)], marks_between=3)

    assert losses(news) == ["source:lost"]
    assert not any(each.filled for each in news)


# --- helpers ------------------------------------------------------------------------------


def forgotten(plc: OpcUaPlc) -> Callable[[], Awaitable[None]]:
    """A link that is away while the server forgets its sessions."""

    async def away() -> None:
        await plc.switch(replace(plc.faults, refuse=True))
        await plc.forget()
        await asyncio.sleep(AWAY_S)
        await plc.switch(replace(plc.faults, refuse=False))

    return away


def losses(news: list[News]) -> list[str]:
    return [each.loss for each in news if each.loss]


def missing(news: list[News]) -> list[int]:
    """Ticks between the first and the last that were not told."""
    ticks = ticks_of(news, "strokes")
    return sorted(set(range(ticks[0], ticks[-1] + 1)) - set(ticks))
