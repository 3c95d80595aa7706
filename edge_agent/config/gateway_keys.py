"""The keys of `agent.yaml` and of the files in `conf.d`, each with its type and its range."""

from typing import Annotated, Literal

from pydantic import Field as Key
from pydantic import WithJsonSchema

from edge_agent.config.families import FamilyKeys
from edge_agent.config.forms import CheckedAs
from edge_agent.config.groups import GroupKeys
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
    Text,
)

KIB = 1 << 10
MIB = 1 << 20

_VALUE = WithJsonSchema(
    {"title": "value", "anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]}
)

SCHEMA = "edge-agent/gateway/1"


class GatewayKeys(Keys):
    """Who this is."""

    id: Resolved = Key(
        description="its name in topics and data; `${env:NAME}` and `${hostname}` let one image serve many"
    )
    labels: dict[LabelName, Text] = Key(
        default_factory=dict,
        description="facts about its place, for topics as `{label}` and for the metadata",
    )


class LogKeys(Keys):
    """How much the agent tells of itself."""

    level: Literal["debug", "info", "warning", "error"] = Key("info", description="the least that is told")


class BufferKeys(Keys):
    """The log on disk, where values wait until they are delivered."""

    path: FilePath | None = Key(None, description="its folder; /var/lib/edge-agent/buffer unless written")
    # 4 MiB are four segments, the least that can be written and freed in turn.
    max_bytes: Annotated[Size, Key(ge=4 * MIB)] | None = Key(
        None, description="how much of the disk it may take; 2GiB unless written"
    )
    commit: Annotated[Duration, Key(ge=0.001, le=10.0)] | None = Key(
        None, description="how often values are made safe on disk; 250ms unless written"
    )
    overflow: Literal["drop_oldest"] = Key(
        "drop_oldest", description="what gives way when it is full; it is named in a gap message"
    )


class DeviceKeys(FamilyKeys):
    """One thing behind a connection."""

    profile: Text = Key(description="what it is: a profile with its version, such as `eastron/sdm630-v2@1`")
    connection: Name = Key(description="the connection it is behind")
    unit: Annotated[int, Key(ge=0, le=255)] = Key(1, description="its number on a Modbus connection")
    params: dict[Text, Annotated[object, _VALUE]] = Key(
        default_factory=dict, description="what its profile leaves open, by the name of the parameter"
    )
    groups: dict[Name, Annotated[object, CheckedAs(GroupKeys)]] = Key(
        default_factory=dict,
        description="what is different in groups of the profile: any of their keys, as profiles write them, "
        "such as interval, or publishing of OPC UA",
    )
    disable: list[Text] = Key(
        default_factory=list,
        description="tags of the profile that are not read, whole families (`di_{n}`), sources of events",
    )
    timeout: Annotated[Duration, Key(ge=0.01, le=60.0)] | None = Key(
        None, description="how long its answers may take, where that differs from its Modbus connection"
    )
    turnaround: Annotated[Duration, Key(ge=0.0, le=10.0)] | None = Key(
        None, description="the pause before it is asked, where that differs from its Modbus connection"
    )
    labels: dict[LabelName, Text] = Key(
        default_factory=dict, description="facts about it, for topics as `{label}` and for the metadata"
    )


class UserKeys(Keys):
    """A login."""

    name: Resolved = Key(description="the user; `${env:NAME}` and `${hostname}` may stand in it")
    password: SecretText = Key(
        description="where the password is: `${file:path}`, `${env:NAME}`, `${cred:NAME}`"
    )


class MqttKeys(Keys):
    """A broker and how to get in."""

    url: Broker = Key(description="mqtts://host:8883, or mqtt:// for one on this machine")
    version: Literal[5, "3.1.1"] = Key(5, description="of MQTT")
    ca: ExistingFile | None = Key(
        None, description="certificates to trust; those of the system unless written"
    )
    cert: ExistingFile | None = Key(None, description="the certificate of this gateway, with `key`")
    key: ExistingFile | None = Key(None, description="the private key of `cert`")
    user: UserKeys | None = Key(None, description="a login with a password")
    keepalive: Annotated[Duration, Key(ge=5.0, le=65535.0)] = Key(
        30.0, description="how often the connection shows that it lives, in whole seconds"
    )
    insecure: bool = Key(
        default=False, description="says on purpose that mqtt:// goes over a network in the clear"
    )


class BatchKeys(Keys):
    """A message is sent when it is so old or so large."""

    max_age: Annotated[Duration, Key(ge=0.01, le=3600.0)] | None = Key(
        None, description="how long scans are gathered; 1s unless written"
    )
    max_bytes: Annotated[Size, Key(ge=KIB, le=128 * MIB)] | None = Key(
        None, description="the largest message; 64KiB unless written"
    )


class PayloadKeys(Keys):
    """How messages look."""

    format: Literal["json"] = Key("json", description="JSON, one message per topic")
    batch: BatchKeys = Key(BatchKeys(), description="when a message is sent")


class WindowKeys(Keys):
    """What may be under way without an acknowledgement."""

    messages: Annotated[int, Key(ge=1, le=65535)] | None = Key(
        None, description="50 unless written, and never more than the broker allows"
    )
    bytes: Annotated[Size, Key(ge=KIB)] | None = Key(None, description="512KiB unless written")


class DestinationKeys(Keys):
    """One broker, and how its messages look."""

    mqtt: MqttKeys = Key(description="the broker and how to get in")
    topic: Text | None = Key(
        None,
        description="where values go: a text with {device}, {group}, {gateway} and labels; "
        "edge/{gateway}/{device}/{group} unless written",
    )
    agent_topic: Text | None = Key(
        None, description="where the agent speaks of itself; edge/{gateway}/_agent unless written"
    )
    payload: PayloadKeys = Key(PayloadKeys(), description="how messages look")
    window: WindowKeys = Key(WindowKeys(), description="what may be under way without an acknowledgement")


class AdditionFile(Keys):
    """A file of `conf.d`: it adds entries, and no other keys."""

    schema_: Literal["edge-agent/gateway/1"] = Key(alias="schema", description="the format of this file")
    connections: dict[Name, object] = Key(
        default_factory=dict, description="sockets and sessions, each under its name with its protocol"
    )
    devices: dict[Name, Annotated[object, CheckedAs(DeviceKeys)]] = Key(
        default_factory=dict, description="what is read, each device under its name"
    )
    destinations: dict[Name, Annotated[object, CheckedAs(DestinationKeys)]] = Key(
        default_factory=dict, description="where it goes, each broker under its name"
    )


class GatewayFile(AdditionFile):
    """`agent.yaml`: a gateway with everything around it."""

    gateway: Annotated[object, CheckedAs(GatewayKeys)] = Key(description="who this is")
    buffer: Annotated[object, CheckedAs(BufferKeys)] = Key(
        None, description="the log on disk, where values wait until they are delivered"
    )
    log: Annotated[object, CheckedAs(LogKeys)] = Key(None, description="how much the agent tells of itself")
