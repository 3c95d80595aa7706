"""Turns figures into a table for people and a document for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from tests.bench.scenario import Figures, Scenario

HEADINGS = (
    ("", 8),
    ("values/s", 10),
    ("messages/s", 12),
    ("B/value", 9),
    ("CPU s/M", 9),
    ("RSS MB", 8),
    ("p50", 9),
    ("p99", 9),
    ("max ms", 9),
    ("requests/s", 12),
    ("missing", 9),
    ("not good", 10),
)


def table(scenario: Scenario, runs: Sequence[Figures]) -> str:
    """One line per run, then the ratios; p50, p99 and max are poll jitter."""
    what = "OPC UA server" if scenario.protocol == "opcua" else "devices"
    load = f"{scenario.devices} {what} x {scenario.tags} float32 every {scenario.interval_s:g} s"
    lines = [f"{scenario.name}: {load}", "".join(f"{text:>{width}}" for text, width in HEADINGS)]
    lines += [
        "".join(f"{cell:>{width}}" for cell, (_, width) in zip(_cells(run), HEADINGS, strict=True))
        for run in runs
    ]
    found = ratios(runs)
    if found:
        lines.append("  agent / C loop: " + ", ".join(f"{name} {value:.2f}" for name, value in found.items()))
    return "\n".join(lines)


def ratios(runs: Sequence[Figures]) -> dict[str, float]:
    """Agent against C loop, by the medians of the same run; empty when one of them is not there."""
    agent = [run for run in runs if run.subject == "agent"]
    loop = [run for run in runs if run.subject == "C loop"]
    if not agent or not loop:
        return {}
    return {
        "CPU per value": median(run.cpu_s_per_million for run in agent)
        / median(run.cpu_s_per_million for run in loop),
        "peak RSS": median(run.peak_rss_mb for run in agent) / median(run.peak_rss_mb for run in loop),
        "jitter p99": median(run.requests.jitter_p99_ms for run in agent)
        / median(run.requests.jitter_p99_ms for run in loop),
    }


def document(scenario: Scenario, runs: Sequence[Figures]) -> dict[str, object]:
    """All that was measured in one scenario, ready for JSON."""
    return {
        "scenario": asdict(scenario),
        "runs": [
            asdict(run)
            | {
                "values_per_s": run.values_per_s,
                "messages_per_s": run.messages_per_s,
                "bytes_per_value": run.bytes_per_value,
                "cpu_s_per_million": run.cpu_s_per_million,
                "requests_per_s": run.requests_per_s,
            }
            for run in runs
        ],
        "ratios": ratios(runs),
    }


def _cells(run: Figures) -> tuple[str, ...]:
    jitter = run.requests
    return (
        run.subject,
        f"{run.values_per_s:,.0f}",
        f"{run.messages_per_s:,.1f}",
        f"{run.bytes_per_value:.1f}",
        f"{run.cpu_s_per_million:.2f}",
        f"{run.peak_rss_mb:.1f}",
        f"{jitter.jitter_p50_ms:.2f}",
        f"{jitter.jitter_p99_ms:.2f}",
        f"{jitter.jitter_max_ms:.2f}",
        f"{run.requests_per_s:,.1f}",
        f"{run.received.missing}",
        f"{run.received.not_good}",
    )
