"""The cloud's side: books over all that arrives, and what of it to wait for."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any, Self

from jsonschema import Draft202012Validator

from edge_agent.core.audit import Audit
from edge_agent.sim.truth import Truth
from tests.brokers import Arrived
from tests.e2e.plant import GATEWAY, PROFILES, tags

AGENT = f"edge/{GATEWAY}/_agent/"

Condition = Callable[[Sequence[Arrived]], bool]


@dataclass
class Books:
    """Numbers by Audit, values by Truth, form by the schema; `faults` is what was found wrong, in words.

    `scans` in order of first arrival, by buffer id, device, group and number; `said` are the agent's own
    documents by topic, oldest first.
    """

    audit: Audit = field(default_factory=Audit)
    faults: list[str] = field(default_factory=list)
    scans: dict[tuple[str, str, str, int], Mapping[str, Any]] = field(default_factory=dict)
    said: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    metadata: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    values: int = 0

    def enter(self, arrived: Iterable[Arrived]) -> Self:
        """Enter messages in their order of arrival."""
        for each in arrived:
            document = json.loads(each.payload)
            what = each.topic.removeprefix(AGENT)
            if what == each.topic:
                self._data(what, document)
            elif what == "gap":
                self.audit.gap(document)
            elif what.startswith("meta/"):
                self.metadata[sha256(each.payload).hexdigest()[:8]] = document
            else:
                self.said.setdefault(what, []).append(document)
        return self

    @property
    def gaps(self) -> list[Mapping[str, Any]]:
        """All gap messages that differ, in order of arrival, but the overruns of a busy test machine."""
        return [gap for gap in self.audit.gaps if gap["reason"] != "overrun"]

    @property
    def reasons(self) -> list[str]:
        """The reasons of these gaps."""
        return [gap["reason"] for gap in self.gaps]

    @property
    def lives(self) -> list[str]:
        """The buffer ids that data came under, in order of first arrival."""
        return list(dict.fromkeys(life for life, *_ in self.scans))

    @property
    def duplicates(self) -> int:
        """Scans that came again."""
        return sum(stream.duplicates for stream in self.audit.streams.values())

    def numbers(self, device: str, group: str, life: str | None = None) -> list[int]:
        """The numbers of a stream, of one life or of all, in order of first arrival."""
        return [n for b, d, g, n in self.scans if (d, g) == (device, group) and life in {None, b}]

    def qualities(self, device: str) -> set[str]:
        """Every quality that a device's scans showed."""
        return {
            text
            for (_, d, *_), scan in self.scans.items()
            if d == device
            for text in scan.get("q", {}).values()
        }

    def assert_right(self) -> None:
        """Nothing wrong, nothing missing, nothing out of order; and something there at all."""
        assert self.faults == []
        assert self.audit.missing() == {}
        assert not any(stream.malformed for stream in self.audit.streams.values())
        for life, device, group in {key[:3] for key in self.scans}:
            numbers = self.numbers(device, group, life)
            assert numbers == sorted(numbers), f"{device}/{group} came out of order: {numbers}"
        assert self.values > 0

    def _data(self, topic: str, message: Mapping[str, Any]) -> None:
        self.faults += [f"{topic}: {error.message}" for error in _schema().iter_errors(message)]
        if topic != f"edge/{message['gw']}/{message['d']}/{message['g']}":
            self.faults.append(f"{topic} carries {message['d']}/{message['g']}")
        if message["m"] not in self.metadata:
            self.faults.append(f"{topic}: data before its metadata {message['m']}")
        self.audit.data(message)
        for n, scan in enumerate(message["e"] if "e" in message else message["s"], start=message["n"][0]):
            key = (message["b"], message["d"], message["g"], n)
            known = self.scans.setdefault(key, scan)
            if known != scan:
                self.faults.append(f"{key} names two scans: {known} and {scan}")
            if "e" in message:
                self.values += 1
            elif known is scan and message["d"] in PROFILES:
                self._values(message["d"], scan)

    def _values(self, device: str, scan: Mapping[str, Any]) -> None:
        truth = _truth(device)
        offsets = scan.get("t", {})
        for column, value in scan.get("v", {}).items():
            self.values += 1
            wrong = truth.check(column, value, scan["ts"] + offsets.get(column, 0))
            if wrong is not None:
                self.faults.append(f"{device}.{column} = {value!r} at {scan['ts']}: {wrong}")


def data(arrived: Iterable[Arrived], device: str = "meter") -> int:
    """How many messages of a device's fast group are among these."""
    return sum(1 for each in arrived if each.topic == f"edge/{GATEWAY}/{device}/fast")


def more(messages: int, arrived: Iterable[Arrived] = (), *, device: str = "meter") -> Condition:
    """A condition: so many messages of a device's fast group beyond those that are there by now."""
    wanted = data(arrived, device) + messages
    return lambda now: data(now, device) >= wanted


def told(what: str, **members: object) -> Condition:
    """A condition: below the agent's topic, a document with these members has arrived on `what`."""

    def has(arrived: Sequence[Arrived]) -> bool:
        documents = (json.loads(each.payload) for each in arrived if each.topic == AGENT + what)
        return any(members.items() <= document.items() for document in documents)

    return has


@cache
def _schema() -> Draft202012Validator:
    text = (resources.files("edge_agent.schemas") / "payload-1.schema.json").read_text()
    return Draft202012Validator(json.loads(text))


@cache
def _truth(device: str) -> Truth:
    return Truth(tags(device))
