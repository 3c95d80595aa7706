"""What a protocol's package offers to the agent, and how it is found when a configured device needs it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from edge_agent.config import settings
from edge_agent.core.model import Schema
from edge_agent.ports import Clock, Poller, Subscriber

_BUILT_IN: Mapping[str, str] = {
    "modbus": "edge_agent.drivers.modbus.driver:ModbusDriver",
    "opcua": "edge_agent.drivers.opcua.driver:OpcUaDriver",
}


class PolledDevice(Poller, Protocol):
    """A device that can be polled, and what its scans look like."""

    @property
    def schemas(self) -> Mapping[str, Schema]:
        """The schema of each group's scans."""
        ...


@runtime_checkable
class FollowedDevice(PolledDevice, Protocol):
    """A device whose groups can be subscribed to as well."""

    def subscriber(self, group: str) -> Subscriber:
        """The news of a group."""
        ...


class Driver(Protocol):
    """A protocol. A wire is whatever the protocol shares between the devices of one connection.

    What devices have in common is kept in the driver, so that an agent needs one for all of them.
    """

    def connect(self, connection: settings.Connection) -> AbstractAsyncContextManager[Any]:
        """The wire of a connection for as long as the context lasts; never waits for the network."""
        ...

    def device(self, wire: Any, device: settings.Device, document: bytes, clock: Clock) -> PolledDevice:  # noqa: ANN401 - a wire is the driver's own
        """One device behind a wire; `document` is its metadata."""
        ...


def driver(protocol: str) -> Driver:
    """A driver of a protocol, for all its connections; imports its library now."""
    module, _, name = _BUILT_IN[protocol].partition(":")
    return cast("Driver", getattr(import_module(module), name)())
