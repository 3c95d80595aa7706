"""One Modbus device as a Poller: blocks are read in turn and decoded only when their bytes changed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from edge_agent.config.settings import Device
from edge_agent.core.codec import Decoded, Layout
from edge_agent.core.metadata import short_name
from edge_agent.core.model import GOOD, Column, Scan, Schema, bad
from edge_agent.core.plan import Block
from edge_agent.drivers.modbus.identity import REQUEST, identity
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock


class Asking(Protocol):
    """What a device needs of its wire."""

    async def read(self, unit: int, block: Block) -> tuple[bytes, float, float]:
        """The data of a block, and when the request went out and its answer came in (loop time, s)."""
        ...

    async def ask(self, unit: int, request: bytes) -> bytes:
        """The PDU that answers a request PDU."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How a group is read: its blocks, and the columns that come of them. Shared by all devices alike."""

    blocks: tuple[tuple[Block, Layout], ...]
    columns: tuple[Column, ...]


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
        self._clock = clock
        self._resolution_s = {name: group.time_resolution_s for name, group in device.groups.items()}
        self._parts = {
            name: [_Part(block, layout) for block, layout in reading.blocks]
            for name, reading in readings.items()
        }
        m = short_name(document)
        self.schemas = {
            name: Schema(device.name, name, reading.columns, document, m)
            for name, reading in readings.items()
        }

    async def read(self, group: str) -> Scan:
        """Read every block of a group. Raises DeviceError when none was answered."""
        loop = asyncio.get_running_loop()
        decoded: list[Decoded] = []
        middles: list[float | None] = []
        failed: DeviceError | None = None
        for part in self._parts[group]:
            if failed is None or not failed.silent:
                try:
                    data, sent, received = await self._wire.read(self._unit, part.block)
                except DeviceError as error:
                    failed = error
                else:
                    decoded.append(part.decode(data))
                    middles.append((sent + received) / 2)
                    continue
            decoded.append(_unknown(part, failed))
            middles.append(None)
        answered = [middle for middle in middles if middle is not None]
        if failed is not None and not answered:
            raise failed
        # The wall clock is read once, behind the last answer; the loop's clock tells how long ago the first
        # was.
        time_ns = self._clock() - round((loop.time() - answered[0]) * 1e9)
        wide = answered[-1] - answered[0] > self._resolution_s[group]
        offsets_ms = _offsets_ms(decoded, middles, answered[0]) if wide else None
        return _joined(self.schemas[group], time_ns, decoded, offsets_ms)

    async def identity(self) -> str:
        """What it says it is; most devices refuse to say."""
        try:
            return identity(await self._wire.ask(self._unit, REQUEST))
        except DeviceError:
            return ""


class _Part:
    """One block of a device's group with the last answer: equal bytes are equal values."""

    __slots__ = ("_data", "_decoded", "block", "layout")

    def __init__(self, block: Block, layout: Layout) -> None:
        self.block = block
        self.layout = layout
        self._data = b""
        self._decoded: Decoded = ((), None)

    def decode(self, data: bytes) -> Decoded:
        if data != self._data:
            self._data, self._decoded = data, self.layout.decode(data)
        return self._decoded


def _unknown(part: _Part, error: DeviceError) -> Decoded:
    count = len(part.layout.columns)
    return (None,) * count, (bad(error.reason),) * count


def _joined(
    schema: Schema, time_ns: int, decoded: Sequence[Decoded], offsets_ms: tuple[float, ...] | None
) -> Scan:
    if len(decoded) == 1:
        return Scan(schema, time_ns, *decoded[0])
    values = tuple(chain.from_iterable(part[0] for part in decoded))
    quality: tuple[str, ...] | None = None
    if any(part[1] for part in decoded):
        quality = tuple(chain.from_iterable(part[1] or (GOOD,) * len(part[0]) for part in decoded))
    return Scan(schema, time_ns, values, quality, None, offsets_ms)


def _offsets_ms(
    decoded: Sequence[Decoded], middles: Sequence[float | None], first: float
) -> tuple[float, ...]:
    """Each value's distance in ms from the first answer, by its own request; 0 where none came."""
    return tuple(
        offset
        for (values, _), middle in zip(decoded, middles, strict=True)
        for offset in (0.0 if middle is None else round((middle - first) * 1000, 3),) * len(values)
    )
