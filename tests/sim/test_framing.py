from collections.abc import Sequence

import pytest

from edge_agent.sim.framing import (
    READERS,
    AsciiReader,
    Frame,
    Mode,
    NoModbusError,
    Reader,
    RtuReader,
    TcpReader,
    crc16,
    lrc,
    wrapped,
)

READ = bytes.fromhex("03 0000 000a")
TCP = bytes.fromhex("0007 0000 0006 01") + READ
RTU = bytes.fromhex("01 03 0000 000a c5cd")
ASCII = b":01030000000AF2\r\n"


every_mode = pytest.mark.parametrize(("mode", "data"), [("tcp", TCP), ("rtu", RTU), ("ascii", ASCII)])


@every_mode
def test_a_frame_is_wrapped_as_its_mode_has_it(mode: Mode, data: bytes) -> None:
    assert wrapped(Frame(1, READ, transaction=7), mode) == data


def test_checksums_are_those_of_the_specification() -> None:
    assert crc16(bytes.fromhex("02 07")) == 0x1241  # Modbus over Serial Line 1.02, appendix B
    assert lrc(bytes.fromhex("01 03 00 00 00 0a")) == 0xF2


@every_mode
def test_a_request_is_found_in_pieces_and_behind_another(mode: Mode, data: bytes) -> None:
    reader = READERS[mode](0.02)

    assert feed(reader, data + data[:1]) == [(1, READ)]
    assert [feed(reader, data[at : at + 1]) for at in range(1, len(data) - 1)] == [[]] * (len(data) - 2)
    assert feed(reader, data[-1:] + data) == [(1, READ), (1, READ)]


def test_only_tcp_has_transactions() -> None:
    assert next(TcpReader().feed(TCP, 0.0)).transaction == 7
    assert next(RtuReader().feed(RTU, 0.0)).transaction == 0


@pytest.mark.parametrize(
    "junk",
    ["000100010006010300000002", "00010000000101", "0001000000ff01"],
    ids=["protocol", "short", "long"],
)
def test_tcp_gives_up_what_is_no_modbus_behind_what_is(junk: str) -> None:
    requests = TcpReader().feed(TCP + bytes.fromhex(junk), 0.0)

    assert next(requests).pdu == READ
    with pytest.raises(NoModbusError):
        next(requests)


@pytest.mark.parametrize(
    "pdu",
    [
        "05 0001 ff00",
        "06 0001 0003",
        "07",
        "0f 0013 000a 02 cd01",
        "10 0001 0002 04 000a0102",
        "11",
        "16 0004 00f2 0025",
        "17 0003 0006 000e 0003 06 00ff00ff00ff",
        "18 04de",
        "2b 0e 01 00",
    ],
)
def test_the_length_of_an_rtu_request_follows_from_its_function(pdu: str) -> None:
    request = wrapped(Frame(1, bytes.fromhex(pdu)), "rtu")

    assert feed(RtuReader(), request + RTU) == [(1, bytes.fromhex(pdu)), (1, READ)]


def test_an_rtu_request_of_an_unknown_function_is_one_when_it_comes_whole() -> None:
    assert feed(RtuReader(), wrapped(Frame(1, b"\x64\x01\x02"), "rtu")) == [(1, b"\x64\x01\x02")]


@pytest.mark.parametrize("junk", [b"\xff", b"\x00\xff\x55", RTU[:-1] + b"\x00", b"\x01\x64\x00"])
def test_rtu_listens_to_nothing_behind_junk_until_a_pause(junk: bytes) -> None:
    reader = RtuReader(quiet_s=0.02)

    assert feed(reader, junk + RTU, 10.0) == []
    assert feed(reader, RTU, 10.019) == []
    assert feed(reader, RTU, 10.04) == [(1, READ)]


def test_rtu_forgets_half_a_request_after_a_pause() -> None:
    reader = RtuReader(quiet_s=0.02)

    assert feed(reader, RTU[:5], 10.0) == []
    assert feed(reader, RTU, 10.03) == [(1, READ)]


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\xff\x55",
        b":0103",
        ASCII[:-4] + b"00\r\n",
        b":01XX\r\n",
        b":01\r\n",
        b"01030000000AF2\r\n",
        b":010 30000000AF2\r\n",
        b":" + 600 * b"0",
    ],
)
def test_every_colon_begins_an_ascii_request_anew(junk: bytes) -> None:
    reader = AsciiReader()

    assert feed(reader, junk) == []
    assert feed(reader, ASCII) == [(1, READ)]


def test_ascii_holds_no_more_than_the_longest_request() -> None:
    reader = AsciiReader()

    for _ in range(100):
        feed(reader, b":" + 1000 * b"0")

    assert len(reader._held) <= 513


def feed(reader: Reader, data: bytes, at_s: float = 0.0) -> Sequence[tuple[int, bytes]]:
    return [(request.unit, request.pdu) for request in reader.feed(data, at_s)]
