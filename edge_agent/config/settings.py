"""The configuration as the running agent sees it: frozen, checked once, without YAML or pydantic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge_agent.core.cadence import phase
from edge_agent.core.claims import Claim
from edge_agent.core.events import EventSource
from edge_agent.core.model import Value
from edge_agent.core.nodes import Method, Node
from edge_agent.core.plan import Limits as Limits  # noqa: PLC0414 - offered here too: a profile has them
from edge_agent.core.registers import Field

Report = Literal["always", "on_change"]
Lane = Literal["alarm", "data"]
Way = Literal["subscribe", "read", "events"]
"""How what is in a group comes: it is asked for, or the server tells it."""
Address = Field | Node
"""Where a tag is found, as its protocol has it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tags that are read together, or subscribed to. Durations in seconds.

    `phase_s` is None for the phase that follows from the names. `time_resolution_s` is how far the values
    of one scan may lie apart before each tag gets a time of its own. `timestamp` says whose time counts.
    What is subscribed to is sampled by the server every `sampling_s`, queued up to `queue` samples a tag,
    and sent every `interval_s`; without news the server gives a sign of life every `keepalive_s`, and it
    keeps the subscription of a client that is away for `lifetime_s`. What is lost nevertheless is filled from
    what the server has recorded, `history_s` back; 0 is not at all. `register` has nodes registered first.
    With mode "events" there are no tags: `events` says what is told. What is in lane "alarm" is sent first.
    """

    name: str
    interval_s: float
    phase_s: float | None = None
    report: Report = "always"
    heartbeat_s: float = 300.0
    time_resolution_s: float = 0.1
    mode: Way = "read"
    timestamp: Literal["source", "server", "agent"] = "agent"
    sampling_s: float = 1.0
    queue: int = 10
    keepalive_s: float = 5.0
    lifetime_s: float = 120.0
    history_s: float = 0.0
    register: bool = False
    lane: Lane = "data"
    events: EventSource | None = None

    def phase(self, gateway: str, device: str) -> float:
        """How far into each interval the group of a device is due, in seconds."""
        return phase(self.interval_s, gateway, device, self.name) if self.phase_s is None else self.phase_s


@dataclass(frozen=True, slots=True)
class Tag:
    """One named value of a profile: what the cloud is told of it, and where the driver finds it.

    `parts` holds, for a tag with bits, the texts of each part that has an enum (an empty mapping otherwise).
    `sends` is false for the tag itself when only its parts are sent. `percent` is a deadband in percent of a
    range that the device tells.
    """

    name: str
    group: str
    type: str
    address: Address
    unit: str | None = None
    quantity: str | None = None
    kind: str | None = None
    access: Literal["r", "rw"] = "r"
    deadband: float = 0.0
    percent: float = 0.0
    report: Report | None = None
    enum: Mapping[int, str] = field(default_factory=dict)
    enum_else: str | None = None
    flags: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    @property
    def modbus(self) -> Field:
        """Where it stands in a Modbus device. TypeError for a tag of another protocol."""
        if not isinstance(self.address, Field):
            raise TypeError(f"{self.name} is no Modbus tag")
        return self.address

    @property
    def opcua(self) -> Node:
        """Which node of an OPC UA server it is. TypeError for a tag of another protocol."""
        if not isinstance(self.address, Node):
            raise TypeError(f"{self.name} is no OPC UA tag")
        return self.address

    def text(self, value: Value, part: str = "") -> str | tuple[str, ...] | None:
        """What people read for a value, or for that of a part: its enum's text, or those of the flags set."""
        if not isinstance(value, int):
            return None
        if part:
            return self.parts.get(part, {}).get(value)
        if self.flags:
            return tuple(text for bit, text in sorted(self.flags.items()) if value >> bit & 1)
        return self.enum.get(value, self.enum_else)


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """What a server bears, beside what it says itself.

    In one call: items of a subscription, nodes to read. In all: `items` of subscriptions, 0 for any number.
    `sampling_s` is how often it looks at a node at best, 0 when nobody knows. `filters` says whether it is
    asked to apply deadbands.
    """

    items_per_call: int = 1000
    nodes_per_read: int = 1000
    items: int = 0
    sampling_s: float = 0.0
    filters: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of one column. A `value` or `text` of None is not looked at; `bad` has no value."""

    value: Value = None
    quality: Literal["good", "uncertain", "bad"] = "good"
    reason: str | None = None
    text: str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What a server answers for a tag: a value and its status code (OPC UA Part 4, 7.39)."""

    value: Value
    status: int = 0


@dataclass(frozen=True, slots=True)
class GoldenTest:
    """A dump of a device and what must come of it.

    `tables` gives register contents (bits as 0 and 1), `values` the answers of a server by tag.
    """

    name: str
    tables: Mapping[str, Mapping[int, int]]
    expect: Mapping[str, Expected]
    values: Mapping[str, Given] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a type of device offers.

    `digest` is the SHA-256, in hex, of the file, of the files it extends and of its parameters. `families`
    names the tags that each entry with `for` has become. `identify` is what such devices say of themselves.
    `methods` are those that may be called.
    """

    id: str
    version: str
    digest: str
    protocol: str
    title: str
    groups: Mapping[str, Group]
    tags: tuple[Tag, ...]
    limits: Limits | NodeLimits
    tests: tuple[GoldenTest, ...] = ()
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identify: tuple[Claim, ...] = ()
    methods: tuple[Method, ...] = ()


Transport = Literal["tcp", "udp", "tls", "serial"]
Framing = Literal["tcp", "rtu", "ascii"]
Parity = Literal["none", "even", "odd"]


@dataclass(frozen=True, slots=True)
class Tls:
    """How the other side is verified and how we show who we are.

    None: the system's authorities, no certificate.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class SerialLine:
    """A serial port and how characters look on it."""

    path: str
    baudrate: int = 9600
    parity: Parity = "even"
    stopbits: int = 1
    databits: int = 8

    @property
    def character_s(self) -> float:
        """How long one character takes: start bit, data, parity, stop bits."""
        return (1 + self.databits + (self.parity != "none") + self.stopbits) / self.baudrate


@dataclass(frozen=True, slots=True)
class ModbusConnection:
    """One Modbus socket or serial line. Durations in seconds.

    `host` and `port` are those of a socket, `line` is that of transport `serial`. Between an answer and the
    next request lies `turnaround_s`, between opening and the first request `connect_delay_s`. A request that
    was not answered, or damaged, is repeated `retries` times; without transaction numbers (rtu, ascii) the
    line is left alone for `quiet_s` before. `max_in_flight` requests are under way at a time.
    """

    name: str
    host: str = ""
    port: int = 0
    timeout_s: float = 1.0
    connect_timeout_s: float = 3.0
    transport: Transport = "tcp"
    framing: Framing = "tcp"
    line: SerialLine | None = None
    tls: Tls | None = None
    retries: int = 0
    turnaround_s: float = 0.0
    connect_delay_s: float = 0.0
    quiet_s: float = 0.0
    max_in_flight: int = 1

    @property
    def place(self) -> str:
        """Where it leads, as people write it."""
        if self.line is not None:
            return self.line.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def exclusive(self) -> str:
        """What no other connection may lead to as well: two masters spoil each other's answers."""
        if self.line is not None:
            return str(Path(self.line.path).resolve())
        return f"{self.host.lower()}:{self.port}"


@dataclass(frozen=True, slots=True)
class Login:
    """User and password; never printed."""

    user: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class UserCertificate:
    """Who we are, shown by a certificate; `key` is a PEM file."""

    cert: Path
    key: Path


Policy = Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
Mode = Literal["sign", "sign_and_encrypt"]


@dataclass(frozen=True, slots=True)
class Security:
    """How a channel is secured, and what a server has to show.

    That is one of `certificates` (files) or one with a fingerprint of `pins`; without both of them it is what
    was trusted with `edge-agent trust`.
    """

    policy: Policy
    mode: Mode
    certificates: tuple[Path, ...] = ()
    pins: tuple[str, ...] = ()

    @property
    def written(self) -> bool:
        """Whether the file says what is trusted."""
        return bool(self.certificates or self.pins)


@dataclass(frozen=True, slots=True)
class Home:
    """What the agent is called by servers, the host it runs on, and its folder of certificates."""

    application_uri: str = "urn:edge-agent:client"
    host: str = ""
    pki: Path = Path()


@dataclass(frozen=True, slots=True)
class OpcUaConnection:
    """One OPC UA session; `endpoint` is an opc.tcp:// URL. Durations in seconds.

    Nothing is signed or encrypted without `security`. `insecure` lets a password go over a network in the
    clear.
    """

    name: str
    endpoint: str
    login: Login | UserCertificate | None = None
    timeout_s: float = 5.0
    security: Security | None = None
    insecure: bool = False
    home: Home = Home()

    @property
    def place(self) -> str:
        """Where it leads, as people write it."""
        return self.endpoint

    @property
    def exclusive(self) -> str:
        """Empty: a server takes several sessions."""
        return ""


Connection = ModbusConnection | OpcUaConnection


@dataclass(frozen=True, slots=True)
class Device:
    """One thing behind a connection; `groups` and `tags` are what is left after the device's own settings.

    `unit` is its number behind a Modbus connection; `timeout_s` and `turnaround_s` are None where those of
    the connection hold.
    """

    name: str
    profile: Profile
    connection: str
    unit: int
    groups: Mapping[str, Group]
    tags: tuple[Tag, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    turnaround_s: float | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """One broker, and how its messages look. Durations in seconds, sizes in bytes.

    `topic` and `agent_topic` are templates with {gateway}, {device}, {group} and labels.
    """

    name: str
    host: str
    port: int
    client_id: str
    tls: Tls | None
    login: Login | None = None
    version: Literal["5", "3.1.1"] = "5"
    keepalive_s: int = 30
    topic: str = "edge/{gateway}/{device}/{group}"
    agent_topic: str = "edge/{gateway}/_agent"
    batch_age_s: float = 1.0
    batch_bytes: int = 65536
    window_messages: int = 50
    window_bytes: int = 524288


@dataclass(frozen=True, slots=True)
class BufferSettings:
    """Where the log lies and how much of the disk it may take. Sizes in bytes, durations in seconds.

    `retry_s` lies between two attempts to write to a disk that refused.
    """

    path: Path
    max_bytes: int = 2 << 30
    segment_bytes: int = 1 << 20
    commit_s: float = 0.25
    commit_bytes: int = 65536
    retry_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """One agent's whole configuration. `digest` is the SHA-256 over all its files, in hex."""

    id: str
    labels: Mapping[str, str]
    connections: Mapping[str, Connection]
    devices: Mapping[str, Device]
    destinations: Mapping[str, Destination]
    buffer: BufferSettings
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    digest: str = ""
