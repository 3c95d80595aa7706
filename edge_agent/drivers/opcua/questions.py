"""Questions about the nodes of a server: what hangs on them, and what they are."""

from collections.abc import Sequence
from typing import Protocol

from asyncua import ua

from edge_agent.drivers.opcua.batches import Batches
from edge_agent.drivers.opcua.datatypes import value_of
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.session import reading
from edge_agent.errors import DeviceError

NODES_PER_BROWSE = 100
"""Nodes that one request asks for where the server sets no limit: their answer comes within any timeout."""
REFERENCES = 1000
"""References of a node that one answer may hold; the rest comes by continuation points."""
ATTRIBUTES_PER_READ = 500
"""Attributes that one request asks for where the server sets no limit."""
MOST_CALLS = 10_000
"""For what hangs on some nodes: a server that never comes to an end shall not be asked for ever."""
_NO_POINTS = ua.StatusCodes.BadNoContinuationPoints


class Browsing(Protocol):
    """The services of a session by which it is asked about nodes. All raise DeviceError."""

    namespaces: Sequence[str]

    @property
    def nodes_per_read(self) -> int:
        """Nodes that one request may read; 0 for no limit."""
        ...

    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        """Values, one for each node."""
        ...

    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        """References, one result for each node."""
        ...

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        """More of them, one result for each continuation point."""
        ...


class Questions:
    """Asks a session. All raise DeviceError when the server does not answer."""

    def __init__(self, session: Browsing) -> None:
        self._session = session
        self._browses = Batches(NODES_PER_BROWSE)
        self._reads = Batches(min(session.nodes_per_read or ATTRIBUTES_PER_READ, ATTRIBUTES_PER_READ))

    async def prepare(self) -> None:
        """Ask how much the server bears at a time."""
        limit = node_id(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse, 0)
        (answer,) = await self._session.read(reading([limit], ua.TimestampsToReturn.Neither))
        value = value_of(answer)
        if isinstance(value, int) and 0 < value < NODES_PER_BROWSE:
            self._browses = Batches(value)

    async def follow(
        self, nodes: Sequence[ua.NodeId], references: int, direction: ua.BrowseDirection
    ) -> list[ua.BrowseResult]:
        """All references of a kind, and those of its subtypes, that nodes have in a direction."""

        async def call(part: list[ua.NodeId]) -> list[ua.BrowseResult]:
            return await self._whole([_question(node, references, direction) for node in part])

        return await self._browses.ask(nodes, call, _no_result)

    async def read(self, asked: Sequence[tuple[ua.NodeId, ua.AttributeIds]]) -> list[ua.DataValue]:
        """Attributes, one answer each, in as many requests as it takes."""

        async def call(part: list[tuple[ua.NodeId, ua.AttributeIds]]) -> list[ua.DataValue]:
            parameters = ua.ReadParameters()
            parameters.MaxAge = 0
            parameters.TimestampsToReturn = ua.TimestampsToReturn.Neither
            parameters.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=which) for node, which in part]
            return await self._session.read(parameters)

        return await self._reads.ask(asked, call, no_value)

    async def _whole(self, questions: list[ua.BrowseDescription]) -> list[ua.BrowseResult]:
        """The results with everything that comes by continuation points."""
        results = await self._session.browse(_browsing(questions))
        await self._continued(results)
        for i, result in enumerate(results):
            # The server ran out of points: it has some again now.
            if result.StatusCode.value == _NO_POINTS and len(questions) > 1:
                again = await self._session.browse(_browsing([questions[i]]))
                await self._continued(again)
                results[i] = again[0]
        return results

    async def _continued(self, results: Sequence[ua.BrowseResult]) -> None:
        """Ask for more until nothing is left; what was refused then stands in the status of the result."""
        pending = [result for result in results if result.ContinuationPoint]
        calls = 0
        while pending:
            calls += 1
            if calls > MOST_CALLS:
                raise DeviceError("BadContinuationPointInvalid", "references without an end")
            parameters = ua.BrowseNextParameters()
            parameters.ReleaseContinuationPoints = False
            parameters.ContinuationPoints = [result.ContinuationPoint for result in pending]
            more = await self._session.browse_next(parameters)
            for result, further in zip(pending, more, strict=True):
                result.References = [*(result.References or ()), *(further.References or ())]
                result.ContinuationPoint = further.ContinuationPoint
                result.StatusCode = further.StatusCode
            pending = [result for result in pending if result.ContinuationPoint]


def no_value(error: DeviceError) -> ua.DataValue:
    """The answer for something that the server does not give, for this reason."""
    code = getattr(ua.StatusCodes, error.reason, ua.StatusCodes.BadDecodingError)
    return ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(code)))


def _browsing(questions: list[ua.BrowseDescription]) -> ua.BrowseParameters:
    parameters = ua.BrowseParameters()
    parameters.RequestedMaxReferencesPerNode = ua.Counter(REFERENCES)
    parameters.NodesToBrowse = questions
    return parameters


def _question(node: ua.NodeId, references: int, direction: ua.BrowseDirection) -> ua.BrowseDescription:
    question = ua.BrowseDescription()
    question.NodeId = node
    question.BrowseDirection = direction
    question.ReferenceTypeId = node_id(references, 0)
    question.IncludeSubtypes = True
    question.NodeClassMask = ua.UInt32(0)
    question.ResultMask = ua.UInt32(ua.BrowseResultMask.NodeClass | ua.BrowseResultMask.BrowseName)
    return question


def _no_result(error: DeviceError) -> ua.BrowseResult:
    code = getattr(ua.StatusCodes, error.reason, ua.StatusCodes.BadUnexpectedError)
    return ua.BrowseResult(StatusCode=ua.StatusCode(ua.UInt32(code)))
