from collections.abc import Callable

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim.commands import FOR_ALL, FOR_MODBUS, FOR_OPCUA, numbers, seconds, switched, tell
from edge_agent.sim.faults import Faults, Late, Limits, Random
from edge_agent.sim.framing import Frame
from edge_agent.sim.modbus import ModbusPlc

MakeTag = Callable[..., Tag]

MODBUS = {**FOR_ALL, **FOR_MODBUS}
OPCUA = {**FOR_ALL, **FOR_OPCUA}


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ("silence on", Faults(silence=True, exception=1)),
        ("refuse on\n", Faults(refuse=True, exception=1)),
        ("slow 200ms", Faults(slow_s=0.2, exception=1)),
        ("slow off", Faults(exception=1)),
        ("short  on", Faults(short=True, exception=1)),
        ("short off", Faults(exception=1)),
        ("exception 2", Faults(exception=2)),
        ("exception off", Faults()),
        ("busy 3", Faults(busy=3, exception=1)),
        ("busy off", Faults(exception=1)),
        ("illegal holding 7", Faults(illegal=frozenset({("holding", 7)}), exception=1)),
        (
            "illegal coil 0,2-3",
            Faults(illegal=frozenset({("coil", 0), ("coil", 2), ("coil", 3)}), exception=1),
        ),
        ("illegal off", Faults(exception=1)),
        ("single on", Faults(single=True, exception=1)),
        ("wrong-function on", Faults(wrong_function=True, exception=1)),
        ("wrong-unit on", Faults(wrong_unit=True, exception=1)),
        ("wrong-transaction on", Faults(wrong_transaction=True, exception=1)),
        ("wrong-length on", Faults(wrong_length=True, exception=1)),
        ("wrong-protocol on", Faults(wrong_protocol=True, exception=1)),
        ("wrong-checksum on", Faults(wrong_checksum=True, exception=1)),
        ("wrong-checksum off", Faults(exception=1)),
        ("split on", Faults(split=True, exception=1)),
        ("twice on", Faults(twice=True, exception=1)),
        ("junk on", Faults(junk=True, exception=1)),
        ("reset on", Faults(reset=True, exception=1)),
        ("random 5%", Faults(random=Random(0.05), exception=1)),
        ("random 0.5% seed 9", Faults(random=Random(0.005, seed=9), exception=1)),
        ("random 100% late 1s-2s", Faults(random=Random(1.0, late_s=(1.0, 2.0)), exception=1)),
        ("random 5% late 70ms", Faults(random=Random(0.05, late_s=(0.07, 0.07)), exception=1)),
        (
            "random 5% without wrong-unit,slow seed 1",
            Faults(random=Random(0.05, seed=1, without=frozenset({"wrong_unit", "slow"})), exception=1),
        ),
        ("random off", Faults(exception=1)),
    ],
)
def test_a_command_switches_one_fault(command: str, faults: Faults) -> None:
    assert switched(Faults(exception=1), command, MODBUS) == faults


def test_illegal_addresses_add_up() -> None:
    faults = switched(Faults(illegal=frozenset({("holding", 7)})), "illegal input 7", MODBUS)

    assert faults.illegal == {("holding", 7), ("input", 7)}


def test_every_command_is_in_the_list_of_help() -> None:
    names = {usage.split()[0].replace("-", "_") for usage in MODBUS}
    fields = {name.removesuffix("_s") for name in Faults.__dataclass_fields__}

    of_opcua = {usage.split()[0].replace("-", "_") for usage in OPCUA} - {"late"} | {"late_nodes"}
    done_once = {"events", "cut", "restart", "forget", "drop", "count"}
    assert (names | of_opcua) - done_once == fields


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ("frozen on", Faults(frozen=True, bad=frozenset("a"))),
        ("missing a", Faults(missing=frozenset("a"), bad=frozenset("a"))),
        ("missing a, b", Faults(missing=frozenset("ab"), bad=frozenset("a"))),
        ("missing off", Faults(bad=frozenset("a"))),
        ("bad b,c", Faults(bad=frozenset("bc"))),
        ("bad off", Faults()),
        ("slow 1s", Faults(slow_s=1.0, bad=frozenset("a"))),
        ("limits 10", Faults(limits=Limits(10, 10, 10, 10, 10, 10), bad=frozenset("a"))),
        ("limits read 10,items 5", Faults(limits=Limits(read=10, items=5), bad=frozenset("a"))),
        ("limits browse 3  untold", Faults(limits=Limits(browse=3, told=False), bad=frozenset("a"))),
        (
            "limits read 9, register 1 too-large untold",
            Faults(limits=Limits(read=9, register=1, told=False, too_large=True), bad=frozenset("a")),
        ),
        ("limits off", Faults(bad=frozenset("a"))),
        ("sessions 2", Faults(sessions=2, bad=frozenset("a"))),
        ("publish 2", Faults(publish=2, bad=frozenset("a"))),
        ("clock +3600s", Faults(clock_s=3600.0, bad=frozenset("a"))),
        ("clock -1.5s", Faults(clock_s=-1.5, bad=frozenset("a"))),
        ("no-history on", Faults(no_history=True, bad=frozenset("a"))),
        ("page 100", Faults(page=100, bad=frozenset("a"))),
        ("late 8s", Faults(late_nodes=Late(8.0), bad=frozenset("a"))),
        ("late 500ms b, c", Faults(late_nodes=Late(0.5, frozenset("bc")), bad=frozenset("a"))),
        ("late off", Faults(bad=frozenset("a"))),
        ("namespaces urn:a,urn:b", Faults(namespaces=("urn:a", "urn:b"), bad=frozenset("a"))),
    ],
)
def test_a_command_of_opcua_switches_one_fault(command: str, faults: Faults) -> None:
    assert switched(Faults(bad=frozenset("a")), command, OPCUA) == faults


@pytest.mark.parametrize("command", ["exception 2", "unit", "twice on"])
def test_a_command_of_another_protocol_or_without_sense_is_refused(command: str) -> None:
    with pytest.raises(ValueError, match=r"known are: silence .* frozen on\|off, .* cut, restart, .*quit"):
        switched(Faults(), command, OPCUA)


@pytest.mark.parametrize(
    ("command", "way_out"),
    [
        ("silence", "write silence on|off"),
        ("silence maybe", "write silence on|off"),
        ("exception 0", "write exception 4|off"),
        ("exception x", "write exception 4|off"),
        ("busy 0", "write busy 5|off"),
        ("wrong-unit", "write wrong-unit on|off"),
        ("illegal 7", "write illegal holding 7,10-12|off"),
        ("illegal holding", "write illegal holding 7,10-12|off"),
        ("illegal coils 7", "write illegal holding 7,10-12|off"),
        ("random 5", "write random 5%|off"),
        ("random 0%", "write random 5%|off"),
        ("random 101%", "write random 5%|off"),
        ("random 5% seed", "write random 5%|off"),
        ("random 5% from 3", "write random 5%|off"),
        ("count off", "write count"),
        ("silense on", "did you mean silence on|off?"),
    ],
)
def test_a_command_that_is_nearly_right_says_how_it_is_written(command: str, way_out: str) -> None:
    with pytest.raises(ValueError, match="cannot do") as caught:
        switched(Faults(), command, MODBUS)

    assert str(caught.value) == f"cannot do {command!r}; {way_out}"


@pytest.mark.parametrize(
    ("command", "way_out"),
    [
        ("missing", "write missing TAG,TAG|off"),
        ("bad", "write bad TAG,TAG|off"),
        ("cut now", "write cut"),
        ("restart off", "write restart"),
        ("limits", "write limits 10|off"),
        ("limits 0", "write limits 10|off"),
        ("limits read", "write limits 10|off"),
        ("limits nodes 3", "write limits 10|off"),
        ("limits 10 secret", "write limits 10|off"),
        ("clock 3600s", "write clock +3600s|off"),
        ("sessions few", "write sessions 2|off"),
    ],
)
def test_so_does_a_command_of_opcua(command: str, way_out: str) -> None:
    with pytest.raises(ValueError, match="cannot do") as caught:
        switched(Faults(), command, OPCUA)

    assert str(caught.value) == f"cannot do {command!r}; {way_out}"


@pytest.mark.parametrize("command", ["", "burn on", "unit three"])
def test_an_unknown_command_says_what_is_known(command: str) -> None:
    with pytest.raises(ValueError, match="known are: silence on"):
        switched(Faults(), command, MODBUS)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("slow 200", "write it like 200ms"),
        ("illegal holding 70000", "up to 65535"),
        ("random 5% seed x", "whole number"),
        ("random 5% late 2s-1s", "the shorter time comes first"),
        ("random 5% late now", "write it like 200ms"),
    ],
)
def test_a_setting_without_sense_says_why(command: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        switched(Faults(), command, MODBUS)


@pytest.mark.parametrize(("text", "value"), [("200ms", 0.2), ("1.5s", 1.5), ("0s", 0.0)])
def test_a_duration_has_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["200", "fast", "-1s", "1 s"])
def test_a_duration_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 200ms"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1", (1,)), ("2,1,2", (2, 1)), ("1,2,5-8", (1, 2, 5, 6, 7, 8)), ("3-3", (3,))]
)
def test_numbers_are_written_one_by_one_or_as_ranges(text: str, value: tuple[int, ...]) -> None:
    assert numbers(text, 255) == value


@pytest.mark.parametrize("text", ["", "1,", "x", "8-5", "256", "1-256", "-1", "1-2-3"])
def test_numbers_without_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 1,2,5-8"):
        numbers(text, 255)


@pytest.fixture
def plc(tag: MakeTag) -> ModbusPlc:
    return ModbusPlc([tag("a", "uint16", 0)], units=(1, 2, 3))


async def test_a_command_is_for_all_units_or_for_one(plc: ModbusPlc) -> None:
    await tell(plc, "unit 3 silence on")
    await tell(plc, "all short on")
    await tell(plc, "exception 4")

    assert plc.faults_of(1) == plc.faults_of(2) == Faults(short=True, exception=4)
    assert plc.faults_of(3) == Faults(silence=True, short=True, exception=4)


async def test_what_ends_for_all_ends_for_each(plc: ModbusPlc) -> None:
    await tell(plc, "unit 3 silence on")
    await tell(plc, "silence off")

    assert plc.faults_of(3) == Faults()


async def test_forget_is_for_all_units_or_for_one(plc: ModbusPlc) -> None:
    write = b"\x06\0\0\xff\xff"
    for unit in (1, 2, 3):
        plc.respond(Frame(unit, write))

    await tell(plc, "unit 2 forget")
    assert [held(plc, unit) == b"\xff\xff" for unit in (1, 2, 3)] == [True, False, True]
    await tell(plc, "forget")
    assert [held(plc, unit) == b"\xff\xff" for unit in (1, 2, 3)] == [False, False, False]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("unit 4 silence on", "no unit 4; there are: 1, 2, 3"),
        ("unit 4 forget", "no unit 4; there are: 1, 2, 3"),
        ("unit 3 refuse on", "refuse is for all units"),
        ("unit three silence on", "cannot do 'unit three silence on'; known are"),
        ("all", "cannot do 'all'"),
        ("wrong-checksum on", "not possible in mode tcp: wrong-checksum; possible are: silence, "),
        ("random 5% without wrong-colour", "not possible in mode tcp: wrong-colour; possible"),
    ],
)
async def test_what_a_plc_cannot_do_is_said(plc: ModbusPlc, command: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        await tell(plc, command)


def held(plc: ModbusPlc, unit: int) -> bytes:
    sending = plc.respond(Frame(unit, b"\x03\0\0\0\1"))
    assert sending is not None
    return sending.pieces[0][-2:]
