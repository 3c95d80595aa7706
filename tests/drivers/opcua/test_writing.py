"""Values are written to the nodes of a server in their own types, once, and read back."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from asyncua import ua

from edge_agent.config.settings import Device, Group, NodeLimits, OpcUaConnection, Profile, Tag
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.drivers.opcua.driver import OpcUaDevice, OpcUaDriver
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.wire import SessionWire, connect
from edge_agent.drivers.opcua.writing import write
from edge_agent.errors import DeviceError
from edge_agent.ports import Written
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc

URI = "urn:acme:plc"
TYPES: Sequence[tuple[BuiltIn, str, object]] = [
    ("Boolean", "on", True),
    ("SByte", "-128", -128),
    ("Byte", "255", 255),
    ("Int16", "-32768", -32768),
    ("UInt16", "0xFFFF", 65535),
    ("Int32", "-2147483648", -2147483648),
    ("UInt32", "4294967295", 4294967295),
    ("Int64", "9007199254740993", "9007199254740993"),
    ("UInt64", "18446744073709551615", "18446744073709551615"),
    ("Float", "0.1", 0.1),
    ("Double", "3.141592653589793", 3.141592653589793),
    ("String", "Grüße = ß", "Grüße = ß"),
    ("DateTime", "2026-11-24T13:05:00.25+01:00", "2026-11-24T12:05:00.250Z"),
    ("Guid", "12345678-1234-1234-1234-123456789ABC", "12345678-1234-1234-1234-123456789abc"),
    ("ByteString", "ZWRnZQ==", "ZWRnZQ=="),
    ("LocalizedText", "Betrieb", "Betrieb"),
]


@pytest.mark.parametrize(("type_", "text", "shown"), TYPES)
async def test_each_type_is_written_and_read_back(type_: BuiltIn, text: str, shown: object) -> None:
    async with machine(tag("it", type_)) as (_, wire):
        done = await order(tag("it", type_), wire, text)

    assert (done.there, done.value, done.quality, done.how, done.failure) == (
        True,
        shown,
        "",
        f"as {type_}",
        "",
    )


async def test_a_value_that_was_written_stays() -> None:
    async with machine(tag("it", "Int32")) as (_, wire):
        await order(tag("it", "Int32"), wire, "42")
        scan = await device(wire, [tag("it", "Int32")]).read("fast")

    assert scan.values == (42,)


@pytest.mark.parametrize(
    ("type_", "text", "words"),
    [
        ("Boolean", "maybe", "'maybe' is neither true nor false"),
        ("SByte", "128", "128 is outside of SByte, which goes from -128 to 127"),
        ("UInt16", "-1", "-1 is outside of UInt16"),
        ("Int32", "1.5", "1.5 lies between two steps; 1 or 2 can be written"),
        ("Int64", "9223372036854775808", "is outside of Int64"),
        ("Float", "16777217", "16777217 lies between two steps; 16777216 or 16777218 can be written"),
        ("Float", "1e39", "is outside of Float"),
        ("Double", "1,5", "'1,5' is not a number; write 1.5"),
        ("DateTime", "24.11.2026", "'24.11.2026' is no time; write it as 2026-11-24T13:05:00Z"),
        ("DateTime", "2026-11-24T13:05:00", "is no time; write it as 2026-11-24T13:05:00Z"),
        ("DateTime", "2026-02-30T13:05:00Z", "is no time that there is"),
        ("DateTime", "1600-01-01T00:00:00Z", "times go from 1601 to 9999"),
        ("Guid", "1234", "'1234' is no GUID; write it as 12345678-1234-1234-1234-123456789abc"),
        ("ByteString", "edge!", "'edge!' is no base64"),
        ("String", "x" * 65536, "a text of 65536 bytes is too long"),
        ("String", "\udcff", "is no UTF-8"),
        ("ByteString", "A" * 65536, "bytes are too many"),
    ],
)
async def test_what_its_type_cannot_hold_is_refused_before_anybody_is_asked(
    type_: BuiltIn, text: str, words: str
) -> None:
    its = device(Unreachable(), [tag("it", type_)])

    with pytest.raises(ValueError, match=r"^it: ") as caught:
        await its.write("it", text, 1.0)
    assert words in str(caught.value)


async def test_only_a_tag_with_access_rw_is_written() -> None:
    its = device(Unreachable(), [replace(tag("it", "Int32"), access="r")])

    with pytest.raises(ValueError, match="it cannot be written: its profile does not say access: rw"):
        await its.write("it", "1", 1.0)
    with pytest.raises(KeyError):
        await its.write("other", "1", 1.0)


async def test_the_profiles_range_and_texts_count() -> None:
    ranged = replace(tag("it", "Double"), address=Node("it", URI, "s=it", "Double", valid=(0.0, 10.0)))
    texts = {0: "off", 1: "auto"}
    chosen = replace(
        tag("it", "Int32"), address=Node("it", URI, "s=it", "Int32", enum=frozenset(texts)), enum=texts
    )

    with pytest.raises(ValueError, match="it: 11 is outside of what is valid: 0 to 10"):
        await device(Unreachable(), [ranged]).write("it", "11", 1.0)
    with pytest.raises(ValueError, match="it: 7 is none of its numbers: 0, 1"):
        await device(Unreachable(), [chosen]).write("it", "7", 1.0)
    with pytest.raises(ValueError, match="it: 'aut' is none of its texts - did you mean 'auto'"):
        await device(Unreachable(), [chosen]).write("it", "aut", 1.0)
    async with machine(chosen) as (_, wire):
        assert (await order(chosen, wire, "Auto")).value == 1


# --- what the server says -----------------------------------------------------------------


async def test_a_node_that_can_only_be_read_is_not_written() -> None:
    async with machine(replace(tag("it", "Int32"), access="r")) as (_, wire):
        with pytest.raises(DeviceError, match="it can only be read on the server") as caught:
            await write(wire, tag("it", "Int32"), "1", 1.0)

    assert caught.value.reason == "BadNotWritable"


async def test_a_node_of_another_type_is_not_written() -> None:
    async with machine(tag("it", "Double")) as (_, wire):
        with pytest.raises(DeviceError, match="the node has values of type Double, the profile says Float"):
            await write(wire, tag("it", "Float"), "1", 1.0)


async def test_the_value_is_sent_in_the_type_of_the_node() -> None:
    async with machine(tag("it", "Int16")) as (_, wire):
        assert (await write(wire, tag("it", "Int32"), "1", 1.0)).how == "as Int16"
        with pytest.raises(DeviceError, match="40000 is outside of Int16"):
            await write(wire, tag("it", "Int32"), "40000", 1.0)
        with pytest.raises(DeviceError, match="'auto' is no number, and the server has no texts for it"):
            await write(wire, tag("it", "Int32"), "auto", 1.0)


async def test_a_node_that_is_not_there_is_named_with_the_way_out() -> None:
    async with machine(tag("it", "Int32")) as (_, wire):
        with pytest.raises(DeviceError, match="the server has no such node: is the profile for this machine"):
            await write(wire, tag("other", "Int32"), "1", 1.0)
        stranger = replace(tag("it", "Int32"), address=Node("it", "urn:other", "s=it", "Int32"))
        with pytest.raises(DeviceError, match="the server has no namespace urn:other"):
            await write(wire, stranger, "1", 1.0)


# --- what happens on the way --------------------------------------------------------------


@pytest.mark.parametrize("fault", [Faults(slow_s=1.5), Faults(silence=True), Faults(frozen=True)])
async def test_without_an_answer_nobody_knows_and_it_is_not_written_again(fault: Faults) -> None:
    async with machine(tag("it", "Int32"), timeout_s=0.5) as (plc, wire):
        failing = Failing(wire, plc, fault)

        done = await write(failing, tag("it", "Int32"), "42", 0.2)

    assert (done.there, done.failure) == (False, "timeout: no answer within 0.5 s")
    assert failing.writes == [1]


async def test_what_was_written_before_the_answer_was_lost_is_found_to_be_there() -> None:
    async with machine(tag("it", "Int32"), timeout_s=0.5) as (plc, wire):
        failing = Failing(wire, plc, Faults(slow_s=1.5), heal=True)

        done = await write(failing, tag("it", "Int32"), "42", 20.0)

    assert (done.there, done.value, done.failure) == (True, 42, "timeout: no answer within 0.5 s")
    assert failing.writes == [1]


async def test_a_server_that_refuses_after_all_says_what_to_do() -> None:
    async with machine(tag("it", "Int32")) as (plc, wire):
        failing = Failing(wire, plc, Faults(), answer=ua.StatusCodes.BadUserAccessDenied)

        with pytest.raises(DeviceError, match=r"give it the right on the server .BadUserAccessDenied."):
            await write(failing, tag("it", "Int32"), "42", 1.0)


async def test_a_value_that_never_shows_is_told_as_such() -> None:
    async with machine(tag("it", "Int32")) as (plc, wire):
        failing = Failing(wire, plc, Faults(), answer=ua.StatusCodes.Good)

        done = await write(failing, tag("it", "Int32"), "42", 0.3)

    assert (done.there, done.failure) == (False, "")
    assert done.value is not None


# --- helpers ------------------------------------------------------------------------------


def tag(name: str, type_: BuiltIn) -> Tag:
    return Tag(name, "fast", type_, Node(name, URI, f"s={name}", type_), access="rw")


@asynccontextmanager
async def machine(its: Tag, timeout_s: float = 5.0) -> AsyncIterator[tuple[OpcUaPlc, SessionWire]]:
    async with (
        OpcUaPlc([its]) as plc,
        connect(OpcUaConnection("plc", plc.endpoint, timeout_s=timeout_s)) as wire,
    ):
        yield plc, wire


def device(wire: Any, tags: Sequence[Tag]) -> OpcUaDevice:
    groups: Mapping[str, Group] = {"fast": Group("fast", 1.0)}
    profile = Profile("acme/x", "1.0.0", "", "opcua", "", groups, tuple(tags), NodeLimits())
    made = Device("x-1", profile, "plc", 1, groups, tuple(tags))
    return OpcUaDriver().device(wire, made, b"{}", time.time_ns)


async def order(its: Tag, wire: SessionWire, text: str) -> Written:
    return await device(wire, [its]).write(its.name, text, 3.0)


class Unreachable:
    async def session(self) -> Session:
        raise AssertionError("nobody is to be asked")


@dataclass
class Failing:
    """A wire whose server fails, or answers like this, from the write on; with `heal` until it was late."""

    wire: SessionWire
    plc: OpcUaPlc
    faults: Faults
    heal: bool = False
    answer: int | None = None
    writes: list[int] = field(default_factory=list)

    async def session(self) -> Session:
        return cast("Session", _Session(self, await self.wire.session()))


class _Session:
    def __init__(self, its: Failing, session: Session) -> None:
        self._its = its
        self._session = session

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    async def write(self, node: ua.NodeId, value: ua.Variant) -> int:
        its = self._its
        its.writes.append(1)
        await its.plc.switch(its.faults)
        try:
            return its.answer if its.answer is not None else await self._session.write(node, value)
        finally:
            if its.heal:
                await its.plc.switch(Faults())
