"""What a protocol's package offers to the agent, and how it is found when a configured device needs it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from edge_agent.config import settings
from edge_agent.core.browsed import Browsed, Wanted
from edge_agent.core.model import Schema
from edge_agent.ports import Clock, Identifying, Poller, Subscriber

_BUILT_IN: Mapping[str, str] = {
    "modbus": "edge_agent.drivers.modbus.driver:ModbusDriver",
    "opcua": "edge_agent.drivers.opcua.driver:OpcUaDriver",
}


class PolledDevice(Poller, Identifying, Protocol):
    """A device that can be polled, what its scans look like, and what it is."""

    @property
    def schemas(self) -> Mapping[str, Schema]:
        """The schema of each group's scans."""
        ...


@runtime_checkable
class FollowedDevice(PolledDevice, Protocol):
    """A device whose groups can be subscribed to as well."""

    @property
    def clock_offset_s(self) -> float | None:
        """How far its clock is ahead of ours; None while it has not said what time it is."""
        ...

    def subscriber(self, group: str) -> Subscriber:
        """The news of a group."""
        ...


@dataclass(frozen=True, slots=True)
class Explained:
    """One thing that is asked of a device for a group, again and again, as its driver will ask it.

    `facts` are in the words of the protocol and in the order to be shown; a protocol has the same ones for
    all its requests. `tags` are those that come of it. Bytes are those of the protocol's own frames, of a
    request and of its right answer. `cost_s` is how long the two and the pause behind them take, `share` how
    much of all the time of its connection that is. None where nobody can tell.
    """

    group: str
    facts: Mapping[str, int | str]
    tags: tuple[str, ...]
    requests_per_s: float
    request_bytes: int | None = None
    answer_bytes: int | None = None
    cost_s: float | None = None
    share: float | None = None


class Driver(Protocol):
    """A protocol. A wire is whatever the protocol shares between the devices of one connection.

    What devices have in common is kept in the driver, so that an agent needs one for all of them.
    """

    def connect(self, connection: settings.Connection) -> AbstractAsyncContextManager[Any]:
        """The wire of a connection for as long as the context lasts; never waits for the network."""
        ...

    async def reach(self, wire: Any) -> None:  # noqa: ANN401 - a wire is the driver's own
        """Open the connection of a wire now, if it is not open. Raises DeviceError when it cannot be had."""
        ...

    def statistics(self, wire: Any) -> Mapping[str, object]:  # noqa: ANN401 - a wire is the driver's own
        """What went over a wire since it was made, and how it is doing now, as JSON has it.

        `connected`, `opened` (how often) and `failures` (by quality reason) are of every protocol.
        """
        ...

    def explain(
        self, connection: settings.Connection, device: settings.Device, latency_s: float | None = None
    ) -> Sequence[Explained]:
        """What a device is asked over its connection, group by group, without asking it.

        `latency_s` is what devices there take to answer, where that was measured (`latency_ms` of
        `statistics`).
        """
        ...

    def device(self, wire: Any, device: settings.Device, document: bytes, clock: Clock) -> PolledDevice:  # noqa: ANN401 - a wire is the driver's own
        """One device behind a wire; `document` is its metadata."""
        ...


@runtime_checkable
class Browsing(Driver, Protocol):
    """A protocol whose devices can tell what they offer."""

    async def browse(self, wire: Any, wanted: Wanted, told: Callable[[str], None]) -> Browsed:  # noqa: ANN401 - a wire is the driver's own
        """What a device offers below a place; `told` hears again and again how far it is.

        Raises Nowhere when there is no such place, DeviceError when the device does not answer.
        """
        ...


def driver(protocol: str, runtime: Path | None = None) -> Driver:
    """A driver of a protocol, for all its connections; imports its library now.

    `runtime` is a folder for what shall outlive the process but not the machine, in no case on a disk.
    """
    module, _, name = _BUILT_IN[protocol].partition(":")
    return cast("Driver", getattr(import_module(module), name)(runtime))
