"""Answers of a server -> scans: which sample goes to which scan, and what time each of them has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from asyncua import ua

from edge_agent.config.settings import Group, Tag
from edge_agent.core.model import GOOD, Column, Scan, Schema, Value
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.answer import Answer
from edge_agent.drivers.opcua.asked import asked_for
from edge_agent.drivers.opcua.notification import Item
from edge_agent.drivers.opcua.structures import Structures
from edge_agent.drivers.opcua.values import Read, reader

Sample = tuple[Value, str, int]
"""Value, quality, time in ns UTC."""


def column(node: Node) -> Column:
    """The column of a tag."""
    return Column(node.name, node.store, node.deadband, node.on_change)


class Columns:
    """How the answers for the tags of one group become scans.

    `asked` is what a server is asked for; answers come by its positions, which are the handles of items.
    `structures` are those that are known in this session.
    """

    def __init__(self, schema: Schema, tags: Sequence[Tag], group: Group) -> None:
        self.asked = asked_for(tags)
        self.structures = Structures(tags, self.asked)
        self._tags = tags
        self._apart = any(each.structure for each in self.asked)
        self._declared = self._schema = schema
        self._namespaces: Sequence[str] = ()
        self._readers = self._shared([tag.opcua for tag in tags])
        self._timestamp = group.timestamp
        self._resolution_ns = round(group.time_resolution_s * 1e9)

    def _shared(self, nodes: Sequence[Node]) -> list[Read]:
        """The reader of each node: one for all whose values are read alike. 10,000 of them are 10 MB."""
        kinds = [
            (each.type, each.valid, each.enum, each.elements, bool(each.range), "," in each.range)
            for each in nodes
        ]
        made = {kind: reader(node, self._uri) for kind, node in dict(zip(kinds, nodes, strict=True)).items()}
        return [made[kind] for kind in kinds]

    def begin(self, namespaces: Sequence[str]) -> None:
        """A session has begun, with these namespaces: nothing is known any more of its structures."""
        self.structures = Structures(self._tags, self.asked)
        self._namespaces = namespaces

    def thin(self, deadbands: Mapping[int, float]) -> None:
        """Have columns reported by these deadbands from now on; the others by what the profile says."""
        columns = tuple(
            replace(each, deadband=deadbands.get(i, each.deadband))
            for i, each in enumerate(self._declared.columns)
        )
        if columns != self._schema.columns:
            self._schema = replace(self._declared, columns=columns)

    def whole(self, answers: Sequence[Answer | str], now_ns: int) -> Scan:
        """One scan of all columns, read at `now_ns`. A text instead of an answer is the quality of none."""
        if self._apart:
            return self._scan(self._taken_apart(answers, now_ns), now_ns)
        return self._scan(
            {
                i: (None, answer, now_ns) if isinstance(answer, str) else self._sample(i, answer, now_ns)
                for i, answer in enumerate(answers)
            },
            now_ns,
        )

    def refused(self, qualities: Sequence[tuple[int, str]], now_ns: int) -> Scan:
        """A scan of what has no value, with the quality of each by its handle."""
        return self._scan(
            {i: (None, quality, now_ns) for handle, quality in qualities for i in self.asked[handle].columns},
            now_ns,
        )

    def overlaid(self, scan: Scan, qualities: Mapping[int, str]) -> Scan:
        """A scan of all columns, with the quality of these handles in place of their values."""
        values, quality = list(scan.values), list(scan.quality or [GOOD] * len(scan.values))
        for handle, text in qualities.items():
            for i in self.asked[handle].columns:
                values[i], quality[i] = None, text
        return replace(scan, values=tuple(values), quality=tuple(quality))

    def news(self, items: Iterable[Item], now_ns: int) -> list[Scan]:
        """Samples of one notification by handle: the j-th of each column goes to the j-th scan."""
        if self._apart:
            items = [each for handle, answer in items for each in self._parts(handle, answer)]
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

    def _taken_apart(self, answers: Sequence[Answer | str], now_ns: int) -> dict[int, Sample]:
        samples: dict[int, Sample] = {}
        for handle, answer in enumerate(answers):
            if isinstance(answer, str):
                samples |= dict.fromkeys(self.asked[handle].columns, (None, answer, now_ns))
            else:
                samples |= {i: self._sample(i, each, now_ns) for i, each in self._parts(handle, answer)}
        return samples

    def _parts(self, handle: int, answer: Answer) -> Iterable[Item]:
        """The columns of what was asked for, each with its answer."""
        if not 0 <= handle < len(self.asked):
            return ()
        asked = self.asked[handle]
        return self.structures.apart(asked, answer) if asked.structure else ((asked.columns[0], answer),)

    def _uri(self, index: int) -> str:
        return self._namespaces[index] if index < len(self._namespaces) else ""

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
