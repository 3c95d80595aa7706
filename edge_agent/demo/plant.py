"""The plant of the demo.

Which devices there are, and the configuration that an engineer would write for them.
"""

from dataclasses import dataclass
from pathlib import Path

GATEWAY = "demo-gw"
PROFILES = {"meter-1": "eastron/sdm630-v2@1", "io-1": "edge-agent/io-demo@1"}
INTERVALS_S = {("meter-1", "fast"): 0.5, ("io-1", "fast"): 1.0}
"""Groups that report every reading, and how often: between two of their scans nothing may be missing."""

CONFIG = """\
schema: edge-agent/gateway/1
gateway: {{id: {gateway}, labels: {{site: demo}}}}
connections:
  plc-meter: {{modbus: {{tcp: "127.0.0.1:{meter}"}}}}
  plc-io:    {{modbus: {{tcp: "127.0.0.1:{io}"}}}}
devices:
  meter-1: {{profile: eastron/sdm630-v2@1, connection: plc-meter, groups: {{fast: {{interval: 500ms}}}}}}
  io-1:    {{profile: edge-agent/io-demo@1, connection: plc-io}}
destinations:
  cloud:
    mqtt: {{url: "mqtt://127.0.0.1:{broker}", version: {version}}}
    payload: {{batch: {{max_age: 500ms}}}}
buffer: {{path: {state}/buffer}}
"""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the agent finds what it talks to.

    Ports on loopback, and the version of MQTT the broker speaks.
    """

    meter: int
    io: int
    broker: int
    version: str


def write(folder: Path, at: Addresses) -> Path:
    """Write agent.yaml into a folder; gives its path."""
    path = folder / "agent.yaml"
    path.write_text(
        CONFIG.format(
            gateway=GATEWAY,
            meter=at.meter,
            io=at.io,
            broker=at.broker,
            version=at.version,
            state=folder / "state",
        )
    )
    return path


def buffer_of(folder: Path) -> Path:
    """Where the agent of this plant keeps its buffer."""
    return folder / "state" / "buffer"
