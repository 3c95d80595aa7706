"""Modbus as the agent uses it: a wire per connection, a poller per device."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from edge_agent.config.settings import Connection, Device, Limits, NodeLimits
from edge_agent.core.codec import compile_block
from edge_agent.core.cost import Cost
from edge_agent.core.plan import Block
from edge_agent.core.refused import Refused
from edge_agent.core.registers import BIT_TABLES, Field, Table
from edge_agent.drivers.driver import Explained
from edge_agent.drivers.modbus.device import ModbusDevice, Reading
from edge_agent.drivers.modbus.explain import explained
from edge_agent.drivers.modbus.requests import blocks_of, cost_of, fields_of, modbus
from edge_agent.drivers.modbus.wire import Wire, connect
from edge_agent.ports import Clock

WORDS: tuple[Table, ...] = ("holding", "input")


class ModbusDriver:
    """Plans and compiles a group once for all devices that read it alike; 500 meters of a type share it."""

    def __init__(self, _runtime: Path | None = None) -> None:
        self._readings: dict[tuple[Limits | NodeLimits, tuple[Field, ...], Cost], Reading] = {}

    def connect(self, connection: Connection) -> AbstractAsyncContextManager[Wire]:
        """The wire of a connection for as long as its devices are polled."""
        return connect(modbus(connection))

    async def reach(self, wire: Wire) -> None:
        """Open the socket of a wire."""
        await wire.open()

    def statistics(self, wire: Wire) -> dict[str, object]:
        """Of the requests of a wire, with the units that are left alone for being silent."""
        now = asyncio.get_running_loop().time()
        silent = [
            {"unit": unit, "misses": each.misses, "next_probe_s": round(max(0.0, each.next_probe - now), 1)}
            for unit, each in sorted(wire.breakers.items())
            if each.open
        ]
        told = wire.statistics.document(now)
        return {"connected": wire.connected, "why": wire.why, **told, "silent": silent}

    def explain(
        self, connection: Connection, device: Device, latency_s: float | None = None
    ) -> list[Explained]:
        """The requests of all groups, as they are planned, and what they cost with a latency."""
        line = modbus(connection)
        planned, cost = cost_of(line, device), cost_of(line, device, latency_s)
        return [
            explained(group, block, line, cost)
            for name, group in device.groups.items()
            for block, _ in self._reading(device, name, planned).blocks
        ]

    def device(self, wire: Wire, device: Device, document: bytes, clock: Clock) -> ModbusDevice:
        """One device behind a wire."""
        cost = cost_of(wire.connection, device)
        readings = {name: self._reading(device, name, cost) for name in device.groups}
        return ModbusDevice(wire, device, readings, document, clock)

    def _reading(self, device: Device, group: str, cost: Cost) -> Reading:
        key = device.profile.limits, fields_of(device.tags, group), cost
        if key not in self._readings:
            self._readings[key] = _compiled(*key)
        return self._readings[key]


def _compiled(limits: Limits | NodeLimits, fields: tuple[Field, ...], cost: Cost) -> Reading:
    blocks = blocks_of(limits, fields, cost)
    layouts = [compile_block(block) for block in blocks]
    columns = tuple(chain.from_iterable(layout.columns for layout in layouts))
    replan = partial(_replanned, limits, cost)
    return Reading(fields, tuple(zip(blocks, layouts, strict=True)), columns, replan)


def _replanned(
    limits: Limits | NodeLimits, cost: Cost, fields: Sequence[Field], refused: Refused
) -> list[Block]:
    """The blocks of some fields, around what is refused."""
    if not isinstance(limits, Limits):
        raise TypeError("limits of another protocol")
    shorter = replace(
        limits,
        max_registers=min(limits.max_registers, *(refused.longest.get(each, 125) for each in WORDS)),
        max_bits=min(limits.max_bits, *(refused.longest.get(each, 2000) for each in BIT_TABLES)),
    )
    left, avoid = refused.left(fields), refused.avoid(fields)
    # What was learned is a length that is given, not the longest one: a wider field may be given as well.
    wide = [each for each in left if _reach(each, limits) > shorter.longest(each.table)]
    others = [each for each in left if each not in wide]
    alone = chain.from_iterable(blocks_of(limits, [each], cost, avoid) for each in wide)
    return [*blocks_of(shorter, others, cost, avoid), *alone]


def _reach(item: Field, limits: Limits) -> int:
    """How many addresses a request for a field alone has to ask for at least."""
    return item.end - (0 if limits.from_zero else item.address)
