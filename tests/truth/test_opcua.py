"""A small run of the truth, and a judge that sees what it is there for."""

from dataclasses import replace

import pytest

from edge_agent.config.settings import Tag
from edge_agent.core.gap import Gap
from edge_agent.core.model import Column, Scan, Schema, bad
from edge_agent.core.nodes import Node
from edge_agent.sim.signals import TICK_NS
from edge_agent.sim.truth import Truth
from tests.truth.followed import Judge, Record, Tally, blind
from tests.truth.opcua import run

FIRST = 8_977_834_000
TAGS = tuple(
    Tag(name, "fast", "Int32", Node(name, "urn:acme", f"s={name}", "Int32")) for name in ("a", "b", "c")
)
SCHEMA = Schema("d", "fast", tuple(Column(tag.name, "i") for tag in TAGS), b"{}", "00000000")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_servers_that_fail_at_random_are_followed_without_a_wrong_value_or_a_silent_loss() -> None:
    results = run([1, 2], 12_000, seed=7, longest_s=60.0)

    for result in results:
        assert result.faults, "nothing befell it"
        assert result.tally.values >= 12_000
        assert result.tally.right, result.tally.examples
        assert result.blind == []


def test_the_judge_sees_planted_faults_and_nothing_else() -> None:
    assert blind(TAGS, [scan(tick) for tick in range(20)]) == []


def test_a_loss_in_a_gap_is_named_and_any_other_is_silent() -> None:
    ticks = [scan(tick) for tick in range(10) if tick not in (4, 5, 8)]

    tally = judged(*ticks, gap(4, 5))

    assert (tally.named, tally.unnamed) == (6, 3)
    assert "LOST  test: steps 8977834008 to 8977834008 of 3 tags, such as a" in tally.examples[0]


def test_a_loss_behind_a_bad_quality_of_the_server_is_told_and_behind_our_own_it_is_silent() -> None:
    away = [scan(tick) for tick in range(10) if tick not in (4, 5)]

    assert judged(*away[:4], said(4, "BadDeviceFailure"), *away[4:]).unnamed == 0
    assert judged(*away[:4], said(4, "BadDeviceFailure"), *away[4:]).told == 6
    assert judged(*away[:4], said(4, "disconnected"), *away[4:]).unnamed == 6


def test_a_good_value_while_the_server_said_bad_is_false() -> None:
    judge = Judge(TAGS, "test", FIRST)
    judge.unsound("b", FIRST + 3, FIRST + 6)
    for tick in range(10):
        judge.take(scan(tick))

    assert judge.settle(FIRST + 9).false_good == 2


def test_a_value_of_another_tick_is_false_however_near_it_is() -> None:
    late = replace(scan(5), values=scan(4).values)

    assert judged(*[scan(tick) for tick in range(5)], late).false_good == 3


# --- helpers ------------------------------------------------------------------------------


def judged(*records: Record) -> Tally:
    judge = Judge(TAGS, "test", FIRST)
    for record in records:
        judge.take(record)
    return judge.settle(FIRST + 9)


def scan(tick: int) -> Scan:
    time_ns = (FIRST + tick) * TICK_NS
    truth = Truth(TAGS)
    return Scan(SCHEMA, time_ns, tuple(truth.expected(tag.name, time_ns) for tag in TAGS))


def said(tick: int, reason: str) -> Scan:
    return Scan(SCHEMA, (FIRST + tick) * TICK_NS, (None,) * 3, (bad(reason),) * 3)


def gap(first: int, last: int) -> Gap:
    return Gap(
        "life", "d", "fast", "source:lost", None, None, (FIRST + first) * TICK_NS, (FIRST + last) * TICK_NS
    )
