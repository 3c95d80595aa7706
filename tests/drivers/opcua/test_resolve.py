from uuid import UUID

import pytest

from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.resolve import node_id, resolved

NAMESPACES = ("http://opcfoundation.org/UA/", "urn:plc:server", "urn:plc:program")


@pytest.mark.parametrize(
    ("id_", "identifier", "kinds"),
    [
        ("i=2258", 2258, {"FourByte", "Numeric"}),
        ("i=7", 7, {"TwoByte", "FourByte", "Numeric"}),
        ("i=4294967295", 4294967295, {"Numeric"}),
        ("s=GVL.x", "GVL.x", {"String"}),
        ('s="DB_Press"."Force"', '"DB_Press"."Force"', {"String"}),
        ("s=a=b;c", "a=b;c", {"String"}),
        ("s=7", "7", {"String"}),
        ("g=12345678-9abc-def0-1234-56789abcdef0", UUID("12345678-9abc-def0-1234-56789abcdef0"), {"Guid"}),
        ("b=AP8=", b"\x00\xff", {"ByteString"}),
    ],
)
def test_an_identifier_keeps_its_kind(
    id_: str, identifier: int | str | UUID | bytes, kinds: set[str]
) -> None:
    found = resolved(Node("t", "urn:plc:program", id_, "Float"), NAMESPACES)

    assert found is not None
    assert (found.NamespaceIndex, found.Identifier) == (2, identifier)
    assert found.NodeIdType.name in kinds


def test_a_node_of_the_standard_is_in_namespace_0() -> None:
    assert resolved(Node("t", "", "i=2258", "DateTime"), NAMESPACES) == node_id(2258, 0)
    assert resolved(Node("t", "", "i=2258", "DateTime"), ()) == node_id(2258, 0)


def test_a_namespace_is_found_where_this_session_has_it() -> None:
    node = Node("t", "urn:plc:program", "s=x", "Float")

    before = resolved(node, NAMESPACES)
    after = resolved(node, ("http://opcfoundation.org/UA/", "urn:new", "urn:plc:server", "urn:plc:program"))

    assert before == node_id("x", 2)
    assert after == node_id("x", 3)


def test_a_namespace_that_the_server_does_not_have_gives_no_node() -> None:
    assert resolved(Node("t", "urn:other", "i=1", "Float"), NAMESPACES) is None
    assert resolved(Node("t", "urn:other", "i=1", "Float"), ()) is None
