"""The agent is killed in mid-stream: what the server still holds arrives with the next life."""

from pathlib import Path

import pytest

from tests.brokers import Mosquitto, Receiver
from tests.e2e.cloud import Condition
from tests.faults.agent import agent, reasons, samples
from tests.faults.conftest import MakePlant
from tests.faults.following import COUNTER, SOON_S, TICK_NS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

KILLS = 3


async def test_kill_in_mid_stream_loses_nothing_that_the_server_still_held(
    tmp_path: Path, mosquitto: Mosquitto, make_plant: MakePlant
) -> None:
    counted: list[tuple[int, int]] = []
    async with make_plant(COUNTER, tick_ns=TICK_NS) as plant:
        gateway = agent(tmp_path, mosquitto.port, plant.endpoint)
        try:
            with Receiver(mosquitto.port) as receiver:
                for _ in range(KILLS + 1):
                    gateway.kill()
                    gateway.start()
                    await receiver.until(at_least(len(samples(receiver.arrived)) + 40), SOON_S)
                    counted.append(await plant.count())
                await gateway.stop()
                found, why = samples(receiver.arrived), reasons(receiver.arrived)
        finally:
            gateway.kill()

    ticks = sorted(found)
    followed = ticks[5]  # between the first reading and the making of the item nobody is told
    assert sorted(set(range(followed, ticks[-1] + 1)) - set(ticks)) == []
    assert [tick for tick, value in found.items() if value != 4096 + tick % 4096] == []
    assert why <= {"restart:unclean", "overrun"}
    assert counted[-1][1] == 1, counted


def at_least(count: int) -> Condition:
    """A condition: so many samples have arrived."""
    return lambda now: len(samples(now)) >= count
