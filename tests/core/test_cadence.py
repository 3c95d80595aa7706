import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.cadence import Cadence, phase


def test_due_times_do_not_drift() -> None:
    cadence = Cadence(1.0, 0.25)

    assert cadence.next(10.0) == (10.25, 0)
    assert cadence.next(10.31) == (11.25, 0)
    assert cadence.next(11.26) == (12.25, 0)


def test_late_reading_is_taken_and_not_missed() -> None:
    cadence = Cadence(1.0, 0.0)
    cadence.next(0.5)

    assert cadence.next(2.3) == (2.0, 0)


def test_due_times_that_passed_unused_are_counted() -> None:
    cadence = Cadence(1.0, 0.0)
    cadence.next(0.5)

    assert cadence.next(4.7) == (5.0, 3)


def test_phase_follows_from_the_names_and_lies_in_a_slot() -> None:
    assert phase(10.0, "gw", "press", "fast") == phase(10.0, "gw", "press", "fast")
    assert phase(10.0, "gw", "press", "fast") != phase(10.0, "gw", "press-2", "fast")
    assert phase(10.0, "a") / 0.2 == pytest.approx(round(phase(10.0, "a") / 0.2))


@given(st.lists(st.floats(0.001, 7.0), min_size=1, max_size=50))
def test_every_due_time_is_taken_or_counted(steps: list[float]) -> None:
    cadence = Cadence(1.0, 0.3)
    now, turns, missed = 100.0, 0, 0
    first, _ = cadence.next(now)
    due = first
    for step in steps:
        now = max(now, due) + step
        due, passed = cadence.next(now)
        turns, missed = turns + 1, missed + passed

    assert due == pytest.approx(first + turns + missed)
    assert due > now - 0.5 - 1e-6
