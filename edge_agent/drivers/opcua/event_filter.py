"""What a server is asked of its events: which fields, and of which events.

Fields of a profile are asked for as those of any event: a server then takes the path wherever it leads
somewhere (OPC UA Part 4, 7.4.4.5). Beside the wanted events the filter lets pass those that say how the
telling goes: some servers filter these as well, though they must not (Part 9, 4.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua

from edge_agent.core.events import EventSource
from edge_agent.core.nodes import Spot, Step
from edge_agent.drivers.opcua.resolve import node_id, resolved

BASE_EVENT = node_id(ua.ObjectIds.BaseEventType, 0)
REFRESH_START = node_id(ua.ObjectIds.RefreshStartEventType, 0)
REFRESH_END = node_id(ua.ObjectIds.RefreshEndEventType, 0)
REFRESH_REQUIRED = node_id(ua.ObjectIds.RefreshRequiredEventType, 0)
OVERFLOW = node_id(ua.ObjectIds.EventQueueOverflowEventType, 0)
OF_THE_TELLING = (REFRESH_START, REFRESH_END, REFRESH_REQUIRED, OVERFLOW)

FIRST = ("EventId", "EventType", "Severity", "SourceName", "Message", "Time", "ReceiveTime")
"""The fields that every event is asked for, in this order; those of the source follow."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What can be asked of a server. `fields` are the positions of the source's fields that it is asked for.

    `filters` ask for the same in fewer words each; a server that does not understand one may take the next.
    Empty when it has none of the types. `missing` is what it cannot be asked for: it lacks the namespace.
    """

    filters: tuple[ua.EventFilter, ...]
    fields: tuple[int, ...]
    missing: tuple[str, ...]


def asked(source: EventSource, namespaces: Sequence[str]) -> Asked:
    """What a server with these namespaces can be asked."""
    paths = [_path(field.path, namespaces) for field in source.fields]
    types = [(place, resolved(place, namespaces)) for place in source.types]
    known = [node for _, node in types if node is not None]
    clauses = [_field(name) for name in FIRST]
    clauses += [
        _clause(path, field.owner)
        for path, field in zip(paths, source.fields, strict=True)
        if path is not None
    ]
    filters = [] if source.types and not known else _filters(clauses, known, source.severity)
    return Asked(
        tuple(filters),
        tuple(i for i, path in enumerate(paths) if path is not None),
        (
            *(field.name for field, path in zip(source.fields, paths, strict=True) if path is None),
            *(_written(place) for place, node in types if node is None),
        ),
    )


def _written(place: Spot) -> str:
    return f"nsu={place.namespace};{place.id}"


def _path(path: Sequence[Step], namespaces: Sequence[str]) -> list[ua.QualifiedName] | None:
    """Browse names with the indexes of a session; None when it lacks a namespace."""
    found = []
    for step in path:
        if step.namespace and step.namespace not in namespaces:
            return None
        index = namespaces.index(step.namespace) if step.namespace else 0
        found.append(ua.QualifiedName(step.name, index))
    return found


def _clause(path: list[ua.QualifiedName], owner: str) -> ua.SimpleAttributeOperand:
    # The condition itself is no field of its events (Part 9, 5.5.2).
    attribute = ua.AttributeIds.Value if path else ua.AttributeIds.NodeId
    return ua.SimpleAttributeOperand(resolved(Spot("", owner), ()), path, ua.IntegerId(attribute))


def _filters(
    clauses: list[ua.SimpleAttributeOperand], types: Sequence[ua.NodeId], severity: int
) -> list[ua.EventFilter]:
    wanted = None if BASE_EVENT in types else _any([_of_type(node) for node in types])
    if severity:
        least = _Test(
            ua.FilterOperator.GreaterThanOrEqual,
            (_field("Severity"), _literal(ua.Variant(ua.UInt16(severity), ua.VariantType.UInt16))),
        )
        plain, wanted = wanted, least if wanted is None else _Test(ua.FilterOperator.And, (wanted, least))
    else:
        plain = wanted
    if wanted is None:
        return [ua.EventFilter(clauses)]
    telling = _Test(
        ua.FilterOperator.InList, (_field("EventType"), *(_literal(_id(node)) for node in OF_THE_TELLING))
    )
    whole = _Test(ua.FilterOperator.Or, (wanted, telling))
    return [
        ua.EventFilter(clauses, _content(whole)),
        ua.EventFilter(clauses) if plain is None else ua.EventFilter(clauses, _content(plain)),
    ]


@dataclass(frozen=True, slots=True)
class _Test:
    """An element of a filter with the tests below it."""

    operator: ua.FilterOperator
    operands: tuple["_Test | ua.FilterOperand", ...]


def _of_type(node: ua.NodeId) -> _Test:
    return _Test(ua.FilterOperator.OfType, (_literal(_id(node)),))


def _any(tests: Sequence[_Test]) -> _Test | None:
    """A test that one of some passes; None for none."""
    if not tests:
        return None
    first, *others = tests
    rest = _any(others)
    return first if rest is None else _Test(ua.FilterOperator.Or, (first, rest))


def _content(test: _Test) -> ua.ContentFilter:
    """The elements of a filter, each before those that it refers to (Part 4, 7.4.1)."""
    elements: list[ua.ContentFilterElement] = []

    def put(test: _Test) -> int:
        at = len(elements)
        elements.append(ua.ContentFilterElement(test.operator))
        elements[at].FilterOperands = [
            ua.ElementOperand(ua.UInt32(put(each))) if isinstance(each, _Test) else each
            for each in test.operands
        ]
        return at

    put(test)
    return ua.ContentFilter(elements)


def _field(name: str) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(
        BASE_EVENT, [ua.QualifiedName(name, 0)], ua.IntegerId(ua.AttributeIds.Value)
    )


def _literal(value: ua.Variant) -> ua.LiteralOperand:
    return ua.LiteralOperand(value)


def _id(node: ua.NodeId) -> ua.Variant:
    return ua.Variant(node, ua.VariantType.NodeId)
