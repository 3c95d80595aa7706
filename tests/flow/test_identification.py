"""When a device is asked what it is, and what becomes of the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import structlog
from structlog.testing import capture_logs

from edge_agent.core.claims import Identified, Mismatch
from edge_agent.flow.health import Health
from edge_agent.flow.identification import LONGEST_S, identify
from tests.flow.clock import at_once

RIGHT = Identified("Eastron", None, confirmed=True)
OTHER = Identified("Acme", Mismatch("vendor", "'Eastron'", "'Acme'"))
THIRD = Identified("Zed", Mismatch("vendor", "'Eastron'", "'Zed'"))
MUTE = Identified()


@pytest.fixture(autouse=True)
def _fresh_loggers() -> None:
    structlog.reset_defaults()


@dataclass
class Plc:
    """Says these things in turn; a number: it takes so many seconds, and then says nothing."""

    words: list[Identified | float]
    asked: int = 0

    async def identify(self, *, claimed: bool = False) -> Identified:
        assert claimed
        self.asked += 1
        word = self.words.pop(0)
        if isinstance(word, float):
            await asyncio.sleep(word)
            return MUTE
        return word


@dataclass
class Case:
    """A device with two groups, and its health."""

    plc: Plc
    changes: list[str] = field(default_factory=list)
    health: Health = field(init=False)

    def __post_init__(self) -> None:
        self.health = Health("press", lambda: 0, self.changes.append)

    async def note(self, *states: str) -> None:
        """The device goes through these states, and there is time to ask it."""
        for state in states:
            for group in ("fast", "slow"):
                self.health.note(
                    group, "ok" if state == "ok" else "failing" if state == "failing" else "down"
                )
            await asyncio.sleep(1.0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(identify(self.plc, self.health))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))


@at_once
async def test_device_is_asked_once_when_it_has_first_answered() -> None:
    case = Case(Plc([RIGHT]))
    async with case.running():
        await asyncio.sleep(10.0)
        assert case.plc.asked == 0

        await case.note("ok", "ok", "failing", "ok")

    assert case.plc.asked == 1
    assert case.health.document("gw")["identity"] == "Eastron"
    assert case.health.document("gw")["confirmed"] is True


@at_once
async def test_device_that_was_never_there_is_not_asked() -> None:
    case = Case(Plc([]))
    async with case.running():
        await case.note("down", "down")

    assert case.plc.asked == 0


@at_once
async def test_device_that_is_back_after_being_down_is_asked_again() -> None:
    case = Case(Plc([RIGHT, RIGHT, RIGHT]))
    async with case.running():
        await case.note("ok", "down", "ok", "down", "failing")

    assert case.plc.asked == 3


@at_once
async def test_device_that_answers_in_part_was_there_all_the_time() -> None:
    case = Case(Plc([RIGHT]))
    async with case.running():
        await case.note("failing", "ok", "failing", "ok")

    assert case.plc.asked == 1


@at_once
async def test_another_device_is_one_event_per_change_and_nothing_else_changes() -> None:
    case = Case(Plc([OTHER, OTHER, THIRD, RIGHT]))
    with capture_logs() as events:
        async with case.running():
            await case.note("ok", "down", "ok", "down", "ok", "down", "ok")

    told = [each for each in events if not each["event"].startswith("device answers")]
    assert [each["event"] for each in told if each["event"] not in ("device down", "device back")] == [
        "device is another one",
        "device is another one",
        "device is the right one again",
    ]
    assert {key: told[0][key] for key in ("device", "place", "expected", "found", "log_level")} == {
        "device": "press",
        "place": "vendor",
        "expected": "'Eastron'",
        "found": "'Acme'",
        "log_level": "warning",
    }
    assert case.health.state == "ok"


@at_once
async def test_device_that_says_the_same_again_is_not_told_again() -> None:
    case = Case(Plc([RIGHT, RIGHT]))
    async with case.running():
        await case.note("ok")
        told = len(case.changes)

        await case.note("down", "ok")

    back = ["failing", "down", "failing", "ok"]  # group by group
    assert len(case.changes) - told == len(back)


@at_once
async def test_document_tells_the_mismatch_in_words_and_each_change_is_told() -> None:
    case = Case(Plc([OTHER]))
    async with case.running():
        await case.note("ok")

    document = case.health.document("gw")
    assert document["mismatch"] == "vendor is 'Acme' instead of 'Eastron'"
    assert document["state"] == "ok"
    assert case.changes == ["press"] * 2  # that it answers, and that it is another one


@at_once
async def test_device_that_says_nothing_any_more_is_neither_right_nor_wrong() -> None:
    case = Case(Plc([OTHER, MUTE]))
    with capture_logs() as events:
        async with case.running():
            await case.note("ok", "down", "ok")

    assert "device is the right one again" not in [each["event"] for each in events]
    document = case.health.document("gw")
    assert (document["identity"], document["confirmed"], document["mismatch"]) == (None, False, None)


@at_once
async def test_wire_without_a_spare_moment_is_left_alone_until_the_device_was_down() -> None:
    case = Case(Plc([2 * LONGEST_S, RIGHT]))
    async with case.running():
        await case.note("ok")
        await asyncio.sleep(10 * LONGEST_S)
        assert case.plc.asked == 1

        await case.note("down", "ok")

    assert case.health.identified == RIGHT
