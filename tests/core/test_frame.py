import random
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core import frame
from edge_agent.core.frame import HEADER_SIZE, Kind, SegmentHead

HEAD = SegmentHead(7, "0123456789abcdef", 1_760_000_000_000_000_000, bytes(range(16)))


def frames(data: bytes, seed: int = 7) -> list[tuple[int, bool]]:
    return [(each.n, each.sound) for each in frame.scan(data, seed, 0)]


def three() -> list[bytes]:
    return [frame.pack(Kind.DATA, b"payload %d" % n, 7, stream=3, n=n, time_ns=n * 10) for n in (1, 2, 3)]


def test_segment_head_comes_back() -> None:
    data = frame.pack_head(HEAD)

    assert len(data) == frame.SEGMENT_HEAD_SIZE
    assert frame.unpack_head(data) == HEAD


def test_anything_else_is_no_segment_head() -> None:
    data = frame.pack_head(HEAD)

    assert frame.unpack_head(data[:20]) is None
    assert frame.unpack_head(b"X" + data[1:]) is None
    assert frame.unpack_head(data[:30] + b"\xff" + data[31:]) is None


def test_frames_come_back_in_order_with_their_places() -> None:
    data = b"".join(three())

    got = list(frame.scan(data, 7, 0))

    assert [(f.kind, f.stream, f.n, f.time_ns, f.payload) for f in got] == [
        (Kind.DATA, 3, n, n * 10, b"payload %d" % n) for n in (1, 2, 3)
    ]
    assert [f.start for f in got[1:]] == [f.end for f in got[:-1]]


def test_frame_of_another_generation_does_not_exist() -> None:
    assert frames(b"".join(three()), seed=8) == []


def test_torn_frame_at_the_end_is_named_or_not_there() -> None:
    data = b"".join(three())

    assert frames(data[:-1]) == [(1, True), (2, True), (3, False)]
    assert frames(data[: -len(b"payload 3") - 1]) == [(1, True), (2, True)]


def test_damaged_payload_is_named_exactly_and_the_next_frame_is_found() -> None:
    first, second, third = three()
    broken = bytearray(first + second + third)
    broken[len(first) + HEADER_SIZE] ^= 1

    assert frames(bytes(broken)) == [(1, True), (2, False), (3, True)]


def test_damaged_header_hides_its_frame_only() -> None:
    first, second, third = three()
    broken = bytearray(first + second + third)
    broken[len(first) + 9] ^= 1

    assert frames(bytes(broken)) == [(1, True), (3, True)]


def test_unknown_kind_is_passed_over() -> None:
    head = frame.HEADER.pack(frame.MAGIC, 99, 0, 0, 1, 1, 1, 0)
    unknown = head + crc32(head, 7).to_bytes(4, "little")

    assert frames(unknown + three()[0]) == [(1, True)]


@given(st.binary(max_size=400), st.integers(0, 2**32))
def test_any_bytes_can_be_scanned(data: bytes, seed: int) -> None:
    for found in frame.scan(data, seed, 0):
        assert found.end > found.start


@given(st.integers(0, 10**9))
def test_frames_after_any_damage_are_true_ones(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        frame.pack(Kind.DATA, chance.randbytes(chance.randrange(80)), 7, stream=1, n=n) for n in range(1, 12)
    ]
    data = bytearray(b"".join(rows) + chance.randbytes(60))
    true = {f.n: f.payload for f in frame.scan(bytes(data), 7, 0)}
    for _ in range(chance.randrange(1, 5)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)

    got = [f for f in frame.scan(bytes(data), 7, 0) if f.sound]

    assert all(true[f.n] == f.payload for f in got)
    assert [f.n for f in got] == sorted(f.n for f in got)
