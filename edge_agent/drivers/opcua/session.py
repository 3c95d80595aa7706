"""One OPC UA session: its services as we use them, and the notifications of its subscriptions.

asyncua does encoding, secure channel and the session's handshake. Its subscriptions, its reconnecting and its
loop of publishing are left out: it keeps one request outstanding, acknowledges before anything is stored,
takes a keep-alive for a notification, and drops for ever what fails once.

Several publish requests are under way at any time, so that the server never waits for one; each takes along
the acknowledgements of what is stored by then. What is not stored yet is bounded: then no more is asked for,
and the server's queues hold the rest.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

import structlog
from asyncua import Client, ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import (
    BadNoSubscription,
    BadSubscriptionIdInvalid,
    BadTooManyPublishRequests,
)

from edge_agent.config.settings import OpcUaConnection
from edge_agent.drivers.identity import named
from edge_agent.drivers.opcua.answer import ns_of
from edge_agent.drivers.opcua.batches import TOO_MUCH, UNBOUNDED, Batches
from edge_agent.drivers.opcua.failure import ENDING, translated
from edge_agent.drivers.opcua.left import Left
from edge_agent.drivers.opcua.notification import TRANSFERRED, Notification, notification, of_message
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.server_clock import ServerClock
from edge_agent.errors import DeviceError

RENEW_AT = 0.75  # of the channel's lifetime (OPC UA Part 4, 5.5.2.1)
LEAST_RENEW_S = 5.0
"""A server that says 0 for how long a channel or a session lives is not asked without a pause."""
PUBLISHING = (3, 20)
"""Publish requests under way: two for each subscription, within these bounds."""
UNSTORED_BYTES = 4 * 1024 * 1024
"""Notifications of a session that may wait to be stored, before no more is asked for."""
LEAST_BYTES = UNSTORED_BYTES // 1000
"""What a small one counts for: there are objects about it."""
ABANDONED_S = 60.0
"""How long a session's subscriptions have to be taken over, before one that nobody has is let go."""
CROWDED_S = 1.0
"""Between two publish requests where the server bears none at all."""
STRANGE_S = 5.0
"""How long one may tell news that nobody listens to."""
LOOK_S = 30.0
"""Between two looks at a server: does it answer, are its namespaces what they were."""
LOST_LINK = frozenset({"timeout", "disconnected", "BadSecureChannelClosed", "BadSecureChannelIdInvalid"})
"""Reasons that leave the session as it is at the server."""

NO_SUBSCRIPTION = BadSubscriptionIdInvalid.__name__

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

    def gone(self) -> None:
        """The server says that the session has no subscription."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """What of it has not been looked at yet."""
        ...


class Bears:
    """What a server bears in one call: as it says, and less where that was too much."""

    def __init__(self) -> None:
        self.reads = Batches(UNBOUNDED)
        self.items = Batches(UNBOUNDED)
        self.history = Batches(UNBOUNDED)
        self.registers = Batches(UNBOUNDED)


class Session:
    """A live session; made by `opening.opened`.

    `resumed` says that it is an earlier one on a new channel, with its subscriptions. `namespaces` are the
    server's, by index; `bears` is what it takes in one call. `server` names this run of the server, empty
    when it does not say when it was started. `shown` is the fingerprint of our certificate. `told` counts
    what its subscriptions go through.
    """

    def __init__(
        self,
        client: Client,
        connection: OpcUaConnection,
        clock: ServerClock,
        bears: Bears,
        *,
        shown: str = "",
    ) -> None:
        self._client = client
        self._timeout_s = connection.timeout_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._services: set[asyncio.Task[Any]] = set()
        self._listeners: dict[int, Listener] = {}
        self._acknowledgements: list[ua.SubscriptionAcknowledgement] = []
        self._publishers = 0
        self._most_publishers = PUBLISHING[1]
        self._own: set[int] = set()
        self._strangers: dict[int, float] = {}
        self._unstored: dict[tuple[int, int], int] = {}
        self._room = asyncio.Event()
        self._holding = 0
        self._held_until = 0.0
        self._shown = shown
        self._silent = False
        self.told: Counter[str] = Counter()
        self.began_at = asyncio.get_running_loop().time()
        self.server = ""
        self._endpoint = connection.endpoint
        self.failure: DeviceError | None = None
        self.resumed = False
        self.namespaces: Sequence[str] = ()
        self.bears = bears
        self._clock = clock

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
        return len(self._unstored)

    @property
    def asking_since(self) -> float | None:
        """From when on the server could have told what it has, in seconds of the loop.

        None while it is not asked for all: no more may wait to be stored.
        """
        return None if self._holding else self._held_until

    @property
    def nodes_per_read(self) -> int:
        """Nodes that one request may read, as far as is known; 0 for no limit."""
        return 0 if self.bears.reads.most == UNBOUNDED else self.bears.reads.most

    @property
    def left(self) -> Left | None:
        """What it takes to go on with this session on another channel; None when it is over.

        A subscription that kept silent although the link was well is not taken up as it is.
        """
        if self.failure is not None and self.failure.reason not in LOST_LINK:
            return None
        left = Left.of(self._client, shown=self._shown)
        return replace(left, silent=True) if self._silent else left

    def fail(self, error: DeviceError) -> None:
        """The session has ended, for this reason; everybody who waits is told."""
        if self.failure is not None:
            return
        self.failure = error
        let_go(self._client)
        for listener in tuple(self._listeners.values()):
            listener.end()
        self._room.set()

    def fail_silent(self, error: DeviceError) -> None:
        """A subscription has told nothing for too long, whatever the link says."""
        self._silent = True
        self.fail(error)

    async def close(self) -> None:
        """End the session; its subscriptions stay at the server, to be taken up by the next one."""
        if self.open:
            with suppress(DeviceError):
                await self.ask(self._client.uaclient.close_session(delete_subscriptions=False))
        self.fail(DeviceError("disconnected", "closed"))
        left = {*self._tasks, *self._services}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

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

    async def history(self, parameters: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """What a server has recorded, one result for each node. Raises DeviceError."""
        results = await self.ask(self._client.uaclient.history_read(parameters))
        if len(results) != len(parameters.NodesToRead):
            raise DeviceError("short_answer", f"{len(results)} histories, not {len(parameters.NodesToRead)}")
        return results

    async def register(self, nodes: list[ua.NodeId]) -> list[ua.NodeId]:
        """The nodes as the server wants to be asked for them, or as they are. Raises DeviceError."""

        async def some(part: list[ua.NodeId]) -> list[ua.NodeId]:
            try:
                known = await self.ask(self._client.uaclient.register_nodes(part))
            except DeviceError as error:
                if not self.open or error.reason in TOO_MUCH:
                    raise
                return part  # it makes reading faster and is no reason not to read
            return known if len(known) == len(part) else part

        ids = await self.bears.registers.ask(nodes, some, lambda _: ua.NodeId())
        return [node if known.is_null() else known for node, known in zip(nodes, ids, strict=True)]

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

    async def write(self, node: ua.NodeId, value: ua.Variant) -> int:
        """Write one value, and nothing beside it; gives the status code of the server. Raises DeviceError."""
        parameters = ua.WriteParameters()
        what = ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value)
        what.Value = ua.DataValue(value, StatusCode=None)
        parameters.NodesToWrite = [what]
        results = await self.ask(self._client.uaclient.write(parameters))
        if len(results) != 1:
            raise DeviceError("short_answer", f"{len(results)} results instead of 1")
        return int(results[0].value)

    async def call(self, request: ua.CallMethodRequest, within_s: float) -> ua.CallMethodResult:
        """Call a method, which may take longer than other services: late, the session goes on.

        Raises DeviceError.
        """
        try:
            (result,) = await asked(self._call(request, within_s), within_s)
        except DeviceError as error:
            if error.reason in ENDING and error.reason != "timeout":
                self.fail(error)
            raise
        except ValueError as error:
            raise DeviceError("short_answer", "not one result") from error
        return result

    async def translate(self, paths: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        """Where paths lead, one result each. Raises DeviceError."""
        results = await self.ask(self._client.uaclient.translate_browsepaths_to_nodeids(paths))
        if len(results) != len(paths):
            raise DeviceError("short_answer", f"{len(results)} results instead of {len(paths)}")
        return results

    async def look_around(self) -> None:
        """Read what the server says of itself: namespaces and limits. Raises DeviceError."""
        found = await self._standard(
            ua.ObjectIds.Server_NamespaceArray,
            ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
            ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
            ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRegisterNodes,
            ua.ObjectIds.Server_ServerStatus_StartTime,
            ua.ObjectIds.Server_ServerStatus_CurrentTime,
        )
        if not isinstance(found[0], list):
            raise DeviceError("wrong_answer", "the server has no NamespaceArray")
        namespaces = tuple(str(each) for each in found[0])
        if namespaces[: len(self.namespaces)] != self.namespaces:
            # Everything that was resolved, and every item, may be about another node by now.
            self.fail(DeviceError("BadSessionClosed", "the server has changed the order of its namespaces"))
            raise DeviceError("disconnected", "the namespaces have changed")
        self.namespaces = namespaces
        bears = (self.bears.reads, self.bears.items, self.bears.history, self.bears.registers)
        for batches, limit in zip(bears, found[1:5], strict=True):
            if isinstance(limit, int) and limit > 0:  # 0 and absent are no limit
                batches.most = min(batches.most, limit)
        if (server_ns := ns_of(found[6]) if isinstance(found[6], datetime) else None) is not None:
            self._clock.heard(server_ns)
        started = found[5] if isinstance(found[5], datetime) and ns_of(found[5]) is not None else None
        self.server = "" if started is None else f"{self._endpoint} {started.isoformat()}"

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

        async def few(part: list[ua.NodeId]) -> list[ua.DataValue]:
            return await self.read(reading(part, ua.TimestampsToReturn.Neither))

        answers = await self.bears.reads.ask(nodes, few, lambda _: ua.DataValue())
        return [None if each.Value is None else each.Value.Value for each in answers]

    # Subscriptions

    async def subscribe(self, parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        """Make a subscription; `listen` before its items are made. Raises DeviceError."""
        making = self._begun(self._make(parameters))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._unwanted)
            raise

    async def _make(self, parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        made = await self.ask(self._create_subscription(parameters))
        self._own.add(made.SubscriptionId)
        return made

    def _unwanted(self, making: "asyncio.Task[ua.CreateSubscriptionResult]") -> None:
        if not making.cancelled() and making.exception() is None:
            self.abandon(making.result().SubscriptionId)

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

    def time_ns(self, now_ns: int) -> int:
        """What time it is at the server when it is `now_ns` here, as far as is known; UTC in ns."""
        return now_ns + round((self._clock.offset_s or 0.0) * 1e9)

    async def server_time_ns(self) -> int | None:
        """What time it is at the server, UTC in ns; None when it does not say. Raises DeviceError."""
        (now,) = await self._standard(ua.ObjectIds.Server_ServerStatus_CurrentTime)
        return ns_of(now) if isinstance(now, datetime) else None

    async def transfer(self, subscription: int) -> list[int] | None:
        """Take over a subscription of an earlier session; the numbers of what the server still holds of it.

        None when the server does not have it any more. Raises DeviceError.
        """
        # To its end whatever happens: brought here twice, it would look lost.
        return await asyncio.shield(self._begun(self._bring(subscription)))

    async def _bring(self, subscription: int) -> list[int] | None:
        parameters = ua.TransferSubscriptionsParameters()
        parameters.SubscriptionIds = [ua.IntegerId(subscription)]
        parameters.SendInitialValues = False
        try:
            results = await self.ask(self._client.uaclient.transfer_subscriptions(parameters))
        except DeviceError:
            if self.open:
                return None
            raise
        if len(results) != 1 or not results[0].StatusCode.is_good():
            return None
        self._own.add(subscription)
        return sorted(results[0].AvailableSequenceNumbers or ())

    async def republish(self, subscription: int, sequence: int) -> Notification | None:
        """A notification once more; None when the server has not kept it.

        Raises DeviceError: BadSubscriptionIdInvalid when the session does not have this subscription.
        """
        try:
            message = await self.ask(self._client.uaclient.session.republish(subscription, sequence))
        except DeviceError as error:
            if self.open and error.reason != NO_SUBSCRIPTION:
                return None
            raise
        # Some servers answer with an empty notification for one that they do not have.
        if message.SequenceNumber != sequence:
            return None
        told = of_message(subscription, message)
        # It was ours before it was brought here.
        return told._replace(ended=0) if told.ended == TRANSFERRED else told

    async def delete(self, subscription: int) -> None:
        """Let a subscription go. Raises DeviceError."""
        self._own.discard(subscription)
        await self.ask(self._client.uaclient.delete_subscriptions([subscription]))

    def has(self, subscription: int) -> bool:
        """Whether a subscription is this session's, as far as is known: it need not be brought here."""
        return self.resumed or subscription in self._own

    def abandon(self, subscription: int) -> None:
        """Let a subscription go that nobody can take up again."""
        self.forget(subscription)
        if self.open:
            self.start(self._let_go(subscription))

    async def _let_go(self, subscription: int) -> None:
        try:
            await self.delete(subscription)
        except DeviceError:
            if not self.open:
                raise

    def listen(self, subscription: int, listener: Listener) -> None:
        """Hand the notifications of a subscription to a listener from now on."""
        self._listeners[subscription] = listener
        self._strangers.pop(subscription, None)
        least, most = PUBLISHING
        for _ in range(
            min(max(least, 2 * len(self._listeners)), most, self._most_publishers) - self._publishers
        ):
            self._publishers += 1
            self.start(self._publish())

    def forget(self, subscription: int) -> None:
        """Whoever listened has no more interest."""
        self._listeners.pop(subscription, None)
        self._room.set()

    def count(self, what: str) -> None:
        """Something happened to a subscription."""
        self.told[what] += 1

    def held(self, told: Notification) -> None:
        """A notification waits to be stored."""
        self._unstored[told.subscription, told.sequence] = max(told.bytes_, LEAST_BYTES)

    def acknowledge(self, subscription: int, sequence: int) -> None:
        """A notification is stored: the next publish request tells the server."""
        self._acknowledgements.append(
            ua.SubscriptionAcknowledgement(ua.IntegerId(subscription), ua.Counter(sequence))
        )
        self._unstored.pop((subscription, sequence), None)
        self._room.set()

    async def _have_room(self) -> None:
        """Wait until no more is unstored than may be; the server's queues hold what comes meanwhile."""
        while self.open:
            waiting = sum(listener.waiting_bytes for listener in self._listeners.values())
            if waiting + sum(self._unstored.values()) < UNSTORED_BYTES:
                return
            self._room.clear()
            self._holding += 1
            try:
                await self._room.wait()
            finally:
                self._holding -= 1
                self._held_until = asyncio.get_running_loop().time()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the session lasts; its failure is the session's."""
        task = asyncio.get_running_loop().create_task(work, name="opcua session")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _begun(self, service: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """A service that comes to its end also when who waits for it gives up."""
        task = asyncio.get_running_loop().create_task(service, name="opcua service")
        self._services.add(task)
        task.add_done_callback(self._services.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

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
                await self._have_room()
                acknowledgements, self._acknowledgements = self._acknowledgements, []
                try:
                    with translated():
                        body = await self._published(acknowledgements)
                        told = notification(body)._replace(bytes_=len(body))
                except DeviceError as error:
                    if error.reason == BadTooManyPublishRequests.__name__:
                        self._most_publishers = max(1, self._publishers - 1)
                        self._acknowledgements += acknowledgements
                        if self._publishers > 1:
                            return
                        # Those of the channel before may take up all the room there is.
                        await asyncio.sleep(CROWDED_S)
                        continue
                    if error.reason == BadNoSubscription.__name__:
                        for each in tuple(self._listeners.values()):
                            each.gone()
                        return
                    raise
                listener = self._listeners.get(told.subscription)
                if listener is not None:
                    listener.take(told)
                else:
                    await self._meet(told.subscription)
        finally:
            self._publishers -= 1

    async def _meet(self, subscription: int) -> None:
        """Something of a subscription that nobody listens to: when that goes on, it is let go.

        It is of an earlier life of this agent, or its making was cancelled before it was known.
        """
        now = asyncio.get_running_loop().time()
        first = self._strangers.setdefault(subscription, now)
        if now > max(first + STRANGE_S, self.began_at + ABANDONED_S if self.resumed else 0.0):
            del self._strangers[subscription]
            await self._let_go(subscription)

    async def _published(self, acknowledgements: list[ua.SubscriptionAcknowledgement]) -> bytes:
        """The PublishResponse to a request, which the server keeps until there is something to say."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = acknowledgements
        body = await self._protocol.send_request(request, timeout=0)
        return body.copy().read(len(body))

    async def renew(self) -> None:
        """Renew the secure channel for as long as the session lasts."""
        while self.open:
            await asyncio.sleep(max(LEAST_RENEW_S, self._client.secure_channel_timeout / 1000 * RENEW_AT))
            await self.ask(self._client.open_secure_channel(renew=True))
            self._client.uaclient.revolve_security_token()

    async def keep(self) -> None:
        """Look at the server now and then, for as long as the session lasts: it shall not fall asleep."""
        while self.open:
            # A session ends when nothing is asked in its time, and publish requests may wait for longer.
            timeout_s = max(LEAST_RENEW_S, self._client.session_timeout / 1000)
            await asyncio.sleep(min(LOOK_S, timeout_s / 2))
            await self.look_around()

    @property
    def _protocol(self) -> UASocketProtocol:
        """What sends requests and hands us the bytes of their answers."""
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("no connection")
        return protocol

    async def _call(self, request: ua.CallMethodRequest, within_s: float) -> list[ua.CallMethodResult]:
        # Not by the library's own method, whose timeout is that of all services.
        message = ua.CallRequest()
        message.Parameters.MethodsToCall = [request]
        data = await self._protocol.send_request(message, timeout=within_s)
        response = struct_from_binary(ua.CallResponse, data)
        response.ResponseHeader.ServiceResult.check()
        results: list[ua.CallMethodResult] = response.Results
        return results

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
    except asyncio.CancelledError:
        # Where the end of the time meets the end of the link, the library raises a kind of its own, which
        # Python 3.11 does not take for its timeout: whoever waits would end without a word.
        if (task := asyncio.current_task()) is None or not task.cancelling():
            raise DeviceError("timeout", f"no answer within {timeout_s:g} s") from None
        raise asyncio.CancelledError from None
    # The library may have swallowed a cancel that came in the moment of the answer.
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
    return result


def reading(nodes: Sequence[ua.NodeId], timestamps: ua.TimestampsToReturn) -> ua.ReadParameters:
    """A request for the values of nodes."""
    return reading_of(
        [ua.ReadValueId(NodeId=n, AttributeId=ua.AttributeIds.Value) for n in nodes], timestamps
    )


def reading_of(what: list[ua.ReadValueId], timestamps: ua.TimestampsToReturn) -> ua.ReadParameters:
    """A request for attributes of nodes, or parts of them."""
    parameters = ua.ReadParameters()
    parameters.MaxAge = 0
    parameters.TimestampsToReturn = timestamps
    parameters.NodesToRead = what
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
