from collections.abc import Callable

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim.image import Image
from edge_agent.sim.signals import TICK_NS
from edge_agent.sim.unit import Span, Unit, touched

MakeTag = Callable[..., Tag]


@pytest.fixture
def unit(tag: MakeTag) -> Unit:
    """Holding registers 0 to 18 and coils 0 to 24 at a moment that stands still; the first is 0x1007."""
    tags = [tag("a", "uint16", 0), tag("b", "uint16", 3), tag("c", "bool", 9, table="coil")]
    tags += [tag("i", "uint16", 0, table="input")]
    return Unit(1, Image(tags), clock=lambda: 7 * TICK_NS)


def ask(unit: Unit, request: str) -> str:
    return unit.answer(bytes.fromhex(request)).hex()


def test_a_written_register_is_read_back_and_its_neighbours_stay(unit: Unit) -> None:
    before = ask(unit, "03 0000 0004")

    assert ask(unit, "06 0001 1234") == "0600011234"
    assert ask(unit, "03 0000 0004") == before[:8] + "1234" + before[12:]


def test_several_registers_are_written(unit: Unit) -> None:
    assert ask(unit, "10 0001 0002 04 1234 5678") == "1000010002"
    assert ask(unit, "03 0001 0002") == "030412345678"


def test_a_mask_changes_some_bits_of_a_register(unit: Unit) -> None:
    ask(unit, "06 0004 0012")

    assert ask(unit, "16 0004 00f2 0025") == "16000400f20025"
    assert ask(unit, "03 0004 0001") == "03020017"  # the example of 6.16


def test_a_written_coil_is_read_back(unit: Unit) -> None:
    assert ask(unit, "05 0009 ff00") == "050009ff00"
    assert ask(unit, "01 0009 0001") == "010101"
    assert ask(unit, "05 0009 0000") == "0500090000"
    assert ask(unit, "01 0009 0001") == "010100"


def test_several_coils_are_written_lowest_first(unit: Unit) -> None:
    assert ask(unit, "0f 0003 000a 02 cd01") == "0f0003000a"
    assert ask(unit, "01 0003 000a") == "0102cd01"


def test_what_is_written_holds_over_ticks_until_it_is_forgotten(tag: MakeTag) -> None:
    now = [0]
    unit = Unit(1, Image([tag("a", "uint16", 0), tag("b", "uint16", 1)]), clock=lambda: now[0])
    ask(unit, "06 0000 ffff")

    now[0] = 5 * TICK_NS
    assert ask(unit, "03 0000 0002") == "0304ffff2005"
    unit.forget()
    assert ask(unit, "03 0000 0002") == "030410052005"


def test_input_registers_are_not_those_that_are_written(unit: Unit) -> None:
    before = ask(unit, "04 0000 0001")

    ask(unit, "06 0000 ffff")

    assert ask(unit, "04 0000 0001") == before


@pytest.mark.parametrize(
    ("request_pdu", "response"),
    [
        ("05 0019 ff00", "8502"),
        ("05 0000 0001", "8503"),
        ("05 0000 ff", "8503"),
        ("06 0013 0001", "8602"),
        ("06 0000 000100", "8603"),
        ("06", "8603"),
        ("0f 0000 0000 00", "8f03"),
        ("0f 0000 0009 01 ff", "8f03"),
        ("0f 0000 0008 02 ff", "8f03"),
        ("0f 0000 07b1 f7" + 247 * "00", "8f03"),
        ("0f 0018 0002 01 03", "8f02"),
        ("0f 0000", "8f03"),
        ("10 0000 0000 00", "9003"),
        ("10 0000 0001 02 12", "9003"),
        ("10 0000 0001 04 1234", "9003"),
        ("10 0000 007c f8" + 248 * "00", "9003"),
        ("10 0012 0002 04 0000 0000", "9002"),
        ("16 0013 0000 0000", "9602"),
        ("16 0000 0000", "9603"),
    ],
)
def test_a_write_that_is_refused_changes_nothing(unit: Unit, request_pdu: str, response: str) -> None:
    before = ask(unit, "03 0000 0013"), ask(unit, "01 0000 0019")

    assert ask(unit, request_pdu) == response
    assert (ask(unit, "03 0000 0013"), ask(unit, "01 0000 0019")) == before


def test_a_table_that_is_not_there_cannot_be_written(tag: MakeTag) -> None:
    unit = Unit(1, Image([tag("i", "uint16", 0, table="input")]))

    assert ask(unit, "06 0000 0001") == "8602"
    assert ask(unit, "16 0000 0000 0001") == "9602"
    assert ask(unit, "05 0000 ff00") == "8502"


@pytest.mark.parametrize(
    ("request_pdu", "span"),
    [
        ("01 0002 0003", Span("coil", 2, 3)),
        ("02 0002 0003", Span("discrete", 2, 3)),
        ("03 0002 0003", Span("holding", 2, 3)),
        ("04 0002 0003", Span("input", 2, 3)),
        ("05 0002 ff00", Span("coil", 2, 1)),
        ("06 0002 0003", Span("holding", 2, 1)),
        ("0f 0002 0003 01 07", Span("coil", 2, 3)),
        ("10 0002 0001 02 0000", Span("holding", 2, 1)),
        ("16 0002 0000 0000", Span("holding", 2, 1)),
        ("2b 0e 01 00", None),
        ("03 00", None),
    ],
)
def test_a_request_names_the_addresses_it_is_about(request_pdu: str, span: Span | None) -> None:
    assert touched(bytes.fromhex(request_pdu)) == span


def test_a_unit_says_what_it_is(unit: Unit) -> None:
    said = unit.answer(bytes.fromhex("2b 0e 01 00"))

    assert said == b"\x2b\x0e\x01\x01\x00\x00\x03\x00\x0aedge_agent\x01\x0dsimulated PLC\x02\x031.0"
