"""Brokers for tests: a real Mosquitto, a scripted one, a receiver, and a network that can be cut."""

import asyncio
import contextlib
import getpass
import secrets
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

START_S = 10.0  # a loaded machine needs a second or two for a process


def free_port() -> int:
    """A TCP port of 127.0.0.1 that stays free while its broker restarts.

    Below the range from which the kernel takes ports for outgoing connections (32768 on Linux), so that no
    client gets it meanwhile; from the system's randomness, because parallel test processes share a seed.
    """
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Mosquitto:
    """Debian's mosquitto in a folder of its own, on one port of 127.0.0.1 that survives a restart.

    `lines` are added to its configuration after the listener. Without a line on passwords all may connect.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self.log = folder / "mosquitto.log"
        self._config = folder / "mosquitto.conf"
        self._folder = folder
        self._lines = lines
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def start(self) -> None:
        """Start, and return when it accepts connections."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise RuntimeError("this test needs the broker Mosquitto: apt-get install mosquitto")
        config = [
            f"listener {self.port} 127.0.0.1",
            f"user {getpass.getuser()}",
            "persistence false",
            f"log_dest file {self.log}",
            "log_type all",
            f"allow_anonymous {'false' if any('password_file' in line for line in self._lines) else 'true'}",
            *self._lines,
        ]
        self._config.write_text("\n".join(config) + "\n")
        output = (self._folder / "mosquitto.out").open("wb")
        with output:
            self._process = subprocess.Popen([program, "-c", str(self._config)], stdout=output, stderr=output)
        self._wait_until_it_accepts(self._process)

    def stop(self) -> None:
        """End it in good order; may be called again."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """End it with SIGKILL: clients see their connections reset or closed."""
        self._end(lambda process: process.kill())

    def restart(self) -> None:
        """Stop and start on the same port; sessions and retained messages are gone."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def _end(self, signal: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        signal(process)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_until_it_accepts(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if process.poll() is not None:
                break
            time.sleep(0.01)
        told = (self._folder / "mosquitto.out").read_text() + (
            self.log.read_text() if self.log.exists() else ""
        )
        self.stop()
        raise RuntimeError(f"mosquitto did not start:\n{told}")


def password_file(folder: Path, user: str, password: str) -> Path:
    """A password file for Mosquitto's `password_file`."""
    path = folder / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(path), user, password], check=True, capture_output=True
    )
    return path


@dataclass(frozen=True)
class Certificates:
    """PEM files made for one test session: an authority, what it signed, a stranger that signed nothing.

    `server` is valid for localhost and 127.0.0.1, `elsewhere` for broker.example only, `expired` no more.
    The key of each lies beside it and ends in .key.
    """

    ca: Path
    stranger: Path
    server: Path
    elsewhere: Path
    expired: Path
    client: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make them all with the openssl command."""
        made = cls(*(folder / f"{name}.pem" for name in cls.__dataclass_fields__))
        for authority in (made.ca, made.stranger):
            _openssl("req", "-x509", "-days", "2", "-subj", f"/CN={authority.stem}", *_key(authority))
        here = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        _sign(made.ca, made.server, here)
        _sign(made.ca, made.elsewhere, "subjectAltName=DNS:broker.example")
        _sign(made.ca, made.expired, here, days=-1)
        _sign(made.ca, made.client, "extendedKeyUsage=clientAuth")
        return made

    def listener(self, certificate: Path) -> tuple[str, ...]:
        """Mosquitto's lines for a listener that shows this certificate."""
        return f"certfile {certificate}", f"keyfile {certificate.with_suffix('.key')}", f"cafile {self.ca}"


def _sign(ca: Path, certificate: Path, extension: str, days: int = 2) -> None:
    request, extensions = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
    extensions.write_text(f"{extension}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
    _openssl("req", "-subj", f"/CN={certificate.stem}", *_key(certificate, request))
    _openssl(
        *("x509", "-req", "-in", str(request), "-out", str(certificate), "-days", str(days)),
        *(
            "-CA",
            str(ca),
            "-CAkey",
            str(ca.with_suffix(".key")),
            "-CAcreateserial",
            "-extfile",
            str(extensions),
        ),
    )


def _key(certificate: Path, out: Path | None = None) -> tuple[str, ...]:
    key = str(certificate.with_suffix(".key"))
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    return (*new, "-keyout", key, "-out", str(out or certificate))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class Arrived:
    """One message as a subscriber got it."""

    topic: str
    payload: bytes
    retain: bool
    properties: tuple[tuple[str, str], ...] = ()


class Receiver:
    """A subscriber on a thread of its own, which collects what comes.

    It subscribes again after each reconnect; `arrived` is in order of arrival and may be read at any time.
    """

    def __init__(self, port: int, topic: str = "#") -> None:
        self.arrived: list[Arrived] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._port = port
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"receiver-{secrets.token_hex(4)}", protocol=paho.MQTTv5
        )
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        """Connect, and return when subscribed."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._subscribed.wait(START_S), "the receiver could not subscribe"
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, condition: Callable[[list[Arrived]], bool], timeout_s: float = 10.0) -> list[Arrived]:
        """Block until the condition holds of all that has arrived, and return that. Raises AssertionError."""
        with self._changed:
            held = self._changed.wait_for(lambda: condition(self.arrived), timeout_s)
            assert held, f"after {timeout_s} s: {len(self.arrived)} messages, the last {self.arrived[-3:]}"
            return list(self.arrived)

    async def until(
        self, condition: Callable[[list[Arrived]], bool], timeout_s: float = 10.0
    ) -> list[Arrived]:
        """As wait(), without blocking the event loop."""
        return await asyncio.to_thread(self.wait, condition, timeout_s)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        properties = tuple(getattr(message.properties, "UserProperty", ()))
        arrived = Arrived(message.topic, bytes(message.payload), message.retain, properties)
        with self._changed:
            self.arrived.append(arrived)
            self._changed.notify_all()


@dataclass(frozen=True)
class Published:
    """One PUBLISH packet as the scripted broker got it; `mid` is None at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    mid: int | None
    dup: bool
    retain: bool
    properties: tuple[tuple[str, str], ...]


@dataclass
class ScriptedBroker:
    """A broker of MQTT 5 that does what a test says, and records what it was told.

    connack: reason code of its CONNACK, None for no answer at all. properties: those of the CONNACK, in
    bytes; see receive_maximum() and its neighbours. puback: reason code of each PUBACK, None to swallow, or a
    function of the message. After `end_after` PUBLISH packets it ends the connection: with "close", with
    "reset" (half a PUBACK, then RST), or with a DISCONNECT of the code given. `silent`: no ping is answered.
    `listening`, an event, is cleared to read no more. All may be changed at any time.
    """

    connack: int | None = 0
    properties: bytes = b""
    puback: int | Callable[[Published], int | None] | None = 0
    end_after: int | None = None
    end_with: str | int = "close"
    published: list[Published] = field(default_factory=list)
    disconnects: list[int] = field(default_factory=list)
    connects: int = 0
    open_connections: int = 0
    silent: bool = False
    port: int = 0

    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        self.listening = asyncio.Event()
        self.listening.set()
        self._changed = asyncio.Condition()
        self._peers: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close all connections and stop."""
        self._server.close()
        for peer in self._peers:
            peer.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)
        await self._server.wait_closed()

    async def until(self, condition: Callable[[Self], bool], timeout_s: float = 10.0) -> None:
        """Wait until the condition holds of this broker. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    def write(self, data: bytes) -> None:
        """Send these bytes to every client."""
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._peers.add(task)
        self._writers.append(writer)
        self.open_connections += 1
        try:
            while True:
                kind, flags, body = await _packet(reader)
                self._answer(kind, flags, body, writer)
                async with self._changed:
                    self._changed.notify_all()
                await self.listening.wait()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone, or we have sent it away
        except asyncio.CancelledError:
            pass  # we stop; the task ends here, and asyncio's server would report a cancel
        finally:
            writer.close()
            self._peers.discard(task)
            self.open_connections -= 1
            async with self._changed:
                self._changed.notify_all()

    def _answer(self, kind: int, flags: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == 1:
            self.connects += 1
            if self.connack is not None:
                writer.write(
                    packet(0x20, bytes([0, self.connack]) + varint(len(self.properties)) + self.properties)
                )
        elif kind == 3:
            self._take(_publish(flags, body), writer)
        elif kind == 12 and not self.silent:
            writer.write(packet(0xD0, b""))
        elif kind == 14:
            self.disconnects.append(body[0] if body else 0)

    def _take(self, message: Published, writer: asyncio.StreamWriter) -> None:
        self.published.append(message)
        if self.end_after is not None and len(self.published) >= self.end_after:
            self._hang_up(message, writer)
            raise ConnectionAbortedError
        code = self.puback(message) if callable(self.puback) else self.puback
        if message.mid is not None and code is not None:
            writer.write(packet(0x40, struct.pack("!HBB", message.mid, code, 0)))

    def _hang_up(self, message: Published, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.end_with, int):
            writer.write(packet(0xE0, bytes([self.end_with, 0])))
        elif self.end_with == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            writer.write(packet(0x40, struct.pack("!HBB", message.mid or 0, 0, 0))[:3])
            # A lingering time of zero makes the close a RST.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def receive_maximum(number: int) -> bytes:
    """The CONNACK property of that name (MQTT 5, 3.2.2.3.3)."""
    return struct.pack("!BH", 0x21, number)


def maximum_packet(size: int) -> bytes:
    """The CONNACK property Maximum Packet Size (3.2.2.3.6)."""
    return struct.pack("!BI", 0x27, size)


def maximum_qos(qos: int) -> bytes:
    """The CONNACK property of that name (3.2.2.3.4)."""
    return struct.pack("!BB", 0x24, qos)


def retain_available(flag: int) -> bytes:
    """The CONNACK property of that name (3.2.2.3.5)."""
    return struct.pack("!BB", 0x25, flag)


def server_keep_alive(seconds: int) -> bytes:
    """The CONNACK property of that name (3.2.2.3.14)."""
    return struct.pack("!BH", 0x13, seconds)


def packet(head: int, body: bytes) -> bytes:
    """One control packet: its first byte, the length, the rest."""
    return bytes([head]) + varint(len(body)) + body


def varint(number: int) -> bytes:
    """A Variable Byte Integer (MQTT 5, 1.5.5)."""
    encoded = bytearray()
    while True:
        number, low = divmod(number, 128)
        encoded.append(low | 0x80 if number else low)
        if not number:
            return bytes(encoded)


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    head = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return head >> 4, head & 0x0F, await reader.readexactly(length)


def _publish(flags: int, body: bytes) -> Published:
    qos = flags >> 1 & 3
    topic, rest = _text(body)
    mid: int | None = None
    if qos:
        mid, rest = int.from_bytes(rest[:2]), rest[2:]
    length, rest = _read_varint(rest)
    pairs, payload = rest[:length], rest[length:]
    properties: list[tuple[str, str]] = []
    while pairs:
        assert pairs[0] == 0x26, f"a property that is not a user property: 0x{pairs[0]:02X}"
        name, pairs = _text(pairs[1:])
        text, pairs = _text(pairs)
        properties.append((name, text))
    return Published(topic, payload, qos, mid, bool(flags & 8), bool(flags & 1), tuple(properties))


def _text(data: bytes) -> tuple[str, bytes]:
    end = 2 + int.from_bytes(data[:2])
    return data[2:end].decode(), data[end:]


def _read_varint(data: bytes) -> tuple[int, bytes]:
    number = 0
    for position, byte in enumerate(data):
        number |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return number, data[position + 1 :]
    raise ValueError("a Variable Byte Integer without end")


class Proxy:
    """A TCP connection to 127.0.0.1:`to`, through a network that a test can cut, freeze and restore.

    `port` stays the same; `connections` counts those accepted so far.
    """

    def __init__(self, to: int) -> None:
        self.port = free_port()
        self.connections = 0
        self._to = to
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._wires: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen and forward."""
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut for good."""
        wires = list(self._wires)
        self.cut()
        await asyncio.gather(*wires, return_exceptions=True)

    def cut(self) -> None:
        """Reset all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for wire in self._wires:
            wire.cancel()

    def freeze(self) -> None:
        """Keep and accept connections, but forward nothing more, until restore()."""
        self._flowing.clear()

    async def restore(self) -> None:
        """Undo cut() and freeze(): what was held back by freeze() arrives now."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._wires.add(task)
        self.connections += 1
        try:
            async with _connection(self._to) as (far_reader, far_writer), asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer))
                both.create_task(self._pump(far_reader, writer))
        except (OSError, ExceptionGroup):
            pass  # one side has gone; the other goes with it
        except asyncio.CancelledError:
            writer.transport.abort()  # cut; the task ends here, and asyncio's server would report a cancel
        finally:
            self._wires.discard(task)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def _connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield server.getsockname()[1]
