"""The receiver's verdict: from what arrived, the simulated truth, and what lies in the log.

Never from the agent's word.

missing   numbers that neither arrived, nor lie in the buffer or are named in a gap; and due times of a group
          that reports every reading, between two of its scans, that no gap explains. A device that does not
          answer says so once, and is silent then: bad quality is not missing
wrong     values that the simulated PLC did not have at their time, and messages that contradict themselves
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from edge_agent.core.audit import Audit, Key
from edge_agent.core.record import Record
from edge_agent.sim.truth import Truth

LATE = 1.6
"""Intervals between two scans from which on one is missing: a reading may be late by half an interval."""


@dataclass(slots=True)
class Verdict:
    """The books of the demo.

    `truths` judges the values of each device; `intervals_s` are of steady groups.
    """

    gateway: str
    truths: Mapping[str, Truth]
    intervals_s: Mapping[tuple[str, str], float]
    audit: Audit = field(default_factory=Audit)
    values: int = 0
    wrong: list[str] = field(default_factory=list)
    buffered: dict[Key, set[int]] = field(default_factory=dict)
    _scans: dict[tuple[str, str], list[tuple[float, bool]]] = field(default_factory=dict)
    """Per group the time of each scan, and whether more was due after it."""
    _bad: dict[Key, dict[str, bool]] = field(default_factory=dict)

    def data(self, message: Mapping[str, Any]) -> None:
        """Enter a data message and judge each of its values that is new."""
        device, group = message["d"], message["g"]
        if len(message["s"]) != message["n"][1] - message["n"][0] + 1:
            self.wrong.append(f"{device}/{group} {message['n']}: {len(message['s'])} scans")
        for scan in self.audit.data(message):
            due = self._answers((message["gw"], message["b"], device, group), scan)
            self._scans.setdefault((device, group), []).append((scan["ts"], due))
            self._judge(device, scan)

    def gap(self, message: Mapping[str, Any]) -> None:
        """Enter a gap message."""
        self.audit.gap(message)

    def durable(self, records: Sequence[Record], following: Mapping[tuple[str, str], int], life: str) -> None:
        """The log was seen to hold these records, and to count on from these numbers.

        All before is accounted for.
        """
        for each in records:
            self.audit.expect((self.gateway, each.life, *each.schema.stream), each.n)
        for name, n in following.items():
            self.audit.expect((self.gateway, life, *name), n - 1)

    def left(self, records: Sequence[Record]) -> None:
        """These records lie in the log at the end, to be delivered yet."""
        self.buffered = {}
        for each in records:
            self.buffered.setdefault((self.gateway, each.life, *each.schema.stream), set()).add(each.n)

    @property
    def delivered(self) -> int:
        """Scans that arrived, each counted once."""
        return sum(len(books.delivered) for books in self.audit.streams.values())

    @property
    def duplicates(self) -> int:
        """Scans that arrived again."""
        return sum(books.duplicates for books in self.audit.streams.values())

    def missing(self) -> list[str]:
        """What is neither here, nor in the buffer, nor named: in words, an entry for each scan."""
        rows = []
        for key, holes in self.audit.missing().items():
            there = self.buffered.get(key, set())
            rows += [f"{key[2]}/{key[3]} {n}" for a, b in holes for n in range(a, b + 1) if n not in there]
        for name, scans in self._scans.items():
            interval_s = self.intervals_s.get(name)
            if interval_s is not None:
                rows += self._unexplained(name, sorted(scans), interval_s * 1000)
        return rows

    def summary(self) -> dict[str, Any]:
        """The verdict as one JSON object. Counts are scans, but for `values`."""
        missing = self.missing()
        streams = self.audit.streams
        buffered = sum(
            n not in self.audit.stream(*key).delivered for key, row in self.buffered.items() for n in row
        )
        evicted = sum(
            last - first + 1
            for books in streams.values()
            for named in books.named
            for first, last in books.delivered.missing(*named)
        )
        return {
            "read": self.delivered + buffered + evicted + len(missing),
            "delivered": self.delivered,
            "duplicates": self.duplicates,
            "buffered": buffered,
            "evicted": evicted,
            "missing": len(missing),
            "wrong": len(self.wrong),
            "values": self.values,
            "gaps": [
                {name: gap[name] for name in ("reason", "d", "g", "n", "t", "scans")}
                for gap in self.audit.gaps
            ],
        }

    def _answers(self, key: Key, scan: Mapping[str, Any]) -> bool:
        """Whether any tag of a stream is not bad after its next scan: then another reading is due."""
        bad, good, quality = self._bad.setdefault(key, {}), scan.get("v", {}), scan.get("q", {})
        bad.update(dict.fromkeys(bad if "*" in quality else quality, True))
        bad.update(dict.fromkeys(good, False))
        return not all(bad.values())

    def _judge(self, device: str, scan: Mapping[str, Any]) -> None:
        truth = self.truths[device]
        offsets = scan.get("t", {})
        for column, value in scan.get("v", {}).items():
            self.values += 1
            fault = truth.check(column, value, scan["ts"] + offsets.get(column, 0))
            if fault is not None:
                self.wrong.append(f"{device}.{column}: {fault}")

    def _unexplained(
        self, name: tuple[str, str], scans: Sequence[tuple[float, bool]], interval_ms: float
    ) -> list[str]:
        """Due times between two scans that nothing explains.

        No gap of the device or of the gateway touches them.
        """
        spans = [
            (gap["t"][0] or 0.0, gap["t"][1] or float("inf"))
            for gap in self.audit.gaps
            if gap["t"] is not None and gap["d"] in (None, name[0]) and gap["g"] in (None, name[1])
        ]
        rows = []
        for (before, due), (after, _) in pairwise(scans):
            if not due or after - before <= LATE * interval_ms:
                continue
            if any(a <= after and b >= before for a, b in spans):
                continue
            rows += [f"{name[0]}/{name[1]} after {before:.0f}"] * (round((after - before) / interval_ms) - 1)
        return rows
