"""The agent as a process, with one counter of an OPC UA server, and what of it arrives at the broker."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tests.brokers import Arrived
from tests.e2e.plant import Agent
from tests.faults.following import FAST, TICK_NS, URI

TOPIC = "edge/gw17/counter/fast"
GAPS = "edge/gw17/_agent/gap"

PROFILE = f"""\
schema: edge-agent/profile/1
id: acme/counter
version: 1.0.0
protocol: opcua
title: A counter
namespaces: {{acme: "{URI}"}}
groups:
  fast:
    {{mode: subscribe, publishing: 100ms, sampling: 0s, queue: {FAST.queue}, keepalive: 1s, lifetime: 300s}}
tags:
  counter: {{node: "acme:s=counter", type: UInt32, group: fast}}
"""


@dataclass
class CounterAgent(Agent):
    """`edge-agent run` with the counter of an endpoint."""

    endpoint: str = ""

    @override
    def _config(self) -> str:
        profile = self.folder / "profiles" / "acme" / "counter.yaml"
        profile.parent.mkdir(parents=True, exist_ok=True)
        profile.write_text(PROFILE)
        security = "{policy: None, mode: none}"
        return (
            "schema: edge-agent/gateway/1\n"
            "gateway: {id: gw17}\n"
            f'connections: {{plc: {{opcua: {{endpoint: "{self.endpoint}", security: {security}}}}}}}\n'
            "devices: {counter: {profile: acme/counter@1, connection: plc}}\n"
            f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{self.broker}"}},'
            " payload: {batch: {max_age: 100ms}}}}\n"
            "buffer: {path: ./state/buffer, commit: 50ms}\n"
        )


def agent(folder: Path, broker: int, endpoint: str) -> CounterAgent:
    """One that has not been started."""
    return CounterAgent(folder, broker, {}, endpoint=endpoint)


def samples(arrived: Sequence[Arrived]) -> dict[int, int]:
    """The values of the counter by their ticks since 1970."""
    found = {}
    for message in arrived:
        if message.topic == TOPIC:
            for scan in json.loads(message.payload)["s"]:
                if "counter" in scan.get("v", {}):
                    time_ms = scan["ts"] + scan.get("t", {}).get("counter", 0)
                    found[round(time_ms * 1_000_000 / TICK_NS)] = scan["v"]["counter"]
    return found


def reasons(arrived: Sequence[Arrived]) -> set[str]:
    """Why anything is missing."""
    return {json.loads(message.payload)["reason"] for message in arrived if message.topic == GAPS}
