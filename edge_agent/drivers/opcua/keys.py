"""The keys of OPC UA in the files, each with its type and its range."""

from typing import Annotated, Literal

from pydantic import Field as Key

from edge_agent.config.gateway_keys import UserKeys
from edge_agent.config.groups import GroupKeys
from edge_agent.config.profile import ProfileFile
from edge_agent.config.section import Keys
from edge_agent.config.settings import Report
from edge_agent.config.syntax import Duration, Name, Number, TagName, Text
from edge_agent.core.nodes import BuiltIn

Access = Literal["r", "rw"]


class ConnectionKeys(Keys):
    """`connections.<name>.opcua`: one session."""

    endpoint: Text
    security: object
    user: UserKeys | None = None
    timeout: Annotated[Duration, Key(ge=0.1, le=60.0)] = 5.0


class OpcUaGroupKeys(GroupKeys):
    """A group of nodes: subscribed to, unless it says `mode: read`."""

    mode: Literal["subscribe", "read"] | None = None
    timestamp: Literal["source", "server", "agent"] | None = None
    publishing: Annotated[Duration, Key(ge=0.01, le=3600.0)] | None = None
    sampling: Annotated[Duration, Key(ge=0.0, le=3600.0)] | None = None
    queue: Annotated[int, Key(ge=1, le=10000)] | None = None
    keepalive: Annotated[Duration, Key(ge=0.1, le=3600.0)] | None = None
    lifetime: Annotated[Duration, Key(ge=1.0, le=86400.0)] | None = None
    register_: bool | None = Key(default=None, alias="register")


class LimitKeys(Keys):
    """`limits` of a profile: what the server bears in one call, beside the limits that it tells itself."""

    items_per_call: Annotated[int, Key(ge=1, le=100000)] = 1000
    nodes_per_read: Annotated[int, Key(ge=1, le=100000)] = 1000


class DefaultKeys(Keys):
    """What holds for every tag of a profile that does not say otherwise."""

    type: BuiltIn | None = None
    kind: Literal["counter"] | None = None
    access: Access | None = None
    report: Report | None = None
    group: Name | None = None


class TagKeys(DefaultKeys):
    """One tag."""

    node: Text
    unit: Text | None = None
    quantity: Text | None = None
    enum: Annotated[dict[int, Text], Key(min_length=1)] | None = None
    enum_else: Text | None = None
    valid: Annotated[list[Number], Key(min_length=2, max_length=2)] | None = None
    deadband: Number | None = None


class OpcUaProfile(ProfileFile):
    """A profile with `protocol: opcua`."""

    protocol: Literal["opcua"]
    namespaces: dict[Name, Text] = Key(default_factory=dict)
    limits: object = None
    defaults: object = None


class GivenKeys(Keys):
    """What a server answers for a tag."""

    value: object = None
    status: Annotated[int, Key(ge=0, le=0xFFFFFFFF)] = 0


class TestKeys(Keys):
    """Answers of a server, and what must come of them."""

    __test__ = False

    name: Text
    values: Annotated[dict[TagName, object], Key(min_length=1)]
    expect: Annotated[dict[str, object], Key(min_length=1)]
