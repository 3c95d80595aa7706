"""The keys of Modbus in the files, each with its type and its range."""

from typing import Annotated, Literal

from pydantic import Field as Key

from edge_agent.config.profile import ProfileFile
from edge_agent.config.section import Keys
from edge_agent.config.settings import Report
from edge_agent.config.syntax import Deadband, Duration, Exact, Name, Number, TagName, Text
from edge_agent.core.registers import Order, Table, Type

Addressing = Literal["protocol", "one_based", "modicon"]
Encoding = Literal["ascii", "latin-1", "utf-8"]
Access = Literal["r", "rw"]
Byte = Annotated[int, Key(ge=0, le=255)]


class ConnectionKeys(Keys):
    """`connections.<name>.modbus`."""

    tcp: Text
    mode: Text = "tcp"
    timeout: Annotated[Duration, Key(ge=0.01, le=60.0)] = 1.0
    connect_timeout: Annotated[Duration, Key(ge=0.01, le=60.0)] = 3.0


class LimitKeys(Keys):
    """`limits` of a profile: 125 and 2000 are the limits of the protocol."""

    max_registers: Annotated[int, Key(ge=1, le=125)] = 125
    max_bits: Annotated[int, Key(ge=1, le=2000)] = 2000
    max_gap: Annotated[int, Key(ge=0, le=2000)] = 16


class DefaultKeys(Keys):
    """What holds for every tag of a profile that does not say otherwise; `order` is for numbers only."""

    table: Table | None = None
    type: Type | None = None
    order: Order | None = None
    encoding: Encoding | None = None
    pad: Annotated[list[Byte], Key(min_length=1, max_length=8)] | None = None
    nan: Literal["quiet"] | None = None
    kind: Literal["counter"] | None = None
    access: Access | None = None
    report: Report | None = None
    group: Name | None = None


class TagKeys(DefaultKeys):
    """One tag."""

    address: object
    length: Annotated[int, Key(ge=1, le=125)] | None = None
    bits: dict[TagName, object] | None = None
    enum: Annotated[dict[int, Text], Key(min_length=1)] | None = None
    enum_else: Text | None = None
    flags: Annotated[dict[int, Text], Key(min_length=1)] | None = None
    scale: Exact | None = None
    offset: Exact | None = None
    sentinels: Annotated[list[int], Key(min_length=1)] | None = None
    valid: Annotated[list[Number], Key(min_length=2, max_length=2)] | None = None
    unit: Text | None = None
    quantity: Text | None = None
    deadband: Deadband | None = None


class PartKeys(Keys):
    """A part of several bits, or one bit with texts."""

    bits: Annotated[list[int], Key(min_length=1)]
    enum: Annotated[dict[int, Text], Key(min_length=1)] | None = None


class ModbusProfile(ProfileFile):
    """A profile with `protocol: modbus`."""

    protocol: Literal["modbus"]
    addressing: Addressing = "protocol"
    limits: object = None
    defaults: object = None


class TestKeys(Keys):
    """A dump of registers and what must come of it."""

    __test__ = False

    name: Text
    registers: dict[Table, dict[int, object]]
    expect: Annotated[dict[str, object], Key(min_length=1)]


class ExpectKeys(Keys):
    """What must come of one tag, in full."""

    value: object = None
    quality: Literal["good", "uncertain", "bad"] = "good"
    reason: Text | None = None
    text: object = None
