"""The plant of the demo.

Which devices there are, how each is simulated, and the configuration that an engineer would write for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from edge_agent.config.settings import Tag
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.places import Serial

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

    @property
    def port(self) -> int:
        """Where it is found; known inside the context."""
        ...

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

    `plc` plays the tags of its profile, at the end of a serial line when it is given one; `connection` is the
    line of agent.yaml that leads there: to a port of this machine, or over the other end of the line.
    `stopped` are the faults of a PLC that is switched off. `steady` are groups that report every reading, and
    how often in s: between two of their scans nothing may be missing. `serial` says that it is one of those
    that are found behind a serial line, where this machine can play one.
    """

    name: str
    profile: str
    plc: Callable[[Sequence[Tag], Path | None], Plc]
    connection: Callable[[int, Path | None], str]
    stopped: Faults
    steady: Mapping[str, float]
    serial: bool = False


def modbus(tags: Sequence[Tag], end: Path | None) -> ModbusPlc:
    """A Modbus device on this machine, or at the end of a serial line."""
    return ModbusPlc(tags, at=None if end is None else Serial(str(end), baudrate=BAUDRATE))


def to_modbus(port: int, end: Path | None) -> str:
    """The connection of a Modbus device."""
    if end is not None:
        return f"{{modbus: {{serial: {end}, baudrate: {BAUDRATE}}}}}"
    return f'{{modbus: {{tcp: "127.0.0.1:{port}"}}}}'


def to_opcua(port: int, _end: Path | None) -> str:
    """The connection of an OPC UA server on this machine."""
    return f'{{opcua: {{endpoint: "opc.tcp://127.0.0.1:{port}", security: {{policy: None, mode: none}}}}}}'


BAUDRATE = 9600
OFF = Faults(refuse=True)

DEVICES = (
    Simulated("meter-1", "eastron/sdm630-v2@1", modbus, to_modbus, OFF, {"fast": 0.5}, serial=True),
    Simulated("io-1", "edge-agent/io-demo@1", modbus, to_modbus, OFF, {"fast": 1.0}),
    # Its server tells the news: there is no interval at which a scan is due.
    Simulated("press-1", "siemens/s7-1500-press@1", lambda tags, _end: OpcUaPlc(tags), to_opcua, OFF, {}),
)


def intervals_s(devices: Sequence[Simulated]) -> Mapping[tuple[str, str], float]:
    """The steady groups of all devices, by device and group."""
    return {(each.name, group): interval for each in devices for group, interval in each.steady.items()}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the agent finds what it talks to.

    Ports on loopback, those of the PLCs by device, and the version of MQTT the broker speaks. `lines` are the
    ends of serial lines of the devices that are behind one.
    """

    plcs: Mapping[str, int]
    broker: int
    version: str
    lines: Mapping[str, Path] = field(default_factory=dict)


def write(folder: Path, devices: Sequence[Simulated], at: Addresses) -> Path:
    """Write agent.yaml into a folder; gives its path."""
    path = folder / "agent.yaml"
    path.write_text(
        CONFIG.format(
            gateway=GATEWAY,
            connections="\n".join(
                f"  plc-{each.name}: {each.connection(at.plcs[each.name], at.lines.get(each.name))}"
                for each in devices
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
