"""A server whose clock is an hour ahead is told: once as an event, and in the device's state."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_agent.sim.faults import Faults
from tests.brokers import Arrived, Mosquitto, Receiver
from tests.faults.agent import agent, samples
from tests.faults.following import COUNTER, SOON_S, TICK_NS
from tests.faults.plants import plant

pytestmark = pytest.mark.slow

STATE = "edge/gw17/_agent/device/counter"


async def test_clock_that_is_an_hour_ahead_is_an_event_and_stands_in_the_state(
    tmp_path: Path, mosquitto: Mosquitto, certificate_folder: Path
) -> None:
    ahead = Faults(clock_s=3600.0)
    async with plant("simulator", COUNTER, certificate_folder, tick_ns=TICK_NS, faults=ahead) as press:
        gateway = agent(tmp_path, mosquitto.port, press.endpoint)
        try:
            with Receiver(mosquitto.port) as receiver:
                gateway.start()
                await receiver.until(lambda now: len(samples(now)) >= 20, SOON_S)
                await gateway.stop()
                offsets, told = clock_offsets(receiver.arrived), log(tmp_path)
        finally:
            gateway.kill()

    assert [each["event"] for each in told if "clock" in each["event"]][:1], "no event of the clock"
    assert {round(each / 3600) for each in offsets} == {1}


def clock_offsets(arrived: Sequence[Arrived]) -> list[float]:
    """How far ahead the clock is in the device's state, but those before anything is known."""
    states = [json.loads(message.payload) for message in arrived if message.topic == STATE]
    return [state["clock_offset_s"] for state in states if state.get("clock_offset_s") is not None]


def log(folder: Path) -> list[dict[str, str]]:
    """All events of the agent."""
    lines = (folder / "agent.log").read_text().splitlines()
    return [json.loads(line[3:]) for line in lines if line.startswith("<")]
