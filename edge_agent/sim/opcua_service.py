"""What the simulated server allows its clients: how many sessions, and how much in one call.

asyncua refuses neither: it tells limits that it does not keep. It answers requests of a session that has
ended with BadSessionNotActivated, where others say BadSessionIdInvalid, and lets its publish requests wait.
"""

from collections.abc import Callable, Mapping, Sized
from typing import Any, Literal, cast

from asyncua import Server, ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession, SessionState
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary
from typing_extensions import override

from edge_agent.sim.faults import Faults

Service = Literal["read", "items", "browse", "translate", "register", "history"]

TOLD: Mapping[Service, str] = {
    "read": "MaxNodesPerRead",
    "items": "MaxMonitoredItemsPerCall",
    "browse": "MaxNodesPerBrowse",
    "translate": "MaxNodesPerTranslateBrowsePathsToNodeIds",
    "register": "MaxNodesPerRegisterNodes",
    "history": "MaxNodesPerHistoryReadData",
}
"""Where the server tells its limits, by the name of the node below OperationLimits."""

USUAL = 10_000  # what asyncua says of every limit

BEGINS = {
    ua.NodeId(cast("ua.Int32", getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary")))
    for name in ("CreateSession", "ActivateSession", "CloseSession", "GetEndpoints", "FindServers")
}
"""Requests that need no session."""
REGISTER = ua.NodeId(ua.Int32(ua.ObjectIds.RegisterNodesRequest_Encoding_DefaultBinary))


class Rules:
    """What holds just now: `faults` gives what is switched, `past` answers who reads history."""

    def __init__(
        self,
        faults: Callable[[], Faults],
        past: Callable[[ua.HistoryReadParameters], list[ua.HistoryReadResult]],
    ) -> None:
        self.faults = faults
        self.past = past

    def told(self, service: Service) -> int:
        """What the server says of a limit."""
        limits = self.faults().limits
        most = cast("int", getattr(limits, service))
        return (most if limits.told else 0) if most else USUAL

    def bound(self, service: Service, asked: Sized) -> None:
        """ServiceError for a call that asks for too much."""
        limits = self.faults().limits
        most = getattr(limits, service)
        if most and len(asked) > most:
            refusal = (
                ua.StatusCodes.BadResponseTooLarge
                if limits.too_large
                else ua.StatusCodes.BadTooManyOperations
            )
            raise ServiceError(refusal)


class Visit(InternalSession):
    """A client's session."""

    def __init__(self, core: InternalServer, rules: Rules, name: str, user: User) -> None:
        super().__init__(core, core.aspace, core.subscription_service, name, user=user, external=True)
        self._rules = rules

    @override
    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        self._rules.bound("read", params.NodesToRead)
        return await super().read(params)

    @override
    async def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        self._rules.bound("browse", params.NodesToBrowse)
        return await super().browse(params)

    @override
    async def translate_browsepaths_to_nodeids(
        self, params: list[ua.BrowsePath]
    ) -> list[ua.BrowsePathResult]:
        self._rules.bound("translate", params)
        return await super().translate_browsepaths_to_nodeids(params)

    @override
    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        self._rules.bound("items", params.ItemsToCreate)
        return await super().create_monitored_items(params)

    @override
    async def history_read(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        self._rules.bound("history", params.NodesToRead)
        return self._rules.past(params)


class Visits:
    """The sessions of one run of a server."""

    def __init__(self, core: InternalServer, rules: Rules) -> None:
        self._core = core
        self._rules = rules
        self._all: list[Visit] = []

    def begin(self, name: str, user: User | None = None) -> Visit:
        """A new session. ServiceError when there are too many."""
        most = self._rules.faults().sessions
        if most and len(self.live) >= most:
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        visit = Visit(self._core, self._rules, name, user or User(role=UserRole.Anonymous))
        self._all = [*self.live, visit]
        return visit

    @property
    def live(self) -> list[Visit]:
        """Those that have not ended."""
        return [visit for visit in self._all if visit.state is not SessionState.Closed]

    async def end(self) -> None:
        """End every session, with its subscriptions."""
        for visit in self.live:
            await visit.close_session()


class Processor(UaProcessor):
    """The requests of one connection."""

    def __init__(
        self, core: InternalServer, rules: Rules, transport: object, limits: TransportLimits
    ) -> None:
        super().__init__(core, transport, limits)
        self._rules = rules

    @override
    def publish_request_limit(self, subscription_count: int) -> int:
        """How many may wait."""
        return self._rules.faults().publish or super().publish_request_limit(subscription_count)

    def refuse_to_publish(self, code: int) -> None:
        """Answer every publish request that waits with a status."""
        while self._publish_requests:
            asked = self._publish_requests.popleft()
            response = ua.ServiceFault()
            response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(code))
            self.send_response(asked.requesthdr.RequestHandle, asked.seqhdr, response)  # type: ignore[no-untyped-call]  # of asyncua

    @override
    async def _process_message(
        self, typeid: ua.NodeId, requesthdr: ua.RequestHeader, seqhdr: Any, body: Buffer
    ) -> bool:
        if typeid not in BEGINS and self.session is not None and self.session.state is SessionState.Closed:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if typeid == REGISTER:
            asked = struct_from_binary(ua.RegisterNodesParameters, body.copy())
            self._rules.bound("register", asked.NodesToRegister)
        went_on: bool = await super()._process_message(typeid, requesthdr, seqhdr, body)  # type: ignore[no-untyped-call]  # of asyncua
        return went_on


class Connection(OPCUAProtocol):
    """One connection of a client."""

    def __init__(self, rules: Rules, *args: Any) -> None:  # noqa: ANN401 - those of its base
        super().__init__(*args)
        self._rules = rules

    @override
    def connection_made(self, transport: Any) -> None:
        """A client has come."""
        super().connection_made(transport)
        if self.processor is not None:  # else there are too many
            self.processor = Processor(self.iserver, self._rules, transport, self.limits)
            self.processor.set_policies(self.policies)  # type: ignore[no-untyped-call]  # of asyncua


class Port(BinaryServer):
    """Where clients connect."""

    def __init__(self, rules: Rules, *args: Any) -> None:  # noqa: ANN401 - those of its base
        super().__init__(*args)
        self._rules = rules

    @override
    def _make_protocol(self) -> OPCUAProtocol:
        return Connection(
            self._rules, self.iserver, self._policies, self.clients, self.closing_tasks, self.limits
        )

    def refuse_to_publish(self, code: int) -> None:
        """Answer every publish request that waits with a status."""
        for client in self.clients:
            if isinstance(client.processor, Processor):
                client.processor.refuse_to_publish(code)


class Serving(Server):
    """asyncua's server with a port of ours; it listens on a free one of loopback, behind the relay."""

    def __init__(self, core: InternalServer, rules: Rules) -> None:
        super().__init__(core)
        self._rules = rules
        self.at: Port | None = None

    @override
    async def start(self) -> None:
        """As asyncua does it."""
        await self._setup_server_nodes()
        await self.iserver.start()
        self.bserver = self.at = Port(self._rules, self.iserver, "127.0.0.1", 0, self.limits)
        self.at.set_policies(self._policies)
        await self.at.start()
