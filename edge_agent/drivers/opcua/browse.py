"""A walk through the address space of a server, level by level, as far as somebody wants to see it.

Whatever hangs on a node by a hierarchical reference is below it. A node that can be reached by several ways
is shown where it was met first, and named at the others; so loops end. The Server object tells of the server
itself, not of its machine: it is shown, and looked into only when the walk begins there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from asyncua import ua

from edge_agent.config.hints import hint
from edge_agent.core.browsed import Browsed, Found, NodeClass, Nowhere, Wanted, parsed, written
from edge_agent.core.naming import aliases
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.datatypes import value_of
from edge_agent.drivers.opcua.questions import NODES_PER_BROWSE, Browsing, Questions
from edge_agent.drivers.opcua.resolve import identifier, node_id, resolved
from edge_agent.drivers.opcua.values import name
from edge_agent.drivers.opcua.variables import PROPERTIES, Variable, look_at

FEW, KEPT = 10, 5_000
"""Nodes asked for first, and references kept at a time: each takes 1 kB while it is looked at."""

_KINDS: dict[int, NodeClass] = {1: "object", 2: "variable", 4: "method", 128: "view"}
_NODE = re.compile(r"(?:nsu=(?P<uri>[^;]+);|(?P<alias>[A-Za-z0-9._-]+):)?(?P<id>[isgb]=.+)", re.DOTALL)
_OBJECTS = node_id(ua.ObjectIds.ObjectsFolder, 0)
_SERVER = node_id(ua.ObjectIds.Server, 0)


class Asked(Browsing, Protocol):
    """The services of a session that a walk needs. All raise DeviceError."""

    async def identity(self) -> str:
        """What the server says it is."""
        ...


@dataclass(slots=True)
class _Place:
    """A node on the way; `below` are those under it, and `refused` says why some of them are not."""

    path: tuple[str, ...]
    node: ua.NodeId
    kind: NodeClass
    property: bool = False
    remote: bool = False
    below: "list[_Place]" = field(default_factory=list)
    elsewhere: tuple[str, ...] | None = None
    refused: str = ""


async def browsed(session: Asked, wanted: Wanted, told: Callable[[str], None]) -> Browsed:
    """What is below a place. `told` hears again and again how far it is.

    Raises Nowhere when there is no such place, DeviceError when the server does not answer.
    """
    walk = _Walk(session, wanted, told)
    await walk.questions.prepare()
    start = await walk.start()
    await walk.descend(start)
    places = list(_in_order(start))
    variables = {
        place.node: Variable(place.node, _properties(place))
        for place in places
        if place.kind == "variable" and place.elsewhere is None and not place.remote
    }
    await look_at(session, list(variables.values()), wanted, told, walk.questions.follow)
    shown = [_found(place, variables, session.namespaces) for place in places]
    return Browsed(shown, walk.aliases, await session.identity(), walk.cut_off)


class _Walk:
    """One walk; `cut_off` says that it ended before it had seen everything."""

    def __init__(self, session: Asked, wanted: Wanted, told: Callable[[str], None]) -> None:
        self._session = session
        self._wanted = wanted
        self._told = told
        self.questions = Questions(session)
        self._met: dict[ua.NodeId, tuple[str, ...]] = {}
        self.aliases = aliases(session.namespaces[1:])
        self.cut_off = False

    async def start(self) -> _Place:
        """The place where the walk begins. Raises Nowhere."""
        match = _NODE.fullmatch(self._wanted.start)
        if match is not None:
            return await self._named(match)
        place = _Place((), _OBJECTS, "object")
        for step in parsed(self._wanted.start):
            names = await self._below(place)
            if step not in names:
                where = written(place.path) or "Objects"
                raise Nowhere(f"there is no '{step}' below {where}{hint(step, list(names))}")
            place = names[step]
        return place

    async def descend(self, start: _Place) -> None:
        """Find what is below, level by level."""
        self._met[start.node] = start.path
        level, depth = [start], 0
        while level and not self.cut_off:
            last = self._wanted.depth is not None and depth >= self._wanted.depth
            if last and not self._wanted.meanings:
                return
            asked = [
                place for place in level if self._opens(place, start) and (not last or _has_meaning(place))
            ]
            level = await self._opened(asked, last=last)
            depth += 1

    async def _opened(self, asked: Sequence[_Place], *, last: bool) -> list[_Place]:
        """The new places below some, whose `below` is filled."""
        new: list[_Place] = []
        at, size = 0, FEW
        while at < len(asked) and not self.cut_off:
            part = asked[at : at + size]
            results = await self.questions.follow(
                [place.node for place in part], _HIERARCHY, ua.BrowseDirection.Forward
            )
            for place, result in zip(part, results, strict=True):
                new += self._put(place, result, last=last)
            self._told(f"{len(self._met)} nodes")
            at += size
            seen = sum(len(result.References or ()) for result in results)
            size = max(1, min(2 * size, NODES_PER_BROWSE, size * KEPT // max(1, seen)))
        return new

    def _put(self, place: _Place, result: ua.BrowseResult, *, last: bool) -> list[_Place]:
        """Hang the references of a place under it; gives those places that are new."""
        if not result.StatusCode.is_good():
            place.refused = name(result.StatusCode.value)
        new: list[_Place] = []
        for reference in result.References or ():
            child = self._child(place, reference)
            if child is None or (last and not child.property):
                continue
            if child.node in self._met and not child.remote:
                child.elsewhere = self._met[child.node]
            elif len(self._met) >= self._wanted.most:
                self.cut_off = True
                return new
            else:
                self._met[child.node] = child.path
                new.append(child)
            place.below.append(child)
        return new

    def _child(self, place: _Place, reference: ua.ReferenceDescription) -> _Place | None:
        kind = _KINDS.get(int(reference.NodeClass))
        if kind is None:
            return None
        path = (*place.path, reference.BrowseName.Name or "")
        known = reference.BrowseName.NamespaceIndex == 0 and path[-1] in PROPERTIES
        node, remote = _local(reference.NodeId, self._session.namespaces)
        return _Place(path, node, kind, known and place.kind != "object", remote)

    def _opens(self, place: _Place, start: _Place) -> bool:
        if place.property or place.remote or place.kind == "method" or place.elsewhere is not None:
            return False
        return place is start or place.node != _SERVER

    async def _below(self, place: _Place) -> dict[str, _Place]:
        """The places under one by their names, without going there."""
        (result,) = await self.questions.follow([place.node], _HIERARCHY, ua.BrowseDirection.Forward)
        children = [self._child(place, each) for each in result.References or ()]
        names: dict[str, _Place] = {}
        for child in children:
            if child is not None:
                names.setdefault(child.path[-1], child)
        return names

    async def _named(self, match: "re.Match[str]") -> _Place:
        """The place of a node as a profile writes it. Raises Nowhere."""
        text, uris = match[0], {alias: uri for uri, alias in self.aliases.items()}
        if match["alias"] and match["alias"] not in uris:
            raise Nowhere(f"the server has no namespace '{match['alias']}'{hint(match['alias'], list(uris))}")
        uri = match["uri"] or uris.get(match["alias"] or "", "")
        try:
            node = resolved(Node("", uri, match["id"], "Boolean"), self._session.namespaces)
        except ValueError:
            raise Nowhere(f"'{text}' is not a node; write for example nsu=URI;s=GVL.x or i=85") from None
        if node is None:
            raise Nowhere(f"the server has no namespace '{uri}'{hint(uri, list(uris.values()))}")
        attributes = (ua.AttributeIds.NodeClass, ua.AttributeIds.BrowseName)
        parameters = ua.ReadParameters()
        parameters.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=each) for each in attributes]
        kind, called = map(value_of, await self._session.read(parameters))
        if kind not in _KINDS or called is None:
            raise Nowhere(f"the server has no object or variable '{text}'")
        return _Place((called.Name or text,), node, _KINDS[kind])


_NONE: Mapping[str, ua.NodeId] = {}
_HIERARCHY = ua.ObjectIds.HierarchicalReferences


def _properties(place: _Place) -> Mapping[str, ua.NodeId]:
    found = {each.path[-1]: each.node for each in place.below if each.property}
    return found or _NONE  # one for all: most of 100,000 have none


def _has_meaning(place: _Place) -> bool:
    return place.kind == "variable"


def _local(node: ua.NodeId, namespaces: Sequence[str]) -> tuple[ua.NodeId, bool]:
    """The plain id of a node that a reference names, and whether another server has it."""
    index, uri = int(node.NamespaceIndex), getattr(node, "NamespaceUri", None)
    remote = bool(getattr(node, "ServerIndex", 0))
    if uri:
        remote = remote or uri not in namespaces
        index = namespaces.index(uri) if uri in namespaces else index
    return node_id(node.Identifier, index), remote


def _in_order(place: _Place) -> "list[_Place]":
    """The places of a tree, each behind the one above it; its depth is the server's, so no recursion."""
    order, waiting = [], [place]
    while waiting:
        each = waiting.pop()
        order.append(each)
        waiting += reversed(each.below)
    return order


def _found(place: _Place, variables: Mapping[ua.NodeId, Variable], namespaces: Sequence[str]) -> Found:
    index = place.node.NamespaceIndex
    uri = namespaces[index] if index < len(namespaces) else ""
    node = Found(
        path=place.path,
        kind=place.kind,
        namespace=uri if index else "",
        id=identifier(place.node),
        of_parent=place.property,
        elsewhere=place.elsewhere,
        refused=place.refused or _unnamed(index, uri, namespaces) or ("in another server" * place.remote),
    )
    seen = variables.get(place.node)
    if seen is None or place.elsewhere is not None:
        return node
    return replace(
        node,
        type=seen.type,
        sent_as=seen.sent_as,
        array=seen.array,
        elements=seen.elements,
        parts=seen.parts,
        access=seen.access,
        value=seen.value,
        quality=seen.quality,
        refused=node.refused or seen.refused,
        meaning=seen.meaning,
    )


def _unnamed(index: int, uri: str, namespaces: Sequence[str]) -> str:
    """Why a profile could not name a namespace; empty when it can."""
    if not index or (uri and namespaces.index(uri) == index):
        return ""
    return "its namespace has no name of its own"
