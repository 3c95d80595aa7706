"""One connection to a broker: paho as codec and state machine, driven by the running event loop.

What we know about paho 2.2 and why the code is as it is:

* It connects blocking, leaves the socket of a failed handshake to the garbage collector, bounds neither the
  name lookup nor the whole, and takes a proxy from the environment if PySocks is there. So the socket is made
  by `dial` and given to paho through `_create_socket`, the only private method of paho that is overridden.
* It ignores the Receive Maximum and, after a reconnect, its own in-flight limit; a publish without a
  connection fails *and* stays queued. So paho has no limits and no queue here (0 is none), a client lives
  for one connection, and whoever publishes keeps the window.
* It checks neither Maximum Packet Size nor Retain Available nor Maximum QoS; brokers hang up on those who
  exceed them. A packet beyond 268,435,455 bytes raises only after it was put among the unacknowledged,
  where it stays. Topics that are empty or hold U+0000 are sent. So all of that is checked before.
* `is_connected()` stays true after a DISCONNECT of the broker, and on_disconnect may come twice. So the first
  reason to end is the reason, and it is kept here.
* After a refusing CONNACK it reports a protocol error too. So on_connect decides, and comes first.
* It tells the OSError that ended a connection to its log only. So `Wire` remembers it.
* It reads byte by byte, and event loops do not see what TLS has decrypted already. So `Wire` reads ahead, and
  reading goes on until that is used up.
* It writes within `publish` unless on_socket_register_write is set; then that is called once, until
  everything is written. So it is set, and writes in the next turn of the loop: a burst shares one turn, and
  the descriptor is watched for writing only when the socket was full.
* Its callbacks run under a lock that is not reentrant. So they only set futures, whose callbacks run later.
* A reason code that its table does not allow in a PUBACK, and a CONNACK with a Maximum Packet Size above
  268,435,455, count as malformed; the link ends with a protocol error.
"""

import asyncio
import contextlib

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config.settings import Destination
from edge_agent.errors import LinkLost, Refused
from edge_agent.mqtt.failure import ended, lost, where
from edge_agent.mqtt.wire import Wire
from edge_agent.ports import Limits, Message

# How often paho looks whether a ping is due, in seconds; its times have whole seconds.
TICK_S = 1.0

DISCONNECT_WITH_WILL = ReasonCode(PacketTypes.DISCONNECT, identifier=4)


class Connection:
    """A Publisher over one socket, from CONNECT to DISCONNECT.

    `lost` never resolves; it gets the LinkLost when the link has ended, also by our own DISCONNECT. A
    future of this class that nobody looks at causes no warning.
    """

    def __init__(self, destination: Destination, wire: Wire, will: Message | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._destination = destination
        self._is_v5 = destination.version == "5"
        self._wire = wire
        self._limits = Limits()
        self._pending: dict[int, asyncio.Future[None]] = {}
        self._watching = False
        self._watching_writes = False
        self._client = _Client(destination, wire, will)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_close = lambda *_: self._unwatch()
        self._client.on_socket_register_write = lambda *_: self._write_soon()
        self._client.on_socket_unregister_write = lambda *_: self._unwatch_writes()

    @property
    def limits(self) -> Limits:
        """What the broker allowed in its CONNACK."""
        return self._limits

    async def handshake(self, timeout_s: float) -> None:
        """Send CONNECT and wait for CONNACK. Raises Refused (also for a broker without QoS 1) or LinkLost."""
        self._client.connect(
            self._destination.host,
            self._destination.port,
            keepalive=self._destination.keepalive_s,
            clean_start=True if self._is_v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
        )
        self._descriptor = self._wire.fileno()
        self._loop.add_reader(self._descriptor, self._read)
        self._timer = self._loop.call_later(TICK_S, self._tick)
        self._watching = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._accepted
        except TimeoutError:
            raise LinkLost(
                f"no answer to CONNECT from {where(self._destination)} within {timeout_s:g} s"
            ) from None

    def publish(self, message: Message) -> asyncio.Future[None]:
        """Send at once, at QoS 0 or 1.

        The future resolves at a PUBACK of success, at QoS 0 when all is written. It gets Refused for any
        other PUBACK, and for what this broker's limits forbid (then nothing is sent); LinkLost when the
        link ends before. `retain` is left out where the broker has no retained messages: see `limits`.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        if self.lost.done():
            fail(done, LinkLost(str(self.lost.exception())))
            return done
        refusal = self._refusal(message)
        if refusal is not None:
            fail(done, refusal)
            return done
        info = self._client.publish(
            message.topic,
            message.payload,
            message.qos,
            message.retain and self._limits.retain,
            _user_properties(message, PacketTypes.PUBLISH) if self._is_v5 else None,
        )
        if info.rc == paho.MQTT_ERR_SUCCESS:
            self._pending[info.mid] = done
        else:
            fail(done, LinkLost(paho.error_string(info.rc)))
        return done

    async def disconnect(self, timeout_s: float) -> None:
        """Send DISCONNECT behind all that is not written yet, and wait until the broker has closed."""
        if self.lost.done():
            return
        self._client.disconnect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.wait([self.lost])
                await self._broker_closes()

    def close(self) -> None:
        """End at once whatever state this is in: nothing stays watched, open or pending.

        If the link stands, the broker is told to publish the will, if that can be written without waiting.
        """
        # MQTT 3.1.1 has no such wish: there a connection that just ends has its will published.
        if self._is_v5 and self._watching and self._client.is_connected() and not self.lost.done():
            self._client.disconnect(DISCONNECT_WITH_WILL)
            self._client.loop_write()
        self._unwatch()
        self._wire.hang_up()
        self._end(LinkLost("the link was closed"))

    async def _broker_closes(self) -> None:
        """Read on to the end.

        A close with acknowledgements unread is a reset, and a broker that meets the reset before it has read
        the DISCONNECT publishes the will.
        """
        closed = asyncio.Event()

        def read() -> None:
            self._wire.fill()
            if self._wire.over:
                closed.set()

        self._loop.add_reader(self._descriptor, read)
        try:
            await closed.wait()
        finally:
            self._loop.remove_reader(self._descriptor)

    def _refusal(self, message: Message) -> Refused | None:
        if message.qos not in {0, 1}:
            raise ValueError(f"QoS {message.qos} of {message.topic!r}: only 0 and 1 are used here")
        topic = message.topic.encode()
        if not topic or len(topic) > 65535 or any(char in message.topic for char in "+#\0"):
            return Refused(0x90, "topic_name_invalid")
        if packet_bytes(message) > self._limits.maximum_packet:
            return Refused(0x95, "packet_too_large")
        return None

    def _on_connect(
        self,
        _client: object,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.value != 0:
            fail(self._accepted, Refused(reason.value, snake(reason)))
        elif getattr(properties, "MaximumQoS", 1) == 0:
            # Without QoS 1 there is no acknowledgement, and nothing could ever be forgotten here.
            fail(self._accepted, Refused(0x9B, "qos_not_supported"))
        elif not self._accepted.done():
            self._limits = _limits(properties)
            self._accepted.set_result(None)

    def _on_publish(
        self, _client: object, _data: object, mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        done = self._pending.pop(mid, None)
        if done is None or done.done():
            return
        if reason.value < 0x80:
            done.set_result(None)
        else:
            fail(done, Refused(reason.value, snake(reason)))

    def _on_disconnect(
        self,
        _client: object,
        _data: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        failure = self._wire.failure
        if flags.is_disconnect_packet_from_server:
            self._end(ended(reason.value, snake(reason), self._destination))
        elif failure is not None and not isinstance(failure, ConnectionError):
            self._end(lost(failure, self._destination))
        else:
            self._end(LinkLost(self._why(reason.value)))

    def _why(self, reason: int) -> str:
        at = where(self._destination)
        told = {
            0: "the link was closed",
            0x82: f"{at} sent what is not MQTT {self._destination.version}",
            0x8D: f"no sign of life from {at}",
        }
        if reason in told:
            return told[reason]
        if self._accepted.done():
            return f"connection closed by {at}"
        hint = "" if self._destination.tls else "; does it expect TLS?"
        return f"{at} hung up instead of answering CONNECT{hint}"

    def _end(self, why: LinkLost) -> None:
        fail(self.lost, why)
        fail(self._accepted, why)
        pending, self._pending = self._pending, {}
        for done in pending.values():
            fail(done, LinkLost(str(why)))

    def _read(self) -> None:
        self._wire.fill()
        while self._watching and self._wire.ready:
            self._client.loop_read()

    def _write_soon(self) -> None:
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._watching:
            self._client.loop_write()
        if self._watching and not self._watching_writes and self._client.want_write():
            self._loop.add_writer(self._descriptor, self._write)
            self._watching_writes = True

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_S, self._tick)
        self._client.loop_misc()

    def _unwatch_writes(self) -> None:
        if self._watching_writes:
            self._loop.remove_writer(self._descriptor)
            self._watching_writes = False

    def _unwatch(self) -> None:
        """Let go of the descriptor, once: by the next call it may be another's."""
        if self._watching:
            self._watching = False
            self._timer.cancel()
            self._loop.remove_reader(self._descriptor)
            self._unwatch_writes()


class _Client(paho.Client):
    """Paho over a socket that is open already."""

    def __init__(self, destination: Destination, wire: Wire, will: Message | None) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=destination.client_id,
            clean_session=None if destination.version == "5" else True,
            protocol=paho.MQTTv5 if destination.version == "5" else paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self._wire = wire
        self.max_inflight_messages_set(0)
        self.max_queued_messages_set(0)
        if destination.login is not None:
            self.username_pw_set(destination.login.user, destination.login.password)
        if will is not None:
            properties = (
                _user_properties(will, PacketTypes.WILLMESSAGE) if destination.version == "5" else None
            )
            self.will_set(will.topic, will.payload, will.qos, will.retain, properties)

    def _create_socket(self) -> Wire:  # type: ignore[explicit-override]  # typing has it from 3.12 on
        return self._wire


def packet_bytes(message: Message) -> int:
    """The size of the PUBLISH packet for a message, as Maximum Packet Size counts it (MQTT 5, 3.3)."""
    properties = sum(5 + len(name.encode()) + len(text.encode()) for name, text in message.properties)
    topic = 2 + len(message.topic.encode())
    identifier = 2 if message.qos else 0
    rest = topic + identifier + _varint_bytes(properties) + properties + len(message.payload)
    return 1 + _varint_bytes(rest) + rest


def _varint_bytes(number: int) -> int:
    return 1 if number < 128 else 2 if number < 16384 else 3 if number < 2097152 else 4


def _limits(properties: Properties | None) -> Limits:
    default = Limits()
    return Limits(
        receive_maximum=getattr(properties, "ReceiveMaximum", default.receive_maximum),
        maximum_packet=getattr(properties, "MaximumPacketSize", default.maximum_packet),
        retain=bool(getattr(properties, "RetainAvailable", 1)),
    )


def _user_properties(message: Message, packet: int) -> Properties | None:
    if not message.properties:
        return None
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    properties.UserProperty = list(message.properties)
    return properties


def snake(reason: ReasonCode) -> str:
    """The name of a reason code in snake_case."""
    return reason.getName().lower().replace(" ", "_").replace("-", "_")


def fail(future: asyncio.Future[None], error: Exception) -> None:
    """Give a future its error, unless it is done already."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # looked at, so that nobody has to
