"""Methods are called with what the server says they take, once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from asyncua import ua

from edge_agent.config.settings import OpcUaConnection, Tag
from edge_agent.core.nodes import Method, Node, Spot
from edge_agent.drivers.opcua.calling import call
from edge_agent.drivers.opcua.wire import SessionWire, connect
from edge_agent.errors import DeviceError
from edge_agent.ports import Called
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.opcua_methods import Act, Argument, SimulatedMethod, done, refused

URI = "urn:acme:plc"
TAGS = (Tag("speed", "fast", "Double", Node("speed", URI, "s=speed", "Double")),)
START = Method("start", Spot(URI, "s=Machine"), Spot(URI, "s=Machine.start"))
INPUTS = (Argument("speed", "Double"), Argument("recipe", "String"), Argument("steps", "Int32", array=True))
OUTPUTS = (Argument("job", "UInt64"), Argument("ratio", "Float"), Argument("made", "DateTime"))
SIGNATURE = (
    "start(speed: Double, recipe: String, steps: Int32[]) -> (job: UInt64, ratio: Float, made: DateTime)"
)


async def test_arguments_are_sent_in_their_types_and_results_come_by_name() -> None:
    got: list[ua.Variant] = []

    async def start(*arguments: ua.Variant) -> ua.CallMethodResult:
        got.extend(arguments)
        return done(
            ua.Variant(2**64 - 1, ua.VariantType.UInt64),
            ua.Variant(0.1, ua.VariantType.Float),
            ua.Variant(ua.DateTime(2026, 11, 24, tzinfo=ua.DateTime.now().astimezone().tzinfo)),
        )

    async with machine(start) as wire:
        told = await call(wire, START, ["1200", "SX-001", "[1, 2]"], 5.0)

    assert [(each.VariantType, each.Value) for each in got] == [
        (ua.VariantType.Double, 1200.0),
        (ua.VariantType.String, "SX-001"),
        (ua.VariantType.Int32, [1, 2]),
    ]
    assert (told.signature, told.status, told.failure) == (SIGNATURE, "Good", "")
    assert told.outputs[:2] == [("job", "18446744073709551615"), ("ratio", 0.1)]
    assert str(told.outputs[2][1]).startswith("2026-11-2")


async def test_arguments_may_be_given_by_name_in_any_order_and_hold_an_equals_sign() -> None:
    got: list[object] = []

    async with machine(noting(got)) as wire:
        await call(wire, START, ["steps=[]", "recipe=a=b", "speed=-0.5"], 5.0)

    assert got == [-0.5, "a=b", []]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["1"], "it takes 3 arguments, not 1; it is start(speed: Double"),
        (["1", "x", "[1]", "y"], "it takes 3 arguments, not 4"),
        ([], "it takes 3 arguments, not 0"),
        (["speed=1", "x", "[1]"], "give all arguments by name, or all in their order"),
        (["speed=1", "recipe=x"], "it needs steps too"),
        (["speed=1", "speed=2", "steps=[]"], "speed is given twice"),
        (["sped=1", "recipe=x", "steps=[]"], "there is no argument 'sped' - did you mean 'speed'?"),
        (["fast", "x", "[1]"], "speed: 'fast' is not a number"),
        (["1", "x", "1"], "steps: '1' is no list; write [1, 2.5]"),
        (["1", "x", '["1"]'], 'steps: "1" in the list does not fit; write [1, 2.5]'),
        (["1", "x", "[1.5]"], "steps: 1.5 lies between two steps"),
        (["1", "x", "[2147483648]"], "steps: 2147483648 is outside of Int32"),
        (["1", "x", "[null]"], "steps: null in the list does not fit"),
        (["1", "x", "[1,"], "is no list"),
    ],
)
async def test_what_does_not_fit_is_told_with_the_signature_and_nothing_is_called(
    given: Sequence[str], words: str
) -> None:
    got: list[object] = []

    async with machine(noting(got)) as wire:
        with pytest.raises(ValueError, match="it is start") as caught:
            await call(wire, START, given, 5.0)

    assert words in str(caught.value)
    assert SIGNATURE in str(caught.value)
    assert got == []


@pytest.mark.parametrize(
    ("type_", "text", "value"), [("Boolean", "[true, false]", [True, False]), ("String", '["a"]', ["a"])]
)
async def test_lists_are_written_as_json_has_them(type_: str, text: str, value: object) -> None:
    got: list[object] = []

    async with machine(noting(got), [Argument("it", type_, array=True)]) as wire:
        await call(wire, START, [text], 5.0)

    assert got == [value]


async def test_a_type_that_nobody_can_type_is_told() -> None:
    async with machine(noting([]), [Argument("it", "NodeId")]) as wire:
        with pytest.raises(ValueError, match="it: a value of type NodeId cannot be given"):
            await call(wire, START, ["85"], 5.0)
    async with machine(noting([]), [Argument("it", "BaseDataType")]) as wire:
        with pytest.raises(ValueError, match="it: a value of type BaseDataType cannot be given"):
            await call(wire, START, ["1"], 5.0)


async def test_a_server_that_refuses_an_argument_names_it() -> None:
    async def act(*_: ua.Variant) -> ua.CallMethodResult:
        codes = ua.StatusCodes
        return refused(codes.BadInvalidArgument, codes.Good, codes.BadOutOfRange, codes.Good)

    async with machine(act) as wire:
        with pytest.raises(DeviceError, match=r"the server refuses recipe \(BadOutOfRange\); it is start"):
            await call(wire, START, ["1", "x", "[]"], 5.0)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ua.StatusCodes.BadInvalidState, "the machine does not take it in the state it is in"),
        (ua.StatusCodes.BadUserAccessDenied, "give it the right on the server"),
    ],
)
async def test_a_server_that_refuses_is_told_with_what_to_do(code: int, words: str) -> None:
    async def act(*_: ua.Variant) -> ua.CallMethodResult:
        return refused(code)

    async with machine(act, []) as wire:
        with pytest.raises(DeviceError, match=words):
            await call(wire, START, [], 5.0)


async def test_a_method_that_is_not_there_or_not_allowed_is_not_called() -> None:
    got: list[object] = []
    async with machine(noting(got), []) as wire:
        with pytest.raises(DeviceError, match="the server has no such node"):
            await call(wire, replace(START, method=Spot(URI, "s=Machine.stop")), [], 5.0)
        with pytest.raises(DeviceError, match="the node on the server is no method"):
            await call(wire, replace(START, method=Spot(URI, "s=speed")), [], 5.0)
    async with machine(noting(got), [], allowed=False) as wire:
        with pytest.raises(DeviceError, match="give it the right on the server"):
            await call(wire, START, [], 5.0)
    assert got == []


async def test_a_method_that_takes_too_long_may_have_been_carried_out_and_the_session_goes_on() -> None:
    calls: list[object] = []
    go_on = asyncio.Event()

    async def act(*_: ua.Variant) -> ua.CallMethodResult:
        calls.append(1)
        await go_on.wait()
        return done()

    async with machine(act, []) as wire:
        session = await wire.session()
        told = await call(wire, START, [], 0.3)
        go_on.set()

        assert told == Called("start() -> (job: UInt64, ratio: Float, made: DateTime)", (), "", told.failure)
        assert told.failure == "timeout: no answer within 0.3 s"
        assert await session.identity()
        assert await wire.session() is session
    assert calls == [1]


async def test_a_method_may_take_longer_than_other_services() -> None:
    async def act(*_: ua.Variant) -> ua.CallMethodResult:
        await asyncio.sleep(0.6)
        return done()

    async with machine(act, [], timeout_s=0.3) as wire:
        assert (await call(wire, START, [], 20.0)).status == "Good"


async def test_a_link_that_is_cut_on_the_way_leaves_it_open_whether_it_was_carried_out() -> None:
    cut: list[OpcUaPlc] = []

    async def act(*_: ua.Variant) -> ua.CallMethodResult:
        await cut[0].cut()
        return done()

    async with machine(act, [], plcs=cut) as wire:
        assert (await call(wire, START, [], 20.0)).failure.startswith("disconnected")


# --- helpers ------------------------------------------------------------------------------


def noting(got: list[object]) -> Act:
    async def act(*arguments: ua.Variant) -> ua.CallMethodResult:
        got.extend(each.Value for each in arguments)
        return done()

    return act


@asynccontextmanager
async def machine(
    act: Act,
    inputs: Sequence[Argument] = INPUTS,
    *,
    allowed: bool = True,
    timeout_s: float = 5.0,
    plcs: list[OpcUaPlc] | None = None,
) -> AsyncIterator[SessionWire]:
    its = OpcUaPlc(TAGS)
    its.methods = [SimulatedMethod("Machine", "start", act, inputs, OUTPUTS, allowed)]
    async with (
        its as plc,
        connect(OpcUaConnection("plc", plc.endpoint, timeout_s=timeout_s)) as wire,
    ):
        if plcs is not None:
            plcs.append(plc)
        yield wire
