"""What a server is asked of its events, and that the library can say it."""

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from edge_agent.core.events import CONDITION, EventField, EventSource
from edge_agent.core.nodes import Spot, Step
from edge_agent.drivers.opcua.event_filter import FIRST, OF_THE_TELLING, asked
from edge_agent.drivers.opcua.resolve import node_id

NAMESPACES = ("http://opcfoundation.org/UA/", "urn:server", "urn:acme")
OPERATOR = ua.FilterOperator


def test_the_fields_of_all_events_come_first_then_those_of_the_source() -> None:
    own = EventField("batch", (Step("urn:acme", "Batch"), Step("", "Id")), "UInt32")

    made = asked(EventSource(fields=(*CONDITION, own)), NAMESPACES)

    clauses = made.filters[0].SelectClauses
    paths = ["/".join(f"{step.NamespaceIndex}:{step.Name}" for step in each.BrowsePath) for each in clauses]
    assert paths[: len(FIRST)] == [f"0:{name}" for name in FIRST]
    assert paths[len(FIRST) :] == [
        "",
        "0:ConditionName",
        "0:BranchId",
        "0:ActiveState/0:Id",
        "0:AckedState/0:Id",
        "0:Retain",
        "2:Batch/0:Id",
    ]
    assert made.fields == tuple(range(7))
    assert made.missing == ()


def test_the_condition_itself_is_asked_for_by_its_node() -> None:
    clause = asked(EventSource(fields=CONDITION), NAMESPACES).filters[0].SelectClauses[len(FIRST)]

    assert (clause.AttributeId, clause.TypeDefinitionId) == (
        ua.AttributeIds.NodeId,
        node_id(ua.ObjectIds.ConditionType, 0),
    )


def test_other_fields_are_asked_for_as_those_of_any_event() -> None:
    clause = asked(EventSource(), NAMESPACES).filters[0].SelectClauses[0]

    assert (clause.AttributeId, clause.TypeDefinitionId) == (
        ua.AttributeIds.Value,
        node_id(ua.ObjectIds.BaseEventType, 0),
    )


@pytest.mark.parametrize("types", [(), (Spot("", "i=2041"),), (Spot("urn:acme", "i=1"), Spot("", "i=2041"))])
def test_without_a_wish_nothing_is_filtered(types: tuple[Spot, ...]) -> None:
    (only,) = asked(EventSource(types=types), NAMESPACES).filters

    assert only.WhereClause.Elements == []


def test_wanted_events_pass_and_those_of_the_telling() -> None:
    whole, _ = asked(EventSource(types=(Spot("urn:acme", "i=7"),), severity=500), NAMESPACES).filters

    elements = whole.WhereClause.Elements
    assert [each.FilterOperator for each in elements] == [
        OPERATOR.Or,
        OPERATOR.And,
        OPERATOR.OfType,
        OPERATOR.GreaterThanOrEqual,
        OPERATOR.InList,
    ]
    refers = [
        [operand.Index for operand in each.FilterOperands if isinstance(operand, ua.ElementOperand)]
        for each in elements
    ]
    assert refers == [[1, 4], [2, 3], [], [], []]
    assert elements[2].FilterOperands[0].Value == ua.Variant(node_id(7, 2), ua.VariantType.NodeId)
    assert elements[3].FilterOperands[1].Value == ua.Variant(500, ua.VariantType.UInt16)
    assert [each.Value.Value for each in elements[4].FilterOperands[1:]] == list(OF_THE_TELLING)


def test_a_server_that_does_not_understand_is_asked_in_fewer_words() -> None:
    source = EventSource(types=(Spot("", "i=1"), Spot("", "i=2")), severity=500)

    _, plain = asked(source, NAMESPACES).filters

    assert [each.FilterOperator for each in plain.WhereClause.Elements] == [
        OPERATOR.Or,
        OPERATOR.OfType,
        OPERATOR.OfType,
    ]


def test_severity_alone_is_left_out_in_fewer_words() -> None:
    _, plain = asked(EventSource(severity=500), NAMESPACES).filters

    assert plain.WhereClause.Elements == []


def test_what_is_in_a_namespace_that_the_server_lacks_is_not_asked_for() -> None:
    fields = (
        EventField("a", (Step("urn:no", "A"),), "Int32"),
        EventField("b", (Step("urn:acme", "B"),), "Int32"),
    )
    source = EventSource(types=(Spot("urn:no", "i=1"), Spot("urn:acme", "i=2")), fields=fields)

    made = asked(source, NAMESPACES)

    assert made.missing == ("a", "nsu=urn:no;i=1")
    assert made.fields == (1,)
    assert len(made.filters[0].SelectClauses) == len(FIRST) + 1
    assert made.filters[1].WhereClause.Elements[0].FilterOperator == OPERATOR.OfType


def test_a_server_without_any_of_the_types_is_asked_for_nothing() -> None:
    assert asked(EventSource(types=(Spot("urn:no", "i=1"),)), NAMESPACES).filters == ()


def test_a_filter_is_the_same_when_it_has_gone_over_the_wire() -> None:
    source = EventSource(types=(Spot("urn:acme", "i=7"),), severity=500, fields=CONDITION)

    for each in asked(source, NAMESPACES).filters:
        assert struct_from_binary(ua.EventFilter, Buffer(struct_to_binary(each))) == each
