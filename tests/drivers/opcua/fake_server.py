"""A server for tests of what is asked beside values: nodes with attributes, and paths between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.errors import DeviceError

STANDARD = "http://opcfoundation.org/UA/"
OBJECTS = node_id(ua.ObjectIds.ObjectsFolder, 0)
LIMIT = node_id(
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds, 0
)

Key = tuple[ua.NodeId, str]
"""A node and the name of another one below it."""


@dataclass
class FakeServer:
    """What it says is what the test puts in; `asked` counts what each call asked for."""

    namespaces: Sequence[str] = (STANDARD, "urn:server", "urn:plc")
    become: Sequence[str] | None = None
    below: dict[Key, list[ua.NodeId]] = field(default_factory=dict)
    values: dict[ua.NodeId, Any] = field(default_factory=dict)
    attributes: dict[tuple[ua.NodeId, int], Any] = field(default_factory=dict)
    references: dict[tuple[ua.NodeId, int], list[ua.NodeId]] = field(default_factory=dict)
    refuses: Mapping[str, str] = field(default_factory=dict)
    limit: int = 0
    bears: int = 1000
    nodes_per_read: int = 0
    open: bool = True
    looks: int = 0
    asked: list[int] = field(default_factory=list)

    async def look_around(self) -> None:
        self.looks += 1
        self.namespaces = self.become or self.namespaces

    async def translate(self, paths: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        if "translate" in self.refuses:
            raise DeviceError(self.refuses["translate"])
        self.asked.append(len(paths))
        if len(paths) > self.bears:
            raise DeviceError("BadTooManyOperations")
        return [self._end(path) for path in paths]

    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        return [self._value(each) for each in parameters.NodesToRead]

    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        return [
            ua.BrowseResult(
                References=[
                    ua.ReferenceDescription(NodeId=node)
                    for node in self.references.get((each.NodeId, each.ReferenceTypeId.Identifier), ())
                ]
            )
            for each in parameters.NodesToBrowse
        ]

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        raise AssertionError(parameters)

    def _end(self, path: ua.BrowsePath) -> ua.BrowsePathResult:
        at = [path.StartingNode]
        for element in path.RelativePath.Elements:
            assert (element.IsInverse, element.IncludeSubtypes) == (False, True)
            name = f"{element.TargetName.NamespaceIndex}:{element.TargetName.Name}"
            at = [end for node in at for end in self.below.get((node, name), ())]
        if not at:
            return ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNoMatch)))
        targets = [ua.BrowsePathTarget(each, ua.UInt32(0xFFFFFFFF)) for each in at]
        return ua.BrowsePathResult(Targets=targets)

    def _value(self, asked: ua.ReadValueId) -> ua.DataValue:
        if asked.NodeId == LIMIT:
            return ua.DataValue(ua.Variant(self.limit, ua.VariantType.UInt32))
        if asked.AttributeId == ua.AttributeIds.Value:
            value = self.values.get(asked.NodeId)
        else:
            value = self.attributes.get((asked.NodeId, asked.AttributeId))
        if value is None:
            return ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown)))
        return ua.DataValue(value if isinstance(value, ua.Variant) else ua.Variant(value))
