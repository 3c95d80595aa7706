"""The receiver's books: what arrived of each stream, what was named as lost, and what is simply missing.

Works on nothing but the documents that arrive, so that anyone who subscribes can keep the same books.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent.core.ranges import Ranges

Key = tuple[str, str, str, str]
"""Gateway, buffer id, device, group."""


@dataclass(slots=True)
class Stream:
    """The books of one stream. Counts are scans.

    `known` is the highest number heard of, `acknowledged` the highest `c`: what is missing up to there is
    lost, beyond it is on its way. `since` is the first number of the first live message, None before: what
    lies below may have been delivered before anyone listened.
    """

    delivered: Ranges = field(default_factory=Ranges)
    named: Ranges = field(default_factory=Ranges)
    known: int = 0
    acknowledged: int = 0
    since: int | None = None
    duplicates: int = 0
    out_of_order: int = 0
    malformed: int = 0

    def missing(self) -> list[tuple[int, int]]:
        """Numbers up to the highest one known that neither arrived nor were named in a gap."""
        return self._holes(1, self.known)

    def lost(self, since: int | None) -> list[tuple[int, int]]:
        """Numbers from `since` to the highest `c` that neither arrived nor were named; none for None."""
        return [] if since is None else self._holes(since, self.acknowledged)

    def pending(self, since: int | None) -> list[tuple[int, int]]:
        """The same beyond the highest `c`: they are on their way."""
        return [] if since is None else self._holes(max(since, self.acknowledged + 1), self.known)

    def contiguous(self, since: int | None) -> int | None:
        """The number up to which, from `since`, all arrived or were named; None when that one is missing."""
        if since is None:
            return None
        holes = self._holes(since, self.known)
        reached = holes[0][0] - 1 if holes else self.known
        return reached if reached >= since else None

    def _holes(self, first: int, last: int) -> list[tuple[int, int]]:
        holes = self.delivered.missing(first, last)
        return [rest for hole in holes for rest in self.named.missing(*hole)]


class Audit:
    """Books over all streams of what one receiver got."""

    def __init__(self) -> None:
        self.streams: dict[Key, Stream] = {}
        self.gaps: list[Mapping[str, Any]] = []
        self._gaps: set[str] = set()

    def stream(self, gateway: str, life: str, device: str, group: str) -> Stream:
        """The books of one stream, empty at first."""
        return self.streams.setdefault((gateway, life, device, group), Stream())

    def data(self, message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Enter a data message; gives those of its scans that are new, in order."""
        books = self.stream(message["gw"], message["b"], message["d"], message["g"])
        first, last = message["n"]
        scans: Sequence[Mapping[str, Any]] = message["e"] if "e" in message else message["s"]
        if last - first + 1 != len(scans):
            books.malformed += 1
            return ()
        numbers = [n for n in range(first, last + 1) if n not in books.delivered]
        fresh = [scans[n - first] for n in numbers]
        # A repeat may bring new scans behind old ones; what counts is where the first new one stands.
        if numbers and not message.get("h") and numbers[0] < (books.delivered.last or 0):
            books.out_of_order += 1
        books.duplicates += len(scans) - len(fresh)
        books.delivered.add(first, last)
        books.known = max(books.known, last, message["c"])
        books.acknowledged = max(books.acknowledged, message["c"])
        if books.since is None and not message.get("h"):
            books.since = first
        return fresh

    def gap(self, message: Mapping[str, Any]) -> None:
        """Enter a gap message; the same one twice counts once."""
        document = json.dumps(message, sort_keys=True)
        if document in self._gaps:
            return
        self._gaps.add(document)
        self.gaps.append(message)
        if message["n"] is not None and message["d"] is not None and message["b"] is not None:
            first, last = message["n"]
            books = self.stream(message["gw"], message["b"], message["d"], message["g"])
            books.named.add(first, last)
            books.known = max(books.known, last)

    def expect(self, key: Key, last: int) -> None:
        """From elsewhere it is known that the stream has numbers up to `last`: they must be in the books."""
        books = self.stream(*key)
        books.known = max(books.known, last)

    def missing(self) -> dict[Key, list[tuple[int, int]]]:
        """Per stream, the numbers that neither arrived nor were named."""
        return {key: holes for key, books in self.streams.items() if (holes := books.missing())}
