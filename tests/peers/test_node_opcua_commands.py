"""A server that is not asyncua is written to, and its methods are called."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from edge_agent.config.settings import Device, Group, NodeLimits, OpcUaConnection, Profile, Tag
from edge_agent.core.nodes import BuiltIn, Method, Node, Spot
from edge_agent.drivers.opcua.driver import OpcUaDevice, OpcUaDriver
from edge_agent.drivers.opcua.wire import connect
from edge_agent.errors import DeviceError
from tests.drivers.opcua.test_writing import TYPES
from tests.peers.test_node_opcua import URI

pytestmark = pytest.mark.slow

SIGNATURE = (
    "Starten(drehzahl: Double, rezept: String, schritte: Int32[])"
    " -> (auftrag: UInt32, summe: Int32, rezept: String)"
)


@pytest.mark.parametrize(("type_", "text", "shown"), TYPES)
async def test_each_type_is_written_and_read_back(
    node_opcua: str, type_: BuiltIn, text: str, shown: object
) -> None:
    async with machine(node_opcua, [tag(type_, type_)]) as its:
        done = await its.write(type_, text, 5.0)

    assert (done.there, done.value, done.quality, done.how) == (True, shown, "", f"as {type_}")


async def test_a_value_is_sent_in_the_type_that_the_node_has_now_where_its_own_is_open(
    node_opcua: str,
) -> None:
    async with machine(node_opcua, [tag("Beliebig", "Int32")]) as its:
        done = await its.write("Beliebig", "-300", 5.0)
        with pytest.raises(DeviceError, match="40000 is outside of Int16"):
            await its.write("Beliebig", "40000", 5.0)

    assert (done.there, done.value, done.how) == (True, -300, "as Int16")


async def test_texts_of_the_server_may_be_written_and_other_numbers_may_not(node_opcua: str) -> None:
    async with machine(node_opcua, [tag("Betriebsart", "Int32")]) as its:
        assert (await its.write("Betriebsart", "Automatik", 5.0)).value == 2
        with pytest.raises(DeviceError, match="'Auto' is none of its texts"):
            await its.write("Betriebsart", "Auto", 5.0)
        with pytest.raises(DeviceError, match="3 is none of the server's: 0 Aus, 1 Hand, 2 Automatik"):
            await its.write("Betriebsart", "3", 5.0)


async def test_beyond_the_range_of_the_server_nothing_is_written_unless_the_profile_has_its_own(
    node_opcua: str,
) -> None:
    async with machine(node_opcua, [tag("Drehzahl", "Float")]) as its:
        assert (await its.write("Drehzahl", "3000", 5.0)).there
        with pytest.raises(DeviceError, match=r"3000.5 is outside of its range, 0 to 3000; where"):
            await its.write("Drehzahl", "3000.5", 5.0)
    wider = Node("Drehzahl", URI, "s=Befehle.Drehzahl", "Float", valid=(0.0, 5000.0))
    async with machine(node_opcua, [Tag("Drehzahl", "fast", "Float", wider, access="rw")]) as its:
        assert (await its.write("Drehzahl", "3000.5", 5.0)).there


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("NurLesen", "BadNotWritable", "it can only be read on the server"),
        ("Verboten", "BadUserAccessDenied", "give it the right on the server"),
        ("Gesperrt", "BadInvalidState", "the machine does not take it in the state it is in"),
        ("Liste", "BadTypeMismatch", "the node on the server is an array"),
        ("Double", "BadTypeMismatch", "the node has values of type Double, the profile says Int32"),
        ("Fehlt", "BadNodeIdUnknown", "the server has no such node"),
    ],
)
async def test_what_the_server_refuses_is_told_with_what_to_do(
    node_opcua: str, name: str, reason: str, words: str
) -> None:
    async with machine(node_opcua, [tag(name, "Int32")]) as its:
        with pytest.raises(DeviceError, match=words) as caught:
            await its.write(name, "1", 1.0)

    assert caught.value.reason == reason


async def test_a_node_that_keeps_its_value_is_not_said_to_be_written(node_opcua: str) -> None:
    async with machine(node_opcua, [tag("Stur", "Int32")]) as its:
        done = await its.write("Stur", "5", 0.5)

    assert (done.there, done.value, done.quality, done.failure) == (False, 0, "", "")


async def test_a_method_is_called_with_its_arguments_by_order_and_by_name(node_opcua: str) -> None:
    async with machine(node_opcua, []) as its:
        first = await its.call("Starten", ["1200", "R7", "[1, 2, 3]"], 5.0)
        second = await its.call("Starten", ["schritte=[-4]", "rezept=R=7", "drehzahl=0.5"], 5.0)

    assert (first.signature, first.status, first.failure) == (SIGNATURE, "Good", "")
    assert dict(first.outputs[1:]) == {"summe": 6, "rezept": "R7"}
    assert dict(second.outputs[1:]) == {"summe": -4, "rezept": "R=7"}


async def test_texts_of_an_enumeration_are_arguments(node_opcua: str) -> None:
    async with machine(node_opcua, []) as its:
        assert (await its.call("Umschalten", ["Hand"], 5.0)).outputs == [("art", 1)]
        with pytest.raises(
            ValueError, match=r"art: 9 is none of 0 Aus, 1 Hand, 2 Automatik; it is Umschalten"
        ):
            await its.call("Umschalten", ["9"], 5.0)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        (
            "Ablehnen",
            ["9e9", "true"],
            r"refuses drehzahl \(BadOutOfRange\); it is Ablehnen\(drehzahl: Double",
        ),
        ("Unerlaubt", [], "give it the right on the server"),
        ("Fehlt", [], "the server has no such node"),
        ("Double", [], "the node on the server is no method"),
    ],
)
async def test_a_call_that_the_server_refuses_is_told_with_what_to_do(
    node_opcua: str, name: str, given: Sequence[str], words: str
) -> None:
    async with machine(node_opcua, []) as its:
        with pytest.raises(DeviceError, match=words):
            await its.call(name, given, 5.0)


async def test_what_does_not_fit_is_never_called(node_opcua: str) -> None:
    async with machine(node_opcua, []) as its:
        before = (await its.call("Gezaehlt", [], 5.0)).outputs
        for given in (["1200", "R7"], ["1200", "R7", "1"], ["x", "R7", "[]"], ["drehzal=1", "rezept=x"]):
            with pytest.raises(ValueError, match="it is Starten"):
                await its.call("Starten", given, 5.0)

        assert (await its.call("Gezaehlt", [], 5.0)).outputs == before


async def test_a_slow_method_is_given_up_once_and_the_session_goes_on(node_opcua: str) -> None:
    async with machine(node_opcua, []) as its:
        ((_, before),) = (await its.call("Gezaehlt", [], 5.0)).outputs
        late = await its.call("Langsam", [], 0.5)
        ((_, after),) = (await its.call("Gezaehlt", [], 5.0)).outputs
        in_time = await its.call("Langsam", [], 30.0)

    assert (late.failure, in_time.failure, in_time.status) == ("timeout: no answer within 0.5 s", "", "Good")
    assert isinstance(before, int)
    assert after == before + 1


# --- helpers ------------------------------------------------------------------------------


def tag(name: str, type_: BuiltIn) -> Tag:
    return Tag(name, "fast", type_, Node(name, URI, f"s=Befehle.{name}", type_), access="rw")


@asynccontextmanager
async def machine(endpoint: str, tags: Sequence[Tag]) -> AsyncIterator[OpcUaDevice]:
    names = ("Starten", "Gezaehlt", "Umschalten", "Ablehnen", "Langsam", "Unerlaubt", "Fehlt", "Double")
    on = Spot(URI, "s=Befehle")
    methods = tuple(Method(name, on, Spot(URI, f"s=Befehle.{name}")) for name in names)
    groups = {"fast": Group("fast", 1.0)}
    profile = Profile(
        "acme/mill", "1.0.0", "", "opcua", "", groups, tuple(tags), NodeLimits(), methods=methods
    )
    device = Device("mill", profile, "plc", 1, groups, tuple(tags))
    async with connect(OpcUaConnection("plc", endpoint)) as wire:
        yield OpcUaDriver().device(wire, device, b"{}", time.time_ns)
