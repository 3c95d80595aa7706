"""Whenever the agent is killed, and whatever happens to a segment: nothing durable is lost silently."""

import random
from pathlib import Path

import pytest

from edge_agent.core.frame import SEGMENT_HEAD_SIZE, Kind, scan, unpack_head
from tests.brokers import Mosquitto, Proxy, Receiver
from tests.e2e.cloud import Books, more, told
from tests.e2e.disk import durable, highest
from tests.e2e.plant import SOON_S, plant, until


@pytest.mark.parametrize("rounds", [4, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(240)])])
async def test_kill_at_any_moment_loses_nothing_that_was_durable(
    tmp_path: Path, mosquitto: Mosquitto, rounds: int
) -> None:
    chance = random.Random(rounds)
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "meter", "io") as site:
            must: dict[tuple[str, str, str, str], int] = {}
            for number in range(rounds):
                site.agent.start()
                await site.agent.tells("agent runs", times=number + 1)
                await receiver.until(more(chance.randrange(1, 4), receiver.arrived), SOON_S)
                await until(lambda: chance.random() < 0.05, "a moment drawn by lot")
                site.agent.kill()
                must |= durable(site.agent.segments)
            site.agent.start()
            await receiver.until(lambda now: len(Books().enter(now).lives) > rounds, SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    for key, last in must.items():
        books.audit.expect(key, last)
    books.assert_right()
    assert books.reasons.count("restart:unclean") == rounds
    assert len(books.lives) == rounds + 1


@pytest.mark.parametrize("damage", ["cut", "bit"])
async def test_damaged_segment_is_named_and_the_rest_is_delivered(
    tmp_path: Path, mosquitto: Mosquitto, damage: str
) -> None:
    async with Proxy(mosquitto.port) as network, plant(tmp_path, network.port, "meter") as site:
        network.cut()
        site.agent.start()
        await until(lambda: highest(site.agent.segments, "meter", "fast") >= 20, "twenty scans")
        assert await site.agent.stop() == 0
        (segment,) = site.agent.segments.glob("*.seg")
        data = bytearray(segment.read_bytes())
        head = unpack_head(bytes(data))
        assert head is not None
        frames = [
            each for each in scan(bytes(data), head.generation, SEGMENT_HEAD_SIZE) if each.kind is Kind.DATA
        ]
        if damage == "bit":
            data[frames[10].end - 3] ^= 1
        else:
            del data[frames[10].end - 3 :]
        segment.write_bytes(data)
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await network.restore()
            await receiver.until(told("gap", reason="unreadable"), SOON_S)
            await receiver.until(more(5, receiver.arrived), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    unreadable = [gap for gap in books.gaps if gap["reason"] == "unreadable"]
    assert [gap["n"][0] for gap in unreadable] == [frames[10].n]
    if damage == "bit":
        assert len(books.lives) == 1  # the log was closed in order: its numbers go on
        assert unreadable[0]["scans"] == 1
    else:
        assert "restart:unclean" in books.reasons
