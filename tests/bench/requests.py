"""Reads the simulator's request log: how many requests there were, and how punctual."""

import math
import struct
from itertools import pairwise
from pathlib import Path

from tests.bench.scenario import Requests

RECORD = struct.Struct("=QHBBHH")
"""Time (CLOCK_MONOTONIC, ns), index of the port, unit, function, address, count."""

Address = tuple[int, int, int]


def requests_in(log: Path, start_ns: int, end_ns: int, interval_s: float) -> Requests:
    """Count the requests in a window and measure their jitter; a torn last record is left out."""
    data = log.read_bytes()
    times: dict[Address, list[int]] = {}
    for time_ns, port, unit, _function, address, _count in RECORD.iter_unpack(
        data[: len(data) // RECORD.size * RECORD.size]
    ):
        if start_ns <= time_ns < end_ns:
            times.setdefault((port, unit, address), []).append(time_ns)
    jitter_ms = sorted(
        abs(later - earlier - interval_s * 1e9) / 1e6
        for each in times.values()
        for earlier, later in pairwise(each)
    )
    count = sum(len(each) for each in times.values())
    return Requests(count, at_rank(jitter_ms, 0.5), at_rank(jitter_ms, 0.99), at_rank(jitter_ms, 1.0))


def at_rank(ordered: list[float], share: float) -> float:
    """The smallest value that at least this share of the ordered values do not exceed; NaN without values."""
    if not ordered:
        return float("nan")
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
