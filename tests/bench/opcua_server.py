"""An OPC UA server that is never the bottleneck: it knows the services that a subscriber needs, no more.

usage: python -m tests.bench.opcua_server ITEMS SECONDS LOG

Listens on a port of 127.0.0.1 that the kernel chooses and prints it. Every node is a Float. At each
publishing interval of a subscription all of its items have a new value, with the time now; the notification
is packed in one call. Nothing is sampled, queued or sent again. LOG stays empty. Ends after SECONDS, at
SIGTERM, or when its standard input closes.
"""

import asyncio
import signal
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary
from typing_extensions import override

CHUNK = 65535 - 24
"""Bytes of a message that fit into one chunk behind its headers (OPC UA Part 6, 6.7.2)."""
EPOCH_100NS = 116444736000000000
"""1970 in the time of OPC UA: 100 ns since 1601 (Part 6, 5.2.2.5)."""
HEAD = struct.Struct("<BBHqIIBiBBB IiBIqi BBHBi i")
"""All of a PublishResponse before its items, with one DataChangeNotification."""
TAIL = struct.pack("<iii", 0, 0, 0)
VALUE_AND_SOURCE_TIME = 0x05
FLOAT = 10


@dataclass
class Subscription:
    """The items of a subscription by handle."""

    interval_s: float
    handles: list[int] = field(default_factory=list)
    sequence: int = 0
    task: "asyncio.Task[None] | None" = None


class Link(asyncio.Protocol):
    """One client: a channel, a session, a subscription for each that it asks for."""

    def __init__(self) -> None:
        self._received = b""
        self._sequence = 0
        self._waiting: deque[tuple[int, int]] = deque()
        self._subscriptions: dict[int, Subscription] = {}
        self._room = asyncio.Event()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def connection_lost(self, _: Exception | None) -> None:
        for each in self._subscriptions.values():
            if each.task is not None:
                each.task.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= 8:
            (size,) = struct.unpack_from("<I", self._received, 4)
            if len(self._received) < size:
                return
            message, self._received = self._received[:size], self._received[size:]
            self._take(message[:3], message[8:])

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == b"HEL":
            hello = struct_from_binary(ua.Hello, Buffer(body))
            answer = ua.Acknowledge()
            answer.ReceiveBufferSize = answer.SendBufferSize = hello.ReceiveBufferSize
            self._transport.write(b"ACKF" + struct.pack("<I", 28) + struct_to_binary(answer))
        elif kind == b"OPN":
            self._open(body)
        elif kind == b"MSG":
            request = struct.unpack_from("<I", body, 12)[0]
            self._serve(request, Buffer(body[16:]))
        else:
            self._transport.close()

    def _open(self, body: bytes) -> None:
        buffer = Buffer(body[4:])
        struct_from_binary(ua.AsymmetricAlgorithmHeader, buffer)
        sequence = struct_from_binary(ua.SequenceHeader, buffer)
        nodeid_from_binary(buffer)
        asked = struct_from_binary(ua.RequestHeader, buffer)
        response = ua.OpenSecureChannelResponse()
        response.ResponseHeader.RequestHandle = asked.RequestHandle
        token = response.Parameters.SecurityToken
        token.ChannelId, token.TokenId, token.RevisedLifetime = _u32(1), _u32(1), _u32(3600000)
        header = ua.AsymmetricAlgorithmHeader()
        header.SecurityPolicyURI = ua.String("http://opcfoundation.org/UA/SecurityPolicy#None")
        payload = struct_to_binary(header) + struct.pack("<II", self._count(), sequence.RequestId)
        payload += struct_to_binary(response)
        self._transport.write(b"OPNF" + struct.pack("<II", len(payload) + 12, 1) + payload)

    def _serve(self, request: int, buffer: Any) -> None:
        kind: Any = nodeid_from_binary(buffer).Identifier
        asked = struct_from_binary(ua.RequestHeader, buffer)
        if kind == ua.ObjectIds.PublishRequest_Encoding_DefaultBinary:
            self._waiting.append((request, asked.RequestHandle))
            self._room.set()
            return
        service = _SERVICES.get(kind)
        response = ua.ServiceFault() if service is None else service(self, buffer)
        if service is None:
            code = _u32(ua.StatusCodes.BadServiceUnsupported)
            response.ResponseHeader.ServiceResult = ua.StatusCode(code)
        response.ResponseHeader.RequestHandle = asked.RequestHandle
        self._send(request, struct_to_binary(response))

    def _send(self, request: int, body: bytes) -> None:
        parts = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
        for number, part in enumerate(parts, 1):
            kind = b"MSGF" if number == len(parts) else b"MSGC"
            head = struct.pack("<IIIII", len(part) + 24, 1, 1, self._count(), request)
            self._transport.write(kind + head + part)

    def _count(self) -> int:
        self._sequence += 1
        return self._sequence

    # Services

    def create_session(self, _: Any) -> Any:
        response = ua.CreateSessionResponse()
        result = response.Parameters
        result.SessionId = result.AuthenticationToken = ua.NodeId.from_string("i=1")
        result.RevisedSessionTimeout = ua.Duration(300000)
        result.ServerNonce = ua.ByteString(bytes(32))
        endpoint = ua.EndpointDescription()
        endpoint.EndpointUrl = ua.String("opc.tcp://127.0.0.1")
        endpoint.SecurityMode = ua.MessageSecurityMode.None_
        endpoint.SecurityPolicyUri = ua.String("http://opcfoundation.org/UA/SecurityPolicy#None")
        policy = ua.UserTokenPolicy()
        policy.PolicyId, policy.TokenType = ua.String("anonymous"), ua.UserTokenType.Anonymous
        endpoint.UserIdentityTokens = [policy]
        result.ServerEndpoints = [endpoint]
        return response

    def read(self, buffer: Any) -> Any:
        asked = struct_from_binary(ua.ReadParameters, buffer)
        response = ua.ReadResponse()
        response.Results = [_answer(each.NodeId.Identifier) for each in asked.NodesToRead]
        return response

    def create_subscription(self, buffer: Any) -> Any:
        asked = struct_from_binary(ua.CreateSubscriptionParameters, buffer)
        number = len(self._subscriptions) + 1
        self._subscriptions[number] = Subscription(asked.RequestedPublishingInterval / 1000)
        response = ua.CreateSubscriptionResponse()
        response.Parameters.SubscriptionId = _u32(number)
        response.Parameters.RevisedPublishingInterval = asked.RequestedPublishingInterval
        response.Parameters.RevisedLifetimeCount = asked.RequestedLifetimeCount
        response.Parameters.RevisedMaxKeepAliveCount = asked.RequestedMaxKeepAliveCount
        return response

    def create_items(self, buffer: Any) -> Any:
        asked = struct_from_binary(ua.CreateMonitoredItemsParameters, buffer)
        subscription = self._subscriptions[asked.SubscriptionId]
        subscription.handles += [each.RequestedParameters.ClientHandle for each in asked.ItemsToCreate]
        if subscription.task is None:
            loop = asyncio.get_running_loop()
            subscription.task = loop.create_task(self._publish(asked.SubscriptionId, subscription))
        response = ua.CreateMonitoredItemsResponse()
        response.Results = [ua.MonitoredItemCreateResult() for _ in asked.ItemsToCreate]
        return response

    async def _publish(self, number: int, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            # What is late is not made up for: as a PLC has it, values that nobody fetched are gone.
            due = max(due + subscription.interval_s, loop.time())
            await asyncio.sleep(due - loop.time())
            while not self._waiting:
                self._room.clear()
                await self._room.wait()
            request, handle = self._waiting.popleft()
            subscription.sequence += 1
            self._send(request, notification(number, subscription, handle))


def notification(number: int, subscription: Subscription, handle: int) -> bytes:
    """A PublishResponse with a new value of every item."""
    now = time.time_ns() // 100 + EPOCH_100NS
    handles = subscription.handles
    cells: list[float] = [0] * (5 * len(handles))
    cells[0::5] = handles
    cells[1::5] = [VALUE_AND_SOURCE_TIME] * len(handles)
    cells[2::5] = [FLOAT] * len(handles)
    cells[3::5] = [each + subscription.sequence % 1000 * 0.001 for each in handles]
    cells[4::5] = [now] * len(handles)
    items = _items(len(handles)).pack(*cells)
    head = HEAD.pack(
        1, 0, 829, now, handle, 0, 0, 0, 0, 0, 0,
        number, 0, 0, subscription.sequence, now, 1,
        1, 0, 811, 1, len(items) + 8, len(handles),
    )  # fmt: skip
    return head + items + struct.pack("<i", 0) + TAIL[4:]


@lru_cache
def _items(count: int) -> struct.Struct:
    return struct.Struct("<" + "IBBfq" * count)


def _answer(identifier: object) -> ua.DataValue:
    ids = ua.ObjectIds
    if identifier == ids.Server_NamespaceArray:
        uris = ["http://opcfoundation.org/UA/", "urn:bench:server", "urn:bench"]
        return ua.DataValue(ua.Variant(uris, ua.VariantType.String, is_array=True))
    if identifier == ids.Server_ServerStatus_StartTime:
        return ua.DataValue(ua.Variant(datetime(2026, 1, 1, tzinfo=UTC), ua.VariantType.DateTime))
    if isinstance(identifier, int):
        return ua.DataValue(StatusCode=ua.StatusCode(_u32(ua.StatusCodes.BadNodeIdUnknown)))
    now: Any = datetime.now(UTC)
    return ua.DataValue(ua.Variant(0.0, ua.VariantType.Float), SourceTimestamp=now)


def _u32(number: Any) -> Any:
    return ua.UInt32(number)


_SERVICES: Mapping[int, Callable[[Link, Any], Any]] = {
    ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary: Link.create_session,
    ua.ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary: lambda *_: ua.ActivateSessionResponse(),
    ua.ObjectIds.CloseSessionRequest_Encoding_DefaultBinary: lambda *_: ua.CloseSessionResponse(),
    ua.ObjectIds.ReadRequest_Encoding_DefaultBinary: Link.read,
    ua.ObjectIds.CreateSubscriptionRequest_Encoding_DefaultBinary: Link.create_subscription,
    ua.ObjectIds.CreateMonitoredItemsRequest_Encoding_DefaultBinary: Link.create_items,
}


async def main(seconds: float) -> None:
    """Serve until the time is over, SIGTERM comes, or standard input closes."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin, stop.set)
    server = await loop.create_server(Link, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


if __name__ == "__main__":
    Path(sys.argv[3]).touch()
    asyncio.run(main(float(sys.argv[2])))
