"""Cancelled at any moment, a link leaves no task, thread or descriptor behind."""

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from edge_agent.config.settings import Destination, Tls
from edge_agent.errors import LinkLost
from edge_agent.mqtt.link import MqttLink
from edge_agent.ports import Message
from tests.brokers import Certificates, Mosquitto, ScriptedBroker, free_port, silent_port

ROUNDS = 300


@asynccontextmanager
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fails unless the tasks, threads and descriptors at the end are those of the beginning."""
    tasks, threads, descriptors = asyncio.all_tasks(), set(threading.enumerate()), _descriptors()
    yield
    for thread in set(threading.enumerate()) - threads:
        await asyncio.to_thread(thread.join, 5) if thread.name.startswith("mqtt-") else None
    # What a thread has just handed over is closed in the next turn, and the test's own broker ends its tasks
    # when it sees the end of their sockets.
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - tasks or _descriptors() - descriptors:  # noqa: ASYNC110 - as said
            await asyncio.sleep(0)
    alive = {thread.name for thread in threading.enumerate() if thread.name.startswith("mqtt-")}
    assert (alive, asyncio.all_tasks() - tasks) == (set(), set())
    assert _descriptors() - descriptors == set()


def _descriptors() -> set[tuple[int, str]]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor that lists this folder
            target = str(entry.readlink())
            if target.startswith("socket:"):
                found.add((int(entry.name), target))
    return found


async def _cancelled_somewhere(link: MqttLink, longest_s: float, *, publishing: bool = False) -> None:
    async def use() -> None:
        with suppress(LinkLost):
            async with link.open() as publisher:
                while publishing:
                    await publisher.publish(Message("a", b"x" * 1000))
                await publisher.lost

    task = asyncio.create_task(use())
    await asyncio.sleep(random.random() * longest_s)  # the moment of the cancel, not a wait
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _link(port: int, tls: Tls | None = None) -> MqttLink:
    return MqttLink(Destination("cloud", "127.0.0.1", port, "gw-cloud", tls))


async def test_in_open_against_a_server_that_never_answers() -> None:
    with silent_port() as port:
        async with nothing_left_behind():
            for _ in range(ROUNDS):
                await _cancelled_somewhere(_link(port), 0.005)


async def test_in_a_tls_handshake_that_is_never_answered(certificates: Certificates) -> None:
    with silent_port() as port:
        async with nothing_left_behind():
            for _ in range(ROUNDS):
                await _cancelled_somewhere(_link(port, Tls(ca=certificates.ca)), 0.02)


async def test_in_open_against_a_real_broker(mosquitto: Mosquitto) -> None:
    async with nothing_left_behind():
        for _ in range(ROUNDS):
            await _cancelled_somewhere(_link(mosquitto.port), 0.01)


async def test_in_open_against_a_real_broker_over_tls(tmp_path: Path, certificates: Certificates) -> None:
    with Mosquitto(tmp_path, *certificates.listener(certificates.server)) as broker:
        async with nothing_left_behind():
            for _ in range(ROUNDS):
                await _cancelled_somewhere(_link(broker.port, Tls(ca=certificates.ca)), 0.04)


async def test_in_publish_against_a_real_broker(mosquitto: Mosquitto) -> None:
    async with nothing_left_behind():
        for _ in range(ROUNDS):
            await _cancelled_somewhere(_link(mosquitto.port), 0.02, publishing=True)


async def test_in_publish_against_a_broker_that_swallows() -> None:
    async with ScriptedBroker(puback=None) as broker, nothing_left_behind():
        for _ in range(ROUNDS):
            await _cancelled_somewhere(_link(broker.port), 0.01, publishing=True)
        await broker.until(lambda broker: broker.open_connections == 0)


async def test_an_absent_broker_leaves_nothing_behind() -> None:
    port = free_port()

    async with nothing_left_behind():
        for _ in range(ROUNDS):
            with pytest.raises(LinkLost):
                async with _link(port).open():
                    pass


async def test_links_that_end_by_themselves_leave_nothing_behind(mosquitto: Mosquitto) -> None:
    async with nothing_left_behind():
        for _ in range(20):
            async with _link(mosquitto.port).open() as publisher:
                await publisher.publish(Message("a", b"x"))
        async with _link(mosquitto.port).open() as publisher:
            mosquitto.kill()
            await asyncio.wait([publisher.lost])


async def test_a_thread_that_outlives_its_loop_closes_its_socket() -> None:
    async def dial_and_leave(port: int) -> None:
        async def use() -> None:
            async with _link(port).open():
                pass

        task = asyncio.create_task(use())
        await asyncio.sleep(0)
        task.cancel()

    def in_a_loop_of_its_own(port: int) -> None:
        asyncio.run(dial_and_leave(port))

    with silent_port() as port:
        async with nothing_left_behind():
            for _ in range(50):
                await asyncio.to_thread(in_a_loop_of_its_own, port)


def test_all_of_it_runs_on_uvloop_too(
    mosquitto: Mosquitto, tmp_path: Path, certificates: Certificates
) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is optional")
    folder = tmp_path / "tls"
    folder.mkdir()

    async def use(port: int, tls: Tls | None) -> None:
        async with nothing_left_behind():
            async with _link(port, tls).open() as publisher:
                await asyncio.gather(
                    *[publisher.publish(Message("a", os.urandom(30000))) for _ in range(200)]
                )
            for _ in range(30):
                await _cancelled_somewhere(_link(port, tls), 0.02, publishing=True)
            async with _link(port, tls).open() as publisher:
                pass
            assert isinstance(publisher.lost.exception(), LinkLost)

    with Mosquitto(folder, *certificates.listener(certificates.server)) as over_tls:
        uvloop.run(use(mosquitto.port, None))
        uvloop.run(use(over_tls.port, Tls(ca=certificates.ca)))
