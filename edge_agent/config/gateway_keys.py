"""The keys of `agent.yaml` and of the files in `conf.d`, each with its type and its range."""

from typing import Annotated, Literal

from pydantic import Field as Key

from edge_agent.config.section import Keys
from edge_agent.config.syntax import (
    Broker,
    Duration,
    ExistingFile,
    FilePath,
    LabelName,
    Name,
    Resolved,
    SecretText,
    Size,
    TagName,
    Text,
)

KIB = 1 << 10
MIB = 1 << 20

SCHEMA = "edge-agent/gateway/1"


class AdditionFile(Keys):
    """A file of `conf.d`; the entries have models of their own."""

    schema_: Literal["edge-agent/gateway/1"] = Key(alias="schema")
    connections: dict[Name, object] = Key(default_factory=dict)
    devices: dict[Name, object] = Key(default_factory=dict)
    destinations: dict[Name, object] = Key(default_factory=dict)


class GatewayFile(AdditionFile):
    """`agent.yaml`; what is `object` here has a model of its own."""

    gateway: object
    buffer: object = None
    log: object = None


class GatewayKeys(Keys):
    """`gateway`: who this is."""

    id: Resolved
    labels: dict[LabelName, Text] = Key(default_factory=dict)


class LogKeys(Keys):
    """`log`: how much is told."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class BufferKeys(Keys):
    """`buffer`: 4 MiB are four segments, the least that can be written and freed in turn."""

    path: FilePath | None = None
    max_bytes: Annotated[Size, Key(ge=4 * MIB)] | None = None
    commit: Annotated[Duration, Key(ge=0.001, le=10.0)] | None = None
    overflow: Literal["drop_oldest"] = "drop_oldest"


class DeviceKeys(Keys):
    """One entry of `devices`."""

    profile: Text
    connection: Name
    unit: Annotated[int, Key(ge=0, le=255)] = 1
    groups: dict[Name, object] = Key(default_factory=dict)
    disable: list[TagName] = Key(default_factory=list)
    labels: dict[LabelName, Text] = Key(default_factory=dict)


class UserKeys(Keys):
    """`user` of a broker or a server."""

    name: Resolved
    password: SecretText


class MqttKeys(Keys):
    """`mqtt` of a destination."""

    url: Broker
    version: Literal[5, "3.1.1"] = 5
    ca: ExistingFile | None = None
    cert: ExistingFile | None = None
    key: ExistingFile | None = None
    user: UserKeys | None = None
    keepalive: Annotated[Duration, Key(ge=5.0, le=65535.0)] = 30.0
    insecure: bool = False


class BatchKeys(Keys):
    """`batch` of a payload: a message is sent when it is so old or so large."""

    max_age: Annotated[Duration, Key(ge=0.01, le=3600.0)] | None = None
    max_bytes: Annotated[Size, Key(ge=KIB, le=128 * MIB)] | None = None


class PayloadKeys(Keys):
    """`payload` of a destination."""

    format: Literal["json"] = "json"
    batch: BatchKeys = BatchKeys()


class WindowKeys(Keys):
    """`window` of a destination: what may be under way without an acknowledgement."""

    messages: Annotated[int, Key(ge=1, le=65535)] | None = None
    bytes: Annotated[Size, Key(ge=KIB)] | None = None


class DestinationKeys(Keys):
    """One entry of `destinations`."""

    mqtt: MqttKeys
    topic: Text | None = None
    agent_topic: Text | None = None
    payload: PayloadKeys = PayloadKeys()
    window: WindowKeys = WindowKeys()
