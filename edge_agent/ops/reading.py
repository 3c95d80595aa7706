"""One device read once, now, for a person: a row per column, with its text and its age.

Nothing of it enters the log. It travels over the control socket as JSON.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter  # the clock of some loops stands still within a turn
from typing import Any

from edge_agent.config.settings import Device, Tag
from edge_agent.core.claims import Identified
from edge_agent.core.model import GOOD, Scan, Value, bad
from edge_agent.core.payload import milliseconds, presented
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock, Identifying, Poller

WITHIN_S = 30.0
"""For a whole device, in its turn among the polls: nobody waits longer at a terminal."""
IDENTIFY_S = 5.0
"""For what it is, behind all polls: on a wire without a spare moment the values are worth showing without."""


@dataclass(frozen=True, slots=True)
class Row:
    """One column as it was read: a tag, or a part of one.

    `quality` is `good` or what a payload shows; with a bad one there is no value. `ts` is ms UTC, `age_ms`
    how old the value was when the device had been read; both None where nothing came.
    """

    tag: str
    group: str
    value: Value
    unit: str | None
    quality: str
    text: str | None
    ts: float | None
    age_ms: float | None


@dataclass(frozen=True, slots=True)
class GroupRead:
    """How a group was read: after how many ms, and why not; `reason` is empty when the device answered."""

    group: str
    took_ms: float
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device said. `config` names the configuration by which it was read.

    `identity` is what it says it is, empty when it does not say; None when nobody asked. `mismatch` is what
    contradicts its profile, in words, empty when nothing does.
    """

    device: str
    config: str
    groups: tuple[GroupRead, ...]
    rows: tuple[Row, ...]
    identity: str | None = None
    mismatch: str = ""

    @property
    def failure(self) -> GroupRead | None:
        """Why nothing came; None when a group was answered."""
        failed = [each for each in self.groups if each.reason]
        return failed[0] if len(failed) == len(self.groups) and failed else None

    @property
    def bad(self) -> Sequence[Row]:
        """The columns whose value is not known."""
        return [row for row in self.rows if row.quality.startswith("bad:")]

    def identified(self, told: Identified) -> "Reading":
        """The reading with what the device has said it is."""
        mismatch = "" if told.mismatch is None else told.mismatch.words
        return replace(self, identity=told.says, mismatch=mismatch)

    def document(self) -> dict[str, Any]:
        """The reading as JSON has it."""
        return asdict(self)

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Reading":
        """The reading that `document` has become."""
        return Reading(
            document["device"],
            document["config"],
            tuple(GroupRead(**each) for each in document["groups"]),
            tuple(Row(**each) for each in document["rows"]),
            document.get("identity"),
            document.get("mismatch", ""),
        )


def columns(device: Device) -> dict[str, tuple[Tag, str]]:
    """Every column of a device in the order of its profile, with its tag and the name of its part."""
    found: dict[str, tuple[Tag, str]] = {}
    for tag in device.tags:
        if tag.address.whole:
            found[tag.name] = tag, ""
        found.update((f"{tag.name}.{part.name}", (tag, part.name)) for part in tag.address.bits)
    return found


def chosen(device: Device, names: Collection[str]) -> list[str]:
    """The columns that are meant: tags with all their parts, or parts; all of them when no name is given.

    Raises KeyError with the first name that is none.
    """
    there = columns(device)
    for name in names:
        if name not in there and all(tag.name != name for tag, _ in there.values()):
            raise KeyError(name)
    return [name for name, (tag, _) in there.items() if not names or name in names or tag.name in names]


async def read(
    device: Device, poller: Poller, names: Collection[str], clock: Clock, config: str = ""
) -> Reading:
    """Read the groups of the chosen columns, one after the other.

    Once the device has been silent its other groups are not asked. Raises KeyError for an unknown name.
    """
    wanted = chosen(device, names)
    there = columns(device)
    scans: dict[str, Scan] = {}
    groups: list[GroupRead] = []
    silence: DeviceError | None = None
    for group in dict.fromkeys(there[name][0].group for name in wanted):
        began = perf_counter()
        try:
            if silence is not None:
                raise silence
            scans[group] = await poller.read(group)
        except DeviceError as error:
            silence = error if error.silent else None
            groups.append(GroupRead(group, _ms(perf_counter() - began), error.reason, error.detail))
        else:
            groups.append(GroupRead(group, _ms(perf_counter() - began)))
    now_ns = clock()
    came = {name: row for scan in scans.values() for name, row in _values(scan, now_ns)}
    reasons = {each.group: bad(each.reason) for each in groups if each.reason}
    rows = [_row(name, *there[name], came.get(name), reasons) for name in wanted]
    return Reading(device.name, config, tuple(groups), tuple(rows))


async def identify(device: Identifying) -> Identified:
    """What a device that was read says it is."""
    try:
        async with asyncio.timeout(IDENTIFY_S):
            return await device.identify()
    except TimeoutError:
        return Identified()


_Came = tuple[Value, Value, str, float, float]
"""The value as it is and as it is shown, quality, ts in ms and age in ms."""


def _values(scan: Scan, now_ns: int) -> Iterator[tuple[str, _Came]]:
    index = range(len(scan.schema.columns)) if scan.index is None else scan.index
    quality = scan.quality or (GOOD,) * len(scan.values)
    offsets_ms = scan.offsets_ms or (0.0,) * len(scan.values)
    shown = presented([scan.schema.stores[i] for i in index], scan.values)
    for i, value, short, text, offset_ms in zip(index, scan.values, shown, quality, offsets_ms, strict=True):
        time_ns = scan.time_ns + round(offset_ms * 1e6)
        age_ms = round((now_ns - time_ns) / 1e6, 1)
        yield scan.schema.names[i], (value, short, text or "good", milliseconds(time_ns), age_ms)


def _row(name: str, tag: Tag, part: str, came: _Came | None, reasons: Mapping[str, str]) -> Row:
    unit = None if part else tag.unit
    if came is None:
        return Row(name, tag.group, None, unit, reasons.get(tag.group, bad("stale")), None, None, None)
    value, shown, quality, ts, age_ms = came
    return Row(name, tag.group, shown, unit, quality, _text(tag.text(value, part)), ts, age_ms)


def _text(text: str | tuple[str, ...] | None) -> str | None:
    return ", ".join(text) if isinstance(text, tuple) else text


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
