"""The socket as paho sees it: it reads ahead, and remembers why it failed."""

import contextlib
import socket
import ssl

# More than a record of TLS can hold (16 KiB, RFC 8446, 5.1): one read takes all that was decrypted, so that
# nothing is left inside the TLS object where the event loop cannot see it.
READ_BYTES = 65536


class Wire:
    """A connected, non-blocking socket behind the five methods that paho calls.

    paho reads the head of a packet byte by byte; here that costs no system call each. What has been read
    ahead is told by `ready`, because the event loop cannot see it. `failure` is the error that ended it, if
    any: paho tells it to nobody.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.failure: OSError | None = None
        self._sock = sock
        self._unread = b""
        self._position = 0
        self._ended = False

    @property
    def ready(self) -> bool:
        """Whether recv() has something to say: bytes, the end, or a failure."""
        return self._position < len(self._unread) or self.over

    @property
    def over(self) -> bool:
        """Whether the other side has closed, or the connection failed."""
        return self._ended or self.failure is not None

    def fill(self) -> None:
        """Read what has come; to be called when the descriptor is readable."""
        try:
            data = self._sock.recv(READ_BYTES)
            self._unread, self._position = self._unread[self._position :] + data, 0
            self._ended = not data
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self.failure = error

    def recv(self, size: int, /) -> bytes:
        """At most `size` bytes of what was read ahead; b"" at the end. Raises BlockingIOError, OSError."""
        if self._position < len(self._unread):
            start = self._position
            self._position = start + size
            return self._unread[start : start + size]
        if self.failure is not None:
            raise self.failure
        if self._ended:
            return b""
        raise BlockingIOError

    def send(self, data: bytes | bytearray, /) -> int:
        """Write what fits now, in bytes. Raises BlockingIOError, ssl.SSLWant…Error, OSError."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            # The reason why we were cut off, such as a TLS alert, may still wait to be read.
            self.fill()
            self.failure = self.failure or error
            raise

    def close(self) -> None:
        """Write no more: the other side reads the end. The descriptor stays until hang_up()."""
        with contextlib.suppress(OSError):
            # Of the plain socket: that of SSLSocket would end reading too.
            socket.socket.shutdown(self._sock, socket.SHUT_WR)

    def hang_up(self) -> None:
        """Close the socket; may be called again."""
        self._sock.close()

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self._sock.fileno()

    def setblocking(self, flag: bool, /) -> None:  # noqa: FBT001 - paho's interface
        """As socket.setblocking; only non-blocking makes sense here."""
        self._sock.setblocking(flag)
