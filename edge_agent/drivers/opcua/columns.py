"""Answers of a server -> scans: which sample goes to which scan, and what time each of them has."""

from collections.abc import Iterable, Mapping, Sequence

from asyncua import ua

from edge_agent.config.settings import Group, Tag
from edge_agent.core.model import Column, Scan, Schema, Value
from edge_agent.core.nodes import STORES, Node
from edge_agent.drivers.opcua.answer import Answer
from edge_agent.drivers.opcua.notification import Item
from edge_agent.drivers.opcua.values import reader

Sample = tuple[Value, str, int]
"""Value, quality, time in ns UTC."""


def column(node: Node) -> Column:
    """The column of a tag."""
    return Column(node.name, STORES.get(node.type, "s"), node.deadband, node.on_change)


class Columns:
    """How the answers for the tags of one group become scans."""

    def __init__(self, schema: Schema, tags: Sequence[Tag], group: Group) -> None:
        self._schema = schema
        self._readers = [reader(tag.opcua) for tag in tags]
        self._timestamp = group.timestamp
        self._resolution_ns = round(group.time_resolution_s * 1e9)

    def whole(self, answers: Sequence[Answer | str], now_ns: int) -> Scan:
        """One scan of all columns, read at `now_ns`. A text instead of an answer is the quality of none."""
        return self._scan(
            {
                i: (None, answer, now_ns) if isinstance(answer, str) else self._sample(i, answer, now_ns)
                for i, answer in enumerate(answers)
            },
            now_ns,
        )

    def refused(self, qualities: Sequence[tuple[int, str]], now_ns: int) -> Scan:
        """A scan of columns that have no value, with the quality of each."""
        return self._scan({i: (None, quality, now_ns) for i, quality in qualities}, now_ns)

    def news(self, items: Iterable[Item], now_ns: int) -> list[Scan]:
        """Samples of one notification by handle: the j-th of each column goes to the j-th scan."""
        rows: list[dict[int, Sample]] = [{}]
        first, count = rows[0], len(self._readers)
        for i, answer in items:
            if i not in first:
                if 0 <= i < count:  # else a handle that was never given out
                    first[i] = self._sample(i, answer, now_ns)
                continue
            row = next((row for row in rows if i not in row), None)
            if row is None:
                rows.append(row := {})
            row[i] = self._sample(i, answer, now_ns)
        return [self._scan(row, now_ns) for row in rows if row]

    def _sample(self, i: int, answer: Answer, now_ns: int) -> Sample:
        value, quality = self._readers[i](answer)
        if self._timestamp == "agent":
            return value, quality, now_ns
        time_ns = answer[3] if self._timestamp == "source" else answer[4]
        return value, quality, now_ns if time_ns is None else time_ns

    def _scan(self, samples: Mapping[int, Sample], now_ns: int) -> Scan:
        columns = sorted(samples)
        values, quality, times = zip(*[samples[i] for i in columns], strict=True)
        newest = max(times)
        wide = newest - min(times) > self._resolution_ns
        return Scan(
            self._schema,
            newest,
            values,
            quality if any(quality) else None,
            None if len(columns) == len(self._readers) else tuple(columns),
            tuple((time - newest) / 1e6 for time in times) if wide else None,
            lag_ns=0 if self._timestamp == "agent" else now_ns - newest,
        )


def timestamps(group: Group) -> ua.TimestampsToReturn:
    """Which times a server is asked for."""
    return {
        "source": ua.TimestampsToReturn.Source,
        "server": ua.TimestampsToReturn.Server,
        "agent": ua.TimestampsToReturn.Neither,
    }[group.timestamp]
