"""Whoever follows or reads is cancelled 300 times, at any moment: nothing is left of it anywhere."""

import asyncio
import random
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import CoroutineType

import pytest

from edge_agent.config.settings import Group
from edge_agent.core.mark import Mark
from edge_agent.errors import DeviceError
from edge_agent.ports import Subscriber
from tests.faults.conftest import MakePlant
from tests.faults.following import FAST, SOON_S, Gateway, tag, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TAGS = (tag("force"), tag("heat", "slow"))
GROUPS = {"fast": FAST, "slow": Group("slow", 1.0, mode="read")}
CANCELS = 300
LET_GO_S = 100.0  # a minute after a session was taken up again, and some
LATEST_S = 0.03  # a whole handshake, and the making of a subscription, take about as long


async def test_three_hundred_cancels_leave_no_task_session_or_subscription(make_plant: MakePlant) -> None:
    dice = random.Random(7)
    async with make_plant(TAGS) as plant:
        before = asyncio.all_tasks()
        async with Gateway(plant.endpoint, TAGS, GROUPS).open() as gateway:
            follower = Follower(gateway.device.subscriber("fast"))
            for turn in range(CANCELS):
                work = follower.follow() if turn % 2 else _read(gateway)
                task = asyncio.create_task(work)
                await asyncio.sleep(dice.uniform(0, LATEST_S))
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                if turn % 30 == 0:
                    # So that cancels also hit the way back. Not while a session is being made: one whose
                    # answer is lost on the way stays at the server, whatever a client does.
                    async with asyncio.timeout(SOON_S):
                        await _read(gateway)
                    await plant.cut()

            async with asyncio.timeout(SOON_S):
                await _read(gateway)
                again = asyncio.create_task(follower.follow())
                told = follower.told
                await until(lambda: follower.told >= told + 5, "5 news")
            # One whose making was cut off before its number was known is let go when it goes on telling.
            async with asyncio.timeout(LET_GO_S):
                while (left_there := await plant.count()) != (1, 1):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(1.0)
            again.cancel()
            await asyncio.wait((again,))
        left = {task for task in asyncio.all_tasks() - before if not _is_servers(task)}
        await until(lambda: all(task.done() for task in left), "the last task to end")

    assert left_there == (1, 1)


def _is_servers(task: "asyncio.Task[object]") -> bool:
    """Whether it is one of the simulator, which is in this process."""
    work = task.get_coro()
    return isinstance(work, CoroutineType) and "server" in Path(work.cr_code.co_filename).parts


@dataclass
class Follower:
    """Follows as the agent does: from the last mark on."""

    subscriber: Subscriber
    mark: Mark | None = None
    told: int = 0

    async def follow(self) -> None:
        while True:
            with suppress(DeviceError):
                async with aclosing(self.subscriber.changes(self.mark)) as changes:
                    async for news in changes:
                        self.told += 1
                        if news.mark is not None:
                            self.mark = news.mark
                            self.subscriber.stored(news.mark)
            await asyncio.sleep(0.01)


async def _read(gateway: Gateway) -> None:
    while True:
        with suppress(DeviceError):
            await gateway.device.read("slow")
            return
        await asyncio.sleep(0.01)
