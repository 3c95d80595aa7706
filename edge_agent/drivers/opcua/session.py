"""One OPC UA session: its services as we use them, and the notifications of its subscriptions.

asyncua does encoding, secure channel and the session's handshake. Its subscriptions, its reconnecting and its
loop of publishing are left out: it keeps one request outstanding, acknowledges before anything is stored,
takes a keep-alive for a notification, and drops for ever what fails once.

Several publish requests are under way at any time, so that the server never waits for one; each takes along
the acknowledgements of what is stored by then. What is not stored yet is bounded: then no more is asked for,
and the server's queues hold the rest.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol, TypeVar

import structlog
from asyncua import Client, ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import BadNoSubscription, BadTooManyPublishRequests

from edge_agent.config.settings import OpcUaConnection
from edge_agent.drivers.identity import named
from edge_agent.drivers.opcua.failure import ENDING, translated
from edge_agent.drivers.opcua.notification import Notification, notification, of_message
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.values import name
from edge_agent.errors import DeviceError

RENEW_AT = 0.75  # of the channel's lifetime (OPC UA Part 4, 5.5.2.1)
PUBLISHING = (3, 20)
"""Publish requests under way: two for each subscription, within these bounds."""
UNSTORED = 1000
"""Notifications of a session that may wait to be stored, before no more is asked for."""

T = TypeVar("T")
log = structlog.get_logger("opcua")


class Listener(Protocol):
    """What takes the notifications of one subscription."""

    def take(self, told: Notification) -> None:
        """A notification, or a sign of life."""
        ...

    def end(self) -> None:
        """No more will come: the session has ended."""
        ...


class Session:
    """A live session; made by `opening.opened`.

    `namespaces` are the server's, by index; `nodes_per_read` and `items_per_call` its limits, 0 for none.
    `server` names this run of the server, empty when it does not say when it was started.
    """

    def __init__(self, client: Client, connection: OpcUaConnection) -> None:
        self._client = client
        self._timeout_s = connection.timeout_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: dict[int, Listener] = {}
        self._acknowledgements: list[ua.SubscriptionAcknowledgement] = []
        self._publishers = 0
        self._most_publishers = PUBLISHING[1]
        self._unstored = 0
        self._room = asyncio.Event()
        self._room.set()
        self.began_at = asyncio.get_running_loop().time()
        self.server = ""
        self._endpoint = connection.endpoint
        self.failure: DeviceError | None = None
        self.namespaces: Sequence[str] = ()
        self.nodes_per_read = 0
        self.items_per_call = 0

    @property
    def open(self) -> bool:
        """Nothing has failed, and nobody has closed it."""
        return self.failure is None

    @property
    def subscriptions(self) -> int:
        """Subscriptions that somebody listens to."""
        return len(self._listeners)

    @property
    def unstored(self) -> int:
        """Notifications that wait to be stored."""
        return self._unstored

    def fail(self, error: DeviceError) -> None:
        """The session has ended, for this reason; everybody who waits is told."""
        if self.failure is not None:
            return
        self.failure = error
        let_go(self._client)
        for listener in tuple(self._listeners.values()):
            listener.end()
        self._room.set()

    async def close(self) -> None:
        """End the session; its subscriptions stay at the server, to be taken up by the next one."""
        if self.open:
            with suppress(DeviceError):
                await self.ask(self._client.uaclient.close_session(delete_subscriptions=False))
        self.fail(DeviceError("disconnected", "closed"))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def ask(self, service: Coroutine[Any, Any, T]) -> T:
        """The result of a service of asyncua. Raises DeviceError; one that ends the session has ended it."""
        try:
            return await asked(service, self._timeout_s)
        except DeviceError as error:
            if error.reason in ENDING:
                self.fail(error)
            raise

    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        """What the server answers for the nodes of a request, one each. Raises DeviceError."""
        answers = await self.ask(self._client.uaclient.read(parameters))
        if len(answers) != len(parameters.NodesToRead):
            raise DeviceError(
                "short_answer", f"{len(answers)} values instead of {len(parameters.NodesToRead)}"
            )
        return answers

    async def register(self, nodes: list[ua.NodeId]) -> list[ua.NodeId]:
        """The nodes as the server wants to be asked for them. Raises DeviceError."""
        return await self.ask(self._client.uaclient.register_nodes(nodes))

    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        """What hangs on nodes, one result each. Raises DeviceError."""
        return _complete(
            await self.ask(self._client.uaclient.browse(parameters)), len(parameters.NodesToBrowse)
        )

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        """More of what hangs on nodes, one result for each continuation point. Raises DeviceError."""
        return _complete(
            await self.ask(self._client.uaclient.browse_next(parameters)), len(parameters.ContinuationPoints)
        )

    async def look_around(self) -> None:
        """Read what the server says of itself: namespaces and limits. Raises DeviceError."""
        found = await self._standard(
            ua.ObjectIds.Server_NamespaceArray,
            ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
            ua.ObjectIds.Server_ServerStatus_StartTime,
        )
        if not isinstance(found[0], list):
            raise DeviceError("wrong_answer", "the server has no NamespaceArray")
        self.namespaces = tuple(str(each) for each in found[0])
        # 0 and absent are no limit.
        self.nodes_per_read = found[1] if isinstance(found[1], int) else 0
        self.items_per_call = found[2] if isinstance(found[2], int) else 0
        self.server = f"{self._endpoint} {found[3].isoformat()}" if isinstance(found[3], datetime) else ""

    async def identity(self) -> str:
        """What the server says it is: maker, product, version. Raises DeviceError."""
        said = await self._standard(
            ua.ObjectIds.Server_ServerStatus_BuildInfo_ManufacturerName,
            ua.ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
            ua.ObjectIds.Server_ServerStatus_BuildInfo_SoftwareVersion,
        )
        return named(each for each in said if isinstance(each, str))

    async def _standard(self, *ids: int) -> list[Any]:
        """The values of nodes of the standard, None where there is none. Raises DeviceError."""
        nodes = [node_id(each, 0) for each in ids]
        answers = await self.read(reading(nodes, ua.TimestampsToReturn.Neither))
        return [None if each.Value is None else each.Value.Value for each in answers]

    # Subscriptions

    async def subscribe(self, parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        """Make a subscription; `listen` before its items are made. Raises DeviceError."""
        return await self.ask(self._create_subscription(parameters))

    async def add_items(
        self,
        subscription: int,
        items: list[ua.MonitoredItemCreateRequest],
        timestamps: ua.TimestampsToReturn,
    ) -> list[ua.MonitoredItemCreateResult]:
        """Make items of a subscription, one result each. Raises DeviceError."""
        parameters = ua.CreateMonitoredItemsParameters()
        parameters.SubscriptionId = ua.IntegerId(subscription)
        parameters.TimestampsToReturn = timestamps
        parameters.ItemsToCreate = items
        results = await self.ask(self._client.uaclient.create_monitored_items(parameters))
        if len(results) != len(items):
            raise DeviceError("short_answer", f"{len(results)} items instead of {len(items)}")
        return results

    async def transfer(self, subscription: int) -> list[int] | None:
        """Take over a subscription of an earlier session; the numbers of what the server still holds of it.

        None when the server does not have it any more. Raises DeviceError.
        """
        parameters = ua.TransferSubscriptionsParameters()
        parameters.SubscriptionIds = [ua.IntegerId(subscription)]
        parameters.SendInitialValues = False
        try:
            (result,) = await self.ask(self._client.uaclient.transfer_subscriptions(parameters))
        except DeviceError:
            if self.open:
                return None
            raise
        return sorted(result.AvailableSequenceNumbers) if result.StatusCode.is_good() else None

    async def republish(self, subscription: int, sequence: int) -> Notification | None:
        """A notification once more; None when the server has not kept it. Raises DeviceError."""
        try:
            message = await self.ask(self._client.uaclient.session.republish(subscription, sequence))
        except DeviceError:
            if self.open:
                return None
            raise
        # Some servers answer with an empty notification for one that they do not have.
        return of_message(subscription, message) if message.SequenceNumber == sequence else None

    async def refresh_conditions(self, subscription: int) -> str:
        """Have a subscription told how all conditions are now (OPC UA Part 9, 5.5.7).

        Gives why the server does not, empty when it does. Raises DeviceError.
        """
        request = ua.CallMethodRequest()
        request.ObjectId = node_id(ua.ObjectIds.ConditionType, 0)
        request.MethodId = node_id(ua.ObjectIds.ConditionType_ConditionRefresh, 0)
        request.InputArguments = [ua.Variant(ua.UInt32(subscription), ua.VariantType.UInt32)]
        try:
            (result,) = await self.ask(self._client.uaclient.call([request]))
        except DeviceError as error:
            if self.open:
                return error.reason
            raise
        return "" if result.StatusCode.is_good() else name(result.StatusCode.value)

    async def delete(self, subscription: int) -> None:
        """Let a subscription go. Raises DeviceError."""
        await self.ask(self._client.uaclient.delete_subscriptions([subscription]))

    def listen(self, subscription: int, listener: Listener) -> None:
        """Hand the notifications of a subscription to a listener from now on."""
        self._listeners[subscription] = listener
        least, most = PUBLISHING
        for _ in range(
            min(max(least, 2 * len(self._listeners)), most, self._most_publishers) - self._publishers
        ):
            self._publishers += 1
            self.start(self._publish())

    def forget(self, subscription: int) -> None:
        """Whoever listened has no more interest."""
        self._listeners.pop(subscription, None)

    def held(self) -> None:
        """A notification waits to be stored."""
        self._unstored += 1
        if self._unstored >= UNSTORED:
            self._room.clear()

    def acknowledge(self, subscription: int, sequence: int) -> None:
        """A notification is stored: the next publish request tells the server."""
        self._acknowledgements.append(
            ua.SubscriptionAcknowledgement(ua.IntegerId(subscription), ua.Counter(sequence))
        )
        self._unstored -= 1
        self._room.set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the session lasts; its failure is the session's."""
        task = asyncio.get_running_loop().create_task(work, name="opcua session")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, DeviceError):
            self.fail(error)
        elif error is not None:
            log.error("bug: session ended", exc_info=error)
            self.fail(DeviceError("disconnected", "by a bug of ours"))

    async def _publish(self) -> None:
        """Keep one publish request under way."""
        try:
            while self.open:
                await self._room.wait()
                acknowledgements, self._acknowledgements = self._acknowledgements, []
                try:
                    with translated():
                        told = notification(await self._published(acknowledgements))
                except DeviceError as error:
                    if error.reason == BadTooManyPublishRequests.__name__:
                        self._most_publishers = max(1, self._publishers - 1)
                        self._acknowledgements += acknowledgements
                        return
                    if error.reason == BadNoSubscription.__name__:
                        return
                    raise
                listener = self._listeners.get(told.subscription)
                if listener is not None:  # else of a subscription just forgotten
                    listener.take(told)
        finally:
            self._publishers -= 1

    async def _published(self, acknowledgements: list[ua.SubscriptionAcknowledgement]) -> bytes:
        """The PublishResponse to a request, which the server keeps until there is something to say."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = acknowledgements
        body = await self._protocol.send_request(request, timeout=0)
        return body.copy().read(len(body))

    async def renew(self) -> None:
        """Renew the secure channel for as long as the session lasts."""
        while self.open:
            await asyncio.sleep(self._client.secure_channel_timeout / 1000 * RENEW_AT)
            await self.ask(self._client.open_secure_channel(renew=True))
            self._client.uaclient.revolve_security_token()

    @property
    def _protocol(self) -> UASocketProtocol:
        """What sends requests and hands us the bytes of their answers."""
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("no connection")
        return protocol

    async def _create_subscription(
        self, parameters: ua.CreateSubscriptionParameters
    ) -> ua.CreateSubscriptionResult:
        # Not by the library's own method, which begins to publish by itself.
        request = ua.CreateSubscriptionRequest()
        request.Parameters = parameters
        data = await self._protocol.send_request(request)
        response = struct_from_binary(ua.CreateSubscriptionResponse, data)
        response.ResponseHeader.ServiceResult.check()
        result: ua.CreateSubscriptionResult = response.Parameters
        return result


async def asked(service: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """The result of a service of asyncua. Raises DeviceError, also when it takes too long."""
    try:
        with translated():
            async with asyncio.timeout(timeout_s):
                result = await service
    except TimeoutError:
        raise DeviceError("timeout", f"no answer within {timeout_s:g} s") from None
    # The library may have swallowed a cancel that came in the moment of the answer.
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
    return result


def reading(nodes: Sequence[ua.NodeId], timestamps: ua.TimestampsToReturn) -> ua.ReadParameters:
    """A request for the values of nodes."""
    parameters = ua.ReadParameters()
    parameters.MaxAge = 0
    parameters.TimestampsToReturn = timestamps
    parameters.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value) for node in nodes
    ]
    return parameters


def _complete(results: list[ua.BrowseResult], asked: int) -> list[ua.BrowseResult]:
    if len(results) != asked:
        raise DeviceError("short_answer", f"{len(results)} results instead of {asked}")
    return results


def let_go(client: Client) -> None:
    """Close the socket at once: a close that waits for a dead link to take what is written never ends."""
    protocol = client.uaclient.protocol
    if protocol is not None and protocol.transport is not None:
        protocol.transport.abort()
