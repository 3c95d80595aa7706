"""The plant of the demo.

Which devices there are, how each is simulated, and the configuration that an engineer would write for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from edge_agent.config.settings import Tag
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc

GATEWAY = "demo-gw"
DESTINATION = "cloud"

CONFIG = """\
schema: edge-agent/gateway/1
gateway: {{id: {gateway}, labels: {{site: demo}}}}
connections:
{connections}
devices:
{devices}
destinations:
  {destination}:
    mqtt: {{url: "mqtt://127.0.0.1:{broker}", version: {version}}}
    payload: {{batch: {{max_age: 500ms}}}}
buffer: {{path: {buffer}}}
"""


class Plc(Protocol):
    """A simulated PLC: its port on loopback is open inside the context only."""

    port: int

    async def __aenter__(self) -> Self:
        """Open the port."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...

    async def switch(self, faults: Faults) -> None:
        """Fail like this from now on; `Faults()` is sound again."""
        ...


@dataclass(frozen=True, slots=True)
class Simulated:
    """A device of the plant.

    `plc` plays the tags of its profile, `connection` is the line of agent.yaml that leads to a port of this
    machine, `stopped` are the faults of a PLC that is switched off. `steady` are groups that report every
    reading, and how often in s: between two of their scans nothing may be missing.
    """

    name: str
    profile: str
    plc: Callable[[Sequence[Tag]], Plc]
    connection: Callable[[int], str]
    stopped: Faults
    steady: Mapping[str, float]


def modbus_tcp(port: int) -> str:
    """The connection of a Modbus device on this machine."""
    return f'{{modbus: {{tcp: "127.0.0.1:{port}"}}}}'


DEVICES = (
    Simulated(
        "meter-1", "eastron/sdm630-v2@1", ModbusPlc, modbus_tcp, Faults(refuse=True), steady={"fast": 0.5}
    ),
    Simulated(
        "io-1", "edge-agent/io-demo@1", ModbusPlc, modbus_tcp, Faults(refuse=True), steady={"fast": 1.0}
    ),
)


def intervals_s(devices: Sequence[Simulated]) -> Mapping[tuple[str, str], float]:
    """The steady groups of all devices, by device and group."""
    return {(each.name, group): interval for each in devices for group, interval in each.steady.items()}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the agent finds what it talks to.

    Ports on loopback, those of the PLCs by device, and the version of MQTT the broker speaks.
    """

    plcs: Mapping[str, int]
    broker: int
    version: str


def write(folder: Path, devices: Sequence[Simulated], at: Addresses) -> Path:
    """Write agent.yaml into a folder; gives its path."""
    path = folder / "agent.yaml"
    path.write_text(
        CONFIG.format(
            gateway=GATEWAY,
            connections="\n".join(
                f"  plc-{each.name}: {each.connection(at.plcs[each.name])}" for each in devices
            ),
            devices="\n".join(map(_line, devices)),
            destination=DESTINATION,
            broker=at.broker,
            version=at.version,
            buffer=buffer_of(folder),
        )
    )
    return path


def state_of(folder: Path) -> Path:
    """Where the agent of this plant keeps its state."""
    return folder / "state"


def buffer_of(folder: Path) -> Path:
    """Where the agent of this plant keeps its buffer."""
    return state_of(folder) / "buffer"


def _line(device: Simulated) -> str:
    groups = ", ".join(f"{name}: {{interval: {round(s * 1000)}ms}}" for name, s in device.steady.items())
    return (
        f"  {device.name}: {{profile: {device.profile}, connection: plc-{device.name}, groups: {{{groups}}}}}"
    )
