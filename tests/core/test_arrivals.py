import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.arrivals import Arrivals, Finding
from edge_agent.core.metadata import canonical, short_name

META = canonical({"tags": {"a": {"type": "float32"}}})
STREAM = {"gw": "gw", "b": "b1", "d": "press", "g": "fast"}


def data(first: int, last: int, c: Any = 0, **more: Any) -> bytes:
    scans = [{"ts": 1000.0 * n} for n in range(first, last + 1)]
    return json.dumps(
        {**STREAM, "m": short_name(META), "n": [first, last], "c": c, "s": scans, **more}
    ).encode()


def gap(first: int | None, last: int | None = None, reason: Any = "unreadable", **more: Any) -> bytes:
    numbers = None if first is None or last is None else [first, last]
    scans = None if first is None or last is None else last - first + 1
    document = {**STREAM, "n": numbers, "t": None, "scans": scans, "reason": reason, **more}
    return json.dumps(document).encode()


def entered(*payloads: bytes, at: float = 0.0, whole: bool = False) -> Arrivals:
    arrivals = Arrivals(whole=whole)
    for payload in payloads:
        arrivals.enter("any/topic", payload, at)
    return arrivals


def only(arrivals: Arrivals) -> Finding:
    [finding] = arrivals.findings()
    return finding


@pytest.mark.parametrize(
    ("payloads", "contiguous", "lost", "pending"),
    [
        pytest.param([data(1, 3), data(4, 4, 3)], 4, [], [], id="all there"),
        pytest.param([data(1, 3), data(6, 6, 5)], 3, [(4, 5)], [], id="up to c it is lost"),
        pytest.param([data(1, 3), data(6, 6, 4)], 3, [(4, 4)], [(5, 5)], id="above c it is pending"),
        pytest.param([data(1, 3), gap(4, 5), data(6, 6, 5)], 6, [], [], id="named in a gap it is not lost"),
        pytest.param([data(1, 3), gap(4, 4), data(6, 6, 5)], 4, [(5, 5)], [], id="half named, half lost"),
        pytest.param([data(1, 3), data(3, 3, 7)], 3, [(4, 7)], [], id="c beyond all that came"),
        pytest.param([data(500, 510, 499)], 510, [], [], id="what was before the first live one"),
        pytest.param([data(1, 2, 0, h=1), data(9, 9, 2)], 9, [], [], id="the backlog before it too"),
        pytest.param([data(5, 6, 9, h=1)], None, [], [], id="of a backlog alone nothing is known"),
        pytest.param([gap(4, 5)], None, [], [], id="nor of a gap alone"),
    ],
)
def test_what_is_missing_is_lost_up_to_c_and_pending_above(
    payloads: list[bytes], contiguous: int | None, lost: list[Any], pending: list[Any]
) -> None:
    found = only(entered(*payloads))

    assert (found.contiguous, found.lost, found.pending) == (contiguous, lost, pending)


def test_who_listened_from_the_start_has_a_right_to_number_one() -> None:
    found = only(entered(data(5, 6, 5, h=1), whole=True))

    assert (found.since, found.contiguous, found.lost, found.pending) == (1, None, [(1, 4)], [])


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 6), st.integers(0, 50))))
def test_the_books_agree_with_plain_sets(steps: list[tuple[bool, int, int, int]]) -> None:
    arrivals, got, named, acknowledged = Arrivals(whole=True), set[int](), set[int](), 0
    highest = 0
    for is_gap, first, more, c in steps:
        numbers = set(range(first, first + more + 1))
        highest = max(highest, *numbers)
        if is_gap:
            arrivals.enter("t", gap(first, first + more), 0)
            named |= numbers
        else:
            arrivals.enter("t", data(first, first + more, c), 0)
            got |= numbers
            acknowledged = max(acknowledged, c)

    for found in arrivals.findings():
        here = {n for first, last in found.lost for n in range(first, last + 1)}
        later = {n for first, last in found.pending for n in range(first, last + 1)}
        assert here == set(range(1, acknowledged + 1)) - got - named
        assert later == set(range(acknowledged + 1, highest + 1)) - got - named
        assert found.scans == len(got)
        reached = found.contiguous or 0
        assert set(range(1, reached + 1)) <= got | named
        assert reached + 1 not in got | named


def test_late_is_by_the_agents_time_and_history_apart() -> None:
    scans = [{"ts": 1000.0}, {"ts": 2000.0, "a": 700.0}, {"ts": 500.0, "f": 1}, {"ts": 1.0, "u": 1}]
    arrivals = entered(data(1, 4, s=scans), data(5, 5, h=1), data(6, 6, h=1), at=3000.0)
    found = only(arrivals)

    assert (found.late_ms, found.history_late_ms) == (2000.0, 2500.0)


def test_of_several_live_scans_the_latest_counts() -> None:
    assert only(entered(data(1, 3), at=4000.0)).late_ms == 3000.0


def test_a_scan_that_came_again_is_not_late() -> None:
    arrivals = entered(data(1, 1), at=1000.0)
    arrivals.enter("t", data(1, 1), 9000.0)

    assert only(arrivals).late_ms == 0.0
    assert only(arrivals).duplicates == 1


def test_data_without_their_metadata_are_told() -> None:
    arrivals = entered(data(1, 1))
    assert only(arrivals).unexplained == [short_name(META)]

    arrivals.enter("edge/gw/_agent/meta/press", META, 0)
    assert only(arrivals).unexplained == []


def test_gaps_are_counted_by_stream_and_reason() -> None:
    all_of_it = {"d": None, "g": None}
    arrivals = entered(gap(1, 2), gap(1, 2), gap(5, 6), gap(None, reason="restart:unclean", **all_of_it))

    told = [(each.device, each.reason, each.gaps, each.scans, each.numbered) for each in arrivals.gaps()]
    assert told == [("press", "unreadable", 2, 4, True), (None, "restart:unclean", 1, None, False)]


def test_events_are_scans_too() -> None:
    arrivals = Arrivals()
    message = {**STREAM, "m": "0", "n": [1, 2], "c": 0, "e": [{"ts": 1}, {"ts": 2}]}
    arrivals.enter("t", json.dumps(message).encode(), 5.0)

    assert only(arrivals).scans == 2


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[1]", b"{}", b'{"state":"online"}', b"[" * 100_000])
def test_what_is_neither_data_nor_gap_is_not_judged(payload: bytes) -> None:
    arrivals = entered(payload)

    assert (arrivals.messages, arrivals.others, arrivals.broken, arrivals.findings()) == (1, 1, 0, [])


@pytest.mark.parametrize(
    "payload",
    [
        data(1, 1, gw=None),
        data(1, 1, m=7),
        data(1, 1, n=[1]),
        data(1, 1, n=[0, 1]),
        data(1, 1, n=[2, 1]),
        data(1, 1, n=[1, True]),
        data(1, 1, n=None),
        data(1, 1, c=-1),
        data(1, 1, c="1"),
        data(1, 1, s={}),
        data(1, 1, s=[1]),
        data(1, 1, s=[{}]),
        data(1, 1, s=[{"ts": 1, "a": "x"}]),
        data(1, 1, s=[{"ts": float("nan")}]),
        data(1, 1, s=[{"ts": 10**400}]),
        gap(1, 1, b=7),
        gap(1, 1, gw=None),
        gap(1, 1, n=[1, None]),
        gap(1, 1, scans="x"),
        b'{"reason":"x","scans":1}',
        gap(1, 1, reason=None),
    ],
)
def test_data_and_gaps_of_a_wrong_form_are_counted_and_kept_out(payload: bytes) -> None:
    arrivals = entered(payload)

    assert (arrivals.broken, arrivals.findings(), arrivals.gaps()) == (1, [], [])


def test_message_whose_numbers_do_not_count_its_scans_is_told() -> None:
    assert only(entered(data(1, 1), data(2, 3, s=[{"ts": 1}]))).malformed == 1
