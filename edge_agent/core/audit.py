"""The receiver's books: what arrived of each stream, what was named as lost, and what is simply missing.

Works on nothing but the documents that arrive, so that anyone who subscribes can keep the same books.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent.core.ranges import Ranges

Key = tuple[str, str, str, str]
"""Gateway, buffer id, device, group."""


@dataclass(slots=True)
class Stream:
    """The books of one stream. Counts are scans."""

    delivered: Ranges = field(default_factory=Ranges)
    named: Ranges = field(default_factory=Ranges)
    known: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    malformed: int = 0

    def missing(self) -> list[tuple[int, int]]:
        """Numbers up to the highest one known that neither arrived nor were named in a gap."""
        holes = []
        for first, last in self.delivered.missing(1, self.known):
            holes += self.named.missing(first, last)
        return holes


class Audit:
    """Books over all streams of what one receiver got."""

    def __init__(self) -> None:
        self.streams: dict[Key, Stream] = {}
        self.gaps: list[Mapping[str, Any]] = []

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
        return fresh

    def gap(self, message: Mapping[str, Any]) -> None:
        """Enter a gap message; the same one twice counts once."""
        if message in self.gaps:
            return
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
