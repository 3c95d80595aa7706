"""asyncua's server for the simulator: with the standard nodes a client looks at, and its mistakes mended.

What asyncua 2.1.0 does itself, as seen with its own client and raw requests:

* A session with subscriptions outlives its TCP connection until its timeout; one without ends with it.
  ActivateSession on a new channel takes it over with its subscriptions.
* TransferSubscriptions gives AvailableSequenceNumbers, but left the subscription on the publish requests of
  the old connection: it never published again. Mended here. SendInitialValues is ignored, the old session
  is not told, and a transfer within the session succeeds (others say BadNothingToDo).
* Republish took the message out of the queue, and gave an empty one for what it does not have. Mended here:
  a message stays until it is acknowledged; else BadMessageNotAvailable, BadSubscriptionIdInvalid.
* An acknowledgement removes the message; one of an unknown number is answered Good.
* Publish requests of a cut connection are still used up: their notifications are in the queue for Republish
  only. Then values wait in the queues of the items. On uvloop the first of them ended the subscription's
  task; mended here.
* A publish request of a session without subscriptions is left waiting while another session has some.
* CloseSession without deleting subscriptions keeps them for a transfer until their lifetime is over.
* A full queue of an item loses its oldest value, whatever DiscardOldest says, without the Overflow bit.
  The bit is mended here.
* A deleted node left its items dead and never awaited what should tell them. Here an item tells
  BadNodeIdUnknown, and goes on when the node is back.
* Every written value is a sample whatever the sampling interval; MaxNotificationsPerPublish and
  TimestampsToReturn are ignored; a deadband is measured from the last sample, not from the last one sent.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import (
    AddressSpace,
    AttributeService,
    AttributeValue,
    MethodService,
    NodeData,
    NodeManagementService,
    ViewService,
)
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.subscription_service import SubscriptionService
from asyncua.server.uaprocessor import PublishRequestData
from typing_extensions import override

from edge_agent.sim.opcua_event_items import EventItems
from edge_agent.sim.opcua_service import Rules, Visit, Visits

OVERFLOW = 0x480  # InfoType DataValue and the bit Overflow (OPC UA Part 4, 7.39.1)

SUBTYPES: Mapping[str, str] = {
    "References": "HierarchicalReferences NonHierarchicalReferences",
    "HierarchicalReferences": "HasChild Organizes",
    "HasChild": "Aggregates HasSubtype",
    "Aggregates": "HasProperty HasComponent",
    "NonHierarchicalReferences": "HasTypeDefinition",
    "BaseObjectType": "FolderType ServerType",
    "BaseVariableType": "BaseDataVariableType PropertyType",
    "BaseDataType": "Boolean String DateTime Guid ByteString LocalizedText Number Enumeration Structure",
    "Number": "Integer UInteger Float Double",
    "Integer": "SByte Int16 Int32 Int64",
    "UInteger": "Byte UInt16 UInt32 UInt64",
    "Enumeration": "ServerState",
    "Structure": "ServerStatusDataType BuildInfo",
}
"""The types that are there: each with those below it."""

FOLDERS: Mapping[str, str] = {
    "ObjectTypesFolder": "BaseObjectType",
    "VariableTypesFolder": "BaseVariableType",
    "DataTypesFolder": "BaseDataType",
    "ReferenceTypesFolder": "References",
}

LIMITS = (
    "Read HistoryReadData HistoryReadEvents Write HistoryUpdateData HistoryUpdateEvents MethodCall Browse "
    "RegisterNodes TranslateBrowsePathsToNodeIds NodeManagement"
)

SERVER: Mapping[str, str] = {
    "ServerArray": "String",
    "NamespaceArray": "String",
    "ServiceLevel": "Byte",
    "ServerStatus": "ServerStatusDataType",
    "ServerStatus_StartTime": "DateTime",
    "ServerStatus_CurrentTime": "DateTime",
    "ServerStatus_State": "ServerState",
    "ServerStatus_BuildInfo": "BuildInfo",
    "ServerStatus_BuildInfo_ProductUri": "String",
    "ServerStatus_BuildInfo_ManufacturerName": "String",
    "ServerStatus_BuildInfo_ProductName": "String",
    "ServerStatus_BuildInfo_SoftwareVersion": "String",
    "ServerStatus_BuildInfo_BuildNumber": "String",
    "ServerStatus_BuildInfo_BuildDate": "DateTime",
    "ServerCapabilities": "",
    "ServerCapabilities_OperationLimits": "",
    **{f"ServerCapabilities_OperationLimits_MaxNodesPer{limit}": "UInt32" for limit in LIMITS.split()},
    "ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall": "UInt32",
}
"""What stands below the Server object, with its data type; an object has none."""

HISTORY: Mapping[str, str] = {
    "HistoryServerCapabilities": "",
    "HistoryServerCapabilities_AccessHistoryDataCapability": "Boolean",
    "HistoryServerCapabilities_MaxReturnDataValues": "UInt32",
}
"""What stands below its capabilities, in the same way."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a node is: its class, how it hangs on its parent, and its type definition, by standard names."""

    node_class: ua.NodeClass
    reference: str = "HasComponent"
    definition: str = ""


VARIABLE = Kind(ua.NodeClass.Variable, definition="BaseDataVariableType")
OBJECT = Kind(ua.NodeClass.Object, definition="BaseObjectType")
FOLDER = Kind(ua.NodeClass.Object, "Organizes", "FolderType")


class Space(AddressSpace):
    """Nodes that can be taken out while they are watched, and put back: their watchers stay with them."""

    def __init__(self) -> None:
        super().__init__()
        self._watched: dict[int, NodeData] = {}

    @override
    def add_datachange_callback(
        self, nodeid: ua.NodeId, attr: ua.AttributeIds, callback: Callable[..., Any]
    ) -> tuple[ua.StatusCode, int]:
        """Have a callback awaited with each new value of an attribute; gives a handle of it."""
        status, handle = super().add_datachange_callback(nodeid, attr, callback)
        if status.is_good():
            self._watched[handle] = self[nodeid]
        return status, handle

    @override
    def delete_datachange_callback(self, handle: int) -> None:
        """Let a callback go, also one of a node that is not there just now."""
        node = self._watched.pop(handle)
        for value in node.attributes.values():
            value.datachange_callbacks.pop(handle, None)

    def add(
        self, node: NodeData, kind: Kind, parent: ua.NodeId | None = None
    ) -> ua.ReferenceDescription | None:
        """Put in a node; gives the reference from its parent to it."""
        self[node.nodeid] = node
        if kind.definition:
            node.references.append(_reference("HasTypeDefinition", self[standard(kind.definition)]))
        if parent is None:
            return None
        node.references.append(_reference(kind.reference, self[parent], forward=False))
        reference = _reference(kind.reference, node)
        self[parent].references.append(reference)
        return reference

    def take_out(self, node: NodeData, reference: ua.ReferenceDescription | None) -> None:
        """Make a node unknown; whoever watches it goes on when it is put back."""
        del self[node.nodeid]
        for parent in _parents(node):
            kept = [each for each in self[parent].references if each is not reference]
            self[parent].references = kept

    def put_back(self, node: NodeData, reference: ua.ReferenceDescription | None) -> None:
        """Make it known again."""
        self[node.nodeid] = node
        for parent in _parents(node):
            if reference is not None:
                self[parent].references.append(reference)


class Core(InternalServer):
    """asyncua's internal server around a `Space`.

    `before_items` is awaited before items are made: what they show first shall be what was told last.
    `rules` are what its clients may do, `visits` their sessions.
    """

    def __init__(self, before_items: Callable[[], Awaitable[None]], rules: Rules) -> None:
        super().__init__()
        self.visits = Visits(self, rules)
        self.space = Space()
        self.aspace = self.space
        self.attribute_service = AttributeService(self.space)
        self.view_service = ViewService(self.space)
        self.method_service = MethodService(self.space)
        self.node_mgt_service = NodeManagementService(self.space)
        self.subscription_service = Subscriptions(self.space, self, before_items)
        self.isession = InternalSession(
            self, self.space, self.subscription_service, "Internal", user=User(role=UserRole.Admin)
        )
        self.current_time_node.session = self.isession
        self.server_status_node.session = self.isession

    @override
    def create_session(
        self,
        name: str,
        user: User | None = None,
        external: bool = False,
    ) -> Visit:
        """A client wants a session. ServiceError when there are too many."""
        return self.visits.begin(name, user)

    @override
    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """60 nodes by hand in place of the 6,000 of the standard, which take a second."""
        for parent, names in SUBTYPES.items():
            for name in (parent, *names.split()):
                if standard(name) not in self.space:
                    self._standard(name, Kind(_class_of(parent), "HasSubtype"), _super(name))
        self._standard("RootFolder", FOLDER)
        for name in ("ObjectsFolder", "TypesFolder"):
            self._standard(name, FOLDER, "RootFolder")
        for name, first in FOLDERS.items():
            self._standard(name, FOLDER, "TypesFolder")
            self.space[standard(name)].references.append(_reference("Organizes", self.space[standard(first)]))
        self._standard("Server", Kind(ua.NodeClass.Object, definition="ServerType"), "ObjectsFolder")
        for name, data_type in SERVER.items():
            parent = f"Server_{name}".rpartition("_")[0]
            self._standard(f"Server_{name}", VARIABLE if data_type else OBJECT, parent, data_type)
        for name, data_type in HISTORY.items():
            parent = name.rpartition("_")[0] or "Server_ServerCapabilities"
            self._standard(name, VARIABLE if data_type else OBJECT, parent, data_type)

    def _standard(self, name: str, kind: Kind, parent: str = "", data_type: str = "") -> None:
        node = made(standard(name), ua.QualifiedName(name.rpartition("_")[2].removesuffix("Folder")), kind)
        if data_type:
            give_value(node, data_type, rank=1 if name.endswith("Array") else -1)
        self.space.add(node, kind, standard(parent) if parent else None)


class Subscriptions(SubscriptionService):
    """Subscriptions that come along to a new session, and of which everything sent can be had again."""

    def __init__(
        self, space: AddressSpace, core: InternalServer, before_items: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(space, core)
        self._core = core
        self._before_items = before_items

    @override
    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """As asyncua does it, for our kind of subscription."""
        self._sub_id_counter += 1
        result = ua.CreateSubscriptionResult(
            self._sub_id_counter,
            params.RequestedPublishingInterval,
            self._clamp_lifetime_count(params.RequestedLifetimeCount),
            self._clamp_keep_alive_count(params.RequestedMaxKeepAliveCount),
        )
        made = Subscription(
            result,
            self.aspace,
            callback,
            session_id,
            request_callback=request_callback,
            delete_callback=lambda: self.subscriptions.pop(result.SubscriptionId, None),
            no_acks_limit=self._core.max_unacked_messages_per_subscription,
            max_queue_size=self._core.max_monitored_item_queue_size,
            publishing_enabled=params.PublishingEnabled,
        )
        made.monitored_item_srv = EventItems(made, self.aspace)
        await made.start()
        self.subscriptions[result.SubscriptionId] = made
        return result

    @override
    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        """As asyncua does it, with the values of now."""
        await self._before_items()
        return await super().create_monitored_items(params)

    @override
    async def transfer_subscriptions(
        self,
        params: ua.TransferSubscriptionsParameters,
        session_id: ua.NodeId,
        callback: Callable[..., Any],
    ) -> list[ua.TransferResult]:
        """Bring subscriptions to the session whose connection `callback` belongs to."""
        results = await super().transfer_subscriptions(params, session_id, callback)
        for number, result in zip(params.SubscriptionIds, results, strict=True):
            if result.StatusCode.is_good():
                # The callback is a method of the new connection's processor, which also has the requests.
                processor = getattr(callback, "__self__")  # noqa: B009 - typed as any callable
                self.subscriptions[int(number)].pub_request_callback = processor.get_publish_request
        return results

    @override
    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """What was sent under a number. ServiceError when there is no such subscription or message."""
        if params.SubscriptionId not in self.subscriptions:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        return super().republish(params)


class Subscription(InternalSubscription):
    """Keeps what it sent until it is acknowledged, and says so when a queue was too short."""

    @override
    def republish(self, nb: int) -> ua.NotificationMessage:
        """What was sent under a number. ServiceError when it was acknowledged, or never sent."""
        sent = self._not_acknowledged_results.get(nb)
        if sent is None:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        message: ua.NotificationMessage = sent.NotificationMessage
        return message

    @override
    async def publish_results(self, requestdata: PublishRequestData | None = None) -> bool:
        try:
            return await super().publish_results(requestdata)
        except RuntimeError:
            # uvloop's word for a connection that has gone. What went into it can be had again.
            return True

    @override
    async def enqueue_datachange_event(
        self, mid: int, eventdata: ua.MonitoredItemNotification, maxsize: int
    ) -> None:
        """Queue a value of an item; the value behind one that had to go says so."""
        full = maxsize > 1 and len(self._triggered_datachanges.get(mid, ())) >= maxsize
        await super().enqueue_datachange_event(mid, eventdata, maxsize)
        if full:
            oldest = self._triggered_datachanges[mid][0]
            status = oldest.Value.StatusCode or ua.StatusCode()
            oldest.Value = replace(oldest.Value, StatusCode=ua.StatusCode(ua.UInt32(status.value | OVERFLOW)))


def standard(name: str) -> ua.NodeId:
    """The id of a node of namespace 0 by its name."""
    return ua.NodeId(getattr(ua.ObjectIds, name))


def made(nodeid: ua.NodeId, name: ua.QualifiedName, kind: Kind) -> NodeData:
    """A node with the attributes every node has."""
    node = NodeData(nodeid)
    attributes = {
        ua.AttributeIds.NodeId: ua.Variant(nodeid, ua.VariantType.NodeId),
        ua.AttributeIds.NodeClass: ua.Variant(kind.node_class, ua.VariantType.Int32),
        ua.AttributeIds.BrowseName: ua.Variant(name, ua.VariantType.QualifiedName),
        ua.AttributeIds.DisplayName: ua.Variant(ua.LocalizedText(name.Name), ua.VariantType.LocalizedText),
    }
    node.attributes.update({key: AttributeValue(ua.DataValue(value)) for key, value in attributes.items()})
    return node


def give_value(node: NodeData, data_type: str, *, rank: int = -1) -> AttributeValue:
    """Make a variable of a node: `rank` is -1 for one value, 1 for a list. Gives its value, null at first."""
    read_only = ua.Variant(ua.AccessLevel.CurrentRead.mask, ua.VariantType.Byte)
    attributes = {
        ua.AttributeIds.DataType: ua.Variant(standard(data_type), ua.VariantType.NodeId),
        ua.AttributeIds.ValueRank: ua.Variant(rank, ua.VariantType.Int32),
        ua.AttributeIds.AccessLevel: read_only,
        ua.AttributeIds.UserAccessLevel: read_only,
        ua.AttributeIds.Historizing: ua.Variant(Value=False, VariantType=ua.VariantType.Boolean),
    }
    node.attributes.update({key: AttributeValue(ua.DataValue(value)) for key, value in attributes.items()})
    value = node.attributes[ua.AttributeIds.Value] = AttributeValue(ua.DataValue())
    return value


def let_write(node: NodeData) -> None:
    """Let clients write the value of a variable."""
    both = ua.AccessLevel.CurrentRead.mask | ua.AccessLevel.CurrentWrite.mask
    for each in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
        node.attributes[each] = AttributeValue(ua.DataValue(ua.Variant(both, ua.VariantType.Byte)))


def _parents(node: NodeData) -> list[ua.NodeId]:
    return [each.NodeId for each in node.references if not each.IsForward]


def _reference(name: str, to: NodeData, *, forward: bool = True) -> ua.ReferenceDescription:
    seen = {
        key: value.value.Value.Value
        for key, value in to.attributes.items()
        if value.value and value.value.Value
    }
    definition = next(
        (each.NodeId for each in to.references if each.ReferenceTypeId == standard("HasTypeDefinition")),
        ua.NodeId(),
    )
    return ua.ReferenceDescription(
        ReferenceTypeId=standard(name),
        IsForward=forward,
        NodeId=to.nodeid,
        BrowseName=seen[ua.AttributeIds.BrowseName],
        DisplayName=seen[ua.AttributeIds.DisplayName],
        NodeClass=seen[ua.AttributeIds.NodeClass],
        TypeDefinition=definition,
    )


def _class_of(parent: str) -> ua.NodeClass:
    """The class of a type in the table of types."""
    top = parent
    while _super(top):
        top = _super(top)
    return {
        "References": ua.NodeClass.ReferenceType,
        "BaseObjectType": ua.NodeClass.ObjectType,
        "BaseVariableType": ua.NodeClass.VariableType,
        "BaseDataType": ua.NodeClass.DataType,
    }[top]


def _super(name: str) -> str:
    """The type above a type; empty for the highest."""
    return next((parent for parent, names in SUBTYPES.items() if name in names.split()), "")
