"""What a subscriber knows of the gateway, from nothing but the messages that arrived.

A tag is unknown until it appears, and again after a gap that touches its group and when a new life of the log
begins; a bad one has no value. Messages of an earlier life are history: they fill the books, not the picture.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.demo.screen import DeviceLine, TagLine

UNKNOWN = "unknown"
"""In place of a quality; no message carries it."""


@dataclass(frozen=True, slots=True)
class Tag:
    """What is known of a tag. `changed` is when another value or quality arrived, UTC in s."""

    value: Any = None
    quality: str = UNKNOWN
    changed: float = 0.0


class Cloud:
    """The picture of one gateway; times of arrival are UTC in s."""

    def __init__(self) -> None:
        self._state: Mapping[str, Any] = {}
        self._said = 0.0
        self._devices: dict[str, Mapping[str, Any]] = {}
        self._columns: dict[str, Mapping[str, Mapping[str, Any]]] = {}
        self._tags: dict[tuple[str, str], Tag] = {}
        self._heard: dict[tuple[str, str], float] = {}

    @property
    def online(self) -> bool:
        """Whether the gateway says that it is there, and the broker does not say that it is gone."""
        return bool(self._state.get("state") == "online")

    def arrived(self, topic: str, document: Any, now: float) -> None:  # noqa: ANN401 - JSON of a broker
        """Enter any message of the gateway."""
        _, _, agent = topic.partition("/_agent/")
        match agent.split("/"):
            case [""]:
                self._data(document, now)
            case ["state"]:
                self._begin(document, now)
            case ["gap"]:
                self._gap(document)
            case ["device", name]:
                self._devices[name] = document
            case ["meta", name]:
                self._columns[name] = document["tags"]

    def devices(self, now: float) -> Iterator[DeviceLine]:
        """The devices in the order in which they were heard of."""
        for name, each in self._devices.items():
            if self.online:
                since_s = now - each["since"] / 1000
                yield DeviceLine(name, each["state"], since_s, each["why"], tuple(self._lines(name, now)))
            else:
                why = f"was {each['state']}; gateway offline ({self._state.get('why')})"
                yield DeviceLine(name, UNKNOWN, now - self._said, why, tuple(self._lines(name, now)))

    def _begin(self, document: Mapping[str, Any], now: float) -> None:
        if document["b"] != self._state.get("b"):
            self._tags.clear()
            self._heard.clear()
        if document["state"] != self._state.get("state"):
            self._said = now
        self._state = document

    def _data(self, message: Mapping[str, Any], now: float) -> None:
        if message["b"] != self._state.get("b"):
            return
        device, group = message["d"], message["g"]
        for scan in message.get("s", ()):  # events say nothing of tags
            self._heard[device, group] = scan["ts"] / 1000
            for name, value, quality in self._said_in(scan, device, group):
                tag = Tag(value, quality, now)
                before = self._tags.get((device, name), Tag())
                if replace(tag, changed=before.changed) != before:
                    self._tags[device, name] = tag

    def _said_in(self, scan: Mapping[str, Any], device: str, group: str) -> Iterator[tuple[str, Any, str]]:
        values, quality = scan.get("v", {}), scan.get("q", {})
        yield from ((name, value, quality.get(name, "good")) for name, value in values.items())
        everything = quality.get("*")
        if everything is not None:
            columns = self._columns.get(device, {})
            yield from ((name, None, everything) for name, each in columns.items() if each["group"] == group)
        else:
            yield from ((name, None, text) for name, text in quality.items() if name not in values)

    def _gap(self, gap: Mapping[str, Any]) -> None:
        if gap["b"] != self._state.get("b"):
            return
        for device, columns in self._columns.items():
            for name, each in columns.items():
                if gap["d"] in (None, device) and gap["g"] in (None, each["group"]):
                    self._tags.pop((device, name), None)

    def _lines(self, device: str, now: float) -> Iterator[TagLine]:
        for name, column in self._columns.get(device, {}).items():
            tag = self._tags.get((device, name), Tag())
            heard = self._heard.get((device, column["group"]))
            yield TagLine(
                name,
                None if tag.value is None else shown(tag.value, column),
                "" if column.get("unit") in (None, "1") else column["unit"],
                tag.quality,
                None if heard is None or tag.quality == UNKNOWN else max(0.0, now - heard),
                now - tag.changed,
            )


def shown(value: Any, column: Mapping[str, Any]) -> str:  # noqa: ANN401 - any value of JSON
    """A value for people, with the texts that the metadata gives for it. Numbers stay as they arrived."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if "enum" in column:
        text = column["enum"].get(str(value), column.get("enum_else"))
        return str(value) if text is None else f"{value} {text}"
    if "flags" in column:
        there = [text for bit, text in column["flags"].items() if int(value) >> int(bit) & 1]
        return f"{value} {'+'.join(there)}" if there else str(value)
    return str(value)
