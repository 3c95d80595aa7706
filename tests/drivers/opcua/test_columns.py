from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua import VariantType
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.settings import Group, Tag
from edge_agent.core import record
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.drivers.opcua.answer import Answer, answer_of
from edge_agent.drivers.opcua.columns import Columns, column, timestamps

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
START_NS = 1_767_323_045_000_000_000
MS = 1_000_000
NOW_NS = START_NS + 10_000 * MS
GROUP = Group("fast", 1.0, time_resolution_s=0.001, timestamp="source")
TAGS = tuple(
    Tag(f"t{i}", "fast", "Int32", Node(f"t{i}", "urn:x", f"s={i}", "Int32", on_change=i == 2))
    for i in range(3)
)
SCHEMA = Schema("plc", "fast", tuple(column(tag.opcua) for tag in TAGS), b"{}", "0")


# --- what a column is ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "store"),
    [
        ("Boolean", "?"),
        ("SByte", "b"),
        ("Byte", "B"),
        ("Int16", "h"),
        ("UInt16", "H"),
        ("Int32", "i"),
        ("UInt32", "I"),
        ("Int64", "q"),
        ("UInt64", "Q"),
        ("Float", "f"),
        ("Double", "d"),
        ("String", "s"),
        ("DateTime", "s"),
        ("Guid", "s"),
        ("ByteString", "s"),
        ("LocalizedText", "s"),
    ],
)
def test_a_tag_is_kept_as_its_type(type_: BuiltIn, store: Any) -> None:
    assert column(Node("t", "", "i=1", type_, deadband=0.5, on_change=True)) == Column("t", store, 0.5, True)


# --- a read -------------------------------------------------------------------------------


def test_a_read_is_one_scan_with_the_newest_time() -> None:
    scan = columns().whole([answer(1, 0), answer(2, 500), answer(3, 500)], NOW_NS)

    assert scan == Scan(
        SCHEMA,
        START_NS + 500 * MS,
        (1, 2, 3),
        None,
        None,
        (-500.0, 0.0, 0.0),
        lag_ns=9_500 * MS,
    )


def test_times_within_the_resolution_are_one() -> None:
    group = Group("fast", 1.0, time_resolution_s=0.5, timestamp="source")

    scan = columns(group).whole([answer(1, 0), answer(2, 500), answer(3, 500)], NOW_NS)

    assert scan.offsets_ms is None
    assert scan.time_ns == START_NS + 500 * MS


def test_a_node_that_was_not_asked_for_has_its_quality_and_the_time_of_the_read() -> None:
    scan = columns().whole([answer(1, 0), "bad:BadNodeIdUnknown", answer(3, 0)], NOW_NS)

    assert (scan.values, scan.quality) == ((1, None, 3), ("", "bad:BadNodeIdUnknown", ""))
    assert (scan.time_ns, scan.lag_ns, scan.offsets_ms) == (NOW_NS, 0, (-10_000.0, 0.0, -10_000.0))


def test_items_that_a_server_refuses_are_a_scan_of_their_own() -> None:
    scan = columns().refused([(0, "bad:BadNodeIdUnknown"), (2, "bad:BadNotReadable")], NOW_NS)

    assert scan == Scan(
        SCHEMA, NOW_NS, (None, None), ("bad:BadNodeIdUnknown", "bad:BadNotReadable"), (0, 2), None
    )


# --- a notification -----------------------------------------------------------------------


def test_samples_of_a_notification_are_dealt_out_to_scans_in_their_order() -> None:
    items = [(1, answer(10, 0)), (0, answer(20, 0)), (1, answer(11, 100)), (1, answer(12, 200))]

    scans = news(items)

    assert [(scan.index, scan.values) for scan in scans] == [((0, 1), (20, 10)), ((1,), (11,)), ((1,), (12,))]
    assert [scan.time_ns - START_NS for scan in scans] == [0, 100 * MS, 200 * MS]


def test_a_scan_of_all_columns_has_no_index() -> None:
    (scan,) = news([(2, answer(3)), (1, answer(2)), (0, answer(1))])

    assert (scan.index, scan.values) == (None, (1, 2, 3))


def test_samples_of_one_scan_keep_their_own_times() -> None:
    (scan,) = news([(0, answer(1, 0)), (1, answer(2, 1.002))])

    assert (scan.time_ns, scan.offsets_ms) == (START_NS + 1_002_000, (-1.002, 0.0))


def test_a_bad_sample_among_good_ones_is_bad_alone() -> None:
    bad = answer(2, status=0x80340000)

    (scan,) = news([(0, answer(1)), (1, bad)])

    assert (scan.values, scan.quality) == ((1, None), ("", "bad:BadNodeIdUnknown"))


@pytest.mark.parametrize("handle", [-1, 3, 4294967295])
def test_a_handle_that_was_never_given_out_is_ignored(handle: int) -> None:
    assert news([(handle, answer(9))]) == []
    assert [scan.index for scan in news([(handle, answer(9)), (1, answer(1))])] == [(1,)]


def test_a_notification_without_samples_is_no_scan() -> None:
    assert news([]) == []


# --- whose time counts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "time_ns", "lag_ns"),
    [
        ("source", START_NS, 10_000 * MS),
        ("server", START_NS + 40 * MS, 9_960 * MS),
        ("agent", NOW_NS, 0),
    ],
)
def test_the_time_is_that_of_the_group(timestamp: Any, time_ns: int, lag_ns: int) -> None:
    sample = sampled(1, START, START + timedelta(milliseconds=40))
    group = Group("fast", 1.0, time_resolution_s=0.001, timestamp=timestamp)

    (scan,) = news([(0, sample)], group)

    assert (scan.time_ns, scan.lag_ns, scan.offsets_ms) == (time_ns, lag_ns, None)


def test_a_clock_that_is_ahead_has_a_negative_lag() -> None:
    (scan,) = news([(0, answer(1, 15_000))])

    assert (scan.time_ns, scan.lag_ns) == (START_NS + 15_000 * MS, -5_000 * MS)


@pytest.mark.parametrize(
    "none",
    [None, datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)],
)
@pytest.mark.parametrize("timestamp", ["source", "server"])
def test_a_sample_without_a_time_has_that_of_the_agent(timestamp: Any, none: datetime | None) -> None:
    sample = sampled(1, none, none)
    group = Group("fast", 1.0, time_resolution_s=0.001, timestamp=timestamp)

    (scan,) = news([(0, sample)], group)

    assert (scan.time_ns, scan.lag_ns) == (NOW_NS, 0)


def test_a_clock_that_was_never_set_is_told_as_it_is() -> None:
    sample = sampled(1, datetime(1970, 1, 1, tzinfo=UTC))

    (scan,) = news([(0, sample)])

    assert (scan.time_ns, scan.lag_ns) == (0, NOW_NS)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(-5, 5),
            st.none() | st.datetimes(datetime(1601, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone comes beside
        )
    )
)
def test_whatever_times_a_server_tells_every_sample_is_in_one_scan_that_can_be_kept(
    told: list[tuple[int, int, datetime | None]],
) -> None:
    items = [(i, sampled(value, time)) for i, value, time in told]

    scans = news(items)

    for i in range(3):
        assert [
            scan.values[at]
            for scan in scans
            for at, carried in enumerate(scan.index or (0, 1, 2))
            if carried == i
        ] == [value for each, value, _ in told if each == i]
    for scan in scans:
        assert list(scan.index or ()) == sorted(scan.index or ())
        again = record.decode(SCHEMA, scan.time_ns + scan.lag_ns, record.encode(scan))
        assert (again.values, again.index, again.time_ns) == (scan.values, scan.index, scan.time_ns)


@pytest.mark.parametrize(("timestamp", "asked"), [("source", 0), ("server", 1), ("agent", 3)])
def test_a_server_is_asked_for_the_times_that_count(timestamp: Any, asked: int) -> None:
    assert timestamps(Group("fast", 1.0, timestamp=timestamp)).value == asked  # OPC UA Part 4, 7.40


# --- helpers ------------------------------------------------------------------------------


def columns(group: Group = GROUP) -> Columns:
    return Columns(SCHEMA, TAGS, group)


def news(told: Sequence[tuple[int, Answer]], group: Group = GROUP) -> list[Scan]:
    """The scans of one notification: samples by handle."""
    return columns(group).news(told, NOW_NS)


def answer(value: int, ms: float = 0, *, status: int = 0) -> Answer:
    """A sample of that many milliseconds after the start."""
    return sampled(value, START + timedelta(milliseconds=ms), status=status)


def sampled(value: int, source: Any, server: Any = None, *, status: int = 0) -> Answer:
    """A sample with these times; the library has a type of its own for them."""
    made = ua.DataValue(ua.Variant(value, VariantType.Int32), ua.StatusCode(ua.UInt32(status)))
    made.SourceTimestamp, made.ServerTimestamp = source, server
    return answer_of(made)
