"""The events of one source of a server: each once, in order, none missing without a word.

What a subscription of values does with notifications holds here too: made or taken over, asked for again,
watched. In place of reading what is there now, the server is asked to tell its conditions anew
(ConditionRefresh, OPC UA Part 9, 5.5.7) whenever something may have been missed.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import structlog
from asyncua import ua
from typing_extensions import override

from edge_agent.config.settings import Device, Group
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan, Schema, bad
from edge_agent.drivers.opcua.answer import Answer
from edge_agent.drivers.opcua.batches import TOO_MUCH
from edge_agent.drivers.opcua.columns import Columns
from edge_agent.drivers.opcua.event_columns import EventColumns, severity_of, type_of
from edge_agent.drivers.opcua.event_filter import (
    FIRST,
    OF_THE_TELLING,
    OVERFLOW,
    REFRESH_END,
    REFRESH_REQUIRED,
    REFRESH_START,
    Asked,
    asked,
)
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.orders import PERHAPS_DONE
from edge_agent.drivers.opcua.resolve import node_id, resolved
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.sources import Sources
from edge_agent.drivers.opcua.subscription import OVERFLOWED, Going, GroupSubscription, Wire
from edge_agent.drivers.opcua.values import BAD, Uri, name, uri_by
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock, News

NO_SUCH_NODE = bad("BadNodeIdUnknown")

ITEM, OWED, MISSING = 0, 1, 2
"""What may be absent of a subscription: its item, a refresh, something the server lacks the namespace for."""
WITHIN = 3
"""Stands in a mark beside what is absent: a refresh has begun and not ended."""

REFRESH_S = 10.0, 3600.0
"""Between two refreshes that the queue of the server is too short for, at first and at last."""
REFRESH_WITHIN_S = 10.0
"""How long a server may take to begin with a refresh."""

BEGINNING = 0
"""The number of a mark before the first notification of a subscription, which has number 1."""
WITHIN_S = 60.0
"""How long after a refresh began without ending what comes is no part of it any more."""

LATER = frozenset({"BadRefreshInProgress"})
"""Why a refresh is refused that may be asked for again soon."""
NO_FILTER = frozenset(
    {
        "BadEventFilterInvalid",
        "BadContentFilterInvalid",
        "BadFilterElementInvalid",
        "BadFilterLiteralInvalid",
        "BadFilterNotAllowed",
        "BadFilterOperandCountMismatch",
        "BadFilterOperandInvalid",
        "BadFilterOperatorInvalid",
        "BadFilterOperatorUnsupported",
        "BadMonitoredItemFilterInvalid",
        "BadMonitoredItemFilterUnsupported",
    }
)
"""Why an item is refused that another filter may get."""

log = structlog.get_logger("opcua")


class EventSubscription(GroupSubscription):
    """A Subscriber of an event source of a device."""

    def __init__(self, wire: Wire, device: Device, group: Group, schema: Schema, clock: Clock) -> None:
        columns = Columns(schema, (), group)
        super().__init__(wire, device, group, columns, Sources(device.name, group, (), columns), clock)
        if group.events is None:
            raise TypeError(f"{group.name} is no source of events")
        self._source = group.events
        self._schema = schema
        self._log = log.bind(device=device.name, group=group.name)
        self._told: set[tuple[str, str]] = set()
        self._refused = ""
        self._asked = Asked((), (), ())
        self._what = ""
        self._events = EventColumns(schema, self._source, (), uri_by(()))
        self._within = False
        self._asking = self._spoiled = False
        self._began_at = 0.0
        self._patience_s = REFRESH_S[0]

    @override
    def stored(self, mark: Mark) -> None:
        """What came up to this mark is durable, or named as lost: the server may forget it."""
        if mark.sequence != BEGINNING:
            super().stored(mark)

    @override
    async def changes(self, mark: Mark | None) -> AsyncGenerator[News, None]:
        """The news for as long as the session lasts. Raises DeviceError."""
        async with aclosing(super().changes(mark)) as changes:
            async for news in changes:
                yield replace(news, refused=self._refused) if self._refused else news

    @override
    async def _take_over(self, going: Going, mark: Mark | None) -> Sequence[int] | None:
        self._asked = asked(self._source, going.session.namespaces)
        self._events = EventColumns(self._schema, self._source, self._asked.fields, _uris_of(going.session))
        self._what = _digest(self._group, self._asked)
        self._within = self._asking = False
        held = await super()._take_over(going, mark)
        if held is not None:
            self._within, going.unsure = WITHIN in going.absent, OWED in going.absent
            self._began_at = asyncio.get_running_loop().time()
            going.absent -= {WITHIN, OWED}
            self._judge(NO_SUCH_NODE if MISSING in going.absent else "")
        return held

    @override
    async def _read(self, going: Going) -> News:
        """Have the conditions told anew where something may have been missed; they come as notifications."""
        await self._sources.find(going.session)
        unsure, going.unsure = going.unsure, False
        if unsure and ITEM not in going.absent:
            why = await _refreshed(going.session, going.subscription)
            self._asking, self._spoiled = not why, False
            if why in LATER:
                _owe(going, REFRESH_S[0])
            elif why:
                self._once("conditions cannot be refreshed", why)
            if why in PERHAPS_DONE | TOO_MUCH:
                _owe(going, self._patience_s)
                self._patience_s = min(2 * self._patience_s, REFRESH_S[1])
        return News(known_ns=going.known_ns)

    @override
    async def _make(self, going: Going) -> News:
        await super()._make(going)
        going.absent = {ITEM}
        return await self._begin(going)

    @override
    async def _add_absent(self, going: Going) -> News:
        """Make the item if it is not there, and whatever else is owed."""
        going.retry_at = asyncio.get_running_loop().time() + going.patience.after(0.0)
        if going.absent & {ITEM, MISSING}:
            await going.session.look_around()  # its namespaces may have changed meanwhile
        if MISSING in going.absent and asked(self._source, going.session.namespaces) != self._asked:
            # It is made anew for all that can be asked for now; what happens meanwhile is a named loss.
            await self._let_go(going.session, going.subscription)
            raise DeviceError("BadNodeIdUnknown", "the server has other namespaces now")
        if OWED in going.absent:
            going.absent.remove(OWED)
            going.unsure = True
        return await self._begin(going) if ITEM in going.absent else News()

    async def _begin(self, going: Going) -> News:
        """Make the item; the news says where to go on from."""
        self._judge(await self._add(going))
        if ITEM in going.absent:
            return News()
        # Where to go on is known before anything has happened: what does while we are away is not missed.
        going.known_ns = await self._until_ns(going)
        going.marked = True
        return News(mark=self._mark(going, BEGINNING, going.known_ns), known_ns=going.known_ns)

    async def _add(self, going: Going) -> str:
        """Make the item; why the server refuses it or part of it, empty when it does not."""
        node, why = resolved(self._source.node, going.session.namespaces), NO_SUCH_NODE
        if self._asked.missing:
            going.absent.add(MISSING)
            self._once("server lacks a namespace", ", ".join(self._asked.missing))
        items = [] if node is None else [self._event_item(node, each) for each in self._asked.filters]
        for item in items:
            (result,) = await going.session.add_items(
                going.subscription, [item], ua.TimestampsToReturn.Neither
            )
            if result.StatusCode.value >> 30 < BAD:
                going.absent.remove(ITEM)
                # What held before it was there is told by a refresh.
                going.unsure = True
                self._note_fields(result.FilterResult)
                return NO_SUCH_NODE if self._asked.missing else ""
            refusal = name(result.StatusCode.value)
            why = bad(refusal)
            if refusal not in NO_FILTER:
                break
        return why

    def _event_item(self, node: ua.NodeId, wanted: ua.EventFilter) -> ua.MonitoredItemCreateRequest:
        request = ua.MonitoredItemCreateRequest()
        request.ItemToMonitor = ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.EventNotifier)
        request.MonitoringMode = ua.MonitoringMode.Reporting
        request.RequestedParameters.SamplingInterval = ua.Duration(0.0)  # events are not sampled
        request.RequestedParameters.QueueSize = ua.Counter(self._group.queue)
        request.RequestedParameters.DiscardOldest = True
        request.RequestedParameters.Filter = wanted
        return request

    def _note_fields(self, result: object) -> None:
        """Tell which of the fields the server does not promise; some know them all the same."""
        if not isinstance(result, ua.EventFilterResult):
            return
        names = [*FIRST, *(self._source.fields[i].name for i in self._asked.fields)]
        doubts = [
            f"{field} {name(status.value)}"
            for field, status in zip(names, result.SelectClauseResults, strict=False)
            if not status.is_good()
        ]
        if doubts:
            self._log.info("server does not promise fields", fields=doubts)

    def _judge(self, refused: str) -> None:
        """Enter why the server does not tell all that is wanted, or that it does."""
        if refused and not self._refused:
            self._log.warning("event source is refused", why=refused)
        elif self._refused and not refused:
            self._log.info("event source is there")
        self._refused = refused

    def _once(self, event: str, why: str) -> None:
        if (event, why) not in self._told:
            self._told.add((event, why))
            self._log.warning(event, why=why)

    # What a notification says

    @override
    def _news(self, going: Going, told: Notification | None, loss: str = "") -> News:
        if told is None:
            self._within = False
            return News(loss=loss)
        if asyncio.get_running_loop().time() > self._began_at + WITHIN_S:
            self._within = False
        now_ns = self._clock()
        scans: list[Scan] = []
        for _, fields in told.events:
            type_ = type_of(fields)
            if type_ == OVERFLOW:
                loss = loss or OVERFLOWED
                self._overflowed(going)
            elif type_ == REFRESH_REQUIRED:
                going.unsure = True
            else:
                scans += self._record(type_, fields, now_ns)
        if told.ended:
            going.ended = DeviceError(name(told.ended), "the server ended the subscription")
        going.marked = True
        going.session.held(told)
        going.session.count("notifications")
        # Events may be told long after they happened, in any order: only the telling has an order.
        known_ns = now_ns if told.sent_ns is None else told.sent_ns
        mark = self._mark(going, told.sequence, known_ns)
        return News(scans, mark, loss, until_ns=known_ns, known_ns=known_ns)

    def _record(self, type_: ua.NodeId | None, fields: Sequence[Answer], now_ns: int) -> list[Scan]:
        severity = severity_of(fields)
        if type_ not in OF_THE_TELLING and severity is not None and severity < self._source.severity:
            return []  # the server does not filter by severity
        if type_ == REFRESH_START:
            self._within, self._began_at = True, asyncio.get_running_loop().time()
        full = self._within
        if type_ == REFRESH_END:
            full, self._within = True, False
            if self._asking and not self._spoiled:
                self._patience_s = REFRESH_S[0]
            self._asking = False
        return [self._events.scan(fields, now_ns, full=full)]

    def _overflowed(self, going: Going) -> None:
        """Have the conditions told anew; later and later where that is what the queue is too short for."""
        self._within = False
        going.session.count("overflowed")
        if not self._asking:
            going.unsure = True
            return
        self._spoiled = True
        if OWED in going.absent:
            return
        _owe(going, self._patience_s)
        self._patience_s = min(2 * self._patience_s, REFRESH_S[1])
        self._once("queue is too short for a refresh", f"queue: {self._group.queue}")

    def _mark(self, going: Going, sequence: int, known_ns: int) -> Mark:
        absent = going.absent | ({OWED} if going.unsure else set()) | ({WITHIN} if self._within else set())
        about = f"{self._about(going.session)}:{','.join(map(str, sorted(absent)))}"
        return Mark(going.session.server, going.subscription, sequence, about, known_ns)

    @override
    def _about(self, session: Session) -> str:
        return self._what


def _digest(group: Group, can: Asked) -> str:
    """A hash of what is subscribed to, and how; the indexes of this session's namespaces are in it."""
    how = (group.interval_s, group.queue, group.keepalive_s, group.lifetime_s)
    return hashlib.sha256(repr((group.events, can, how)).encode()).hexdigest()[:8]


def _uris_of(session: Session) -> Uri:
    """The namespaces of a session, as far as they are known by then."""

    def uri(index: int) -> str:
        return uri_by(session.namespaces)(index)

    return uri


def _owe(going: Going, seconds: float) -> None:
    """A refresh is to be had, but not now."""
    going.absent.add(OWED)
    going.retry_at = asyncio.get_running_loop().time() + seconds


async def _refreshed(session: Session, subscription: int) -> str:
    """Have a subscription told how all conditions are now; why the server does not, empty when it does.

    Raises DeviceError when the session has ended.
    """
    request = ua.CallMethodRequest()
    request.ObjectId = node_id(ua.ObjectIds.ConditionType, 0)
    request.MethodId = node_id(ua.ObjectIds.ConditionType_ConditionRefresh, 0)
    request.InputArguments = [ua.Variant(ua.UInt32(subscription), ua.VariantType.UInt32)]
    try:
        result = await session.call(request, REFRESH_WITHIN_S)
    except DeviceError as error:
        if not session.open:
            raise
        return error.reason
    code = result.StatusCode.value
    return name(code) if code >> 30 >= BAD else ""
