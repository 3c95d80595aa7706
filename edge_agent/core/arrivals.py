"""What a receiver makes of messages as they arrive: the books of every stream, and how late its scans came.

A message is told by what it says, not by its topic: topics are templates that a receiver need not know. Only
metadata are found by `meta/<device>` at the end of their topic. What has neither is not ours to judge.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_agent.core.audit import Audit, Key, Stream
from edge_agent.core.metadata import short_name

STREAM = ("gw", "b", "d", "g")
LARGEST_MS = 1e15  # the year 33658; a time beyond is none, and neither is NaN
GAP = ("gw", "b", "d", "g", "n", "t", "scans", "reason")


@dataclass(slots=True)
class Delay:
    """The longest time from a scan to its first arrival in ms, by the gateway's clock and the receiver's.

    `live` of what was sent as it came, `history` of what the backlog reader sent or was filled from a device;
    None when there was none.
    """

    live: float | None = None
    history: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one stream; see Stream for the numbers.

    `since` None: nothing live has come, so what is missing cannot be known. `unexplained` are the metadata
    (`m`) that its data use and that did not come.
    """

    key: Key
    since: int | None
    contiguous: int | None
    highest: int | None
    scans: int
    duplicates: int
    named: int
    lost: Sequence[tuple[int, int]]
    pending: Sequence[tuple[int, int]]
    out_of_order: int
    malformed: int
    late_ms: float | None
    history_late_ms: float | None
    unexplained: Sequence[str]


@dataclass(frozen=True, slots=True)
class Named:
    """All gaps of one stream (or, where names are None, of more than one) with one reason.

    `scans` is how many scans they say were lost, None when one of them does not say.
    """

    gateway: str
    life: str | None
    device: str | None
    group: str | None
    reason: str
    gaps: int
    scans: int | None
    numbered: bool


class Arrivals:
    """All that one receiver got. With `whole` it has got all from number 1 of each stream on."""

    def __init__(self, *, whole: bool = False) -> None:
        self.audit = Audit()
        self.messages = 0
        self.others = 0
        self.broken = 0
        self._whole = whole
        self._metadata: set[str] = set()
        self._used: dict[Key, set[str]] = {}
        self._delays: dict[Key, Delay] = {}

    def enter(self, topic: str, payload: bytes, arrived_ms: float) -> None:
        """Enter one message; `arrived_ms` is the receiver's UTC."""
        self.messages += 1
        if topic.split("/")[-2:-1] == ["meta"]:
            self._metadata.add(short_name(payload))
            return
        document = _object(payload)
        if document is None:
            self.others += 1
        elif "m" in document and "c" in document:
            self._data(document, arrived_ms)
        elif "reason" in document and "scans" in document:
            self._gap(document)
        else:
            self.others += 1

    def findings(self) -> list[Finding]:
        """What became of each stream, by gateway, device, group; lives in their order of appearance."""
        streams = sorted(self.audit.streams.items(), key=lambda item: (item[0][0], item[0][2:]))
        return [self._finding(key, books) for key, books in streams]

    def gaps(self) -> list[Named]:
        """What was named as lost, each stream and reason once, in order of appearance."""
        found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for gap in self.audit.gaps:
            found.setdefault(tuple(gap[name] for name in (*STREAM, "reason")), []).append(gap)
        return [
            Named(
                gateway=gateway,
                life=life,
                device=device,
                group=group,
                reason=reason,
                gaps=len(gaps),
                scans=None if any(gap["scans"] is None for gap in gaps) else sum(g["scans"] for g in gaps),
                numbered=any(gap["n"] is not None for gap in gaps),
            )
            for (gateway, life, device, group, reason), gaps in found.items()
        ]

    def _data(self, document: Mapping[str, Any], arrived_ms: float) -> None:
        if not _is_data(document):
            self.broken += 1
            return
        key = (document["gw"], document["b"], document["d"], document["g"])
        self._used.setdefault(key, set()).add(document["m"])
        delay = self._delays.setdefault(key, Delay())
        for scan in self.audit.data(document):
            if scan.get("u"):
                continue  # the gateway did not know the time
            late_ms = arrived_ms - scan["ts"] - scan.get("a", 0)
            if document.get("h") or scan.get("f"):
                delay.history = late_ms if delay.history is None else max(delay.history, late_ms)
            else:
                delay.live = late_ms if delay.live is None else max(delay.live, late_ms)

    def _gap(self, document: Mapping[str, Any]) -> None:
        if _is_gap(document):
            self.audit.gap(document)
        else:
            self.broken += 1

    def _finding(self, key: Key, books: Stream) -> Finding:
        since = 1 if self._whole else books.since
        delay = self._delays.get(key, Delay())
        return Finding(
            key=key,
            since=since,
            contiguous=books.contiguous(since),
            highest=books.delivered.last,
            scans=len(books.delivered),
            duplicates=books.duplicates,
            named=len(books.named),
            lost=books.lost(since),
            pending=books.pending(since),
            out_of_order=books.out_of_order,
            malformed=books.malformed,
            late_ms=delay.live,
            history_late_ms=delay.history,
            unexplained=sorted(self._used.get(key, set()) - self._metadata),
        )


def _object(payload: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _is_data(document: Mapping[str, Any]) -> bool:
    """Whether a data message has the form on which the books rely."""
    scans = document.get("e", document.get("s"))
    return (
        all(isinstance(document.get(name), str) for name in (*STREAM, "m"))
        and _is_range(document.get("n"))
        and _is_number(document["c"])
        and isinstance(scans, list)
        and all(isinstance(scan, dict) and _is_time(scan.get("ts")) for scan in scans)
        and all(_is_time(scan.get("a", 0)) for scan in scans)
    )


def _is_gap(document: Mapping[str, Any]) -> bool:
    return (
        all(name in document for name in GAP)
        and isinstance(document["gw"], str)
        and isinstance(document["reason"], str)
        and all(document[name] is None or isinstance(document[name], str) for name in ("b", "d", "g"))
        and (document["n"] is None or _is_range(document["n"]))
        and (document["scans"] is None or _is_number(document["scans"]))
    )


def _is_range(numbers: object) -> bool:
    return (
        isinstance(numbers, list)
        and len(numbers) == 2
        and all(map(_is_number, numbers))
        and 1 <= numbers[0] <= numbers[1]
    )


def _is_number(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _is_time(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < LARGEST_MS
