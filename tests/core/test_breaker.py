"""A unit that is silent: when it is asked again, how patiently, and what that may cost."""

import pytest

from edge_agent.core.breaker import LONGEST_ALONE_S, LONGEST_S, Breaker, Share


def longest(_low: float, high: float) -> float:
    return high


def opened(misses: int = 2, *, alone: bool = False) -> Breaker:
    breaker = Breaker(longest)
    for _ in range(misses):
        breaker.missed(0.0, alone=alone)
    return breaker


def test_two_misses_in_a_row_open_it_and_that_is_told_once() -> None:
    breaker = Breaker(longest)

    assert [breaker.missed(0.0, alone=False) for _ in range(3)] == [False, True, False]
    assert breaker.open


def test_an_answer_in_between_keeps_it_closed() -> None:
    breaker = opened(1)

    assert not breaker.answered()
    assert not breaker.missed(0.0, alone=False)
    assert not breaker.open


def test_the_first_probe_comes_two_seconds_later_and_is_granted_once() -> None:
    breaker = opened()

    assert [breaker.probe(at) for at in (0.0, 1.99, 2.0, 2.0)] == [False, False, True, False]


def test_a_probe_that_did_not_take_place_may_be_had_again() -> None:
    breaker = opened()
    breaker.probe(2.0)

    breaker.forgo()

    assert breaker.probe(2.0)


@pytest.mark.parametrize(
    ("alone", "waits"),
    [
        (False, [2, 4, 8, 16, 32, 64, 128, 256, LONGEST_S, LONGEST_S]),
        (True, [2, 4, 8, 16, LONGEST_ALONE_S, LONGEST_ALONE_S]),
    ],
)
def test_probes_are_further_and_further_apart(alone: bool, waits: list[float]) -> None:
    breaker = opened(alone=alone)
    seen, now = [], 0.0
    for _ in waits:
        seen.append(breaker.next_probe - now)
        now = breaker.next_probe
        assert breaker.probe(now)
        breaker.missed(now, alone=alone)

    assert seen == waits


def test_an_answer_closes_it_and_the_next_trouble_begins_with_short_waits() -> None:
    breaker = opened()
    for now in (2.0, 10.0, 30.0):
        assert breaker.probe(now)
        breaker.missed(now, alone=False)

    assert breaker.answered()
    assert not breaker.open
    breaker.missed(50.0, alone=False)
    breaker.missed(50.0, alone=False)

    assert breaker.next_probe == 52.0


def test_units_that_died_together_are_probed_apart() -> None:
    breaker = Breaker(lambda low, _high: low)
    breaker.missed(0.0, alone=False)
    breaker.missed(0.0, alone=False)

    assert breaker.next_probe == 1.5


def test_a_probe_waits_as_long_as_answers_took_and_longer_each_time() -> None:
    breaker = opened()
    waits = []
    for now in (2.0, 10.0, 30.0, 90.0, 200.0):
        breaker.probe(now)
        waits.append(breaker.timeout(0.02, 0.5))
        breaker.missed(now, alone=False)

    assert waits == [0.06, 0.12, 0.24, 0.48, 0.5]


def test_no_probe_is_shorter_than_any_answer_or_longer_than_the_timeout() -> None:
    assert opened().timeout(0.001, 1.0) == 0.05
    assert opened().timeout(9.0, 1.0) == 1.0
    assert opened().timeout(0.0, 0.01) == 0.01


def test_a_unit_that_was_heard_too_late_is_probed_at_once_and_with_patience() -> None:
    breaker = opened()

    breaker.heard()

    assert breaker.probe(0.0)
    assert breaker.timeout(0.01, 1.0) == 1.0
    breaker.answered()
    breaker.missed(0.0, alone=False)
    breaker.missed(0.0, alone=False)
    assert breaker.timeout(0.01, 1.0) == 0.05


def test_when_something_has_changed_it_may_be_probed_at_once() -> None:
    breaker = opened()

    breaker.renew()

    assert breaker.probe(0.0)


def test_probes_take_a_twentieth_of_a_wire() -> None:
    share = Share()
    assert share.free(0.0)

    share.spent(10.0, 0.5)

    assert not share.free(19.49)
    assert share.free(19.5)


def test_one_probe_at_a_time_takes_of_a_share() -> None:
    share = Share()

    share.take()

    assert not share.free(0.0)
    share.renew()
    assert not share.free(0.0)
    share.give_back()
    assert share.free(0.0)


def test_a_share_that_was_used_up_is_free_again_when_something_has_changed() -> None:
    share = Share()
    share.spent(10.0, 0.5)

    share.renew()

    assert share.free(10.0)
