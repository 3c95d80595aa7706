"""Where the tags of a profile stand in a simulated address space: by the id of a node, or by a path."""

from collections.abc import Sequence

from asyncua import ua
from asyncua.server.address_space import NodeData

from edge_agent.core.nodes import Place, Step
from edge_agent.sim.opcua_server import OBJECT, Space, made, standard


def put(
    space: Space, place: Place, uris: Sequence[str], name: str
) -> tuple[ua.NodeId, ua.QualifiedName, ua.NodeId]:
    """The id of the node of a place, its name, and the node above it; what lies on a path is made.

    `name` is that of the tag: a node that is not on a path is called so.
    """
    start = _id(place, uris)
    if not place.path:
        return start, ua.QualifiedName(name, start.NamespaceIndex), standard("ObjectsFolder")
    if start not in space:
        space.add(
            made(start, ua.QualifiedName("Start", start.NamespaceIndex), OBJECT),
            OBJECT,
            standard("ObjectsFolder"),
        )
    above = start
    for depth, step in enumerate(place.path[:-1]):
        called = _called(step, uris)
        below = _below(space, space[above], called)
        if below is None:
            below = _made_id(place, depth, uris)
            space.add(made(below, called, OBJECT), OBJECT, above)
        above = below
    called = _called(place.path[-1], uris)
    there = _below(space, space[above], called)
    return there or _made_id(place, len(place.path) - 1, uris), called, above


def namespaces(place: Place) -> list[str]:
    """The URIs that a place needs, besides that of the standard."""
    return [uri for uri in (place.namespace, *(step.namespace for step in place.path)) if uri]


def _id(place: Place, uris: Sequence[str]) -> ua.NodeId:
    index = uris.index(place.namespace) if place.namespace else 0
    return ua.NodeId.from_string(f"ns={index};{place.id}")


def _called(step: Step, uris: Sequence[str]) -> ua.QualifiedName:
    return ua.QualifiedName(step.name, uris.index(step.namespace) if step.namespace else 0)


def _below(space: Space, node: NodeData, called: ua.QualifiedName) -> ua.NodeId | None:
    found = (each.NodeId for each in node.references if each.IsForward and each.BrowseName == called)
    return next((each for each in found if each in space), None)


def _made_id(place: Place, depth: int, uris: Sequence[str]) -> ua.NodeId:
    """An id that tells the way: nobody but a path leads there."""
    own = next((step.namespace for step in reversed(place.path) if step.namespace), "")
    way = "/".join(step.name for step in place.path[: depth + 1])
    return ua.NodeId(ua.String(f"{place.id}/{way}"), ua.Int16(uris.index(own) if own else 0))
