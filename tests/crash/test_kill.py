"""kill -9 at any moment: what was durable arrives or is named, and nothing that arrives is wrong."""

import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edge_agent.core import frame
from edge_agent.core.audit import Key
from edge_agent.core.frame import Frame, Kind
from tests.brokers import Arrived, Mosquitto, Proxy, Receiver
from tests.e2e.backlog import LIFE, fill, note
from tests.e2e.cloud import Books, more
from tests.e2e.disk import durable
from tests.e2e.plant import GATEWAY, SOON_S, Plant, plant

LIFETIME_S = (0.4, 2.6)  # from before the log is open until well after the first acknowledgements are on disk

REPEATED = 70
"""Scans that may come again after a kill: 23 a second, acknowledged within the last second, and in flight."""


@pytest.mark.parametrize("rounds", [5, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.timeout(180)
async def test_what_was_durable_at_any_kill_arrives_exactly_or_is_named(
    tmp_path: Path, mosquitto: Mosquitto, rounds: int
) -> None:
    async with Proxy(mosquitto.port) as network, plant(tmp_path, network.port, "meter", "io") as site:
        with Receiver(mosquitto.port) as receiver:
            left: dict[Key, int] = {}
            for _ in range(rounds):
                left |= await life(site, network)
            await network.restore()
            site.agent.start()

            await receiver.until(more(3, receiver.arrived), SOON_S)
            await receiver.until(lambda now: not books_of(now, left).audit.missing(), SOON_S)
            assert await site.agent.stop() == 0

            books = books_of(receiver.arrived, left)

    books.assert_right()
    assert set(books.reasons) <= {"restart:unclean"}
    assert len({gap["b"] for gap in books.gaps}) >= len({b for _, b, *_ in left})
    assert books.duplicates <= rounds * REPEATED
    sys.stdout.write(
        f"{len(books.lives)} lives, {len(books.scans)} scans, {books.values} values right,"
        f" {books.duplicates} scans twice\n"
    )


@pytest.mark.parametrize("damage", ["flipped bit", "cut short"])
async def test_damaged_segment_is_no_reason_not_to_start_and_what_it_held_is_named(
    tmp_path: Path, mosquitto: Mosquitto, damage: str
) -> None:
    async with plant(tmp_path, mosquitto.port) as site:
        fill(site.agent.segments, scans=400)
        lost = flip(site.agent.segments) if damage == "flipped bit" else cut_short(site.agent.segments)
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await receiver.until(lambda now: 400 in Books().enter(now).numbers("crane", "fast"), SOON_S)
            await receiver.until(more(2), SOON_S)
            assert await site.agent.stop() == 0

            books = books_of(receiver.arrived, {(GATEWAY, LIFE, "crane", "fast"): 400})

    books.assert_right()
    assert books.numbers("crane", "fast") == [n for n in range(1, 401) if n not in lost]
    (gap,) = [gap for gap in books.gaps if gap["reason"] == "unreadable"]
    assert (gap["b"], gap["d"], gap["g"], gap["scans"]) == (LIFE, "crane", "fast", len(lost))
    assert gap["n"] == [lost[0], lost[-1]]
    texts = {n: scan["v"]["note"] for (_, device, _, n), scan in books.scans.items() if device == "crane"}
    assert all(text == note(n) for n, text in texts.items())


async def life(site: Plant, network: Proxy) -> dict[Key, int]:
    """One run of the agent, with or without a broker, killed at random; gives what it left on disk."""
    if random.random() < 0.3:
        network.cut()
    else:
        await network.restore()
    site.agent.start()
    await asyncio.sleep(random.uniform(*LIFETIME_S))
    site.agent.kill()
    return durable(site.agent.segments)


def books_of(arrived: Sequence[Arrived], left: Mapping[Key, int]) -> Books:
    """The books over all that arrived, which must hold what was left on disk as well."""
    books = Books().enter(arrived)
    for key, last in left.items():
        books.audit.expect(key, last)
    return books


def flip(folder: Path) -> range:
    """Turn one bit in the middle of a record of the first segment; gives the numbers that this costs."""
    path, data, frames = first_segment(folder)
    victim = frames[len(frames) // 2]
    data[(victim.start + victim.end) // 2] ^= 4
    path.write_bytes(data)
    return range(victim.n, victim.n + 1)


def cut_short(folder: Path) -> range:
    """Cut the first segment within a record; gives the numbers that this costs."""
    path, data, frames = first_segment(folder)
    path.write_bytes(data[: frames[100].start + 20])
    return range(frames[100].n, frames[-1].n + 1)


def first_segment(folder: Path) -> tuple[Path, bytearray, list[Frame]]:
    """The oldest segment, its bytes and its records."""
    path = min(folder.glob("*.seg"))
    data = bytearray(path.read_bytes())
    head = frame.unpack_head(bytes(data))
    assert head is not None
    return path, data, [each for each in frame.scan(bytes(data), head.generation) if each.kind is Kind.DATA]
