"""What each fault makes of an answer, in bytes written by hand."""

from dataclasses import replace
from random import Random as Dice

import pytest

from edge_agent.sim.faults import Faults, Random
from edge_agent.sim.framing import Frame, Mode, wrapped
from edge_agent.sim.spoil import DRAWN, Sending, drawn, possible, refused, spoiled

READ = Frame(1, bytes.fromhex("03 0000 0002"), transaction=7)
ANSWER = bytes.fromhex("03 04 0001 0002")
TCP = "0007 0000 0007 01 03 04 0001 0002"
RTU = "01 03 04 0001 0002 2a32"
ASCII = b":0103040001000 2F5\r\n".replace(b" ", b"")

READ_ONE = Frame(1, bytes.fromhex("03 0000 0001"), transaction=7)
READ_BITS = Frame(1, bytes.fromhex("01 0000 0010"), transaction=7)
REFUSED = bytes.fromhex("83 02")


def leaving(faults: Faults, mode: Mode = "tcp", request: Frame = READ, answer: bytes = ANSWER) -> bytes:
    """The one piece that leaves."""
    sending = spoiled(request, answer, faults, mode).sending
    assert sending is not None
    (piece,) = sending.pieces
    return piece


def test_without_a_fault_an_answer_leaves_as_it_is() -> None:
    assert leaving(Faults()) == bytes.fromhex(TCP)
    assert leaving(Faults(), "rtu") == bytes.fromhex(RTU)
    assert leaving(Faults(), "ascii") == ASCII
    assert spoiled(READ, ANSWER, Faults(), "tcp").struck == []


@pytest.mark.parametrize(
    ("faults", "mode", "expected"),
    [
        (Faults(short=True), "tcp", "0007 0000 0005 01 03 02 0001"),
        (Faults(short=True), "rtu", "01 03 02 0001 7984"),
        (Faults(wrong_function=True), "tcp", "0007 0000 0007 01 04 04 0001 0002"),
        (Faults(wrong_function=True), "rtu", "01 04 04 0001 0002 2b85"),
        (Faults(wrong_unit=True), "tcp", "0007 0000 0007 02 03 04 0001 0002"),
        (Faults(wrong_unit=True), "rtu", "02 03 04 0001 0002 1932"),
        (Faults(wrong_transaction=True), "tcp", "0008 0000 0007 01 03 04 0001 0002"),
        (Faults(wrong_length=True), "tcp", "0007 0000 0008 01 03 04 0001 0002"),
        (Faults(wrong_protocol=True), "tcp", "0007 0001 0007 01 03 04 0001 0002"),
        (Faults(wrong_checksum=True), "rtu", "01 03 04 0001 0002 2acd"),
        (Faults(twice=True), "tcp", TCP + TCP),
        (Faults(twice=True), "rtu", RTU + RTU),
        (Faults(junk=True), "tcp", "00ff55" + TCP),
        (Faults(junk=True), "rtu", "00ff55" + RTU),
        (Faults(junk=True, twice=True), "rtu", "00ff55" + RTU + RTU),
        (Faults(reset=True), "tcp", "0007 0000 0007"),
        (Faults(reset=True), "rtu", "01 03 04 00"),
    ],
)
def test_a_fault_strikes_an_answer(faults: Faults, mode: Mode, expected: str) -> None:
    assert leaving(faults, mode) == bytes.fromhex(expected)
    assert set(spoiled(READ, ANSWER, faults, mode).struck) == set(faults.kinds)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(wrong_checksum=True), b":01030400010002 0A\r\n"),
        (Faults(twice=True), ASCII + ASCII),
        (Faults(junk=True), b"\x00\xff\x55" + ASCII),
        (Faults(reset=True), b":01030400"),
    ],
)
def test_a_fault_strikes_an_answer_in_ascii(faults: Faults, expected: bytes) -> None:
    assert leaving(faults, "ascii") == expected.replace(b" ", b"")


def test_silence_leaves_nothing() -> None:
    silent = spoiled(READ, ANSWER, Faults(silence=True), "tcp")

    assert silent.sending is None
    assert silent.struck == ["silence"]


def test_a_reset_comes_behind_half_of_the_answer() -> None:
    sending = spoiled(READ, ANSWER, Faults(reset=True), "tcp").sending

    assert sending == Sending([bytes.fromhex("0007 0000 0007")], reset=True)


def test_a_split_answer_leaves_byte_by_byte() -> None:
    sending = spoiled(READ, ANSWER, Faults(split=True), "rtu").sending

    assert sending is not None
    assert sending.pieces == [bytes([byte]) for byte in bytes.fromhex(RTU)]
    assert sending.pause_s == 0.002


def test_a_late_answer_is_right() -> None:
    late = spoiled(READ, ANSWER, Faults(slow_s=0.2), "tcp")

    assert late.sending == Sending([bytes.fromhex(TCP)], late_s=0.2)
    assert late.struck == ["slow"]


def test_short_takes_a_byte_of_bits_away() -> None:
    answer = bytes.fromhex("01 02 ffff")

    assert leaving(Faults(short=True), request=READ_BITS, answer=answer)[6:].hex() == "010101ff"


@pytest.mark.parametrize("answer", ["83 02", "2b 0e 01 01 00 00 00", "06 0001 0003"])
def test_short_leaves_alone_what_carries_no_registers(answer: str) -> None:
    pdu = bytes.fromhex(answer)

    assert leaving(Faults(short=True), answer=pdu)[7:] == pdu
    assert spoiled(READ, pdu, Faults(short=True), "tcp").struck == []


def test_a_type_code_stands_in_place_of_a_single_register() -> None:
    one, faults = bytes.fromhex("03 02 1234"), Faults(single=True)

    assert leaving(faults, request=READ_ONE, answer=one)[7:].hex() == "03020070"
    assert leaving(faults) == bytes.fromhex(TCP)
    assert leaving(faults, request=READ_ONE, answer=REFUSED)[7:] == REFUSED
    assert leaving(faults, request=Frame(1, b"\x01\0\0\0\1"), answer=b"\1\1\1")[7:] == b"\1\1\1"


def test_another_function_is_named_in_an_exception_too() -> None:
    assert leaving(Faults(wrong_function=True), answer=REFUSED)[7:].hex() == "8402"


def test_the_unit_behind_247_is_1() -> None:
    assert leaving(Faults(wrong_unit=True), request=Frame(247, READ.pdu))[6] == 1


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (Faults(), None),
        (Faults(silence=True, short=True), None),
        (Faults(exception=4), ("exception", 4)),
        (Faults(busy=2), ("busy", 6)),
        (Faults(busy=2, exception=4), ("busy", 6)),
        (Faults(illegal=frozenset({("holding", 1)})), ("illegal", 2)),
        (Faults(illegal=frozenset({("holding", 2)})), None),
        (Faults(illegal=frozenset({("input", 1)})), None),
    ],
)
def test_a_request_is_refused(faults: Faults, why: tuple[str, int] | None) -> None:
    assert refused(READ.pdu, faults) == why


@pytest.mark.parametrize(
    ("request_pdu", "touches"),
    [
        ("06 0001 0000", True),
        ("06 0002 0000", False),
        ("10 0000 0002 04 00000000", True),
        ("2b 0e 01 00", False),
    ],
)
def test_an_illegal_address_is_so_for_writing_too(request_pdu: str, *, touches: bool) -> None:
    faults = Faults(illegal=frozenset({("holding", 1)}))

    assert (refused(bytes.fromhex(request_pdu), faults) is not None) == touches


def test_every_mode_has_the_faults_of_its_framing() -> None:
    common = set(DRAWN) - {"wrong_transaction", "wrong_length", "wrong_protocol", "wrong_checksum"}
    common |= {"single", "refuse", "random"}

    tcp = {*common, "wrong_transaction", "wrong_length", "wrong_protocol"}
    assert set(possible("tcp", datagrams=False)) == tcp
    assert set(possible("tcp", datagrams=True)) == tcp - {"split"}
    assert set(possible("rtu", datagrams=False)) == {*common, "wrong_checksum"}
    assert set(possible("ascii", datagrams=False)) == {*common, "wrong_checksum"}


@pytest.mark.parametrize("mode", ["tcp", "rtu", "ascii"])
def test_every_fault_but_the_trap_is_drawn_in_time_and_alone(mode: Mode) -> None:
    kinds = possible(mode, datagrams=False)
    dice = Dice(1)

    found = [drawn(Random(1.0), dice, kinds, READ.pdu) for _ in range(1000)]

    assert {faults.kinds for faults in found if faults} == {(kind,) for kind in DRAWN if kind in kinds}
    assert all(0.05 <= faults.slow_s <= 0.3 for faults in found if faults and faults.slow_s)
    assert {faults.exception for faults in found if faults and faults.exception} == {4, 10, 11}
    assert {faults.illegal for faults in found if faults and faults.illegal} == {frozenset({("holding", 0)})}


def test_as_many_requests_are_struck_as_was_said() -> None:
    dice, kinds = Dice(7), possible("tcp", datagrams=False)

    struck = [drawn(Random(0.05), dice, kinds, READ.pdu) for _ in range(10_000)]

    assert 400 < sum(faults is not None for faults in struck) < 600


def test_the_same_seed_draws_the_same() -> None:
    kinds = possible("rtu", datagrams=False)
    one, other = Dice(3), Dice(3)

    assert [drawn(Random(0.5), one, kinds, READ.pdu) for _ in range(100)] == [
        drawn(Random(0.5), other, kinds, READ.pdu) for _ in range(100)
    ]


def test_what_is_left_out_is_not_drawn() -> None:
    dice, kinds = Dice(1), possible("tcp", datagrams=False)
    random = Random(1.0, late_s=(1.0, 2.0), without=frozenset(DRAWN) - {"slow", "twice"})

    found = [drawn(random, dice, kinds, READ.pdu) for _ in range(100)]

    assert {faults.kinds for faults in found if faults} == {("slow",), ("twice",)}
    assert all(1.0 <= faults.slow_s <= 2.0 for faults in found if faults and faults.slow_s)


@pytest.mark.parametrize(("mode", "at"), [("tcp", 9), ("rtu", 3)])
def test_by_chance_no_answer_lies_to_a_client_that_looks(mode: Mode, at: int) -> None:
    dice, kinds = Dice(1), possible(mode, datagrams=False)
    values = []
    for _ in range(3000):
        faults = drawn(Random(1.0), dice, kinds, READ.pdu) or Faults()
        sending = spoiled(READ, ANSWER, faults, mode).sending
        data = b"".join(sending.pieces) if sending and refused(READ.pdu, faults) is None else b""
        # What a client takes: its transaction and unit, its function, as many registers, the right checksum.
        taken = wrapped(replace(READ, pdu=ANSWER[:2] + data[at : at + 4]), mode)
        values += [data[at : at + 4]] if data.startswith(taken) and len(data) >= at + 4 else []

    assert set(values) == {ANSWER[2:]}
