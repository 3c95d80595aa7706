"""Frames of serial lines, cut out of whatever came."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.modbus.framing import Ascii, Cutter, Damaged, Rtu
from tests.drivers.modbus.rtu import framed

ANSWER = bytes.fromhex("11 03 04 0064 0065")
HEADS = [ANSWER[:3], b"\x11\x83"]
BOTH = pytest.mark.parametrize("cutter", [Rtu(), Ascii()], ids=["rtu", "ascii"])


def test_an_rtu_frame_ends_in_its_crc_low_byte_first() -> None:
    # A request of function 4 for one register from 0, unit 1: its CRC is CA31 (low byte first 31 CA).
    assert Rtu().frame(bytes.fromhex("01 04 0000 0001")) == bytes.fromhex("01 04 0000 0001 31CA")


def test_an_ascii_frame_is_upper_case_text_with_its_lrc() -> None:
    # 01 + 03 + 00 + 00 + 00 + 01 = 05, and two's complement of that is FB.
    assert Ascii().frame(bytes.fromhex("01 03 0000 0001")) == b":010300000001FB\r\n"


@BOTH
@given(message=st.binary(min_size=1, max_size=250))
def test_every_message_comes_out_as_it_went_in(cutter: Cutter, message: bytes) -> None:
    answer = b"\x11\x03" + bytes((len(message),)) + message
    frame = cutter.frame(answer)

    assert cutter.cut(frame, [answer[:3]]) == (answer, len(frame))
    assert cutter.characters(len(answer)) == len(frame)


@BOTH
def test_nothing_is_cut_before_the_last_byte(cutter: Cutter) -> None:
    frame = cutter.frame(ANSWER)

    assert all(cutter.cut(frame[:size], HEADS) == (None, 0) for size in range(len(frame)))


@BOTH
@pytest.mark.parametrize("noise", [b"\x00", b"\xff\x00\xff", b"\x11\x00\x11\x83"])
def test_noise_before_a_frame_that_is_waited_for_is_skipped(cutter: Cutter, noise: bytes) -> None:
    frame = cutter.frame(ANSWER)

    assert cutter.cut(noise + frame, HEADS) == (ANSWER, len(noise) + len(frame))


@BOTH
def test_what_follows_a_frame_is_left(cutter: Cutter) -> None:
    frame = cutter.frame(ANSWER)

    assert cutter.cut(frame + frame, HEADS) == (ANSWER, len(frame))


@BOTH
@given(at=st.integers(0, 8), bit=st.integers(0, 7))
def test_no_frame_with_a_wrong_bit_becomes_a_message_that_was_waited_for(
    cutter: Cutter, at: int, bit: int
) -> None:
    frame = bytearray(cutter.frame(ANSWER))
    frame[at] ^= 1 << bit

    try:
        message, _ = cutter.cut(bytes(frame), HEADS)
    except Damaged:
        return

    assert message is None


@BOTH
def test_a_wrong_checksum_is_told(cutter: Cutter) -> None:
    frame = bytearray(cutter.frame(ANSWER))
    frame[-3] ^= 1

    with pytest.raises(Damaged):
        cutter.cut(bytes(frame), HEADS)


def test_a_sound_rtu_frame_of_anybody_is_cut_at_the_very_beginning() -> None:
    frame = framed(bytes.fromhex("05 06 0001 0002"))

    assert Rtu().cut(frame, HEADS) == (frame[:-2], 8)


@pytest.mark.parametrize(
    "message",
    [
        "11 05 0001 FF00",
        "11 06 0001 0002",
        "11 0F 0001 0002",
        "11 10 0001 0002",
        "11 16 0001 0002 0003",
        "11 83 02",
        "11 2B 0E 01 01 00 00 02 00 03 414243 01 01 58",
        "11 2B 0E 01 01 00 00 00",
    ],
)
def test_the_end_of_an_rtu_frame_follows_from_its_function(message: str) -> None:
    said = bytes.fromhex(message)
    frame = framed(said)

    assert Rtu().cut(frame + b"\x11", [said[:2]]) == (said, len(frame))
    assert Rtu().cut(frame[:-1], [said[:2]]) == (None, 0)


def test_a_colon_begins_an_ascii_frame_anew() -> None:
    assert Ascii().cut(b":0103" + Ascii().frame(ANSWER), HEADS) == (ANSWER, 24)


@pytest.mark.parametrize("line", [b":\r\n", b":01\r\n", b":01XX00\r\n", b":0103 04FB\r\n", b":010\r\n"])
def test_a_line_that_is_no_ascii_frame_is_damaged(line: bytes) -> None:
    with pytest.raises(Damaged):
        Ascii().cut(line, HEADS)


def test_an_ascii_frame_may_end_in_a_line_feed_alone_and_have_small_letters() -> None:
    assert Ascii().cut(Ascii().frame(ANSWER).lower().replace(b"\r", b""), HEADS) == (ANSWER, 18)


def test_ascii_frames_follow_each_other() -> None:
    frames = Ascii().frame(ANSWER) * 3
    ends = [0]
    for _ in range(3):
        _, end = Ascii().cut(frames[ends[-1] :], HEADS)
        ends.append(ends[-1] + end)

    assert [behind - before for before, behind in pairwise(ends)] == [19, 19, 19]
