"""Nodes of a profile -> node ids of one session: namespaces are known by URI, their indexes may change."""

import base64
import uuid
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from edge_agent.core.nodes import Node, Place, Spot


def resolved(node: Node | Place | Spot, namespaces: Sequence[str]) -> ua.NodeId | None:
    """The node id in a server with these namespaces; None when it does not have this one.

    Of a place with a path: the node where that begins.
    """
    if not node.namespace:
        return node_id(_identifier(node.id), 0)
    try:
        return node_id(_identifier(node.id), namespaces.index(node.namespace))
    except ValueError:
        return None


def node_id(identifier: Any, namespace: Any) -> ua.NodeId:  # noqa: ANN401 - the library has types of its own for both
    """A node id; its kind follows from the type of the identifier."""
    return ua.NodeId(identifier, namespace)


def identifier(node: ua.NodeId) -> str:
    """The identifier of a node with its kind, as profiles write it: the other way round."""
    said = node.Identifier
    if isinstance(said, int):
        return f"i={said}"
    if isinstance(said, uuid.UUID):
        return f"g={said}"
    return f"b={base64.b64encode(said).decode()}" if isinstance(said, bytes) else f"s={said}"


def _identifier(text: str) -> int | str | uuid.UUID | bytes:
    kind, _, rest = text.partition("=")
    if kind == "i":
        return int(rest)
    if kind == "g":
        return uuid.UUID(rest)
    return base64.b64decode(rest) if kind == "b" else rest
