"""Where what is asked for stands at a server: found in each session, and again while it is not there.

A namespace is known by its URI, and a path leads from a known node by names: node ids and indexes are a
matter of the session, and some servers change them while it lasts.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast

from asyncua import ua

from edge_agent.core.model import bad
from edge_agent.core.nodes import Place, Step
from edge_agent.drivers.opcua.answer import plain_id
from edge_agent.drivers.opcua.batches import Batches
from edge_agent.drivers.opcua.datatypes import value_of
from edge_agent.drivers.opcua.questions import Browsing
from edge_agent.drivers.opcua.resolve import node_id, resolved
from edge_agent.drivers.opcua.session import reading
from edge_agent.drivers.opcua.values import name
from edge_agent.errors import DeviceError

RETRY_S = 10.0
"""Between two attempts to find what is not there."""
LOOK_S = 60.0
"""How often a server is asked whether its namespaces, or the nodes at the ends of paths, are others now."""
PATHS_PER_CALL = 500
"""Paths that one request asks for where the server sets no limit."""
NO_NAMESPACE, NO_MATCH, MANY = "BadNodeIdUnknown", "BadNoMatch", "BadTooManyMatches"
_LIMIT = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds
NO, YES = cast("tuple[ua.Boolean, ua.Boolean]", (False, True))
"""As the library has them; what it takes unless told is a path backwards."""
_WHOLE = 0xFFFFFFFF
"""The index behind the last element of a path that was followed to its end (OPC UA Part 4, 5.9.4)."""


class Asked(Browsing, Protocol):
    """The services of a session that finding takes. All raise DeviceError."""

    async def look_around(self) -> None:
        """Read the namespaces anew."""
        ...

    async def translate(self, paths: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        """Where paths lead, one result each."""
        ...


class Places:
    """Where places are in a session: the id of the node of each, or the quality of its values.

    `ends` is what stands at the ends of paths, as far as it is known, `look_at` when `moved` looks next, in
    seconds of the loop.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._nodes: list[ua.NodeId | str] = []
        self._session: Asked | None = None
        self._namespaces: Sequence[str] = ()
        self._moved = False
        self.ends: tuple[str, ...] = ()
        self._retry_at = self.look_at = 0.0

    def known(self, session: Asked) -> bool:
        """Whether places were looked for in this session."""
        return self._session is session

    async def find(self, session: Asked, *, again: bool = False) -> Sequence[ua.NodeId | str]:
        """Find what is not known in this session; what was not there only after a while, or `again`.

        Raises DeviceError.
        """
        now = asyncio.get_running_loop().time()
        if self._session is not session:
            nodes = await located(session, self._places)
            if _lacks(nodes):  # its namespaces may have changed since they were read
                await session.look_around()
                nodes = await located(session, self._places)
            self._session, self._namespaces, self._nodes = session, session.namespaces, nodes
            self._moved = False
            self._retry_at, self.look_at = now + RETRY_S, now + LOOK_S
            self._note_ends()
        elif _lacks(self._nodes) and (again or now >= self._retry_at):
            self._retry_at = now + RETRY_S
            await session.look_around()
            await self._locate(session)
        elif session.namespaces != self._namespaces:  # others look around in the same session
            await self._locate(session)
        return self._nodes

    async def moved(self, session: Asked) -> bool:
        """Whether places are elsewhere than they were, which is looked for from time to time.

        Raises DeviceError.
        """
        now = asyncio.get_running_loop().time()
        if self._session is not session:
            return False
        if now >= self.look_at:
            self.look_at = now + LOOK_S
            await session.look_around()
            await self._locate(session)
        elif session.namespaces != self._namespaces:
            await self._locate(session)
        moved, self._moved = self._moved, False
        return moved

    async def _locate(self, session: Asked) -> None:
        """Find places anew: those that may be elsewhere, and those that were not there."""
        renumbered = session.namespaces != self._namespaces
        asked = [
            i
            for i, node in enumerate(self._nodes)
            if renumbered or isinstance(node, str) or self._places[i].path
        ]
        found = await located(session, [self._places[i] for i in asked])
        self._namespaces = session.namespaces
        for i, new in zip(asked, found, strict=True):
            old = self._nodes[i]
            if isinstance(old, str):
                self._nodes[i] = new
            elif not isinstance(new, str):  # what is gone says so itself
                self._moved = self._moved or old != new
                self._nodes[i] = new
        self._note_ends()

    def _note_ends(self) -> None:
        ends = zip(self._places, self._nodes, strict=True)
        self.ends = tuple(str(node) for place, node in ends if place.path)


async def located(session: Asked, places: Sequence[Place]) -> list[ua.NodeId | str]:
    """The nodes of places; a text is the quality of one that is not there. Raises DeviceError."""
    nodes: list[ua.NodeId | str] = [
        resolved(place, session.namespaces) or bad(NO_NAMESPACE) for place in places
    ]
    paths: list[tuple[int, ua.BrowsePath]] = []
    for i, (place, start) in enumerate(zip(places, nodes, strict=True)):
        if not place.path or isinstance(start, str):
            continue
        path = browse_path(start, place.path, session.namespaces)
        if path is None:
            nodes[i] = bad(NO_MATCH)
        else:
            paths.append((i, path))
    for (i, _), node in zip(paths, await translated(session, [path for _, path in paths]), strict=True):
        nodes[i] = node
    return nodes


async def translated(session: Asked, paths: Sequence[ua.BrowsePath]) -> list[ua.NodeId | str]:
    """The node at the end of each path; a text is the quality of none. Raises DeviceError."""
    if not paths:
        return []
    (answer,) = await session.read(reading([node_id(_LIMIT, 0)], ua.TimestampsToReturn.Neither))
    limit = value_of(answer)
    most = min(limit, PATHS_PER_CALL) if isinstance(limit, int) and limit > 0 else PATHS_PER_CALL
    results = await Batches(most).ask(paths, session.translate, _refused)
    return [_end(result, session.namespaces) for result in results]


def browse_path(start: ua.NodeId, steps: Sequence[Step], namespaces: Sequence[str]) -> ua.BrowsePath | None:
    """A path by hierarchical references; None where the server does not have one of the namespaces."""
    elements = []
    for step in steps:
        if step.namespace and step.namespace not in namespaces:
            return None
        index = namespaces.index(step.namespace) if step.namespace else 0
        element = ua.RelativePathElement()
        element.ReferenceTypeId = node_id(ua.ObjectIds.HierarchicalReferences, 0)
        element.IsInverse, element.IncludeSubtypes = NO, YES
        element.TargetName = ua.QualifiedName(step.name, index)
        elements.append(element)
    path = ua.BrowsePath()
    path.StartingNode = start
    path.RelativePath.Elements = elements
    return path


def _end(result: ua.BrowsePathResult, namespaces: Sequence[str]) -> ua.NodeId | str:
    if not result.StatusCode.is_good():
        return bad(name(result.StatusCode.value))
    ends = {
        node
        for target in result.Targets or ()
        if target.RemainingPathIndex == _WHOLE and (node := _local(target.TargetId, namespaces)) is not None
    }
    if not ends:
        return bad(NO_MATCH)
    return ends.pop() if len(ends) == 1 else bad(MANY)


def _local(node: ua.NodeId, namespaces: Sequence[str]) -> ua.NodeId | None:
    """The plain id of a node; None for one in another server."""
    uri = getattr(node, "NamespaceUri", None)
    if getattr(node, "ServerIndex", None) or (uri and uri not in namespaces):
        return None
    return node_id(node.Identifier, namespaces.index(uri)) if uri else plain_id(node)


def _refused(error: DeviceError) -> ua.BrowsePathResult:
    code = getattr(ua.StatusCodes, error.reason, ua.StatusCodes.BadUnexpectedError)
    return ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.UInt32(code)))


def _lacks(nodes: Sequence[ua.NodeId | str]) -> bool:
    return any(isinstance(node, str) for node in nodes)
