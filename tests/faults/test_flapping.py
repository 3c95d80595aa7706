"""A link that flaps: the server keeps one session and what is subscribed to, and no sample is missing."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.following import COUNTER, TICK_NS, Gateway, Log, more
from tests.faults.plants import on_each, plant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CUTS = 20


async def test_twenty_cuts_in_twenty_seconds_leave_no_session_behind(certificate_folder: Path) -> None:
    async def flap(server: str) -> tuple[Log, int, list[tuple[int, int]]]:
        counted: list[tuple[int, int]] = []
        async with plant(server, COUNTER, certificate_folder, tick_ns=TICK_NS) as press:
            gateway = Gateway(press.endpoint)
            async with gateway.following() as log:
                await more(log, "counter", 20)
                since = log.ticks("counter")[-1]
                for _ in range(CUTS):
                    await press.cut()
                    await asyncio.sleep(1)  # the rhythm of the flapping
                    counted.append(await press.count())
                await more(log, "counter", 40)
                counted.append(await press.count())
        return log, since, counted

    for server, (log, since, counted) in (await on_each(flap)).items():
        assert max(sessions for sessions, _ in counted) <= 2, server
        assert max(subscriptions for _, subscriptions in counted) == 1, server
        assert counted[-1] == (1, 1), server
        assert log.missing("counter", since) == [], server
        assert log.gaps == [], server
