"""Starts and ends of the agent: what a stop promises, what a kill costs, what the cloud is told of both."""

import asyncio
from pathlib import Path

from edge_agent import __version__
from tests.brokers import Mosquitto, Proxy, Receiver, ScriptedBroker
from tests.e2e.backlog import LIFE, fill, note
from tests.e2e.cloud import AGENT, Books, data, more, told
from tests.e2e.disk import durable, highest
from tests.e2e.plant import GATEWAY, SOON_S, plant, until
from tests.e2e.test_broker import arrived, puback, stored, unless_data


async def test_stop_delivers_the_last_scan_says_goodbye_and_the_next_start_goes_on_counting(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with plant(tmp_path, mosquitto.port, "meter", "io") as site:
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await receiver.until(more(3), SOON_S)
            assert await site.agent.stop() == 0
            await receiver.until(told("state", state="offline", why="stopped"), SOON_S)
            first = Books().enter(receiver.arrived)
            on_disk = durable(site.agent.segments)
            with Receiver(mosquitto.port, AGENT + "state") as late:
                (state,) = await late.until(lambda now: len(now) == 1, SOON_S)

            site.agent.start()
            await receiver.until(more(3, receiver.arrived), SOON_S)
            assert await site.agent.stop() == 0

            books = Books().enter(receiver.arrived)

    first.assert_right()
    assert {key: stream.known for key, stream in first.audit.streams.items()} == on_disk
    assert state.retain
    books.assert_right()
    assert len(books.lives) == 1
    assert books.reasons == ["restart:clean"]
    assert books.duplicates == 0
    assert [document["state"] for document in books.said["state"]] == ["online", "offline"] * 2
    assert {document["why"] for document in books.said["state"]} == {"", "stopped"}


async def test_stop_waits_for_the_last_acknowledgements_before_it_disconnects(tmp_path: Path) -> None:
    async with ScriptedBroker(puback=unless_data) as broker, plant(tmp_path, broker.port) as site:
        site.agent.start()
        await broker.until(lambda it: data(arrived(it)) >= 1, SOON_S)
        stopping = asyncio.create_task(site.agent.stop())
        await site.agent.tells("agent stops")
        assert broker.disconnects == []
        broker.puback = 0
        for late in broker.published:
            if not late.topic.startswith(AGENT):
                broker.write(puback(late.mid))

        assert await stopping == 0

        assert broker.disconnects == [0]
        books = Books().enter(arrived(broker))
        assert {key: stream.known for key, stream in books.audit.streams.items()} == durable(
            site.agent.segments
        )
    books.assert_right()
    assert books.duplicates == 0


async def test_stop_does_not_wait_for_ever_and_what_was_not_acknowledged_comes_after_the_next_start(
    tmp_path: Path,
) -> None:
    async with ScriptedBroker(puback=unless_data) as broker, plant(tmp_path, broker.port) as site:
        site.agent.start()
        await stored(site, 5)

        assert await site.agent.stop() == 0

        broker.puback = 0
        site.agent.start()
        await broker.until(lambda it: data(arrived(it)) >= 4, SOON_S)
        await site.agent.stop()
        books = Books().enter(arrived(broker))

    books.assert_right()
    assert len(books.lives) == 1
    assert books.reasons == ["restart:clean"]


async def test_killed_agent_is_offline_by_its_will_and_its_backlog_comes_under_its_old_life(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with Proxy(mosquitto.port) as network, plant(tmp_path, network.port, "meter", "io") as site:
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await receiver.until(more(2), SOON_S)
            network.cut()
            await stored(site, highest(site.agent.segments, "meter", "fast") + 5)
            site.agent.kill()
            left = durable(site.agent.segments)
            await receiver.until(told("state", state="offline", why="connection lost"), SOON_S)

            site.agent.start()
            await site.agent.tells("agent runs", times=2)
            await network.restore()
            await receiver.until(told("gap", reason="restart:unclean"), SOON_S)
            await receiver.until(lambda now: len(Books().enter(now).lives) == 2, SOON_S)
            await receiver.until(more(3, receiver.arrived), SOON_S)
            await site.agent.stop()

            books = Books().enter(receiver.arrived)

    for key, last in left.items():
        books.audit.expect(key, last)
    books.assert_right()
    old, new = books.lives
    (gap,) = books.gaps
    assert (gap["reason"], gap["b"], gap["d"], gap["g"], gap["n"]) == (
        "restart:unclean",
        old,
        None,
        None,
        None,
    )
    assert gap["t"][0] <= gap["t"][1]
    assert books.numbers("meter", "fast", new)[0] == 1
    assert {key[1] for key in left} == {old}
    online = [document for document in books.said["state"] if document["state"] == "online"]
    assert [(each["b"], each["prev_b"]) for each in online] == [(old, None), (new, old)]


async def test_what_the_quota_evicts_while_the_broker_is_away_is_named(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with (
        Proxy(mosquitto.port) as network,
        plant(tmp_path, network.port, buffer=", max_bytes: 4MiB") as site,
    ):
        network.cut()
        fill(site.agent.segments, scans=970)
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await until(
                lambda: durable(site.agent.segments).get((GATEWAY, LIFE, "meter", "fast"), 0) >= 5,
                "new scans",
            )
            await network.restore()
            await receiver.until(more(5), SOON_S)
            await site.agent.stop()

            books = Books().enter(receiver.arrived)

    books.audit.expect((GATEWAY, LIFE, "crane", "fast"), 970)
    books.assert_right()
    evicted = next(gap for gap in books.gaps if gap["reason"] == "evicted:max_bytes")
    assert (evicted["b"], evicted["d"], evicted["g"]) == (LIFE, "crane", "fast")
    first, last = evicted["n"]
    assert (first, evicted["scans"]) == (1, last)
    assert books.numbers("crane", "fast") == list(range(last + 1, 971))
    texts = {n: scan["v"]["note"] for (_, device, _, n), scan in books.scans.items() if device == "crane"}
    assert all(text == note(n) for n, text in texts.items())
    assert sorted(books.reasons) == ["evicted:max_bytes", "restart:clean"]


async def test_state_devices_and_metadata_are_retained_and_right(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with plant(tmp_path, mosquitto.port, "meter", "io") as site:
        with Receiver(mosquitto.port) as receiver:
            site.agent.start()
            await receiver.until(more(2), SOON_S)
            await receiver.until(more(2, device="io"), SOON_S)
            live = Books().enter(receiver.arrived)
            with Receiver(mosquitto.port, AGENT + "#") as late:
                topics = {
                    AGENT + each for each in ("state", "device/meter", "device/io", "meta/meter", "meta/io")
                }
                kept = await late.until(lambda now: {each.topic for each in now} >= topics, SOON_S)
        await site.agent.stop()

    books = Books().enter(kept)
    assert all(each.retain for each in kept)
    (state,) = books.said["state"]
    assert (state["state"], state["b"], state["prev_b"], state["version"]) == (
        "online",
        *live.lives,
        None,
        __version__,
    )
    assert {each[0]["state"] for topic, each in books.said.items() if topic != "state"} == {"ok"}
    by_device = {document["d"]: m for m, document in books.metadata.items()}
    assert by_device == {document["d"]: m for m, document in live.metadata.items()}
    meter = books.metadata[by_device["meter"]]
    assert meter["tags"]["voltage_l1"] == {
        "type": "float32",
        "group": "fast",
        "unit": "V",
        "report": "always",
    }
    assert meter["profile"]["id"] == "eastron/sdm630-v2"
    assert meter["labels"] == {"site": "wolfsburg"}
