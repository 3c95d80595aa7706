"""Modbus as the agent uses it: a wire per connection, a poller per device."""

from edge_agent.config.settings import Device
from edge_agent.drivers.modbus.device import ModbusDevice
from edge_agent.drivers.modbus.wire import Wire, connect
from edge_agent.ports import Clock

__all__ = ["connect", "device"]


def device(wire: Wire, device: Device, document: bytes, clock: Clock) -> ModbusDevice:
    """One device behind a wire."""
    return ModbusDevice(wire, device, document, clock)
