"""Modbus as the agent uses it: a wire per connection, a poller per device."""

from contextlib import AbstractAsyncContextManager
from itertools import chain

from edge_agent.config.settings import Device, Limits, ModbusConnection
from edge_agent.core.codec import compile_block
from edge_agent.core.plan import plan
from edge_agent.core.registers import Field
from edge_agent.drivers.modbus.device import ModbusDevice, Reading
from edge_agent.drivers.modbus.wire import Wire, connect
from edge_agent.ports import Clock


class ModbusDriver:
    """Plans and compiles a group once for all devices that read it alike; 500 meters of a type share it."""

    def __init__(self) -> None:
        self._readings: dict[tuple[Limits, tuple[Field, ...]], Reading] = {}

    def connect(self, connection: ModbusConnection) -> AbstractAsyncContextManager[Wire]:
        """The wire of a connection for as long as its devices are polled."""
        return connect(connection)

    def device(self, wire: Wire, device: Device, document: bytes, clock: Clock) -> ModbusDevice:
        """One device behind a wire."""
        readings = {name: self._reading(device, name) for name in device.groups}
        return ModbusDevice(wire, device, readings, document, clock)

    def _reading(self, device: Device, group: str) -> Reading:
        key = device.profile.limits, tuple(tag.address for tag in device.tags if tag.group == group)
        if key not in self._readings:
            self._readings[key] = _compiled(*key)
        return self._readings[key]


def _compiled(limits: Limits, fields: tuple[Field, ...]) -> Reading:
    blocks = plan(fields, max_registers=limits.max_registers, max_bits=limits.max_bits, gap=limits.max_gap)
    layouts = [compile_block(block) for block in blocks]
    columns = tuple(chain.from_iterable(layout.columns for layout in layouts))
    return Reading(tuple(zip(blocks, layouts, strict=True)), columns)
