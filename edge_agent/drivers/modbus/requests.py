"""The requests that read a group: its fields, planned for what they cost and what the device bears."""

from collections.abc import Iterable, Mapping

from edge_agent.config.settings import Connection, Device, ModbusConnection, NodeLimits, SerialLine, Tag
from edge_agent.core.cost import FRAMES, NETWORK_LATENCY_S, SERIAL_LATENCY_S, Cost, network, serial
from edge_agent.core.plan import NETWORK, NOTHING, Block, Limits, Ranges, plan
from edge_agent.core.registers import Field, Table

BEHIND_CONVERTER = SerialLine("", baudrate=19200)
"""The line behind a socket with the frames of a line, whose rate nobody says: as devices come unless they are
set otherwise (Modbus over Serial Line 1.02, 2.5.1 and 3.2)."""


def modbus(connection: Connection) -> ModbusConnection:
    """The connection of a Modbus device. TypeError for one of another protocol."""
    if not isinstance(connection, ModbusConnection):
        raise TypeError(f"{connection.name} is no Modbus connection")
    return connection


def fields_of(tags: Iterable[Tag], group: str) -> tuple[Field, ...]:
    """Where the tags of a group stand."""
    return tuple(tag.modbus for tag in tags if tag.group == group)


def blocks_of(
    limits: Limits | NodeLimits,
    fields: Iterable[Field],
    cost: Cost = NETWORK,
    avoid: Mapping[Table, Ranges] = NOTHING,
) -> list[Block]:
    """The cheapest requests for some fields. The limits are those of a Modbus profile. Raises Unreadable."""
    if not isinstance(limits, Limits):
        raise TypeError("limits of another protocol")
    return plan(fields, limits, cost=cost, avoid=avoid)


def cost_of(connection: ModbusConnection, device: Device, latency_s: float | None = None) -> Cost:
    """What a read of a device costs; `latency_s` is what it takes to answer, where that was measured."""
    pause_s = _pause_s(connection, device)
    latency_s = usual_latency_s(connection) if latency_s is None else latency_s
    if connection.framing == "tcp":
        return network(turnaround_s=pause_s, latency_s=latency_s)
    character_s = (connection.line or BEHIND_CONVERTER).character_s
    return serial(character_s, FRAMES[connection.framing], turnaround_s=pause_s, latency_s=latency_s)


def least_of(connection: ModbusConnection, device: Device) -> Cost:
    """What a read costs for certain: all that is known, with a device that answers at once."""
    if connection.line is None:
        return Cost(_pause_s(connection, device), 0.0)
    return cost_of(connection, device, 0.0)


def usual_latency_s(connection: ModbusConnection) -> float:
    """What a device takes to answer when nobody measured it."""
    return NETWORK_LATENCY_S if connection.framing == "tcp" else SERIAL_LATENCY_S


def on_line_s(connection: ModbusConnection, size: int | None) -> float:
    """How long the characters of a read of so many bytes take on a serial port; 0 where nobody knows."""
    if connection.line is None or size is None:
        return 0.0
    frames = FRAMES[connection.framing]
    return (frames.request + frames.answered(size)) * connection.line.character_s


def _pause_s(connection: ModbusConnection, device: Device) -> float:
    return connection.turnaround_s if device.turnaround_s is None else device.turnaround_s
