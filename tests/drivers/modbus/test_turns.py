"""Turns on a wire: commands before polls before probes, and nobody is lost when one is cancelled."""

import asyncio

import pytest

from edge_agent.drivers.modbus.turns import Turns, Urgency


async def take(turns: Turns, urgency: Urgency, name: str, went: list[str]) -> None:
    await turns.take(urgency)
    went.append(name)
    turns.give_back()


async def test_the_most_urgent_goes_first_and_then_the_first() -> None:
    turns, went = Turns(), list[str]()
    await turns.take(Urgency.POLL)
    waiting = [
        asyncio.create_task(take(turns, urgency, name, went))
        for name, urgency in [
            ("probe", Urgency.PROBE),
            ("poll 1", Urgency.POLL),
            ("poll 2", Urgency.POLL),
            ("command", Urgency.COMMAND),
        ]
    ]
    await asyncio.sleep(0)

    turns.give_back()
    await asyncio.gather(*waiting)

    assert went == ["command", "poll 1", "poll 2", "probe"]
    assert turns.idle


async def test_so_many_go_at_a_time_as_there_is_room_for() -> None:
    turns = Turns(2)

    await turns.take(Urgency.POLL)
    assert turns.idle
    await turns.take(Urgency.POLL)

    assert not turns.idle
    turns.give_back()
    assert turns.idle


async def test_whoever_is_cancelled_while_waiting_keeps_nobody_from_his_turn() -> None:
    turns, went = Turns(), list[str]()
    await turns.take(Urgency.POLL)
    first = asyncio.create_task(take(turns, Urgency.POLL, "first", went))
    second = asyncio.create_task(take(turns, Urgency.POLL, "second", went))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.sleep(0)
    turns.give_back()
    await second

    assert went == ["second"]
    assert first.cancelled()
    assert turns.idle


async def test_a_turn_that_was_given_to_one_who_is_cancelled_goes_on_to_the_next() -> None:
    turns, went = Turns(), list[str]()
    await turns.take(Urgency.POLL)
    first = asyncio.create_task(take(turns, Urgency.POLL, "first", went))
    second = asyncio.create_task(take(turns, Urgency.POLL, "second", went))
    await asyncio.sleep(0)

    turns.give_back()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second

    assert went == ["second"]
    assert turns.idle
