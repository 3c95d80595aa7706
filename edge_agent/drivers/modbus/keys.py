"""The keys of Modbus in the files, each with its type and its range."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field as Key
from pydantic import PlainValidator, WithJsonSchema

from edge_agent.config.expect import BOOL, TEXT, Expectations, ValueForm
from edge_agent.config.families import FamilyKeys
from edge_agent.config.forms import CheckedAs
from edge_agent.config.hints import hint
from edge_agent.config.profile import ProfileFile
from edge_agent.config.section import Keys
from edge_agent.config.settings import Framing, Parity, Report
from edge_agent.config.syntax import (
    Deadband,
    Duration,
    Exact,
    ExistingFile,
    Name,
    Number,
    TagName,
    Text,
    quoted,
)
from edge_agent.config.yaml_nodes import Written
from edge_agent.core.claims import Object
from edge_agent.core.registers import Order, Table, Type

Addressing = Literal["protocol", "one_based", "modicon"]
Encoding = Literal["ascii", "latin-1", "utf-8"]
Access = Literal["r", "rw"]
Byte = Annotated[int, Key(ge=0, le=255)]


@dataclass(frozen=True, slots=True)
class Shape:
    """What registers hold: one value of a type, or an array of so many."""

    type: Type
    elements: int = 0

    @property
    def name(self) -> str:
        """As it is written."""
        return f"{self.type}[{self.elements}]" if self.elements else self.type


def _shape(value: object) -> Shape:
    name, bracket, count = value.partition("[") if isinstance(value, str) else (value, "", "")
    if name not in TYPES:
        raise ValueError(f"unknown type {quoted(name)}{hint(name, list(TYPES))}")
    type_ = name
    if not bracket:
        return Shape(type_)
    if name in NO_ARRAYS:
        raise ValueError(f"{quoted(value)}: {NO_ARRAYS[type_]}")
    if not re.fullmatch(r"[1-9][0-9]{0,2}\]", count):
        raise ValueError(f"{quoted(value)} is not an array; write for example {name}[8]")
    return Shape(type_, int(count[:-1]))


TYPES: tuple[Type, ...] = get_args(Type)

NO_ARRAYS: Mapping[Type, str] = {
    "bool": "bits are named one by one, with `for` in one line",
    "string": "a text says its registers with length:",
    **dict.fromkeys(
        ("int8", "uint8"),
        "it does not say whether a register has one or two of them; read whole registers as uint16[...]",
    ),
}
"""Types without arrays, and why."""

_COUNTED = [each for each in TYPES if each not in NO_ARRAYS]

TypeName = Annotated[
    Shape,
    PlainValidator(_shape),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(TYPES)},
                {
                    "type": "string",
                    "title": "array such as `uint16[8]`",
                    "pattern": rf"^({'|'.join(_COUNTED)})\[[1-9][0-9]*\]$",
                },
            ]
        }
    ),
]


def _sentinel(value: object) -> int | Written:
    if isinstance(value, bool) or not isinstance(value, int | Written):
        raise ValueError(f"{quoted(value)} is not a number")  # noqa: TRY004 - models take up a ValueError
    return value


Sentinel = Annotated[
    int | Written, PlainValidator(_sentinel), WithJsonSchema({"type": "number", "title": "number"})
]

_ADDRESS = WithJsonSchema({"title": "address", "anyOf": [{"type": "integer", "minimum": 0}, TEXT]})
_CONTENT = WithJsonSchema({"title": "dump", "anyOf": [{"type": "integer"}, TEXT, BOOL]})


class ConnectionKeys(Keys):
    """A socket or a serial line to Modbus devices: `connections.<name>.modbus`.

    One of `tcp`, `udp`, `tls` and `serial` says where.
    """

    tcp: Text | None = Key(None, description="host and port; the port is 502 unless written")
    udp: Text | None = Key(None, description="host and port; the port is 502 unless written")
    tls: Text | None = Key(
        None, description="host and port of Modbus/TCP Security; the port is 802 unless written"
    )
    serial: Text | None = Key(
        None, description="a serial port, best by its name in `/dev/serial/by-id`, which does not change"
    )
    mode: Framing | None = Key(
        None,
        description="the framing: tcp, rtu or ascii; tcp unless written, rtu on a serial port; `mode: rtu` "
        "with `tcp:` is RTU over TCP",
    )
    baudrate: Annotated[int, Key(ge=50, le=4_000_000)] | None = Key(
        None, description="of a serial port, in bit/s; 9600 unless written"
    )
    parity: Parity | None = Key(None, description="of a serial port; even unless written")
    stopbits: Literal[1, 2] | None = Key(None, description="of a serial port; 1 unless written")
    databits: Literal[7, 8] | None = Key(
        None, description="of a serial port; 8 unless written, 7 with `mode: ascii`"
    )
    ca: ExistingFile | None = Key(
        None, description="certificates to trust with `tls:`; those of the system unless written"
    )
    cert: ExistingFile | None = Key(None, description="the certificate of this gateway with `tls:`")
    key: ExistingFile | None = Key(None, description="the private key of `cert`")
    timeout: Annotated[Duration, Key(ge=0.01, le=60.0)] = Key(
        1.0,
        description="how long an answer may take, on a serial line beside the time its characters take; "
        "without one the values are `bad:timeout`",
    )
    connect_timeout: Annotated[Duration, Key(ge=0.01, le=60.0)] = Key(
        3.0, description="how long opening the connection may take"
    )
    retries: Annotated[int, Key(ge=0, le=10)] | None = Key(
        None,
        description="how often a request is repeated at once when nothing or a damaged answer came, as long "
        "as the unit answered the one before; 1 on a serial port and with udp, else 0 unless written",
    )
    turnaround: Annotated[Duration, Key(ge=0.0, le=10.0)] | None = Key(
        None,
        description="the pause between an answer and the next request; on a serial port 3.5 characters "
        "and 5 ms unless written, else none",
    )
    connect_delay: Annotated[Duration, Key(ge=0.0, le=60.0)] = Key(
        0.0, description="the pause between opening the connection and the first request"
    )
    quiet_after_timeout: Annotated[Duration, Key(ge=0.0, le=60.0)] | None = Key(
        None,
        description="how long nobody is asked after an answer stayed out, so that a late one hits nobody's "
        "request; 100ms with rtu and ascii unless written, none with tcp, whose answers have numbers",
    )
    max_in_flight: Annotated[int, Key(ge=1, le=16)] = Key(
        1,
        description="requests that may be under way at a time, where answers have numbers (`mode: tcp`); "
        "many devices bear one only",
    )


class LimitKeys(Keys):
    """What the device bears in one request; 125 and 2000 are the limits of the protocol."""

    max_registers: Annotated[int, Key(ge=1, le=125)] = Key(
        125, description="registers that one request may ask for"
    )
    max_bits: Annotated[int, Key(ge=1, le=2000)] = Key(
        2000, description="coils or discrete inputs that one request may ask for"
    )
    max_gap: Annotated[int, Key(ge=0, le=2000)] | None = Key(
        None,
        description="unused registers (bits) in a row that may be read along to save a request, 0 for a "
        "device that refuses addresses without a value; as many as cost less time than a request, and 32 at "
        "most, unless written",
    )
    min_registers: Annotated[int, Key(ge=1, le=125)] = Key(
        1,
        description="registers that one request has to ask for; neighbours are read along where a tag takes "
        "fewer. For devices that answer a short request with something else",
    )
    from_zero: bool = Key(
        default=False, description="whether every request has to begin at the first address of its table"
    )
    one_tag_per_request: bool = Key(
        default=False,
        description="whether each tag has to be asked for alone, because the device refuses more",
    )


class DefaultKeys(Keys):
    """What holds for every tag of a profile that does not say otherwise."""

    table: Table | None = Key(None, description="where it stands; modicon addresses say it themselves")
    type: TypeName | None = Key(
        None, description="what the registers hold; an array has its numbers side by side"
    )
    order: Order | None = Key(
        None,
        description="order of bytes and words: ABCD high word first, CDAB low word first, BADC and DCBA the "
        "same with the bytes of each word swapped; ABCD unless written",
    )
    encoding: Encoding | None = Key(None, description="of strings; latin-1 unless written")
    pad: Annotated[list[Byte], Key(min_length=1, max_length=8)] | None = Key(
        None, description="bytes that fill up a string and are taken off; [0] unless written"
    )
    nan: Literal["quiet"] | None = Key(
        None,
        description="says that the device sends NaN for what it does not know; it is `bad:nan` in any case",
    )
    kind: Literal["counter"] | None = Key(
        None,
        description="counter: it only rises; a fall that is neither a wrap-around nor a reset is "
        "`uncertain:counter_fell`, once",
    )
    access: Access | None = Key(
        None, description="whether it can be written; r unless written, and in tables that can only be read"
    )
    report: Report | None = Key(
        None,
        description="whether every scan has it, or only those in which it changed; as its group unless "
        "written",
    )
    group: Name | None = Key(None, description="the group it is read with")


class PartKeys(Keys):
    """A part of several bits, or one bit with texts."""

    bits: Annotated[list[int], Key(min_length=1)] = Key(description="its bits, side by side; 0 is the lowest")
    enum: Annotated[dict[int, Text], Key(min_length=1)] | None = Key(
        None, description="the text of each number it can have"
    )


class TagKeys(DefaultKeys, FamilyKeys):
    """One named value. It is raw * scale + offset; valid, deadband and enum look at what comes of that."""

    address: Annotated[object, _ADDRESS] = Key(
        description="its first register, or its bit, counted as `addressing` says; `0x...` is hexadecimal"
    )
    length: Annotated[int, Key(ge=1, le=125)] | None = Key(None, description="registers of a string")
    bits: dict[TagName, Annotated[object, CheckedAs(PartKeys, ({"type": "integer"},))]] | None = Key(
        None,
        description="parts of unsigned numbers: a bit, or `{bits: [4, 5]}`; each is sent as `tag.part`, the "
        "tag itself only with a unit, enum or flags",
    )
    enum: Annotated[dict[int, Text], Key(min_length=1)] | None = Key(
        None, description="the text of each number; any other is `uncertain:not_in_enum`"
    )
    enum_else: Text | None = Key(None, description="the text of a number that is not in `enum`")
    flags: Annotated[dict[int, Text], Key(min_length=1)] | None = Key(
        None, description="the text of each bit that can be set"
    )
    scale: Exact | None = Key(None, description="factor; decimal and exact, 1 unless written")
    offset: Exact | None = Key(None, description="what is added after the factor, 0 unless written")
    scale_from: TagName | None = Key(
        None,
        description="the tag with a power of ten that the number is multiplied with, -10 to 10: "
        "raw * 10**tag * scale + offset. It stands in the same table and group; both are read in one request",
    )
    sentinels: Annotated[list[Sentinel], Key(min_length=1)] | None = Key(
        None,
        description="what means that there is no value (`bad:sentinel`): `0x...` is what stands in the "
        "registers, highest byte first (0x8000, 0x7FC00000), any other number what they hold before `scale`",
    )
    valid: Annotated[list[Number], Key(min_length=2, max_length=2)] | None = Key(
        None, description="smallest and largest value that can be; beyond it is `uncertain:out_of_range`"
    )
    unit: Text | None = Key(None, description='unit as UCUM writes it: kW.h, Cel, %, /min, or "1" for none')
    quantity: Text | None = Key(None, description="what is measured, for the model in the cloud (QUDT)")
    deadband: Deadband | None = Key(
        None,
        description="how far the value moves before it is reported again: in its unit, or in percent of the "
        "span of `valid`; reports on change",
    )


class TestKeys(Keys):
    """A dump of registers and what must come of it."""

    __test__ = False

    name: Text = Key(description="what the device was doing")
    registers: dict[Table, dict[int, Annotated[object, _CONTENT]]] = Key(
        description='contents by table and wire address, counted from 0: "4366 3333", a number, or bits '
        '"0b0101" with the first address on the right'
    )
    expect: Expectations


class ReadKeys(Keys):
    """What is read to see what a device is. What `defaults` say holds here too."""

    table: Table | None = Key(None, description="where it stands; modicon addresses say it themselves")
    address: Annotated[object, _ADDRESS] = Key(
        description="its first register, or its bit, counted as `addressing` says; `0x...` is hexadecimal"
    )
    type: Type | None = Key(None, description="what the registers hold")
    order: Order | None = Key(None, description="order of bytes and words; ABCD unless written")
    length: Annotated[int, Key(ge=1, le=125)] | None = Key(None, description="registers of a string")


class ClaimKeys(Keys):
    """What devices of this type say of themselves: one of `read` and `object`, with what it is.

    One of `equals`, `one_of` and `contains` says that. Blanks and zero bytes around a text do not count.
    """

    read: ReadKeys | None = Key(None, description="a value in its tables, such as a code of its type")
    object_: Object | None = Key(
        None, alias="object", description="a text of its identification (function 43, type 14)"
    )
    equals: ValueForm = Key(None, description="the number or text that it is")
    one_of: Annotated[list[ValueForm], Key(min_length=1)] | None = Key(
        None, description="the numbers or texts that it may be"
    )
    contains: Text | None = Key(None, description="a text that is in it")


class ModbusProfile(ProfileFile):
    """A profile with `protocol: modbus`."""

    protocol: Literal["modbus"] = Key(description="how devices of this type are talked to")
    addressing: Addressing = Key(
        "protocol",
        description="how this file counts: protocol from 0 as on the wire, one_based from 1, modicon as "
        'printed: "00001", 10001, 30001, 40001',
    )
    identify: list[Annotated[object, CheckedAs(ClaimKeys)]] = Key(
        default_factory=list,
        description="how a device of this type is told from others. It is asked once when it has first "
        "answered, and whenever it is back after being down; what contradicts is an event and stands in the "
        "state of the device, and never stops polling",
    )
    limits: Annotated[object, CheckedAs(LimitKeys)] = Key(
        None, description="what the device bears in one request"
    )
    defaults: Annotated[object, CheckedAs(DefaultKeys)] = Key(
        None, description="what holds for every tag that does not say otherwise"
    )
    tests: list[Annotated[object, CheckedAs(TestKeys)]] = Key(
        default_factory=list,
        description="golden tests: what the device answers and what must come of it, with default parameters",
    )
