"""One Modbus device as a Poller: blocks are read in turn and decoded only when their bytes changed."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Protocol

import structlog

from edge_agent.config.settings import Device, Tag
from edge_agent.core.claims import Identified, judged
from edge_agent.core.codec import Decoded, Layout, columns_of, compile_block
from edge_agent.core.metadata import short_name
from edge_agent.core.model import GOOD, Column, Scan, Schema, Value, bad
from edge_agent.core.payload import presented
from edge_agent.core.plan import Block, Unreadable
from edge_agent.core.refused import Refused
from edge_agent.core.registers import Field
from edge_agent.drivers.modbus.client import Question, reading
from edge_agent.drivers.modbus.commands import Ask, carry_out
from edge_agent.drivers.modbus.given import typed
from edge_agent.drivers.modbus.identity import identity, said
from edge_agent.drivers.modbus.search import ILLEGAL, REFUSALS, Search
from edge_agent.drivers.modbus.turns import Urgency
from edge_agent.drivers.modbus.wire import Answer, Pace
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock, Written

AGAIN_S = (60.0, 3600.0)
"""What was refused is asked for again after a minute, for it may pass by itself, then after twice the time
each time, in the end once an hour: a device may get new firmware, or a module plugged in."""
FRUITLESS_S = 60.0
"""After a search in which a device refused everything, the next one waits: that is no matter of addresses."""

SLACK = 5.0
"""Times its slowest answer: what a device has to say what it is, for it may have to look that up."""
QUICKEST_S = 0.25
"""It has this at least, a quarter of a usual interval: some devices let every unknown function time out."""

log = structlog.get_logger("device")


class Asking(Protocol):
    """What a device needs of its wire."""

    async def ask(self, unit: int, question: Question, pace: Pace, urgency: Urgency = Urgency.POLL) -> Answer:
        """What a unit answers. Raises DeviceError."""
        ...

    def command(self, unit: int, pace: Pace, within_s: float) -> AbstractAsyncContextManager[Ask]:
        """The wire for a command of several requests."""
        ...

    def expect(self, unit: int, group: str, within_s: float) -> None:
        """A group of a unit is read now and will be again after this time."""
        ...

    def pace(self, timeout_s: float | None, turnaround_s: float | None) -> Pace:
        """How a device is asked, None standing for what holds for the wire."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How a group is read: its blocks, and the columns that come of them. Shared by all devices alike.

    `replan` gives the blocks of some of its fields when this is known to be refused.
    """

    fields: tuple[Field, ...]
    blocks: tuple[tuple[Block, Layout], ...]
    columns: tuple[Column, ...]
    replan: Callable[[Sequence[Field], Refused], Sequence[Block]]


class ModbusDevice:
    """The groups of one device. `readings` says how each is read, `schemas` what its scans look like."""

    def __init__(
        self,
        wire: Asking,
        device: Device,
        readings: Mapping[str, Reading],
        document: bytes,
        clock: Clock,
    ) -> None:
        self._wire = wire
        self._unit = device.unit
        self._profile = device.profile
        self._pace = wire.pace(device.timeout_s, device.turnaround_s)
        self._clock = clock
        self._device = device.name
        self._tags = device.tags
        self._slowest_s = 0.0
        # A poll that is kept waiting for so long does not miss its next due time.
        self._spare_s = min((each.interval_s for each in device.groups.values()), default=math.inf) / 2
        m = short_name(document)
        self.schemas = {
            name: Schema(device.name, name, reading.columns, document, m)
            for name, reading in readings.items()
        }
        self._groups = {
            name: _Group(self.schemas[name], each, device.groups[name].interval_s,
                         device.groups[name].time_resolution_s)
            for name, each in readings.items()
        }  # fmt: skip

    async def read(self, group: str) -> Scan:
        """Read every block of a group. Raises DeviceError when none was answered."""
        loop = asyncio.get_running_loop()
        its = self._groups[group]
        self._wire.expect(self._unit, group, its.interval_s)
        its.forget(loop.time())
        parts = its.parts
        came, failed = await self._blocks(its)
        answered = [each.middle for each in came if each.middle is not None]
        if failed is not None and not answered:
            raise failed
        if failed is None and its.whole:
            its.given()
        if not answered:
            raise DeviceError("illegal_address", "the device refuses every tag of the group")
        # The wall clock is read once, behind the last answer; the loop's clock tells how long ago the first
        # was.
        first = answered[0]
        time_ns = self._clock() - round((loop.time() - first) * 1e9)
        wide = max(answered) - min(answered) > its.resolution_s
        return _joined(its, parts, time_ns, came, first if wide else None)

    @property
    def refused(self) -> tuple[str, ...]:
        """The tags that it refuses, group by group."""
        return tuple(name for its in self._groups.values() for name in its.left_out)

    async def identify(self, *, claimed: bool = False) -> Identified:
        """What it says it is; most devices refuse to say."""
        within_s = max(QUICKEST_S, SLACK * self._slowest_s)
        pace = replace(self._pace, timeout_s=min(self._pace.timeout_s, self._spare_s, within_s))
        found = await said(
            lambda question: self._wire.ask(self._unit, question, pace, Urgency.PROBE),
            self._profile,
            claimed=claimed,
        )
        return judged(identity(found), self._profile.identify, found)

    async def write(self, column: str, text: str, within_s: float) -> Written:
        """Write a tag or a part of one, and read it back.

        Raises KeyError, ValueError for what cannot be written, and DeviceError.
        """
        tag, part = _named(self._tags, column)
        writing = typed(tag, text, part, power=await self._power(tag))
        (block,) = self._groups[tag.group].planned((tag.modbus,), Refused())
        command = partial(self._wire.command, self._unit, self._pace, within_s)
        done = await carry_out(writing, block, command, within_s)
        log.info("written", device=self._device, column=column, there=done.there)
        value, quality = _shown(block, column, done.held)
        how = " then ".join(f"function {function}" for function in done.functions)
        return Written(done.there, value, quality, how, str(done.failure or ""))

    async def _power(self, tag: Tag) -> int | None:
        """What the factor of a tag holds now; None for a tag without one. Raises DeviceError."""
        factor = tag.modbus.factor
        if factor is None:
            return None
        (block,) = self._groups[tag.group].planned((factor,), Refused())
        answer = await self._wire.ask(self._unit, reading(block), self._pace, Urgency.COMMAND)
        value, quality = _shown(block, factor.name, answer.data)
        if quality or not isinstance(value, int):
            raise ValueError(f"{tag.name}: its scale cannot be told: {factor.name} is {quality or value}")
        return value

    async def _blocks(self, its: "_Group") -> tuple[list["_Came"], DeviceError | None]:
        """What came of each block, in their order, and the last failure; refused ones are looked into."""
        came: list[_Came] = []
        refused: list[_Part] = []
        failed: DeviceError | None = None
        for part in its.parts:
            if failed is None or not failed.silent:
                try:
                    answer = await self._ask(part.question)
                except DeviceError as error:
                    failed = error
                    if error.reason in REFUSALS:
                        refused.append(part)
                else:
                    came.append(_Came(part.places, part.decode(answer.data), _middle(answer)))
                    continue
            came.append(_Came(part.places, _unknown(part, failed)))
        if refused and failed is not None and not failed.silent:
            came += await self._look(its, refused, sound=any(each.middle is not None for each in came))
        return came, failed

    async def _ask(self, question: Question) -> Answer:
        answer = await self._wire.ask(self._unit, question, self._pace)
        self._slowest_s = max(self._slowest_s, answer.received - answer.sent)
        return answer

    # What is refused

    async def _look(self, its: "_Group", refused: Sequence["_Part"], *, sound: bool) -> list["_Came"]:
        """Look into blocks that were refused; gives what came of them after all.

        Nothing is learned of a device that refuses everything: that is its state, not its addresses.
        """
        now = asyncio.get_running_loop().time()
        if now < its.look_at and not sound:
            return []
        search = Search(
            lambda block: self._ask(reading(block)), lambda fields: its.planned(fields, Refused())
        )
        try:
            for part in refused:
                await search.look(part.block)
            sound = sound or bool(search.answers) or await self._witness(its)
        except DeviceError:
            return its.came(search.answers)  # what it has not told by now is for the next scan
        if not sound:
            its.look_at = now + FRUITLESS_S
        elif search.refused:
            self._learn(its, search.refused, now)
        return its.came(search.answers)

    async def _witness(self, its: "_Group") -> bool:
        """Whether another group of the device is given something. Raises DeviceError when it is silent."""
        other = next(
            (each.parts[0] for each in self._groups.values() if each is not its and each.parts), None
        )
        if other is None:
            return False
        try:
            await self._ask(other.question)
        except DeviceError as error:
            if error.reason not in REFUSALS:
                raise
            return False
        return True

    def _learn(self, its: "_Group", refused: Refused, now: float) -> None:
        device, group = its.schema.stream
        its.learn(refused, now)
        # What is refused again at each retry has been told.
        if news := set(refused.fields) - its.told:
            log.warning("tags refused", device=device, group=group, tags=sorted(news))
            its.told |= news
        if refused.holes or refused.longest:
            log.info(
                "requests cut smaller",
                device=device,
                group=group,
                holes={table: list(ranges) for table, ranges in refused.holes.items()},
                longest=dict(refused.longest),
            )


@dataclass(slots=True)
class _Group:
    """How one group of one device is read just now, with what it refuses."""

    schema: Schema
    reading: Reading
    interval_s: float
    resolution_s: float
    parts: list["_Part"] = field(init=False)
    refused: Refused = field(default_factory=Refused)
    fixed: list["_Came"] = field(default_factory=list)
    look_at: float = 0.0
    told: set[str] = field(default_factory=set)
    _again_at: float = 0.0
    _again_s: float = AGAIN_S[0]
    _places: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._places = {name: place for place, name in enumerate(self.schema.names)}
        self._start()

    @property
    def whole(self) -> bool:
        """Its blocks are those of the plan, so that their columns follow each other."""
        return not self.refused

    @property
    def left_out(self) -> Iterable[str]:
        """The tags that it is not asked for, in the order of the profile."""
        refused = self.refused.fields
        return [item.name for item in self.reading.fields if item.name in refused] if refused else ()

    def planned(self, fields: Sequence[Field], refused: Refused) -> Sequence[Block]:
        """The blocks of some fields."""
        return self.reading.replan(fields, refused)

    def came(self, answers: Iterable[tuple[Block, Answer]]) -> list["_Came"]:
        """What answers to blocks bring that are none of its parts."""
        found = []
        for block, answer in answers:
            part = self._part(block, compile_block(block))
            found.append(_Came(part.places, part.decode(answer.data), _middle(answer)))
        return found

    def learn(self, refused: Refused, now: float) -> None:
        """Leave out what is refused, for a while."""
        self.refused = self.refused.merged(refused)
        self._again_at = self._again_at or now + self._again_s
        blocks = self._around()
        self.parts = [self._part(block, compile_block(block)) for block in blocks]
        self.fixed = [
            _Came(self._of(item), _all_bad(len(columns_of(item)), self.refused.fields[item.name]))
            for item in self.reading.fields
            if item.name in self.refused.fields
        ]

    def _around(self) -> Sequence[Block]:
        """The blocks around what is refused; what cannot be read without touching that is refused too."""
        while True:
            try:
                return self.planned(self.reading.fields, self.refused)
            except Unreadable as error:
                self.refused = self.refused.merged(Refused({error.field.name: ILLEGAL}))

    def forget(self, now: float) -> None:
        """Ask for everything again when the time has come."""
        if self._again_at and now >= self._again_at:
            self._again_s = min(2 * self._again_s, AGAIN_S[1])
            self._start()

    def given(self) -> None:
        """Everything was given, so that what may be refused next is another matter."""
        self._again_s = AGAIN_S[0]
        self.told.clear()

    def _start(self) -> None:
        self.refused, self._again_at, self.fixed = Refused(), 0.0, []
        self.parts = [self._part(block, layout) for block, layout in self.reading.blocks]

    def _part(self, block: Block, layout: Layout) -> "_Part":
        return _Part(block, layout, tuple(self._places[column.name] for column in layout.columns))

    def _of(self, item: Field) -> tuple[int, ...]:
        return tuple(self._places[column.name] for column in columns_of(item))


class _Part:
    """One block of a group with the last answer: equal bytes are equal values.

    `places` are those of its columns in the schema.
    """

    __slots__ = ("_data", "_decoded", "block", "layout", "places", "question")

    def __init__(self, block: Block, layout: Layout, places: tuple[int, ...]) -> None:
        self.block = block
        self.question = reading(block)
        self.layout = layout
        self.places = places
        self._data = b""
        self._decoded: Decoded = ((), None)

    def decode(self, data: bytes) -> Decoded:
        if data != self._data:
            self._data, self._decoded = data, self.layout.decode(data)
        return self._decoded


@dataclass(frozen=True, slots=True)
class _Came:
    """Columns of a scan; `middle` is when they were read (time of the loop, s), None when they were not."""

    places: tuple[int, ...]
    decoded: Decoded
    middle: float | None = None


def _named(tags: Sequence[Tag], column: str) -> tuple[Tag, str]:
    """The tag of a column, and the part it stands for. Raises KeyError."""
    name, _, part = column.partition(".")
    tag = next((each for each in tags if each.name == name), None)
    if tag is None or (part and all(each.name != part for each in tag.modbus.bits)):
        raise KeyError(column)
    return tag, part


def _shown(block: Block, column: str, held: bytes | None) -> tuple[Value, str]:
    """What the data of a block say of one column of it."""
    if held is None:
        return None, bad("timeout")
    layout = compile_block(block)
    values, quality = layout.decode(held)
    at = next((at for at, each in enumerate(layout.columns) if each.name == column), None)
    if at is None:
        return None, bad("stale")
    (value,) = presented([layout.columns[at].store], [values[at]])
    return value, (quality or (GOOD,) * len(values))[at]


def _middle(answer: Answer) -> float:
    return (answer.sent + answer.received) / 2


def _unknown(part: _Part, error: DeviceError | None) -> Decoded:
    return _all_bad(len(part.places), error.reason if error else "stale")


def _all_bad(count: int, reason: str) -> Decoded:
    return (None,) * count, (bad(reason),) * count


def _joined(
    its: _Group, parts: Sequence[_Part], time_ns: int, came: Sequence[_Came], first: float | None
) -> Scan:
    """The scan; `first` is the middle of its first request when each value is to have a time of its own.

    `parts` are those that were asked for: by now it may have others, for whoever else reads the group.
    """
    if its.whole and its.parts is parts and len(came) == len(parts):
        return _in_order(its.schema, time_ns, came, first)
    return _placed(its.schema, time_ns, (*came, *its.fixed), first)


def _in_order(schema: Schema, time_ns: int, came: Sequence[_Came], first: float | None) -> Scan:
    offsets_ms = None if first is None else tuple(chain.from_iterable(_offsets(each, first) for each in came))
    if len(came) == 1:
        return Scan(schema, time_ns, *came[0].decoded, None, offsets_ms)
    values = tuple(chain.from_iterable(each.decoded[0] for each in came))
    quality: tuple[str, ...] | None = None
    if any(each.decoded[1] for each in came):
        quality = tuple(
            chain.from_iterable(each.decoded[1] or (GOOD,) * len(each.decoded[0]) for each in came)
        )
    return Scan(schema, time_ns, values, quality, None, offsets_ms)


def _placed(schema: Schema, time_ns: int, came: Iterable[_Came], first: float | None) -> Scan:
    """Put in place what came in another order; what came later of a column counts."""
    count = len(schema.columns)
    values: list[Value] = [None] * count
    quality = [bad("stale")] * count
    offsets_ms = [0.0] * count
    for each in came:
        texts = each.decoded[1] or (GOOD,) * len(each.places)
        for place, value, text in zip(each.places, each.decoded[0], texts, strict=True):
            values[place], quality[place] = value, text
        if first is not None:
            for place, offset in zip(each.places, _offsets(each, first), strict=True):
                offsets_ms[place] = offset
    return Scan(
        schema,
        time_ns,
        tuple(values),
        tuple(quality) if any(quality) else None,
        None,
        None if first is None else tuple(offsets_ms),
    )


def _offsets(came: _Came, first: float) -> tuple[float, ...]:
    """Each value's distance in ms from the first answer, by its own request; 0 where none came."""
    offset = 0.0 if came.middle is None else round((came.middle - first) * 1000, 3)
    return (offset,) * len(came.places)
