"""OPC UA as the agent uses it: a session per connection, groups that are read or subscribed to."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import structlog

from edge_agent.config.settings import Connection, Device, Group, OpcUaConnection, Tag
from edge_agent.core.browsed import Browsed, Wanted
from edge_agent.core.claims import Identified
from edge_agent.core.metadata import short_name
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.drivers.driver import Explained
from edge_agent.drivers.opcua.answer import SEMANTICS
from edge_agent.drivers.opcua.asked import asked_for
from edge_agent.drivers.opcua.browse import browsed
from edge_agent.drivers.opcua.calling import call
from edge_agent.drivers.opcua.columns import Columns, column
from edge_agent.drivers.opcua.events import EventSubscription
from edge_agent.drivers.opcua.given import check
from edge_agent.drivers.opcua.reading import limits_of, read
from edge_agent.drivers.opcua.sources import Sources
from edge_agent.drivers.opcua.subscription import GroupSubscription
from edge_agent.drivers.opcua.wire import SessionWire, connect
from edge_agent.drivers.opcua.writing import write
from edge_agent.errors import DeviceError
from edge_agent.ports import Called, Clock, Written

log = structlog.get_logger("device")


class OpcUaDriver:
    """Makes wires and devices. In `runtime`, a folder that is no disk, sessions lie for the next life."""

    def __init__(self, runtime: Path | None = None) -> None:
        self._runtime = runtime

    def connect(self, connection: Connection) -> AbstractAsyncContextManager[SessionWire]:
        """The wire of a connection for as long as its devices are in use."""
        if not isinstance(connection, OpcUaConnection):
            raise TypeError(f"{connection.name} is no OPC UA connection")
        return connect(connection, self._runtime)

    async def reach(self, wire: SessionWire) -> None:
        """Open the session of a wire."""
        await wire.open()

    def statistics(self, wire: SessionWire) -> dict[str, object]:
        """Of the session of a wire."""
        return wire.statistics()

    def explain(
        self,
        connection: Connection,  # noqa: ARG002 - as the port has it
        device: Device,
        latency_s: float | None = None,  # noqa: ARG002
    ) -> list[Explained]:
        """The read requests and the subscriptions of all groups."""
        return [each for name in device.groups for each in _explained(device, name)]

    async def browse(self, wire: SessionWire, wanted: Wanted, told: Callable[[str], None]) -> Browsed:
        """What its server has below a place. Raises Nowhere, DeviceError."""
        return await browsed(await wire.session(), wanted, told)

    def device(self, wire: SessionWire, device: Device, document: bytes, clock: Clock) -> "OpcUaDevice":
        """One device behind a wire."""
        return OpcUaDevice(wire, device, document, clock)


def _columns(group: Group, tags: Sequence[Tag]) -> tuple[Column, ...]:
    return tuple(column(tag.opcua) for tag in tags) if group.events is None else group.events.columns


def _explained(device: Device, name: str) -> list[Explained]:
    group = device.groups[name]
    if group.events is not None:
        told: dict[str, int | str] = {
            "service": "events",
            "nodes": 1,
            "sampling": "",
            "queue": group.queue,
            "keep-alive": f"{group.keepalive_s:g} s",
        }
        names = tuple(each.name for each in group.events.columns)
        return [Explained(name, told, names, 1 / group.interval_s)]
    within = [tag for tag in device.tags if tag.group == name]
    tags, asked = tuple(tag.name for tag in within), asked_for(within)
    if group.mode == "subscribe":
        facts: dict[str, int | str] = {
            "service": "subscription",
            "nodes": len(asked),
            "sampling": f"{group.sampling_s:g} s",
            "queue": group.queue,
            "keep-alive": f"{group.keepalive_s:g} s",
        }
        return [Explained(name, facts, tags, 1 / group.interval_s)]
    most = limits_of(device).nodes_per_read
    parts = [asked[at : at + most] for at in range(0, len(asked), most)]
    rest = {"sampling": "", "queue": "", "keep-alive": ""}
    return [
        Explained(
            name,
            {"service": "read", "nodes": len(part), **rest},
            tuple(tags[i] for each in part for i in each.columns),
            1 / group.interval_s,
        )
        for part in parts
    ]


class OpcUaDevice:
    """The groups of one device. `schemas` says what their scans look like."""

    def __init__(self, wire: SessionWire, device: Device, document: bytes, clock: Clock) -> None:
        self._wire = wire
        self._device = device
        self._clock = clock
        self._tags: dict[str, Sequence[Tag]] = {
            name: tuple(tag for tag in device.tags if tag.group == name) for name in device.groups
        }
        m = short_name(document)
        self.schemas: Mapping[str, Schema] = {
            name: Schema(
                device.name, name, _columns(group, self._tags[name]), document, m, group.events is not None
            )
            for name, group in device.groups.items()
        }
        self._columns = {
            name: Columns(self.schemas[name], tags, device.groups[name]) for name, tags in self._tags.items()
        }
        self._sources = {
            name: Sources(device.name, device.groups[name], tags, self._columns[name])
            for name, tags in self._tags.items()
        }

    async def read(self, group: str) -> Scan:
        """Read every node of a group. Raises DeviceError when the server does not answer."""
        session = await self._wire.session()
        sources, settings = self._sources[group], self._device.groups[group]
        await sources.moved(session)
        nodes = await sources.find(session)
        if all(isinstance(node, str) for node in nodes):
            raise DeviceError(str(nodes[0]).removeprefix("bad:"), "the server has none of the nodes")
        scan, status = await read(
            session, nodes, self._columns[group], settings, limits_of(self._device), self._clock
        )
        if status & SEMANTICS:
            sources.doubt()
        return scan

    @property
    def refused(self) -> tuple[str, ...]:
        """None: what a server does not have is asked for every time, and costs no request of its own."""
        return ()

    @property
    def clock_offset_s(self) -> float | None:
        """How far the clock of its server is ahead of ours."""
        return self._wire.clock_offset_s

    def subscriber(self, group: str) -> GroupSubscription:
        """The news of a group, or the events."""
        settings = self._device.groups[group]
        if settings.events is not None:
            return EventSubscription(self._wire, self._device, settings, self.schemas[group], self._clock)
        return GroupSubscription(
            self._wire, self._device, settings, self._columns[group], self._sources[group], self._clock
        )

    async def write(self, column: str, text: str, within_s: float) -> Written:
        """Write a tag, and read it back.

        Raises KeyError, ValueError for what cannot be written, and DeviceError.
        """
        tag = next((tag for tag in self._device.tags if tag.name == column), None)
        if tag is None:
            raise KeyError(column)
        check(tag, text, "")
        done = await write(self._wire, tag, text, within_s)
        log.info("written", device=self._device.name, column=column, there=done.there)
        return done

    async def call(self, method: str, arguments: Sequence[str], within_s: float) -> Called:
        """Call a method of the profile.

        Raises KeyError, ValueError for arguments that do not fit, and DeviceError.
        """
        its = next((each for each in self._device.profile.methods if each.name == method), None)
        if its is None:
            raise KeyError(method)
        done = await call(self._wire, its, arguments, within_s)
        log.info("called", device=self._device.name, method=method, answered=not done.failure)
        return done

    async def identify(self, *, claimed: bool = False) -> Identified:  # noqa: ARG002 - it does no harm
        """What its server says it is. No profile claims anything of it."""
        try:
            session = await self._wire.session()
            return Identified(await session.identity())
        except DeviceError:
            return Identified()
