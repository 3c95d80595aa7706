"""From the register to the cloud: what arrives is what the PLC held, or it says that it is not known."""

from itertools import groupby
from pathlib import Path

from edge_agent.sim.faults import Faults
from tests.brokers import Mosquitto, Receiver
from tests.e2e.cloud import Books, more
from tests.e2e.plant import plant


async def test_values_of_both_kinds_of_device_are_right(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with plant(tmp_path, mosquitto.port, "meter", "io") as site:
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await receiver.until(more(10), 20)
            await receiver.until(more(10, device="io"), 20)
            assert await site.agent.stop() == 0

            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert {(device, group) for _, device, group, _ in books.scans} == {
        ("meter", "fast"),
        ("meter", "energy"),
        ("io", "io"),
        ("io", "fast"),
        ("io", "slow"),
    }
    assert books.gaps == []
    assert books.duplicates == 0
    assert {text for text in books.qualities("meter") if text.startswith("bad")} == set()


async def test_plc_that_is_absent_dies_and_comes_back_is_bad_quality_and_never_a_gap(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with plant(tmp_path, mosquitto.port, "meter", "io") as site:
        meter, agent = site.plcs["meter"], site.agent
        with Receiver(mosquitto.port) as receiver:
            await meter.switch(Faults(refuse=True))
            agent.start()
            await agent.tells("device down")
            await meter.switch(Faults())
            await agent.tells("device back")
            await receiver.until(more(3, receiver.arrived), 20)
            await meter.switch(Faults(silence=True))
            await agent.tells("device down", times=2)
            await meter.switch(Faults())
            await agent.tells("device back", times=2)
            await receiver.until(more(3, receiver.arrived), 20)
            await agent.stop()

            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert {"bad:disconnected", "bad:timeout"} <= books.qualities("meter")
    assert not {text for text in books.qualities("io") if text.startswith("bad")}
    assert books.gaps == []
    states = [document["state"] for document in books.said["device/meter"] if document["state"] != "failing"]
    assert [state for state, _ in groupby(states)] == ["starting", "down", "ok", "down", "ok"]
