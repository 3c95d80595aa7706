"""How a session is opened: connect, secure the channel, go on with the one before or create one, log in."""

import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from asyncua import Client, ua
from cryptography.exceptions import InvalidSignature

from edge_agent.config.settings import OpcUaConnection
from edge_agent.drivers.opcua.certificate import Certificate, doubts
from edge_agent.drivers.opcua.handshake import Agreed, activate, agreed, log_in, secure, shown_of
from edge_agent.drivers.opcua.left import Left, take_out
from edge_agent.drivers.opcua.offers import offers, unfit
from edge_agent.drivers.opcua.place import host_of
from edge_agent.drivers.opcua.refusal import DISTRUST, explained, silent_refusal
from edge_agent.drivers.opcua.server_clock import ServerClock
from edge_agent.drivers.opcua.session import Bears, Session, asked, let_go
from edge_agent.drivers.opcua.watch import Secured
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock

SESSION_MS = 300_000
"""A session we lost lives on for five minutes, so that its subscriptions can be taken over."""
CHANNEL_MS = 3_600_000
UNACKNOWLEDGED_MS = 10_000
"""How long a host may leave unacknowledged what we sent, before the kernel closes the socket."""


class Way:
    """What one opening leaves to the next: a session without a channel, and what is known of the server.

    `is_made` says that the server may have made a session by now, or taken one up.
    """

    def __init__(self, clock: ServerClock, left: Left | None = None) -> None:
        self.clock = clock
        self.left = left
        self.bears = Bears()
        self.is_made = False


async def opened(connection: OpcUaConnection, clock: Clock, way: Way) -> tuple[Session, Secured | None]:
    """Connect, secure, take up or create a session; with the certificates shown. Raises DeviceError.

    A server that does not trust our renewed certificate yet is shown the one before, while that is valid.
    """
    if connection.security is None:
        return await _opened(connection, None, None, way), None
    agreement = await agreed(connection, connection.security, clock() / 1e9)
    session, shown = await _accepted(connection, agreement, way)
    odd = doubts(agreement.server, agreement.application_uri, host_of(connection.endpoint))
    return session, Secured(agreement.server, shown, agreement.own.certificate, tuple(odd))


async def _accepted(connection: OpcUaConnection, agreement: Agreed, way: Way) -> tuple[Session, Certificate]:
    own = agreement.own
    try:
        return await _opened(connection, agreement, own.certificate, way), own.certificate
    except DeviceError as error:
        if own.before is None or error.reason not in DISTRUST:
            raise
        with suppress(DeviceError):  # of the two refusals the first is told
            return await _opened(connection, agreement, own.before, way), own.before
        raise


async def _opened(
    connection: OpcUaConnection, agreement: Agreed | None, certificate: Certificate | None, way: Way
) -> Session:
    way.is_made = False
    client = Client(connection.endpoint, timeout=connection.timeout_s)
    client.name = client.description = "edge_agent"
    client.application_uri = connection.home.application_uri
    client.secure_channel_timeout = CHANNEL_MS
    client.session_timeout = SESSION_MS
    if agreement is not None and certificate is not None:
        secure(client, agreement, certificate)
    shown = shown_of(connection, agreement, certificate)
    session = Session(client, connection, way.clock, way.bears, shown=shown.fingerprint)
    async with _connecting(client):
        for step in (client.connect_socket, client.send_hello):
            await session.ask(step())
            _watch_host(client)
        try:
            await session.ask(_channel(client))
        except DeviceError as error:
            raise explained(silent_refusal(error, shown), shown) from error
        way.is_made = True
        session.resumed = await _resumed(client, connection, way, shown.fingerprint)
        if not session.resumed:
            try:
                created = await session.ask(_verified(client.create_session))
                await session.ask(activate(client, connection, created))
            except DeviceError as error:
                if agreement is None and error.reason == "wrong_answer":
                    await _check_open(connection)
                raise explained(error, shown) from error
        await session.look_around()
    session.start(session.renew())
    session.start(session.keep())
    return session


async def _resumed(client: Client, connection: OpcUaConnection, way: Way, shown: str) -> bool:
    """Take up the session that is left; whether it is ours again. Raises DeviceError when the link is lost.

    One whose subscriptions keep silent is ended instead, without its subscriptions.
    """
    left, way.left = way.left, None
    if left is None or left.shown != shown:
        return False
    logins = left.put_into(client)
    try:
        await asked(log_in(client, connection, logins), connection.timeout_s)
        if not left.silent:
            return True
        await asked(client.uaclient.close_session(delete_subscriptions=False), connection.timeout_s)
    except DeviceError as error:
        if error.silent:
            raise
    take_out(client)
    return False


async def _channel(client: Client) -> None:
    """Open the channel. DeviceError for an answer that the library takes for a bug of its own."""
    try:
        await client.open_secure_channel()
    except AssertionError as error:
        raise DeviceError("disconnected", "the server refuses the channel") from error


async def _verified(
    create: Callable[[], Coroutine[Any, Any, ua.CreateSessionResult]],
) -> ua.CreateSessionResult:
    """The session that a server makes. DeviceError from one that has not the key of its certificate."""
    try:
        return await create()
    except InvalidSignature as error:
        words = "the server does not have the key of the certificate that it shows"
        raise DeviceError("BadApplicationSignatureInvalid", words) from error


async def _check_open(connection: OpcUaConnection) -> None:
    """Raises DeviceError with what a server has, when it has nothing without security.

    Such a server opens a channel without security all the same, for the question what it has.
    """
    offered = await offers(connection.endpoint, connection.timeout_s)
    if all(each.mode != "none" for each in offered):
        raise unfit(offered, "None", "none")


@asynccontextmanager
async def _connecting(client: Client) -> AsyncIterator[None]:
    """Close the socket when anything goes wrong before there is a session."""
    try:
        yield
    except BaseException:
        let_go(client)
        raise


def _watch_host(client: Client) -> None:
    protocol = client.uaclient.protocol
    if protocol is not None and protocol.transport is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        handle = protocol.transport.get_extra_info("socket")
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
