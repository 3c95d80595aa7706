"""Events of a simulated PLC, numbered, so that whoever receives them can prove that none is missing.

Each source of a profile raises one event a tick that its filter lets pass. The number of an event is its id,
stands in its message, and says the value of each of its fields; so a value of another event is noticed. Where
the profile asks for conditions, three alarms go through their states in turn: raised, acknowledged, over. Now
and then something happens that nobody has asked for: a filter that does not work shows.
"""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from asyncua import ua
from asyncua.server.address_space import AttributeValue
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_subscription import InternalSubscription

from edge_agent.core.events import CONDITION, EventField, EventSource
from edge_agent.core.nodes import INTEGERS, BuiltIn, Spot
from edge_agent.ports import Clock
from edge_agent.sim.opcua_event_items import ABOVE, Told, standard_type
from edge_agent.sim.opcua_server import OBJECT, Kind, Space, made, standard

ALARMS = 3
STATES = 3
"""States that an alarm goes through: raised, acknowledged, over."""
EVERY = 5
"""One event that nobody has asked for beside so many."""
TYPE = Kind(ua.NodeClass.ObjectType, "HasSubtype")
METHOD = Kind(ua.NodeClass.Method)
VARIANTS: Mapping[str, ua.VariantType] = ua.VariantType.__members__


@dataclass(frozen=True, slots=True)
class State:
    """How an alarm is by its event of a number."""

    alarm: int
    active: bool
    acked: bool

    @property
    def retain(self) -> bool:
        """Whether it is told again when somebody asks."""
        return self.active or not self.acked


def state(number: int) -> State:
    """What event `number` says of which alarm."""
    alarm, step = divmod((number - 1) % (ALARMS * STATES), STATES)
    return State(alarm + 1, active=step < 2, acked=step > 0)


def severity(source: EventSource, number: int) -> int:
    """How severe event `number` is."""
    least = max(1, source.severity)
    return least + number % (1001 - least)


def value(field: EventField, number: int) -> object:
    """The value of a field of event `number`, as a receiver shall see it."""
    if field in CONDITION:
        of = state(number)
        return {
            "condition_id": f"s=alarm-{of.alarm}",
            "condition_name": f"alarm {of.alarm}",
            "active": of.active,
            "acked": of.acked,
            "retain": of.retain,
        }.get(field.name)
    return _VALUES[_KIND.get(field.type, field.type)](number)


class Happenings:
    """What happens at the sources of a profile, by group. Numbers go on when the server is started again.

    `refreshed` is how often conditions were told anew.
    """

    def __init__(self, sources: Mapping[str, EventSource], clock: Clock = time.time_ns) -> None:
        self.numbers = dict.fromkeys(sources, 0)
        self.refreshed = 0
        self._sources = sources
        self._clock = clock
        self._subscriptions: Mapping[int, InternalSubscription] = {}
        self._namespaces: Sequence[str] = ()
        self._last: dict[tuple[str, int], Told] = {}

    @property
    def uris(self) -> list[str]:
        """The namespaces that the sources speak of."""
        places = [place for source in self._sources.values() for place in (source.node, *source.types)]
        paths = [field.path for source in self._sources.values() for field in source.fields]
        found = [place.namespace for place in places] + [step.namespace for path in paths for step in path]
        return list(dict.fromkeys(uri for uri in found if uri))

    def install(self, server: InternalServer, space: Space, namespaces: Sequence[str]) -> None:
        """Have a server tell of them from now on."""
        self._subscriptions = server.subscription_service.subscriptions
        self._namespaces = namespaces
        if not self._sources:
            return
        _add(space, standard("BaseEventType"), TYPE, standard("BaseObjectType"))
        for type_, above in ABOVE.items():
            _add(space, standard_type(type_), TYPE, standard_type(above))
        refresh = standard("ConditionType_ConditionRefresh")
        _add(space, refresh, METHOD, standard("ConditionType"))
        space[refresh].call = self._refresh
        for source in self._sources.values():
            node = self._node(source.node)
            if node not in space:
                _add(space, node, OBJECT, standard("ObjectsFolder"))
            space[node].attributes[ua.AttributeIds.EventNotifier] = AttributeValue(
                ua.DataValue(_as("Byte", 1 << ua.EventNotifier.SubscribeToEvents))
            )

    async def happen(self, times: int = 1) -> None:
        """Raise the next events of every source."""
        for group, source in self._sources.items():
            for _ in range(times):
                self.numbers[group] = number = self.numbers[group] + 1
                told = self._event(group, source, number)
                self._last[group, state(number).alarm] = told
                await self._tell(told)
                for other in self._unwanted(group, source) if number % EVERY == 0 else ():
                    await self._tell(other)

    async def _tell(self, told: Told, subscription: int | None = None) -> None:
        for number, each in tuple(self._subscriptions.items()):
            if subscription in (None, number):
                await each.monitored_item_srv.trigger_event(told)

    async def _refresh(self, _parent: ua.NodeId, subscription: ua.Variant) -> ua.StatusCode:
        """ConditionRefresh (OPC UA Part 9, 5.5.7)."""
        number = int(subscription.Value)
        if number not in self._subscriptions:
            return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSubscriptionIdInvalid))
        self.refreshed += 1
        await self._tell_all(ua.ObjectIds.RefreshStartEventType, number)
        for told in tuple(self._last.values()):
            if told.field(_RETAIN).Value:
                await self._tell(told, number)
        await self._tell_all(ua.ObjectIds.RefreshEndEventType, number)
        return ua.StatusCode()

    async def _tell_all(self, type_: int, subscription: int) -> None:
        """Tell at every node that is a source, once."""
        head = self._head(standard_type(type_), b"refresh", "refresh", 100)
        for node in {self._node(source.node) for source in self._sources.values()}:
            await self._tell(Told(node, head), subscription)

    def _event(self, group: str, source: EventSource, number: int) -> Told:
        type_ = self._node(source.types[0]) if source.types else standard_type(_usual(source))
        fields = self._head(type_, number.to_bytes(8, "big"), f"event {number}", severity(source, number))
        if CONDITION[0] in source.fields:
            of = state(number)
            fields |= {
                "": _as("NodeId", ua.NodeId(ua.String(f"alarm-{of.alarm}"))),
                "0:ConditionName": _as("String", f"alarm {of.alarm}"),
                "0:BranchId": _as("NodeId", ua.NodeId()),
                "0:Retain": _as("Boolean", of.retain),
                "0:ActiveState/0:Id": _as("Boolean", of.active),
                "0:AckedState/0:Id": _as("Boolean", of.acked),
            }
        for field in source.fields:
            if field not in CONDITION:
                fields[self._path(field)] = _lifted(field.type, number)
        return Told(self._node(source.node), fields | {"0:SourceName": _as("String", group)})

    def _unwanted(self, group: str, source: EventSource) -> list[Told]:
        """Events that the filter of a source shall not let pass."""
        heads = []
        if source.severity > 1:
            type_ = self._node(source.types[0]) if source.types else standard_type(_usual(source))
            heads.append(self._head(type_, b"-", "too small to be told", source.severity - 1))
        if source.types and Spot("", f"i={ua.ObjectIds.BaseEventType}") not in source.types:
            type_ = standard_type(ua.ObjectIds.DeviceFailureEventType)
            heads.append(self._head(type_, b"-", "of another type", 1000))
        node = self._node(source.node)
        return [Told(node, head | {"0:SourceName": _as("String", group)}) for head in heads]

    def _head(self, type_: ua.NodeId, id_: bytes, message: str, severity: int) -> dict[str, ua.Variant]:
        now = datetime.fromtimestamp(self._clock() / 1e9, UTC)
        return {
            "0:EventId": _as("ByteString", id_),
            "0:EventType": _as("NodeId", type_),
            "0:SourceName": _as("String", "server"),
            "0:Time": _as("DateTime", now),
            "0:ReceiveTime": _as("DateTime", now),
            "0:Message": _as("LocalizedText", ua.LocalizedText(message)),
            "0:Severity": _as("UInt16", severity),
        }

    def _node(self, place: Spot) -> ua.NodeId:
        index = self._namespaces.index(place.namespace) if place.namespace else 0
        return ua.NodeId.from_string(f"ns={index};{place.id}")

    def _path(self, field: EventField) -> str:
        steps = [(self._namespaces.index(s.namespace) if s.namespace else 0, s.name) for s in field.path]
        return "/".join(f"{index}:{name}" for index, name in steps)


_RETAIN = ua.SimpleAttributeOperand(BrowsePath=[ua.QualifiedName("Retain", 0)])
_KIND: Mapping[BuiltIn, BuiltIn] = dict.fromkeys(INTEGERS, "Int16")
_VALUES: Mapping[BuiltIn, Callable[[int], object]] = {
    "Boolean": lambda number: number % 2 == 1,
    "Int16": lambda number: number % 128,  # a number of any width
    "Float": float,
    "Double": float,
    "String": lambda number: f"value {number}",
    "LocalizedText": lambda number: f"value {number}",
    "DateTime": lambda number: datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "Guid": lambda number: str(UUID(int=number)),
    "ByteString": lambda number: b64encode(str(number).encode()).decode(),
    "NodeId": lambda number: f"i={number}",
}
_LIFTED: Mapping[BuiltIn, Callable[[int], object]] = {
    "DateTime": lambda number: datetime.fromtimestamp(number, UTC),
    "Guid": lambda number: UUID(int=number),
    "LocalizedText": lambda number: ua.LocalizedText(f"value {number}"),
    "NodeId": lambda number: ua.NodeId(ua.Int32(number)),
    "ByteString": lambda number: str(number).encode(),
}
"""The same where a server has it in another form."""


def _add(space: Space, node: ua.NodeId, kind: Kind, parent: ua.NodeId) -> None:
    number = node.Identifier if node.NamespaceIndex == 0 else None
    known = ua.object_ids.ObjectIdNames.get(number) if isinstance(number, int) else None
    name = str(node.Identifier) if known is None else known.rpartition("_")[2]
    space.add(made(node, ua.QualifiedName(name, node.NamespaceIndex), kind), kind, parent)


def _lifted(type_: BuiltIn, number: int) -> ua.Variant:
    """The value of a field as the server has it."""
    lift = _LIFTED.get(type_, _VALUES[_KIND.get(type_, type_)])
    return _as(type_, lift(number))


def _as(type_: str, value: object) -> ua.Variant:
    return ua.Variant(value, VARIANTS[type_])


def _usual(source: EventSource) -> int:
    conditions = CONDITION[0] in source.fields
    return ua.ObjectIds.AlarmConditionType if conditions else ua.ObjectIds.BaseEventType
