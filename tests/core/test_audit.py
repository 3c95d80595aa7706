from typing import Any

from edge_agent.core.audit import Audit

KEY = ("gw", "b1", "press", "fast")


def data(first: int, last: int, c: int = 0, **more: Any) -> dict[str, Any]:
    scans = [{"ts": n} for n in range(first, last + 1)]
    return {"gw": "gw", "b": "b1", "d": "press", "g": "fast", "n": [first, last], "c": c, "s": scans, **more}


def gap(first: int | None, last: int | None = None) -> dict[str, Any]:
    numbers = None if first is None else [first, last]
    return {"gw": "gw", "b": "b1", "d": "press", "g": "fast", "n": numbers, "reason": "x"}


def test_nothing_is_missing_when_all_arrived() -> None:
    audit = Audit()
    audit.data(data(1, 3))
    audit.data(data(4, 4, c=3))

    assert audit.missing() == {}
    assert len(audit.streams[KEY].delivered) == 4


def test_hole_is_missing_until_a_gap_names_it() -> None:
    audit = Audit()
    audit.data(data(1, 2))
    audit.data(data(6, 6))
    assert audit.missing() == {KEY: [(3, 5)]}

    audit.gap(gap(3, 4))
    assert audit.missing() == {KEY: [(5, 5)]}
    audit.gap(gap(5, 5))
    assert audit.missing() == {}


def test_number_the_sender_calls_done_must_be_there() -> None:
    audit = Audit()
    audit.data(data(5, 5, c=9))

    assert audit.missing() == {KEY: [(1, 4), (6, 9)]}


def test_number_known_from_elsewhere_must_be_there() -> None:
    audit = Audit()
    audit.data(data(1, 2))
    audit.expect(KEY, 4)

    assert audit.missing() == {KEY: [(3, 4)]}


def test_repeats_are_counted_and_not_given_again() -> None:
    audit = Audit()
    audit.data(data(1, 3))

    assert [scan["ts"] for scan in audit.data(data(2, 5))] == [4, 5]
    assert audit.streams[KEY].duplicates == 2


def test_repeat_that_goes_further_is_in_order() -> None:
    audit = Audit()
    audit.data(data(1, 2))
    audit.data(data(1, 3))

    assert audit.streams[KEY].out_of_order == 0


def test_late_first_arrival_is_out_of_order_unless_it_is_history() -> None:
    audit = Audit()
    audit.data(data(5, 5))
    audit.data(data(1, 2, h=1))
    assert audit.streams[KEY].out_of_order == 0

    audit.data(data(3, 3))
    assert audit.streams[KEY].out_of_order == 1


def test_message_whose_numbers_do_not_count_its_scans_is_malformed() -> None:
    audit = Audit()
    broken = data(1, 3)
    broken["s"].pop()

    assert audit.data(broken) == ()
    assert audit.streams[KEY].malformed == 1


def test_gap_without_numbers_is_kept_and_the_same_one_counts_once() -> None:
    audit = Audit()
    audit.gap(gap(None))
    audit.gap(gap(None))

    assert audit.gaps == [gap(None)]
    assert audit.missing() == {}
