"""The demo's judge must find what is planted, and the demo must end well."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from edge_agent.config.profile import load_profile
from edge_agent.config.shelf import shipped_profiles
from edge_agent.demo.verdict import Verdict
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.truth import Truth

START_MS = 1_760_000_000_000.0


def verdict() -> tuple[Verdict, Truth]:
    profile, _ = load_profile(shipped_profiles() / "eastron/sdm630-v2.yaml", kinds())
    assert profile is not None
    truth = Truth(profile.tags)
    return Verdict("gw", {"meter-1": truth}, {("meter-1", "fast"): 1.0}), truth


def message(
    truth: Truth, n: int, *, of: str = "voltage_l1", from_: str | None = None, late_ms: float = 0
) -> dict[str, Any]:
    ts = START_MS + n * 1000
    value = truth.expected(from_ or of, round((ts - late_ms) * 1e6))
    scan = {"ts": ts, "v": {of: value}}
    return {"gw": "gw", "b": "b1", "d": "meter-1", "g": "fast", "n": [n, n], "c": n - 1, "s": [scan]}


def test_right_values_without_holes_pass() -> None:
    judge, truth = verdict()
    for n in range(1, 20):
        judge.data(message(truth, n))

    summary = judge.summary()
    assert (summary["missing"], summary["wrong"], summary["delivered"], summary["values"]) == (0, 0, 19, 19)


def test_value_of_the_neighbour_is_found() -> None:
    judge, truth = verdict()
    judge.data(message(truth, 1, of="voltage_l1", from_="voltage_l2"))

    assert judge.summary()["wrong"] == 1
    assert "neighbour" in judge.wrong[0]


def test_value_that_is_too_old_is_found() -> None:
    judge, truth = verdict()
    judge.data(message(truth, 1, of="power_total", late_ms=900))

    assert judge.summary()["wrong"] == 1
    assert "stale" in judge.wrong[0]


def test_scan_that_never_came_is_found() -> None:
    judge, truth = verdict()
    for n in (1, 2, 4):
        judge.data(message(truth, n))

    assert judge.summary()["missing"] >= 1
    assert "meter-1/fast 3" in judge.missing()


def test_poll_that_was_never_made_is_found_unless_a_gap_explains_it() -> None:
    judge, truth = verdict()
    judge.data(message(truth, 1))
    late = message(truth, 2)
    late["s"][0]["ts"] += 3000
    late["s"][0]["v"] = {"voltage_l1": truth.expected("voltage_l1", round(late["s"][0]["ts"] * 1e6))}
    judge.data(late)
    assert judge.summary()["missing"] == 3

    judge.gap(
        {
            "b": "b1",
            "d": None,
            "g": None,
            "n": None,
            "t": [START_MS + 1500, START_MS + 4900],
            "reason": "restart:unclean",
            "scans": None,
        }
    )
    assert judge.summary()["missing"] == 0


def test_device_that_does_not_answer_is_bad_and_not_missing() -> None:
    judge, truth = verdict()
    judge.data(message(truth, 1))
    judge.data(silent(2, {"*": "bad:disconnected"}))
    judge.data(later(truth, 3, by_s=20))
    assert judge.summary()["missing"] == 0

    judge.data(later(truth, 4, by_s=22))
    assert judge.summary()["missing"] == 2


def test_one_bad_tag_does_not_explain_why_the_others_are_silent() -> None:
    judge, truth = verdict()
    judge.data(message(truth, 1))
    judge.data(message(truth, 2, of="voltage_l2"))
    judge.data(silent(3, {"voltage_l1": "bad:timeout"}))
    judge.data(later(truth, 4, by_s=2))
    assert judge.summary()["missing"] == 2

    judge.data(silent(5, {"voltage_l1": "bad:timeout"}, at=7))
    judge.data(silent(6, {"voltage_l2": "bad:timeout"}, at=8))
    judge.data(later(truth, 7, by_s=20))
    assert judge.summary()["missing"] == 2


def test_message_whose_numbers_do_not_fit_is_wrong() -> None:
    judge, truth = verdict()
    broken = message(truth, 1)
    broken["n"] = [1, 2]
    judge.data(broken)

    assert judge.summary()["wrong"] == 1


def later(truth: Truth, n: int, *, by_s: int) -> dict[str, Any]:
    """Scan `n`, but as read so many seconds later."""
    return message(truth, n + by_s) | {"n": [n, n], "c": n - 1}


def silent(n: int, quality: dict[str, str], *, at: int | None = None) -> dict[str, Any]:
    """A scan without values."""
    ts = START_MS + (n if at is None else at) * 1000
    scan = {"ts": ts, "q": quality}
    return {"gw": "gw", "b": "b1", "d": "meter-1", "g": "fast", "n": [n, n], "c": n - 1, "s": [scan]}


def demo(*args: str) -> dict[str, Any]:
    began = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "edge_agent", "demo", "--json", *args],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert run.returncode == 0, (run.stdout, run.stderr, time.monotonic() - began)
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


@pytest.mark.timeout(120)
def test_demo_ends_with_nothing_missing_and_nothing_wrong() -> None:
    answer = demo("--for", "10s")

    assert (answer["missing"], answer["wrong"], answer["buffered"]) == (0, 0, 0)
    assert answer["delivered"] > 20
    assert "restart:unclean" in [gap["reason"] for gap in answer["gaps"]]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_demo_runs_with_the_broker_of_the_python_world() -> None:
    answer = demo("--for", "12s", "--broker", "amqtt")

    assert (answer["missing"], answer["wrong"]) == (0, 0)
