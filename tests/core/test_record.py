from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core import record
from edge_agent.core.model import Column, Scan, Schema

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "?": st.booleans(),
    "b": st.integers(-128, 127),
    "B": st.integers(0, 255),
    "h": st.integers(-32768, 32767),
    "H": st.integers(0, 65535),
    "i": st.integers(-(2**31), 2**31 - 1),
    "I": st.integers(0, 2**32 - 1),
    "q": st.integers(-(2**63), 2**63 - 1),
    "Q": st.integers(0, 2**64 - 1),
    "e": st.floats(width=16, allow_nan=False),
    "f": st.floats(width=32, allow_nan=False),
    "d": st.floats(allow_nan=False),
    "s": st.text(max_size=20),
    "3H": st.tuples(*[st.integers(0, 65535)] * 3),
    "2f": st.tuples(*[st.floats(width=32, allow_nan=False)] * 2),
    "1q": st.tuples(st.integers(-(2**63), 2**63 - 1)),
}
QUALITIES = ["", "bad:timeout", "bad:exception:2", "uncertain:out_of_range"]


def schema(stores: Sequence[str]) -> Schema:
    columns = tuple(Column(f"c{i}", store) for i, store in enumerate(stores))
    return Schema("dev", "fast", columns, b"{}", "00000000")


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    of = schema(draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=12)))
    index = None
    carried = tuple(range(len(of.columns)))
    if draw(st.booleans()):
        carried = tuple(sorted(draw(st.sets(st.sampled_from(carried), min_size=1))))
        index = carried
    quality = tuple(draw(st.sampled_from(QUALITIES)) for _ in carried) if draw(st.booleans()) else None
    values = tuple(
        None if quality and quality[at].startswith("bad:") else draw(VALUES[of.columns[i].store])
        for at, i in enumerate(carried)
    )
    longest = draw(st.sampled_from([10**6, 2**31 - 1, 2**31, 2**52]))
    us = st.integers(-longest, longest)
    offsets = tuple(draw(us) / 1000 for _ in carried) if draw(st.booleans()) else None
    full, filled, lag_ns = draw(st.booleans()), draw(st.booleans()), draw(st.integers(-(10**15), 10**15))
    return Scan(of, 5, values, quality, index, offsets, full, lag_ns, filled)


@given(scans())
def test_what_is_packed_is_unpacked(scan: Scan) -> None:
    assert record.decode(scan.schema, scan.time_ns + scan.lag_ns, record.encode(scan)) == scan


def test_hundred_good_floats_take_four_bytes_each_and_one() -> None:
    scan = Scan(schema("f" * 100), 0, tuple(float(i) for i in range(100)))

    assert len(record.encode(scan)) == 401


@pytest.mark.parametrize(
    ("offset_ms", "size"),
    [(0.0, 4), (2147483.647, 4), (-2147483.647, 4), (2147483.648, 8), (-2147483.648, 8), (-1e12, 8)],
)
def test_times_more_than_half_an_hour_apart_take_eight_bytes_each(offset_ms: float, size: int) -> None:
    scan = Scan(schema("??"), 0, (True, False), None, None, (0.0, offset_ms))

    payload = record.encode(scan)

    assert len(payload) == 1 + 2 * size + 2
    assert record.decode(scan.schema, 0, payload) == scan


def test_time_of_the_device_comes_back_from_that_of_the_agent() -> None:
    scan = Scan(schema("?"), 5_000_000_000, (True,), lag_ns=-3_600_000_000_001)

    assert record.decode(scan.schema, -3_595_000_000_001, record.encode(scan)) == scan


def test_an_array_takes_what_its_numbers_take() -> None:
    scan = Scan(schema(["H", "100f", "s"]), 0, (1, tuple(float(i) for i in range(100)), ""))

    assert len(record.encode(scan)) == 1 + 2 + 400 + 2


def test_overlong_text_is_cut_at_a_character() -> None:
    scan = Scan(schema("s"), 0, ("ä" * 40000,))

    got = record.decode(scan.schema, 0, record.encode(scan)).values[0]

    assert got == "ä" * 32767


@pytest.mark.parametrize(
    "payload", [bytes((4, 1, 1, 65, 9, 0, 0)), bytes((4, 1, 1, 65)), bytes((0, 0, 0, 0, 0, 9, 0, 65))]
)
def test_bytes_that_do_not_fit_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"fit|cut"):
        record.decode(schema("fs") if payload[0] == 0 else schema("b"), 0, payload)
