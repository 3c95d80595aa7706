"""One session against answers that are odd: what it makes of them, and what it leaves as it is."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary
from asyncua.ua.uaerrors import BadTooManyPublishRequests

from edge_agent.config.settings import OpcUaConnection
from edge_agent.drivers.opcua.notification import Notification
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.server_clock import ServerClock
from edge_agent.drivers.opcua.session import STRANGE_S, Bears, Session
from edge_agent.errors import DeviceError
from tests.flow.clock import at_once

NOW = 1_760_000_000_000_000_000
SUBSCRIPTION = 7
PUBLISH_RESPONSE = node_id(ua.ObjectIds.PublishResponse_Encoding_DefaultBinary, 0)


class Heard:
    """A listener that keeps what it is told."""

    waiting_bytes = 0

    def __init__(self) -> None:
        self.told: list[Notification] = []

    def take(self, told: Notification) -> None:
        self.told.append(told)

    def gone(self) -> None:
        """Nobody lets go of it here."""

    def end(self) -> None:
        """The test has ended by then."""


class FakeServer:
    """What the library gives for the requests of one session. `publishes` are its answers, in order.

    Without any it says nothing. An answer is the bytes of one, or what the library raises.
    """

    def __init__(self) -> None:
        self.publishes: list[bytes | Exception] = []
        self.asked = self.reads = 0
        self.started: datetime | None = datetime(2026, 3, 1, tzinfo=UTC)
        self.transferred: list[ua.TransferResult] = []
        self.deleted: list[int] = []
        self.more = asyncio.Event()
        self.protocol = self
        self.transport = None

    async def send_request(self, _request: object, timeout: float = 0) -> Buffer:  # noqa: ASYNC109 - the library's
        del timeout
        self.asked += 1
        while not self.publishes:
            self.more.clear()
            await self.more.wait()
        answer = self.publishes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Buffer(answer)

    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        self.reads += 1
        values: list[Any] = [["http://opcfoundation.org/UA/"], 0, 0, 0, 0, self.started, None]
        return [
            ua.DataValue(ua.Variant(each)) for each, _ in zip(values, parameters.NodesToRead, strict=True)
        ]

    async def transfer_subscriptions(self, _parameters: object) -> list[ua.TransferResult]:
        return self.transferred

    async def delete_subscriptions(self, subscriptions: list[int]) -> None:
        self.deleted += subscriptions

    async def close_session(self, delete_subscriptions: bool = True) -> None:
        del delete_subscriptions

    def say(self, *answers: bytes | Exception) -> None:
        self.publishes += answers
        self.more.set()


def session_of(server: FakeServer) -> Session:
    return session_on(cast("Client", SimpleNamespace(uaclient=server)))


def session_on(client: Client) -> Session:
    connection = OpcUaConnection("plc", "opc.tcp://127.0.0.1:4840", timeout_s=5.0)
    return Session(client, connection, ServerClock("plc", lambda: NOW), Bears())


def sign_of_life(subscription: int = SUBSCRIPTION) -> bytes:
    response = ua.PublishResponse()
    response.TypeId = PUBLISH_RESPONSE
    response.Parameters.SubscriptionId = ua.IntegerId(subscription)
    response.Parameters.NotificationMessage.SequenceNumber = ua.Counter(1)
    return struct_to_binary(response)


def undecodable() -> bytes:
    response = ua.PublishResponse()
    response.TypeId = PUBLISH_RESPONSE
    response.Parameters.NotificationMessage.NotificationData = [ua.StatusChangeNotification()]
    return struct_to_binary(response).replace(b"\x01\x00\x34\x03", b"\x1c\x00\x34\x03")  # no kind of node id


@pytest.mark.parametrize("started", [None, datetime(1601, 1, 1, tzinfo=UTC)])
async def test_start_time_that_says_nothing_does_not_name_a_run_of_the_server(
    started: datetime | None,
) -> None:
    server = FakeServer()
    server.started = started
    session = session_of(server)

    await session.look_around()

    assert session.server == ""


@pytest.mark.parametrize("count", [0, 2])
async def test_transfer_without_its_one_result_is_none(count: int) -> None:
    server = FakeServer()
    server.transferred = [ua.TransferResult() for _ in range(count)]

    assert await session_of(server).transfer(SUBSCRIPTION) is None


@at_once
async def test_publishing_goes_on_where_the_server_has_no_room_for_a_single_request() -> None:
    server, heard = FakeServer(), Heard()
    server.say(*(BadTooManyPublishRequests() for _ in range(6)), sign_of_life())
    session = session_of(server)

    session.listen(SUBSCRIPTION, heard)
    await asyncio.sleep(10.0)
    await session.close()

    assert [each.sequence for each in heard.told] == [1]


@at_once
async def test_subscription_that_was_listened_to_meanwhile_is_not_strange_from_the_first_time_on() -> None:
    server = FakeServer()
    session = session_of(server)
    session.listen(SUBSCRIPTION, Heard())

    for _ in range(2):
        session.forget(SUBSCRIPTION)
        server.say(sign_of_life())
        await asyncio.sleep(1.0)
        session.listen(SUBSCRIPTION, Heard())
        await asyncio.sleep(2 * STRANGE_S)
    await session.close()

    assert server.deleted == []


@at_once
async def test_answer_that_cannot_be_decoded_ends_the_session_and_is_no_bug() -> None:
    server = FakeServer()
    session = session_of(server)
    server.say(undecodable())

    session.listen(SUBSCRIPTION, Heard())
    await asyncio.sleep(1.0)

    assert session.failure is not None
    assert session.failure.reason == "wrong_answer"
    assert session.left is None
    await session.close()


@at_once
async def test_channel_of_no_time_is_not_renewed_without_a_pause() -> None:
    renewed = 0

    async def open_secure_channel(*, renew: bool) -> None:
        nonlocal renewed
        renewed += renew

    uaclient = SimpleNamespace(protocol=None, revolve_security_token=lambda: None)
    client = SimpleNamespace(
        uaclient=uaclient, secure_channel_timeout=0, open_secure_channel=open_secure_channel
    )
    session = session_on(cast("Client", client))

    session.start(session.renew())
    await asyncio.sleep(60.0)
    session.fail(DeviceError("disconnected", "over"))
    await session.close()

    assert 0 < renewed <= 12


@at_once
async def test_session_of_a_short_time_is_kept_awake() -> None:
    server = FakeServer()
    client = cast("Client", SimpleNamespace(uaclient=server, session_timeout=12_000))
    session = session_on(client)

    session.start(session.keep())
    await asyncio.sleep(60.0)
    await session.close()

    assert server.reads == 9
