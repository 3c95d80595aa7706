"""A simulated PLC with an OPC UA server: asyncua's, mended, behind a relay that can fail on demand."""

import asyncio
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from types import TracebackType
from typing import Self, cast

from asyncua import ua
from asyncua.server.address_space import NodeData

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import Method
from edge_agent.ports import Clock
from edge_agent.sim import IDENTITY
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua_events import Happenings
from edge_agent.sim.opcua_history import PAGE, Past
from edge_agent.sim.opcua_methods import SimulatedMethod, hang, hang_at
from edge_agent.sim.opcua_places import namespaces, put
from edge_agent.sim.opcua_security import URI, Security, guard, prepare
from edge_agent.sim.opcua_server import VARIABLE, Core, Space, give_value, let_write, made, standard
from edge_agent.sim.opcua_service import TOLD, Rules, Serving
from edge_agent.sim.opcua_structures import Structure, joined
from edge_agent.sim.opcua_values import lift
from edge_agent.sim.relay import Relay
from edge_agent.sim.signals import TICK_NS, TICKS, Source, sources

CAUGHT_UP_NS = 10_000_000_000
"""How late ticks are told when the process was held up; after more of them, the clock was set."""

SHORTEST_SLEEP_S = 0.005  # a clock that stands still just before a tick must not keep the processor busy

GOOD = ua.StatusCode()
NO_DEVICE = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadDeviceFailure))
NO_NODE = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown))
NOTHING = ua.Variant()


class OpcUaPlc:
    """One server that shows the tags of a profile: to anybody, or as `security` says.

    `tags` are all tags of the profile in its order. `port` 0 lets the kernel choose; read `port` afterwards.
    `clock` gives UTC in ns. `namespaces_before` are URIs that get their indexes before those of the tags.
    Without `security` nothing is signed or encrypted, and anonymous clients are let in. To be set before it
    starts: `methods` are in the last of its namespaces, `callable` where a profile has them; `happenings` are
    its events; `tick_ns` is how long every value stands still, and the judge of values knows the usual time
    only.
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
        self.methods: Sequence[SimulatedMethod] = ()
        self.callable: Sequence[Method] = ()
        self.namespaces_before = tuple(namespaces_before)
        self._host = host
        self._clock = clock
        self.tick_ns = TICK_NS
        self._sources = joined(sources(tags))
        _refuse_shared(tags)
        self._relay = Relay(host, port)
        self._server: Serving | None = None
        self._core: Core | None = None
        self._variables: dict[str, _Variable] = {}
        self._told = 0  # ticks since 1970
        self._due_ns: int | None = None  # when nodes that are late will be there
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

    @property
    def sessions(self) -> int:
        """Sessions that have not ended, also of clients that are gone."""
        return 0 if self._core is None else len(self._core.visits.live)

    @property
    def subscriptions(self) -> int:
        """Subscriptions that there are."""
        return 0 if self._core is None else len(self._core.subscription_service.subscriptions)

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
        late = faults.late_nodes.tags if faults.late_nodes else frozenset()
        unknown = sorted((faults.missing | faults.bad | late) - self._variables.keys())
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

        Namespaces get their indexes anew: those of `faults`, then `namespaces_before`, then the tags'.
        OSError when the port was lost meanwhile.
        """
        await self._relay.refuse()
        await self._stop()
        await self._start()
        if not self.faults.refuse:
            await self._relay.listen()

    async def forget(self) -> None:
        """End every session with its subscriptions; the connections stay."""
        if self._core is None or self._server is None or self._server.at is None:
            return
        await self._core.visits.end()
        self._server.at.refuse_to_publish(ua.StatusCodes.BadSessionClosed)

    async def drop(self) -> None:
        """Delete every subscription; the sessions stay."""
        if self._core is None or self._server is None or self._server.at is None:
            return
        service = self._core.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))
        self._server.at.refuse_to_publish(ua.StatusCodes.BadNoSubscription)

    async def show(self) -> None:
        """Tell subscribers of every tick that has begun; it happens by itself while a clock runs."""
        if self._due_ns is not None and self._clock() >= self._due_ns:
            self._due_ns = None
            await self._apply(self.faults)
        now = self._clock() // self.tick_ns
        first = max(self._told + 1, now - CAUGHT_UP_NS // self.tick_ns + 1)
        self._told = now
        for tick in range(first, now + 1):
            moment = self._moment(tick)
            for variable in tuple(self._variables.values()):
                await variable.tell(moment)
            await self.happenings.happen()

    async def _tick(self) -> None:
        while True:
            await self.show()
            left_s = (self.tick_ns - self._clock() % self.tick_ns) / 1e9
            await asyncio.sleep(max(left_s, SHORTEST_SLEEP_S))

    async def _start(self) -> None:
        rules = Rules(lambda: self.faults, lambda asked: self._past().read(asked))
        self._core = core = Core(self.show, rules)
        self._server = server = Serving(core, rules)
        await server.init()
        await server.set_application_uri(URI)
        server.set_server_name("simulated PLC")
        prepare(server, core, self.security)
        server.set_endpoint(self.endpoint)
        server.disable_clock()
        before = (*self.faults.namespaces, *self.namespaces_before, *self.happenings.uris)
        before += tuple(spot.namespace for each in self.callable for spot in (each.object, each.method))
        for uri in (*before, *(uri for each in self._sources for uri in namespaces(each.tag.opcua.place))):
            if uri:
                await server.register_namespace(uri)
        await server.set_build_info(URI, *IDENTITY, "", _utc(self._clock()))
        await server.start()
        guard(server, self.security)
        assert server.at is not None  # noqa: S101 - it has started
        self._relay.to = server.at.port
        _show_time(core.space, self._shown_ns)
        _show_limits(core.space, rules)
        # Behind the start, which writes to nodes that tags may take over.
        uris = await server.get_namespace_array()
        self._variables = {
            source.tag.name: _Variable(source, core.space, uris, self._moment) for source in self._sources
        }
        self.happenings.install(core, core.space, uris)
        hang(core.space, len(uris) - 1, self.methods)
        hang_at(core.space, uris, self.callable)
        for variable in self._variables.values():
            variable.show_history(self._has_history)
        self._told = self._clock() // self.tick_ns
        late = self.faults.late_nodes
        self._due_ns = None if late is None else self._clock() + round(late.seconds * 1e9)
        await self._apply(self.faults)

    async def _stop(self) -> None:
        """End the server; the relay has let go of it."""
        server, core, self._server, self._core = self._server, self._core, None, None
        if server is None or core is None or server.at is None:
            return
        await server.stop()
        await core.visits.end()  # those that wait for their clients to come back
        while server.at.clients:  # noqa: ASYNC110 - nobody tells when the last has seen its end
            await asyncio.sleep(0)
        await asyncio.gather(*server.at.closing_tasks)

    async def _apply(self, faults: Faults) -> None:
        moment = self._moment()
        missing = faults.missing
        if self._due_ns is not None and faults.late_nodes is not None:
            missing |= faults.late_nodes.tags or self._variables.keys()
        for name, variable in self._variables.items():
            await variable.fail(moment, missing=name in missing, bad=name in faults.bad)

    def _moment(self, tick: int | None = None) -> "_Moment":
        """A tick (that of now), as the server tells it by its own clock; ticks are counted since 1970."""
        tick = self._clock() // self.tick_ns if tick is None else tick
        ahead_ns = self._ahead_ns
        return _Moment(tick % TICKS, _utc(tick * self.tick_ns + ahead_ns), _utc(self._clock() + ahead_ns))

    @property
    def _ahead_ns(self) -> int:
        return round(self.faults.clock_s * 1e9)

    def _shown_ns(self) -> int:
        """What time it is by the server's own clock."""
        return self._clock() + self._ahead_ns

    def _has_history(self) -> bool:
        return not self.faults.no_history

    def _past(self) -> Past:
        there = (variable for variable in self._variables.values() if not variable.missing)
        nodes = {variable.nodeid: variable.then for variable in there}
        page = self.faults.page or PAGE
        return Past(nodes, self.tick_ns, self._clock(), self._ahead_ns, page, there=self._has_history())


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

    def __init__(
        self,
        source: Source | Structure,
        space: Space,
        uris: Sequence[str],
        moment: Callable[[int | None], _Moment],
    ) -> None:
        tag = source.tag.opcua
        nodeid, called, above = put(space, tag.place, uris, tag.name)
        self._space = space
        self._moment = moment
        self._held: Callable[[int], ua.Variant] = _held(source)
        self.nodeid = nodeid
        self.missing = self._bad = False
        self._node = space.get(nodeid) or made(nodeid, called, VARIABLE)
        self._attribute = give_value(self._node, tag.type, rank=1 if tag.elements else -1)
        if isinstance(source, Structure):
            self._held = source.describe(space, nodeid.NamespaceIndex, self._node)
        self._attribute.value_callback = self._read
        self._attribute.value_setter = self._write
        self._written: ua.Variant | None = None
        if source.tag.access == "rw":
            let_write(self._node)
        self._reference = None if nodeid in space else space.add(self._node, VARIABLE, above)

    def show_history(self, there: Callable[[], bool]) -> None:
        """Say in the node's attributes whether its past can be read."""
        read_past = ua.AccessLevel.HistoryRead.mask

        def level_of(_nodeid: ua.NodeId, _attribute: ua.AttributeIds) -> ua.DataValue:
            level = self._level | read_past if there() else self._level
            return ua.DataValue(ua.Variant(level, ua.VariantType.Byte))

        def historizing(_nodeid: ua.NodeId, _attribute: ua.AttributeIds) -> ua.DataValue:
            return ua.DataValue(ua.Variant(Value=there(), VariantType=ua.VariantType.Boolean))

        attributes = self._node.attributes
        written = attributes[ua.AttributeIds.AccessLevel].value
        self._level = 0 if written is None or written.Value is None else int(written.Value.Value)
        attributes[ua.AttributeIds.AccessLevel].value_callback = level_of
        attributes[ua.AttributeIds.UserAccessLevel].value_callback = level_of
        attributes[ua.AttributeIds.Historizing].value_callback = historizing

    def then(self, tick: int) -> ua.DataValue:
        """What it held at a tick, counted since 1970."""
        return self._sound(self._moment(tick))

    async def tell(self, moment: _Moment) -> None:
        """Give whoever watches it the value of a moment."""
        if self._attribute.datachange_callbacks and not self.missing:
            await self._send(self._value(moment))

    async def fail(self, moment: _Moment, *, missing: bool, bad: bool) -> None:
        """Be there or not, and be sound or not, from now on; who watches it is told."""
        if (missing, bad) == (self.missing, self._bad):
            return
        if missing and not self.missing:
            await self._send(_Value(NOTHING, NO_NODE, None, moment.now))
            self._space.take_out(self._node, self._reference)
        if self.missing and not missing:
            self._space.put_back(self._node, self._reference)
        self.missing, self._bad = missing, bad
        await self.tell(moment)

    def _value(self, moment: _Moment) -> ua.DataValue:
        if self._bad:
            return _Value(NOTHING, NO_DEVICE, moment.start, moment.now)
        return self._sound(moment)

    def _sound(self, moment: _Moment) -> ua.DataValue:
        if self._written is not None:
            return _Value(self._written, GOOD, moment.start, moment.now)
        return _Value(self._held(moment.tick), GOOD, moment.start, moment.now)

    def _read(self, _nodeid: ua.NodeId, _attribute: ua.AttributeIds) -> ua.DataValue:
        return self._value(self._moment(None))

    def _write(self, _node: NodeData, _attribute: ua.AttributeIds, value: ua.DataValue) -> None:
        """Hold what a client has written from now on, until the server starts anew."""
        self._written = value.Value

    async def _send(self, value: ua.DataValue) -> None:
        for handle, callback in tuple(self._attribute.datachange_callbacks.items()):
            await callback(handle, value)


def _held(source: Source | Structure) -> Callable[[int], ua.Variant]:
    """What a variable holds by the tick; a structure says so once it is described."""
    if isinstance(source, Structure):
        return lambda _: NOTHING
    node = source.tag.opcua
    type_, raw, many = ua.VariantType[node.type], source.raw, node.elements > 0
    return lambda tick: ua.Variant(lift(node.type, raw(tick)), type_, is_array=many)


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


def _show_limits(space: Space, rules: Rules) -> None:
    """How much one call may ask for, as far as it is told, and how much of the past comes at once."""

    def shown(value: Callable[[], int]) -> Callable[[ua.NodeId, ua.AttributeIds], ua.DataValue]:
        return lambda _nodeid, _attribute: ua.DataValue(ua.Variant(value(), ua.VariantType.UInt32))

    for service, name in TOLD.items():
        node = standard(f"Server_ServerCapabilities_OperationLimits_{name}")
        space.set_attribute_value_callback(node, ua.AttributeIds.Value, shown(partial(rules.told, service)))
    page = standard("HistoryServerCapabilities_MaxReturnDataValues")
    space.set_attribute_value_callback(
        page, ua.AttributeIds.Value, shown(lambda: rules.faults().page or PAGE)
    )
    can = standard("HistoryServerCapabilities_AccessHistoryDataCapability")
    space.set_attribute_value_callback(
        can,
        ua.AttributeIds.Value,
        lambda _nodeid, _attribute: ua.DataValue(
            ua.Variant(Value=not rules.faults().no_history, VariantType=ua.VariantType.Boolean)
        ),
    )


def _refuse_shared(tags: Sequence[Tag]) -> None:
    """No value could be right for two tags of one node."""
    owner: dict[object, str] = {}
    for tag in tags:
        node = tag.opcua
        try:
            place = node.namespace, ua.NodeId.from_string(node.id), node.path, node.field
        except ua.UaError as error:
            raise ValueError(f"{tag.name}: {node.id} is no id of a node") from error
        other = owner.setdefault(place, tag.name)
        if other != tag.name:
            raise ValueError(f"{tag.name} and {other} are the same node, {node.id}")
