"""Items that watch events, as asyncua's server has them, with its mistakes mended.

What asyncua 2.1.0 does itself: a filter "of type" lets the very type pass and none below it; a full queue
loses its oldest event without a word; a node that is not there is called an unsupported service. Here types
have their place below others, and an EventQueueOverflowEvent in front of a queue tells what it lost (OPC UA
Part 4, 5.13.1.5).
"""

import logging
from collections.abc import Mapping
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemService, WhereClauseEvaluator
from typing_extensions import override

ABOVE: Mapping[int, int] = {
    ua.ObjectIds.ConditionType: ua.ObjectIds.BaseEventType,
    ua.ObjectIds.AcknowledgeableConditionType: ua.ObjectIds.ConditionType,
    ua.ObjectIds.AlarmConditionType: ua.ObjectIds.AcknowledgeableConditionType,
    ua.ObjectIds.SystemEventType: ua.ObjectIds.BaseEventType,
    ua.ObjectIds.DeviceFailureEventType: ua.ObjectIds.SystemEventType,
    ua.ObjectIds.RefreshStartEventType: ua.ObjectIds.SystemEventType,
    ua.ObjectIds.RefreshEndEventType: ua.ObjectIds.SystemEventType,
    ua.ObjectIds.EventQueueOverflowEventType: ua.ObjectIds.BaseEventType,
}
"""The type above each type of events that the simulator raises; one of another namespace is an alarm."""

log = logging.getLogger(__name__)


def standard_type(number: int) -> ua.NodeId:
    """The node of a type of namespace 0."""
    return ua.NodeId(ua.Int32(number))


class Told:
    """One event, as asyncua takes it: `fields` by the browse names that lead to them, `0:Message`."""

    def __init__(self, node: ua.NodeId, fields: Mapping[str, ua.Variant]) -> None:
        self.emitting_node = node
        self._fields = fields

    def field(self, clause: ua.SimpleAttributeOperand) -> ua.Variant:
        """What a clause asks for; null where the event has no such field."""
        path = "/".join(f"{each.NamespaceIndex}:{each.Name}" for each in clause.BrowsePath)
        return self._fields.get(path, ua.Variant())

    def to_event_fields(self, clauses: list[ua.SimpleAttributeOperand]) -> list[ua.Variant]:
        """What clauses ask for, in their order."""
        return [self.field(clause) for clause in clauses]


class EventItems(MonitoredItemService):
    """The items of one subscription."""

    def __init__(self, subscription: InternalSubscription, space: AddressSpace) -> None:
        super().__init__(subscription, space)
        self._space = space

    @override
    def _create_events_monitored_item(
        self, params: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        if params.ItemToMonitor.NodeId not in self._space:
            return ua.MonitoredItemCreateResult(ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown)))
        result = super()._create_events_monitored_item(params)
        if result.StatusCode.is_good():
            item = self._monitored_items[result.MonitoredItemId]
            item.where_clause_evaluator = _Filter(log, self._space, item.filter.WhereClause)
        return result

    @override
    async def _trigger_event(self, event: Told, mid: int) -> None:
        """Queue an event for an item that wants it, behind word of those that had to go for it."""
        item = self._monitored_items[mid]
        if item.where_clause_evaluator is None or not item.where_clause_evaluator.eval(event):
            return
        queue = self.isub._triggered_events.setdefault(mid, [])  # noqa: SLF001 - asyncua keeps it there
        clauses = item.filter.SelectClauses
        overflow = Told(
            event.emitting_node,
            {"0:EventType": _id(standard_type(ua.ObjectIds.EventQueueOverflowEventType))},
        ).to_event_fields(clauses)
        told = bool(queue) and queue[0].EventFields == overflow
        if item.queue_size and len(queue) - told >= item.queue_size:
            del queue[0 : 1 + told]
            queue.insert(0, ua.EventFieldList(item.client_handle, overflow))
        queue.append(ua.EventFieldList(item.client_handle, event.to_event_fields(clauses)))


class _Filter(WhereClauseEvaluator):
    """A filter that knows which type is below which."""

    @override
    def _eval_el(self, index: int, event: Told) -> Any:
        element = self.elements[index]
        if element.FilterOperator != ua.FilterOperator.OfType:
            return super()._eval_el(index, event)
        wanted = self._eval_op(element.FilterOperands[0], event)
        found = self._eval_op(_TYPE, event)
        return wanted in _and_above(found)

    @override
    def _eval_op(self, op: Any, event: Told) -> Any:
        return (
            event.field(op).Value
            if isinstance(op, ua.SimpleAttributeOperand)
            else super()._eval_op(op, event)
        )


_TYPE = ua.SimpleAttributeOperand(BrowsePath=[ua.QualifiedName("EventType", 0)])


def _and_above(type_: ua.NodeId) -> list[ua.NodeId]:
    """A type and all above it."""
    if type_.NamespaceIndex:
        return [type_, *_and_above(standard_type(ua.ObjectIds.AlarmConditionType))]
    above = ABOVE.get(int(type_.Identifier))
    return [type_, *(() if above is None else _and_above(standard_type(above)))]


def _id(node: ua.NodeId) -> ua.Variant:
    return ua.Variant(node, ua.VariantType.NodeId)
