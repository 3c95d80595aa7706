"""The requests that read a group: its fields, planned within what the device bears."""

from collections.abc import Iterable, Sequence

from edge_agent.config.settings import Limits, NodeLimits, Tag
from edge_agent.core.plan import Block, plan
from edge_agent.core.registers import Field


def fields_of(tags: Iterable[Tag], group: str) -> tuple[Field, ...]:
    """Where the tags of a group stand."""
    return tuple(tag.modbus for tag in tags if tag.group == group)


def blocks_of(limits: Limits | NodeLimits, fields: Sequence[Field]) -> list[Block]:
    """The fewest requests for some fields. The limits are those of a Modbus profile."""
    if not isinstance(limits, Limits):
        raise TypeError("limits of another protocol")
    return plan(fields, max_registers=limits.max_registers, max_bits=limits.max_bits, gap=limits.max_gap)
