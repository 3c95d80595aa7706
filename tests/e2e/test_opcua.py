"""A press that is an OPC UA server: whatever happens to it, its link or the agent, no sample is missing."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge_agent.sim.faults import Faults
from edge_agent.sim.signals import TICK_NS
from tests.brokers import Mosquitto, Receiver
from tests.e2e.cloud import Books, Condition, more, told
from tests.e2e.plant import SOON_S, plant

TICK_MS = TICK_NS // 1_000_000


async def test_every_sample_arrives_once_with_its_own_time(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            site.agent.start()
            await receiver.until(samples("force", 20), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    times = sample_times(books, "force")
    assert times == list(range(times[0], times[0] + len(times) * TICK_MS, TICK_MS))
    assert {"force", "temperature", "recipe"} <= {name for scan in books.scans.values() for name in scan["v"]}
    assert books.gaps == []


async def test_server_that_is_not_there_at_start_is_bad_until_it_comes(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            await site.press.switch(Faults(refuse=True))
            site.agent.start()
            await receiver.until(told("device/press", state="down"), SOON_S)
            await site.press.switch(Faults())
            await receiver.until(told("device/press", state="ok"), SOON_S)
            await receiver.until(samples("force", 5), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert "bad:disconnected" in books.qualities("press")
    assert first_good(books).get("k") == 1


async def test_link_that_is_cut_costs_no_sample(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            site.agent.start()
            for _ in range(3):
                await receiver.until(more_samples("force", 5, receiver.arrived), SOON_S)
                await site.press.cut()
            await receiver.until(more_samples("force", 10, receiver.arrived), SOON_S)
            await receiver.until(more_samples("temperature", 5, receiver.arrived), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert books.gaps == []
    assert missing_ticks(books, "force", "temperature") == {}


async def test_kill_in_mid_stream_loses_nothing_that_the_server_still_held(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            for _ in range(3):
                site.agent.start()
                await receiver.until(more_samples("force", 5, receiver.arrived), SOON_S)
                site.agent.kill()
            site.agent.start()
            await receiver.until(more_samples("force", 5, receiver.arrived), SOON_S)
            await receiver.until(more_samples("temperature", 5, receiver.arrived), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert set(books.reasons) == {"restart:unclean"}
    assert missing_ticks(books, "force", "temperature") == {}


async def test_stop_and_start_loses_nothing_that_the_server_still_held(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            site.agent.start()
            await receiver.until(samples("force", 5), SOON_S)
            assert await site.agent.stop() == 0
            site.agent.start()
            await receiver.until(more_samples("force", 5, receiver.arrived), SOON_S)
            await receiver.until(more_samples("temperature", 5, receiver.arrived), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert books.reasons == ["restart:clean"]
    assert missing_ticks(books, "force", "temperature") == {}


async def test_server_that_was_started_again_is_subscribed_to_anew_and_the_loss_is_named(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            site.agent.start()
            await receiver.until(samples("force", 5), SOON_S)
            site.press.namespaces_before = ("urn:another",)  # so that indexes are others
            await site.press.restart()
            await receiver.until(told("gap", reason="source:lost", g="fast"), SOON_S)
            await receiver.until(more_samples("force", 5, receiver.arrived), SOON_S)
            await receiver.until(more_samples("temperature", 5, receiver.arrived), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert set(books.reasons) == {"source:lost"}
    named = [gap["t"] for gap in books.gaps if gap["g"] == "fast"]
    assert [tick for tick in missing_ticks(books, "force").get("force", []) if not within(tick, named)] == []


@pytest.mark.slow  # a silence is noticed after some seconds
async def test_silent_server_is_noticed_and_its_samples_are_had_when_it_speaks_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            site.agent.start()
            await receiver.until(samples("force", 5), SOON_S)
            await site.press.switch(Faults(silence=True))
            await receiver.until(told("device/press", state="down"), SOON_S)
            await site.press.switch(Faults())
            await receiver.until(more_samples("force", 20, receiver.arrived), SOON_S)
            await receiver.until(more_samples("temperature", 5, receiver.arrived), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert books.gaps == []
    assert missing_ticks(books, "force", "temperature") == {}


@pytest.mark.slow  # an item that the server refuses is tried again after 10 s
async def test_node_that_is_not_there_is_bad_and_the_others_flow_and_it_comes_back(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press") as site:
            await site.press.switch(Faults(missing=frozenset({"force"})))
            site.agent.start()
            await receiver.until(samples("position", 5), SOON_S)
            await site.press.switch(Faults())
            await receiver.until(samples("force", 5), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert "bad:BadNodeIdUnknown" in books.qualities("press")
    assert missing_ticks(books, "position") == {}


async def test_broker_that_is_away_costs_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    async with plant(tmp_path, mosquitto.port, "press", "meter") as site:
        site.agent.start()
        await asyncio.sleep(3)  # a time without a broker, in which the plant goes on
        mosquitto.start()
        with Receiver(mosquitto.port) as receiver:
            await receiver.until(samples("force", 20), SOON_S)
            await receiver.until(more(2), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert books.gaps == []
    assert missing_ticks(books, "force", "temperature") == {}


# What the cloud has of one tag


def scans_with(books: Books, tag: str) -> Iterable[Mapping[str, Any]]:
    return (scan for scan in books.scans.values() if tag in scan.get("v", {}))


def sample_times(books: Books, tag: str) -> list[int]:
    """The source times of all samples of a tag that were not told twice, in ms, ascending."""
    return sorted({round(scan["ts"] + scan.get("t", {}).get(tag, 0)) for scan in scans_with(books, tag)})


def missing_ticks(books: Books, *tags: str) -> dict[str, list[int]]:
    """Per tag, the ticks between its first and its last sample that never arrived, in ms."""
    found: dict[str, list[int]] = {}
    for tag in tags:
        times = sample_times(books, tag)
        absent = sorted(set(range(times[0], times[-1], TICK_MS)) - set(times))
        if absent:
            found[tag] = absent
    return found


def within(tick: int, spans: Iterable[list[int]]) -> bool:
    return any(start - TICK_MS <= tick <= end + TICK_MS for start, end in spans)


def first_good(books: Books) -> Mapping[str, Any]:
    return next(iter(scans_with(books, "force")))


def samples(tag: str, count: int) -> Condition:
    """A condition: so many samples of a tag have arrived."""
    return lambda now: len(sample_times(Books().enter(now), tag)) >= count


def more_samples(tag: str, count: int, arrived: Iterable[Any]) -> Condition:
    """A condition: so many samples of a tag beyond those that are there by now."""
    return samples(tag, len(sample_times(Books().enter(arrived), tag)) + count)
