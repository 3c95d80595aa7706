"""Dialling a broker: host name, TCP and TLS in a thread of their own, because all three block."""

import asyncio
import contextlib
import socket
import ssl
import threading

from edge_agent.config.settings import Destination
from edge_agent.errors import LinkLost
from edge_agent.mqtt.failure import lost, where
from edge_agent.tls import UnusableFile
from edge_agent.tls import context as tls_context


async def dial(destination: Destination, timeout_s: float) -> socket.socket:
    """A connected socket, with TLS done if the destination asks for it. Raises LinkLost.

    `timeout_s` bounds all of it. When the caller is cancelled the network is hung up at once and the thread
    ends; one that waits for a name server ends when the resolver gives up, and owns nothing until then.
    """
    attempt = _Attempt(destination, timeout_s)
    opened = _in_thread(attempt, f"mqtt-connect-{destination.name}")
    taken = False
    try:
        async with asyncio.timeout(timeout_s):
            sock = await opened
            taken = True
            return sock
    except TimeoutError:
        at = where(destination)
        raise LinkLost(f"no answer from {at} within {timeout_s:g} s ({attempt.doing})") from None
    finally:
        # Also when the socket has come, and the caller was cancelled before he took it.
        if not taken:
            attempt.abort()


def _in_thread(attempt: "_Attempt", name: str) -> asyncio.Future[socket.socket]:
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[socket.socket] = loop.create_future()

    def settle(outcome: socket.socket | LinkLost) -> None:
        if opened.done():
            return
        if isinstance(outcome, LinkLost):
            opened.set_exception(outcome)
        else:
            opened.set_result(outcome)

    def work() -> None:
        outcome = attempt.connect()
        with contextlib.suppress(RuntimeError):  # the loop has ended, and whoever waited has aborted
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name=name, daemon=True).start()
    return opened


class _Attempt:
    """One attempt, made by its thread and aborted from another.

    Invariant: `_sock` is the open socket of the attempt, and changes under `_lock` only. While the thread
    works on it, it alone closes it: a descriptor closed under a running handshake may by then be another's.
    Once `_ready` it is closed by abort(), unless the caller has taken it.
    """

    def __init__(self, destination: Destination, timeout_s: float) -> None:
        self.doing = "reading certificates"
        self._destination = destination
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._ready = False
        self._aborted = False

    def connect(self) -> socket.socket | LinkLost:
        """Do it all, blocking. With LinkLost no socket is left open."""
        try:
            return self._connect()
        except UnusableFile as error:
            self._drop()
            return lost(error.error, self._destination, file=error.file)
        except (OSError, ValueError) as error:
            self._drop()
            return lost(error, self._destination)
        except LinkLost as error:
            self._drop()
            return error

    def abort(self) -> None:
        """Close the socket, or wake the thread out of what it does on the network: it cleans up and ends."""
        with self._lock:
            self._aborted = True
            if self._sock is not None and self._ready:
                self._sock.close()
            elif self._sock is not None:
                # Of the plain socket: that of SSLSocket takes the TLS object from under the handshake.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def _connect(self) -> socket.socket:
        tls = self._destination.tls
        context = tls_context(tls.ca, tls.cert, tls.key) if tls is not None else None
        sock = self._first_that_answers(context)
        if isinstance(sock, ssl.SSLSocket):
            self._handshake(sock)
        # Messages are written whole; holding back the end of one for an acknowledgement costs a round trip.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            if self._aborted:
                raise ConnectionAbortedError
            self._ready = True
        return sock

    def _first_that_answers(self, context: ssl.SSLContext | None) -> socket.socket:
        self.doing = "looking up the host name"
        host, port = self._destination.host, self._destination.port
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self.doing = "connecting"
        failure = OSError("the host name has no address")
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            if context is not None:
                # Before it connects: wrapping a connection that breaks meanwhile leaves a socket to nobody.
                sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
            self._own(sock)
            # A share each, so that a first address that swallows packets leaves time for the second.
            sock.settimeout(self._timeout_s / len(addresses))
            try:
                sock.connect(address)
            except OSError as error:
                failure = error
                self._drop()
            else:
                return sock
        raise failure

    def _handshake(self, sock: ssl.SSLSocket) -> None:
        self.doing = "TLS handshake"
        sock.settimeout(self._timeout_s)
        try:
            sock.do_handshake()
        except (ConnectionError, ssl.SSLEOFError) as error:
            address = where(self._destination)
            raise LinkLost(f"TLS: the other side, {address}, does not speak TLS: it hung up") from error

    def _own(self, sock: socket.socket) -> None:
        with self._lock:
            self._sock = sock
            if self._aborted:
                raise ConnectionAbortedError

    def _drop(self) -> None:
        with self._lock:
            if self._sock is not None:
                self._sock.close()
                self._sock = None
