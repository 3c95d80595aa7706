"""A simulated PLC with an OPC UA server: asyncua's, mended, behind a relay that can fail on demand."""

import asyncio
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, cast
from uuid import UUID

from asyncua import Server, ua

from edge_agent.config.settings import Tag
from edge_agent.ports import Clock
from edge_agent.sim import IDENTITY
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua_events import Happenings
from edge_agent.sim.opcua_security import URI, Security, guard, prepare
from edge_agent.sim.opcua_server import VARIABLE, Core, Space, give_value, made, standard
from edge_agent.sim.relay import Relay
from edge_agent.sim.signals import TICK_NS, Source, sources, tick_at

CAUGHT_UP = 50
"""Ticks (10 s) that are told late when the process was held up; after more of them, the clock was set."""

SHORTEST_SLEEP_S = 0.005  # a clock that stands still just before a tick must not keep the processor busy

GOOD = ua.StatusCode()
NO_DEVICE = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadDeviceFailure))
NO_NODE = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown))
NOTHING = ua.Variant()

LIFTED: Mapping[str, Callable[[Any], Any]] = {
    "DateTime": datetime.fromisoformat,
    "Guid": UUID,
    "ByteString": b64decode,
    "LocalizedText": ua.LocalizedText,
}
"""The value of a type by its text; values of other types are what the simulator says."""


class OpcUaPlc:
    """One server that shows the tags of a profile: to anybody, or as `security` says.

    `tags` are all tags of the profile in its order. `port` 0 lets the kernel choose; read `port` afterwards.
    `clock` gives UTC in ns. `namespaces_before` are URIs that get their indexes before those of the tags.
    Without `security` nothing is signed or encrypted, and anonymous clients are let in.
    `happenings` are its events, none unless others are put there before it is entered.
    ValueError for tags that cannot be simulated; entering raises OSError when the address cannot be had.

    A read shows the value of the tick it is now, with the start of the tick as source timestamp.
    Subscribers are told every tick in order, also when the process is late. The port is a relay's: faults of
    the link leave the server, its sessions and its subscriptions as they are; `restart` ends them.
    """

    def __init__(
        self,
        tags: Sequence[Tag],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = time.time_ns,
        namespaces_before: Sequence[str] = (),
        security: Security | None = None,
    ) -> None:
        self.happenings = Happenings({}, clock)
        self.faults = Faults()
        self.security = security
        self.namespaces_before = tuple(namespaces_before)
        self._host = host
        self._clock = clock
        self._sources = sources(tags)
        _refuse_shared(tags)
        self._relay = Relay(host, port)
        self._server: Server | None = None
        self._core: Core | None = None
        self._variables: dict[str, _Variable] = {}
        self._told = 0  # ticks since 1970
        self._ticking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where clients find it."""
        return self._relay.port

    @property
    def endpoint(self) -> str:
        """The URL clients connect to."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"opc.tcp://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self._relay.bind()
        try:
            await self._start()
            await self._relay.listen()
        except BaseException:
            await self._stop()
            await self._relay.close()
            raise
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ticking = cast("asyncio.Task[None]", self._ticking)
        ticking.cancel()
        await asyncio.wait([ticking])
        await self._relay.close()
        await self._stop()
        if not ticking.cancelled():
            ticking.result()  # it never ends by itself: raises what went wrong in it

    async def switch(self, faults: Faults) -> None:
        """Fail like this from now on; `Faults()` is sound again.

        ValueError for a tag that does not exist. OSError when the port was lost meanwhile.
        """
        unknown = sorted((faults.missing | faults.bad) - self._variables.keys())
        if unknown:
            raise ValueError(f"no such tag: {', '.join(unknown)}; there are: {', '.join(self._variables)}")
        before, self.faults = self.faults, faults
        await self._relay.switch(faults)
        if faults.refuse and not before.refuse:
            await self._relay.refuse()
        if before.refuse and not faults.refuse:
            await self._relay.listen()
        await self._apply(faults)

    async def cut(self) -> None:
        """Cut every TCP connection; the server waits for its clients to come back."""
        self._relay.cut()

    async def restart(self) -> None:
        """Go and come back on the same port, without sessions and subscriptions.

        Namespaces get their indexes anew from `namespaces_before`. OSError when the port was lost meanwhile.
        """
        await self._relay.refuse()
        await self._stop()
        await self._start()
        if not self.faults.refuse:
            await self._relay.listen()

    async def show(self) -> None:
        """Tell subscribers of every tick that has begun; it happens by itself while a clock runs."""
        now = self._clock() // TICK_NS
        first = max(self._told + 1, now - CAUGHT_UP + 1)
        self._told = now
        for tick in range(first, now + 1):
            moment = _moment(tick * TICK_NS, self._clock())
            for variable in tuple(self._variables.values()):
                await variable.tell(moment)
            await self.happenings.happen()

    async def _tick(self) -> None:
        while True:
            await self.show()
            left_s = (TICK_NS - self._clock() % TICK_NS) / 1e9
            await asyncio.sleep(max(left_s, SHORTEST_SLEEP_S))

    async def _start(self) -> None:
        self._core = core = Core(self.show)
        self._server = server = Server(core)
        await server.init()
        await server.set_application_uri(URI)
        server.set_server_name("simulated PLC")
        prepare(server, core, self.security)
        server.set_endpoint(self.endpoint)
        server.socket_address = ("127.0.0.1", 0)
        server.disable_clock()
        own = (*(source.tag.opcua.namespace for source in self._sources), *self.happenings.uris)
        for uri in (*self.namespaces_before, *own):
            if uri:
                await server.register_namespace(uri)
        await server.set_build_info(URI, *IDENTITY, "", _utc(self._clock()))
        await server.start()
        guard(server, self.security)
        assert server.bserver is not None  # noqa: S101 - it has started
        self._relay.to = server.bserver.port
        _show_time(core.space, self._clock)
        # Behind the start, which writes to nodes that tags may take over.
        uris = await server.get_namespace_array()
        self._variables = {
            source.tag.name: _Variable(source, core.space, uris, self._clock) for source in self._sources
        }
        self.happenings.install(core, core.space, uris)
        self._told = self._clock() // TICK_NS
        await self._apply(self.faults)

    async def _stop(self) -> None:
        """End the server; the relay has let go of it."""
        server, core, self._server, self._core = self._server, self._core, None, None
        if server is None or core is None or server.bserver is None:
            return
        await server.stop()
        for session in core.sessions:  # those that wait for their clients to come back
            await session.close_session()
        while server.bserver.clients:  # noqa: ASYNC110 - nobody tells when the last has seen its end
            await asyncio.sleep(0)
        await asyncio.gather(*server.bserver.closing_tasks)

    async def _apply(self, faults: Faults) -> None:
        now = self._clock()
        moment = _moment(now - now % TICK_NS, now)
        for name, variable in self._variables.items():
            await variable.fail(moment, missing=name in faults.missing, bad=name in faults.bad)


@dataclass(frozen=True, slots=True)
class _Moment:
    """A tick of the signals, its start, and what time it is."""

    tick: int
    start: ua.DateTime
    now: ua.DateTime


class _Value(ua.DataValue):
    """Written once and never changed, so that every item of a subscription can have the same one."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> Self:
        return self


class _Variable:
    """One tag as a node of the server."""

    def __init__(self, source: Source, space: Space, uris: Sequence[str], clock: Clock) -> None:
        tag = source.tag.opcua
        index = uris.index(tag.namespace) if tag.namespace else 0
        nodeid = ua.NodeId.from_string(f"ns={index};{tag.id}")
        self._source = source
        self._space = space
        self._clock = clock
        self._type = ua.VariantType[tag.type]
        self._lift = LIFTED.get(tag.type)
        self._missing = self._bad = False
        self._node = space.get(nodeid) or made(nodeid, ua.QualifiedName(tag.name, index), VARIABLE)
        self._attribute = give_value(self._node, tag.type)
        self._attribute.value_callback = self._read
        self._reference = (
            None if nodeid in space else space.add(self._node, VARIABLE, standard("ObjectsFolder"))
        )

    async def tell(self, moment: _Moment) -> None:
        """Give whoever watches it the value of a moment."""
        if self._attribute.datachange_callbacks and not self._missing:
            await self._send(self._value(moment))

    async def fail(self, moment: _Moment, *, missing: bool, bad: bool) -> None:
        """Be there or not, and be sound or not, from now on; who watches it is told."""
        if (missing, bad) == (self._missing, self._bad):
            return
        if missing and not self._missing:
            await self._send(_Value(NOTHING, NO_NODE, None, moment.now))
            self._space.take_out(self._node, self._reference)
        if self._missing and not missing:
            self._space.put_back(self._node, self._reference)
        self._missing, self._bad = missing, bad
        await self.tell(moment)

    def _value(self, moment: _Moment) -> ua.DataValue:
        if self._bad:
            return _Value(NOTHING, NO_DEVICE, moment.start, moment.now)
        raw = self._source.raw(moment.tick)
        value = raw if self._lift is None else self._lift(raw)
        return _Value(ua.Variant(value, self._type), GOOD, moment.start, moment.now)

    def _read(self, _nodeid: ua.NodeId, _attribute: ua.AttributeIds) -> ua.DataValue:
        now = self._clock()
        return self._value(_moment(now - now % TICK_NS, now))

    async def _send(self, value: ua.DataValue) -> None:
        for handle, callback in tuple(self._attribute.datachange_callbacks.items()):
            await callback(handle, value)


def _moment(start_ns: int, now_ns: int) -> _Moment:
    return _Moment(tick_at(start_ns), _utc(start_ns), _utc(now_ns))


def _utc(time_ns: int) -> ua.DateTime:
    return ua.DateTime.fromtimestamp(time_ns / 1e9, UTC)


def _show_time(space: Space, clock: Clock) -> None:
    """What time it is, as the server says whenever it is asked."""
    written = space.read_attribute_value(standard("Server_ServerStatus"), ua.AttributeIds.Value)

    def time_of(_nodeid: ua.NodeId, _attribute: ua.AttributeIds) -> ua.DataValue:
        now = _utc(clock())
        return ua.DataValue(ua.Variant(now, ua.VariantType.DateTime), GOOD, now, now)

    def status_of(_nodeid: ua.NodeId, _attribute: ua.AttributeIds) -> ua.DataValue:
        now = _utc(clock())
        status = copy(written.Value.Value) if written.Value else ua.ServerStatusDataType()
        status.CurrentTime = now
        return ua.DataValue(ua.Variant(status, ua.VariantType.ExtensionObject), GOOD, now, now)

    for name, callback in (("Server_ServerStatus_CurrentTime", time_of), ("Server_ServerStatus", status_of)):
        space.set_attribute_value_callback(standard(name), ua.AttributeIds.Value, callback)


def _refuse_shared(tags: Sequence[Tag]) -> None:
    """No value could be right for two tags of one node."""
    owner: dict[tuple[str, ua.NodeId], str] = {}
    for tag in tags:
        node = tag.opcua
        try:
            place = node.namespace, ua.NodeId.from_string(node.id)
        except ua.UaError as error:
            raise ValueError(f"{tag.name}: {node.id} is no id of a node") from error
        other = owner.setdefault(place, tag.name)
        if other != tag.name:
            raise ValueError(f"{tag.name} and {other} are the same node, {node.id}")
