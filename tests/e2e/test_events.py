"""The alarms of a press at the broker: whatever happens to server, link or agent, none is missing."""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.opcua_events import Happenings
from tests.brokers import Arrived, Mosquitto, Receiver
from tests.e2e.cloud import Books, Condition, told
from tests.e2e.plant import GATEWAY, SOON_S, Agent

PROFILE = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: opcua
title: A press with alarms
namespaces: {plc: "urn:acme:press"}
groups:
  fast: {publishing: 200ms, keepalive: 1s, queue: 300}
  alarms:
    mode: events
    publishing: 100ms
    keepalive: 1s
    source: plc:s=Press
    types: [plc:i=1001]
    severity: 200
    conditions: true
    fields:
      batch: {path: "plc:Batch/plc:Number", type: UInt32}
      limit: {path: HighLimit, type: Float}
tags:
  force: {node: plc:s=force, type: Float, group: fast}
"""


async def test_events_arrive_in_their_own_form(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port) as (_, agent):
            agent.start()
            await receiver.until(numbered(10), SOON_S)
            await agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    event = next(event for event in events(books) if number(event) % 9 == 4)
    n = number(event)
    assert event.pop("ts") > 0
    assert event.pop("a") >= 0
    assert event == {
        "id": b64encode(n.to_bytes(8, "big")).decode(),
        "type": "nsu=urn:acme:press;i=1001",
        "severity": 200 + n,
        "source": "alarms",
        "message": f"event {n}",
        "fields": {
            "condition_id": "s=alarm-2",
            "condition_name": "alarm 2",
            "active": True,
            "acked": False,
            "retain": True,
            "batch": n,
            "limit": n,
        },
    }
    group = next(iter(books.metadata.values()))["groups"]["alarms"]
    assert group["mode"] == "events"
    assert group["fields"]["batch"] == {"type": "UInt32"}


async def test_cuts_and_a_broker_that_is_away_cost_no_event(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port) as (plc, agent):
            agent.start()
            for count in (5, 10, 15):
                await receiver.until(numbered(count), SOON_S)
                await plc.cut()
            await receiver.until(numbered(25), SOON_S)
            await agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert books.gaps == []
    assert numbers(books) == whole(numbers(books))
    assert {"alarms"} == {group for _, _, group, _ in books.scans} - {"fast"}


async def test_kill_in_mid_stream_loses_no_event_that_the_server_still_held(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port) as (plc, agent):
            for count in (5, 12, 20):
                agent.start()
                await receiver.until(numbered(count), SOON_S)
                agent.kill()
            await plc.happenings.happen(20)
            agent.start()
            await receiver.until(numbered(50), SOON_S)
            await agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert set(books.reasons) == {"restart:unclean"}
    # Under another life what was not stored comes again; none is missing.
    assert sorted(set(numbers(books))) == whole(numbers(books))


async def test_a_server_that_was_started_again_is_a_gap_and_its_alarms_are_told_anew(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port) as (plc, agent):
            agent.start()
            await receiver.until(numbered(5), SOON_S)
            plc.namespaces_before = ("urn:another",)
            await plc.restart()
            await receiver.until(told("gap", reason="source:lost", g="alarms"), SOON_S)
            await receiver.until(numbered(plc.happenings.numbers["alarms"] + 5, last=True), SOON_S)
            await agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert set(books.reasons) == {"source:lost"}
    (gap,) = [gap for gap in books.gaps if gap["g"] == "alarms"]
    times = {number(event): event["ts"] for event in events(books)}
    missing = sorted(set(whole(times)) - times.keys())
    # What happened last before them, and first behind them.
    assert gap["t"][0] <= times[missing[0] - 1] + 1000
    assert times[missing[-1] + 1] <= gap["t"][1] + 1000
    again = [event for event in of_group(books) if event.get("k")]
    assert [event["type"] for event in again].count("RefreshEndEventType") >= 2


async def test_a_device_without_its_server_is_down_and_no_event_is_made_up(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port) as (plc, agent):
            await plc.switch(Faults(refuse=True))
            agent.start()
            await receiver.until(told("device/hammer", state="down"), SOON_S)
            await plc.switch(Faults())
            await receiver.until(told("device/hammer", state="ok"), SOON_S)
            await receiver.until(numbered(3), SOON_S)
            await agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert {event["source"] for event in of_group(books)} <= {"alarms", "server"}


# A press with alarms, and what arrived of them


@dataclass
class PressAgent(Agent):
    """The agent of a press with a profile of its own."""

    @override
    def _config(self) -> str:
        return (
            f"schema: edge-agent/gateway/1\ngateway: {{id: {GATEWAY}}}\n"
            f'connections: {{plc: {{opcua: {{endpoint: "opc.tcp://127.0.0.1:{self.plcs["hammer"]}", '
            f"security: {self.press}, timeout: 2s}}}}}}\n"
            "devices: {hammer: {profile: acme/press@1, connection: plc}}\n"
            f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{self.broker}", keepalive: 5s}}, '
            "payload: {batch: {max_age: 100ms}}}}\n"
            "buffer: {path: ./state/buffer, commit: 50ms}\n"
        )


@asynccontextmanager
async def plant(folder: Path, broker: int) -> AsyncIterator[tuple[OpcUaPlc, Agent]]:
    path = folder / "profiles" / "acme" / "press.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(PROFILE)
    profile = loaded(path)
    plc = OpcUaPlc(profile.tags)
    plc.happenings = Happenings(
        {name: group.events for name, group in profile.groups.items() if group.events is not None}
    )
    async with plc:
        agent = PressAgent(folder, broker, {"hammer": plc.port})
        try:
            yield plc, agent
        finally:
            agent.kill()


def loaded(path: Path) -> Profile:
    profile, problems = load_profile(path, kinds())
    assert profile is not None, problems
    return profile


def of_group(books: Books) -> list[dict[str, Any]]:
    """Everything that arrived of the source, in order of first arrival."""
    return [dict(scan) for (_, _, group, _), scan in books.scans.items() if group == "alarms"]


def events(books: Books) -> list[dict[str, Any]]:
    """What happened, without what was told again."""
    return [event for event in of_group(books) if not event.get("k")]


def number(event: Mapping[str, Any]) -> int:
    return int.from_bytes(b64decode(event["id"]), "big")


def numbers(books: Books) -> list[int]:
    return [number(event) for event in events(books)]


def whole(found: Iterable[int]) -> list[int]:
    """All numbers from the first to the last."""
    some = list(found)
    return list(range(min(some), max(some) + 1))


def numbered(count: int, *, last: bool = False) -> Condition:
    """A condition: so many events have arrived, or one with at least that number."""

    def has(arrived: Sequence[Arrived]) -> bool:
        found = set(_numbers(arrived))
        return max(found, default=0) >= count if last else len(found) >= count

    return has


def _numbers(arrived: Iterable[Arrived]) -> Iterable[int]:
    for each in arrived:
        if each.topic.endswith("hammer/alarms"):
            yield from (number(event) for event in json.loads(each.payload)["e"] if not event.get("k"))
