"""Modbus as the agent uses it: a wire per connection, a poller per device."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import chain

from edge_agent.config.settings import Connection, Device, Limits, ModbusConnection, NodeLimits
from edge_agent.core.codec import compile_block
from edge_agent.core.plan import Block
from edge_agent.core.refused import Refused
from edge_agent.core.registers import Field
from edge_agent.drivers.driver import Explained
from edge_agent.drivers.modbus.device import ModbusDevice, Reading
from edge_agent.drivers.modbus.explain import explained
from edge_agent.drivers.modbus.requests import blocks_of, fields_of
from edge_agent.drivers.modbus.wire import Wire, connect
from edge_agent.ports import Clock


class ModbusDriver:
    """Plans and compiles a group once for all devices that read it alike; 500 meters of a type share it."""

    def __init__(self) -> None:
        self._readings: dict[tuple[Limits | NodeLimits, tuple[Field, ...]], Reading] = {}

    def connect(self, connection: Connection) -> AbstractAsyncContextManager[Wire]:
        """The wire of a connection for as long as its devices are polled."""
        if not isinstance(connection, ModbusConnection):
            raise TypeError(f"{connection.name} is no Modbus connection")
        return connect(connection)

    async def reach(self, wire: Wire) -> None:
        """Open the socket of a wire."""
        await wire.open()

    def explain(self, device: Device) -> list[Explained]:
        """The requests of all groups."""
        return [
            explained(name, group.interval_s, block)
            for name, group in device.groups.items()
            for block, _ in self._reading(device, name).blocks
        ]

    def device(self, wire: Wire, device: Device, document: bytes, clock: Clock) -> ModbusDevice:
        """One device behind a wire."""
        readings = {name: self._reading(device, name) for name in device.groups}
        return ModbusDevice(wire, device, readings, document, clock)

    def _reading(self, device: Device, group: str) -> Reading:
        key = device.profile.limits, fields_of(device.tags, group)
        if key not in self._readings:
            self._readings[key] = _compiled(*key)
        return self._readings[key]


def _compiled(limits: Limits | NodeLimits, fields: tuple[Field, ...]) -> Reading:
    blocks = blocks_of(limits, fields)
    layouts = [compile_block(block) for block in blocks]
    columns = tuple(chain.from_iterable(layout.columns for layout in layouts))
    return Reading(fields, tuple(zip(blocks, layouts, strict=True)), columns, partial(_replanned, limits))


def _replanned(limits: Limits | NodeLimits, fields: Sequence[Field], refused: Refused) -> list[Block]:
    """The blocks of some fields, around what is refused."""
    return blocks_of(limits, fields)
