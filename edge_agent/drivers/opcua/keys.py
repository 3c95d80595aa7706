"""The keys of OPC UA in the files, each with its type and its range."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field as Key
from pydantic import PlainValidator, WithJsonSchema

from edge_agent.config.expect import BOOL, NUMBER, NUMBERS, TEXT, Expectations
from edge_agent.config.families import FamilyKeys
from edge_agent.config.forms import CheckedAs
from edge_agent.config.groups import GroupKeys
from edge_agent.config.hints import hint
from edge_agent.config.profile import ProfileFile
from edge_agent.config.section import Keys
from edge_agent.config.settings import Report, Way
from edge_agent.config.syntax import (
    Deadband,
    Duration,
    ExistingFile,
    Name,
    Number,
    Resolved,
    SecretText,
    TagName,
    Text,
    quoted,
    tag_name,
)
from edge_agent.core.nodes import LONGEST_ARRAY, STORES, BuiltIn, spans
from edge_agent.drivers.opcua.presets import Preset

Access = Literal["r", "rw"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a node holds: one value of a type, or an array of so many."""

    type: BuiltIn
    elements: int = 0

    @property
    def name(self) -> str:
        """As it is written."""
        return f"{self.type}[{self.elements}]" if self.elements else self.type


def shape_of(value: object) -> Shape:
    """The type that a text names. ValueError, in words, for any other."""
    name, bracket, count = value.partition("[") if isinstance(value, str) else (value, "", "")
    if name in NOT_ONE_VALUE:
        raise ValueError(f"{quoted(value)}: {NOT_ONE_VALUE[name]}")
    if name not in TYPES:
        raise ValueError(f"unknown type {quoted(name)}{_hint(name)}")
    if not bracket:
        return Shape(name)
    if name not in STORES:
        raise ValueError(
            f"{quoted(value)}: an array is kept of numbers and Booleans; take its elements one by one, "
            "each with range: and its index"
        )
    if not re.fullmatch(r"[1-9][0-9]{0,4}\]", count) or int(count[:-1]) > LONGEST_ARRAY:
        raise ValueError(
            f"{quoted(value)} is not an array; write for example {name}[8], at most {LONGEST_ARRAY}"
        )
    return Shape(name, int(count[:-1]))


def _hint(name: object) -> str:
    plc = OF_PLCS.get(str(name).upper())
    return hint(name, list(TYPES)) if plc is None else f"; a {str(name).upper()} of a PLC is {plc}"


TYPES: tuple[BuiltIn, ...] = get_args(BuiltIn)

OF_PLCS: Mapping[str, BuiltIn] = {
    "BOOL": "Boolean", "SINT": "SByte", "USINT": "Byte", "INT": "Int16", "UINT": "UInt16", "WORD": "UInt16",
    "DINT": "Int32", "UDINT": "UInt32", "DWORD": "UInt32", "LINT": "Int64", "ULINT": "UInt64",
    "LWORD": "UInt64", "REAL": "Float", "LREAL": "Double", "WSTRING": "String",
}  # fmt: skip
"""Elementary types of IEC 61131-3, as OPC UA sends them (OPC 30000, Mapping of elementary data types)."""

_OPEN = "it leaves open what a value is; write the type that the server sends, such as Double"
NOT_ONE_VALUE: Mapping[object, str] = {
    "Structure": "a structure is taken apart: leave out the type and name its fields under fields:",
    "ExtensionObject": "a structure is taken apart: leave out the type and name its fields under fields:",
    "Enumeration": "an enumeration is sent as Int32; write that, and its texts under enum:",
    **dict.fromkeys(("Number", "Integer", "UInteger", "BaseDataType", "Variant"), _OPEN),
}
"""Types of OPC UA that no tag has, and what to write instead."""

TypeName = Annotated[
    Shape,
    PlainValidator(shape_of),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(TYPES)},
                {
                    "type": "string",
                    "title": "array such as `Float[8]`",
                    "pattern": rf"^({'|'.join(STORES)})\[[1-9][0-9]*\]$",
                },
            ]
        }
    ),
]


def _range(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str) and spans(value) is not None:
        return value
    raise ValueError(
        f'{quoted(value)} is no range of an array; write the index of one element, "2:5" for several, '
        '"0:1,4" in two dimensions; they are counted from 0'
    )


RangeText = Annotated[
    str,
    PlainValidator(_range),
    WithJsonSchema({"title": "range", "anyOf": [{"type": "integer", "minimum": 0}, TEXT]}),
]


def _column(value: object) -> str:
    return ".".join(tag_name(part) for part in str(value).split(".", 1))


ColumnName = Annotated[str, PlainValidator(_column), WithJsonSchema({"type": "string", "title": "name"})]


class SecurityKeys(Keys):
    """How the channel is secured; it has to be written."""

    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "None"] = Key(
        description="the security policy, as the server names it; `edge-agent endpoints` lists what it has. "
        "None: anyone on the way can read and change everything"
    )
    mode: Literal["sign", "sign_and_encrypt", "none"] = Key(
        description="whether messages are signed, or encrypted too; none with policy: None only"
    )
    trust: Annotated[list[Text], Key(min_length=1)] | None = Key(
        None,
        description="what the server has to show: files with its certificate (DER or PEM, read again at each "
        "connect), or `sha256:` with its fingerprint. Unless written, what `edge-agent trust` has stored",
    )


class OpcUaUserKeys(Keys):
    """Who we are: a name with a password, or a certificate with its key."""

    name: Resolved | None = Key(None, description="the user; `${env:NAME}` and `${hostname}` may stand in it")
    password: SecretText | None = Key(
        None, description="where the password is: `${file:path}`, `${env:NAME}`, `${cred:NAME}`"
    )
    cert: ExistingFile | None = Key(None, description="the user's certificate (DER or PEM), with `key`")
    key: ExistingFile | None = Key(None, description="the private key of `cert` (PEM, RSA)")


class ConnectionKeys(Keys):
    """A session with an OPC UA server: `connections.<name>.opcua`."""

    endpoint: Text = Key(description="URL of the server: opc.tcp://host:port; 4840 unless a port is written")
    security: Annotated[object, CheckedAs(SecurityKeys)] = Key(description="how the session is secured")
    user: OpcUaUserKeys | None = Key(None, description="who we are; without it the session is anonymous")
    insecure: bool = Key(
        default=False, description="says on purpose that the password goes over a network in the clear"
    )
    timeout: Annotated[Duration, Key(ge=0.1, le=60.0)] = Key(
        5.0, description="how long an answer may take; without one the session is opened anew"
    )


class EventFieldKeys(Keys):
    """A field of events beside those that all have."""

    path: Text = Key(
        description="the browse names that lead to it from the event: `plc:PartCount`, `ActiveState/Id`; an "
        "alias names the namespace, without one it is the standard's; a slash within a name is `&/`"
    )
    type: BuiltIn = Key(description="the type of its value, as OPC UA names it")


class OpcUaGroupKeys(GroupKeys):
    """A group of nodes: subscribed to, unless it says `mode: read`.

    With `mode: events` it has no tags: it is a source of events and alarms, in lane alarm unless written.
    """

    time_resolution: Duration | None = Key(
        None,
        description="how far apart in time the values of a scan may be before each tag carries its own; "
        "1ms unless written",
    )
    mode: Way | None = Key(
        None,
        description="whether the server tells the news, is asked, or tells events; subscribe unless written",
    )
    timestamp: Literal["source", "server", "agent"] | None = Key(
        None, description="whose time a value has; source unless written, agent where there is none"
    )
    publishing: Annotated[Duration, Key(ge=0.01, le=3600.0)] | None = Key(
        None,
        description="how often the server sends what it has sampled; needed with mode: subscribe, "
        "1s for events unless written",
    )
    sampling: Annotated[Duration, Key(ge=0.0, le=3600.0)] | None = Key(
        None, description="how often the server looks at the nodes; as often as it sends unless written"
    )
    queue: Annotated[int, Key(ge=1, le=10000)] | None = Key(
        None,
        description="samples of a tag that the server holds for us; two publishing intervals' worth and at "
        "least 10 unless written, 1000 events. What runs over is a gap `source:overflow`; with a queue of 1 "
        "no server tells it",
    )
    keepalive: Annotated[Duration, Key(ge=0.1, le=3600.0)] | None = Key(
        None, description="how often a server without news gives a sign of life; 5s unless written"
    )
    lifetime: Annotated[Duration, Key(ge=1.0, le=86400.0)] | None = Key(
        None, description="how long the server keeps a subscription while we are away; 2min unless written"
    )
    history: Annotated[Duration, Key(ge=0.0, le=31 * 86400.0)] | None = Key(
        None,
        description="how far back a loss is filled from what the server has recorded (HistoryRead); not at "
        "all unless written. What cannot be had so stays a gap",
    )
    register_: bool | None = Key(
        None, alias="register", description="whether nodes are registered before they are read"
    )
    source: Text | None = Key(
        None,
        description="the node whose events are wanted, as `node` of a tag; i=2253, the server, unless "
        "written",
    )
    types: Annotated[list[Text], Key(min_length=1)] | None = Key(
        None,
        description="types of events that are wanted, as nodes, each with all types below it: `i=2915` is "
        "every alarm; any unless written",
    )
    severity: Annotated[int, Key(ge=1, le=1000)] | None = Key(
        None, description="the least severity that is wanted, 1000 being the most severe; any unless written"
    )
    conditions: bool | None = Key(
        None,
        description="whether what tells the state of an alarm comes along: `condition_id`, `condition_name`, "
        "`branch_id`, `active`, `acked`, `retain`",
    )
    fields: dict[TagName, Annotated[object, CheckedAs(EventFieldKeys)]] | None = Key(
        None, description="more fields of the events, each under the name that it shall have"
    )


class LimitKeys(Keys):
    """What the server bears, beside the limits that it tells itself."""

    server: Preset | None = Key(
        None,
        description="the limits of a maker's servers, where what they tell themselves is known to mislead; "
        "what is written beside it counts",
    )
    items_per_call: Annotated[int, Key(ge=1, le=100000)] | None = Key(
        None, description="items of a subscription that one call may make; 1000 unless written"
    )
    nodes_per_read: Annotated[int, Key(ge=1, le=100000)] | None = Key(
        None, description="nodes that one request may read; 1000 unless written"
    )
    items: Annotated[int, Key(ge=1, le=1000000)] | None = Key(
        None, description="items that all subscriptions together may have; without it there is no limit"
    )
    sampling: Annotated[Duration, Key(ge=0.0, le=3600.0)] | None = Key(
        None, description="how often the server looks at a node at best; without it nobody knows"
    )
    filters: bool | None = Key(
        None,
        description="whether the server is asked to apply deadbands itself and to send less; what it refuses "
        "is done here. false unless written: some servers compare with the sample before instead of the last "
        "value told, and a slow drift is never told",
    )


class DefaultKeys(Keys):
    """What holds for every tag of a profile that does not say otherwise."""

    type: TypeName | None = Key(
        None, description="the type of the value, as OPC UA names it; an array says how many it has"
    )
    kind: Literal["counter"] | None = Key(None, description="a counter only rises, until it is reset")
    access: Access | None = Key(None, description="whether it may be written too: r unless written")
    report: Report | None = Key(
        None, description="whether it is reported always or on change, over its group"
    )
    group: Name | None = Key(None, description="the group it is in")


class MeaningKeys(Keys):
    """What a value means."""

    unit: Text | None = Key(None, description='unit as UCUM writes it: kW.h, Cel, %, /min, or "1" for none')
    quantity: Text | None = Key(None, description="what is measured, for the model in the cloud (QUDT)")
    enum: Annotated[dict[int, Text], Key(min_length=1)] | None = Key(
        None,
        description="texts of its numbers; another number is `uncertain:not_in_enum`. Where the server has "
        "other texts, that is said once in the log",
    )
    enum_else: Text | None = Key(None, description="the text of numbers that are not in `enum`")
    valid: Annotated[list[Number], Key(min_length=2, max_length=2)] | None = Key(
        None, description="smallest and largest value that can be; beyond it is `uncertain:out_of_range`"
    )
    deadband: Deadband | None = Key(
        None,
        description="how far the value moves before it is reported again: in its unit, or in percent of the "
        "EURange that the server tells (of the span of `valid` where it tells none); reports on change",
    )


class FieldKeys(MeaningKeys):
    """One field of a structure, which becomes `tag.field`."""

    field: Text | None = Key(
        None,
        description="its name in the structure, `a/b` within a nested one, `a/0` for an element of an array; "
        "a slash within a name is `&/`. The name of the entry unless written",
    )
    type: TypeName | None = Key(None, description="the type of the field, as OPC UA names it")
    kind: Literal["counter"] | None = Key(None, description="a counter only rises, until it is reset")
    report: Report | None = Key(
        None, description="whether it is reported always or on change, over its group"
    )


class TagKeys(DefaultKeys, MeaningKeys, FamilyKeys):
    """One tag: a node, or a path to one, and what its value means."""

    node: Text | None = Key(
        None,
        description="the node whose value it is: `alias:s=GVL.x`, `nsu=URI;s=GVL.x`, or `i=2258` in the "
        "server's own namespace; s= is a text, i= a number, g= a GUID, b= base64",
    )
    path: Text | None = Key(
        None,
        description="the way to the node instead: browse names from Objects on, each with the alias of its "
        "namespace: `plc:Line1/plc:Speed`. A slash within a name is `&/`, an ampersand `&&`",
    )
    start: Text | None = Key(
        None, description="the node where `path` begins, written as `node`; Objects unless written"
    )
    range_: RangeText | None = Key(
        None,
        alias="range",
        description='which elements of an array: the index of one, or `"2:5"`; `"0:1,4"` of a matrix, row by '
        "row. They are counted from 0, and both ends count",
    )
    fields: (
        Annotated[dict[TagName, Annotated[object, CheckedAs(FieldKeys, (TEXT,))]], Key(min_length=1)] | None
    ) = Key(
        None,
        description="fields of a structure, each with its type or with keys; it becomes a tag of its own, "
        "`tag.field`, and all are of one reading",
    )


class MethodKeys(Keys):
    """A method that may be called: `edge-agent call DEVICE.NAME`. What is not listed is never called."""

    object: Text = Key(description="the object that does it, written as the node of a tag is")
    method: Text = Key(description="the method itself, as `edge-agent browse` shows it below the object")


_GIVEN = WithJsonSchema({"title": "value", "anyOf": [NUMBER, TEXT, BOOL, NUMBERS]})


class GivenKeys(Keys):
    """What a server answers for a tag."""

    value: Annotated[object, _GIVEN] = Key(None, description="the value")
    status: Annotated[int, Key(ge=0, le=0xFFFFFFFF)] = Key(
        0, description="its status code, such as 0x80340000; 0 is good"
    )


class TestKeys(Keys):
    """Answers of a server, and what must come of them."""

    __test__ = False

    name: Text = Key(description="what the device was doing")
    values: Annotated[
        dict[ColumnName, Annotated[object, CheckedAs(GivenKeys, (NUMBER, TEXT, BOOL, NUMBERS))]],
        Key(min_length=1),
    ] = Key(
        description="what the server answers for each tag or tag.field: a value, or value and status code"
    )
    expect: Expectations


class OpcUaProfile(ProfileFile):
    """A profile with `protocol: opcua`."""

    protocol: Literal["opcua"] = Key(description="how devices of this type are talked to")
    namespaces: dict[Name, Text] = Key(
        default_factory=dict,
        description="short names of namespaces by URI; indexes change with the server and are not written",
    )
    limits: Annotated[object, CheckedAs(LimitKeys)] = Key(
        None, description="what the server bears in one call"
    )
    defaults: Annotated[object, CheckedAs(DefaultKeys)] = Key(
        None, description="what holds for every tag that does not say otherwise"
    )
    methods: dict[TagName, Annotated[object, CheckedAs(MethodKeys)]] = Key(
        default_factory=dict, description="what may be called, each under its name; nothing unless written"
    )
    tests: list[Annotated[object, CheckedAs(TestKeys)]] = Key(
        default_factory=list,
        description="golden tests: what the server answers and what must come of it, with default parameters",
    )
