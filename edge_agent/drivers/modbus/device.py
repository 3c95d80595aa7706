"""One Modbus device as a Poller: blocks are read in turn and decoded only when their bytes changed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.config.settings import Device
from edge_agent.core.codec import Decoded, Layout, compile_block
from edge_agent.core.metadata import short_name
from edge_agent.core.model import GOOD, Scan, Schema, bad
from edge_agent.core.plan import Block, plan
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock

SILENT = frozenset({"timeout", "disconnected"})
"""Reasons after which the rest of a scan is not asked for: each request would cost another timeout."""


class BlockReader(Protocol):
    """What a device needs of its wire."""

    async def read(self, unit: int, block: Block) -> tuple[bytes, float, float]:
        """The data of a block, and when the request went out and its answer came in (loop time, s)."""
        ...


@dataclass(slots=True)
class _Part:
    """One block of a group with the last answer: equal bytes are equal values."""

    block: Block
    layout: Layout
    data: bytes = b""
    decoded: Decoded = field(default=((), None))


class ModbusDevice:
    """The groups of one device. `schemas` gives the columns of each group's scans."""

    def __init__(self, wire: BlockReader, device: Device, document: bytes, clock: Clock) -> None:
        self._wire = wire
        self._unit = device.unit
        self._clock = clock
        self._resolution_s = {name: group.time_resolution_s for name, group in device.groups.items()}
        self._parts = {name: _parts(device, name) for name in device.groups}
        self.schemas = {
            name: Schema(
                device.name,
                name,
                tuple(column for part in parts for column in part.layout.columns),
                document,
                short_name(document),
            )
            for name, parts in self._parts.items()
        }

    async def read(self, group: str) -> Scan:
        """Read every block of a group. Raises DeviceError when none was answered."""
        loop = asyncio.get_running_loop()
        parts = self._parts[group]
        decoded: list[Decoded] = []
        middles: list[float] = []
        failed: DeviceError | None = None
        for part in parts:
            if failed is not None and failed.reason in SILENT:
                decoded.append(_failed(part, failed))
                continue
            try:
                data, sent, received = await self._wire.read(self._unit, part.block)
            except DeviceError as error:
                failed = error
                decoded.append(_failed(part, error))
                continue
            middles.append((sent + received) / 2)
            if data != part.data:
                part.data, part.decoded = data, part.layout.decode(data)
            decoded.append(part.decoded)
        if failed is not None and not middles:
            raise failed
        # The wall clock is read once, behind the last answer; the loop's clock tells how long ago the first
        # was.
        time_ns = self._clock() - round((loop.time() - middles[0]) * 1e9)
        scan = _joined(self.schemas[group], time_ns, decoded)
        if middles[-1] - middles[0] > self._resolution_s[group]:
            return _with_times(scan, parts, decoded, middles)
        return scan


def _parts(device: Device, group: str) -> list[_Part]:
    limits = device.profile.limits
    blocks = plan(
        (tag.address for tag in device.tags if tag.group == group),
        max_registers=limits.max_registers,
        max_bits=limits.max_bits,
        gap=limits.max_gap,
    )
    return [_Part(block, compile_block(block)) for block in blocks]


def _failed(part: _Part, error: DeviceError) -> Decoded:
    part.data = b""
    count = len(part.layout.columns)
    return (None,) * count, (bad(error.reason),) * count


def _joined(schema: Schema, time_ns: int, decoded: Sequence[Decoded]) -> Scan:
    if len(decoded) == 1:
        return Scan(schema, time_ns, *decoded[0])
    values = tuple(value for part in decoded for value in part[0])
    if all(part[1] is None for part in decoded):
        return Scan(schema, time_ns, values)
    quality = tuple(q for part in decoded for q in part[1] or (GOOD,) * len(part[0]))
    return Scan(schema, time_ns, values, quality)


def _with_times(
    scan: Scan, parts: Sequence[_Part], decoded: Sequence[Decoded], middles: Sequence[float]
) -> Scan:
    """Each value's distance in ms from the first request, by its own request."""
    answered = iter(middles)
    offsets: list[float] = []
    for part, (values, _) in zip(parts, decoded, strict=True):
        middle = next(answered) if part.data else middles[0]
        offsets += [round((middle - middles[0]) * 1000, 3)] * len(values)
    return Scan(scan.schema, scan.time_ns, scan.values, scan.quality, None, tuple(offsets))
