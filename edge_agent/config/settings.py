"""The configuration as the running agent sees it: frozen, checked once, without YAML or pydantic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge_agent.core.model import Value
from edge_agent.core.registers import Field

Report = Literal["always", "on_change"]


@dataclass(frozen=True, slots=True)
class Group:
    """Tags that are read together. Durations in seconds.

    `phase_s` is None for the phase that follows from the names. `time_resolution_s` is how far the requests
    of one scan may lie apart before each tag gets a time of its own.
    """

    name: str
    interval_s: float
    phase_s: float | None = None
    report: Report = "always"
    heartbeat_s: float = 300.0
    time_resolution_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Tag:
    """One named value of a profile: what the cloud is told of it, and where the driver finds it.

    `parts` holds, for a tag with bits, the texts of each part that has an enum (an empty mapping otherwise).
    `sends` is false for the tag itself when only its parts are sent.
    """

    name: str
    group: str
    type: str
    address: Field
    unit: str | None = None
    quantity: str | None = None
    kind: str | None = None
    access: Literal["r", "rw"] = "r"
    deadband: float = 0.0
    report: Report | None = None
    enum: Mapping[int, str] = field(default_factory=dict)
    enum_else: str | None = None
    flags: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device bears in one request: registers, bits, and how many unused ones may be read along."""

    max_registers: int = 125
    max_bits: int = 2000
    max_gap: int = 16


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of one column. A `value` or `text` of None is not looked at; `bad` has no value."""

    value: Value = None
    quality: Literal["good", "uncertain", "bad"] = "good"
    reason: str | None = None
    text: str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class GoldenTest:
    """A dump of a device and what must come of it. `tables` gives register contents (bits as 0 and 1)."""

    name: str
    tables: Mapping[str, Mapping[int, int]]
    expect: Mapping[str, Expected]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a type of device offers. `digest` is the SHA-256 of the file, in hex."""

    id: str
    version: str
    digest: str
    protocol: str
    title: str
    groups: Mapping[str, Group]
    tags: tuple[Tag, ...]
    limits: Limits
    tests: tuple[GoldenTest, ...] = ()


@dataclass(frozen=True, slots=True)
class ModbusConnection:
    """One Modbus TCP socket. Durations in seconds."""

    name: str
    host: str
    port: int
    timeout_s: float = 1.0
    connect_timeout_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Device:
    """One thing behind a connection; `groups` and `tags` are what is left after the device's own settings."""

    name: str
    profile: Profile
    connection: str
    unit: int
    groups: Mapping[str, Group]
    tags: tuple[Tag, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a broker is verified and how we show who we are. None: the system's authorities, no certificate."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """User and password of a broker; never printed."""

    user: str
    password: str = field(default="", repr=False)


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
    connections: Mapping[str, ModbusConnection]
    devices: Mapping[str, Device]
    destinations: Mapping[str, Destination]
    buffer: BufferSettings
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    digest: str = ""
