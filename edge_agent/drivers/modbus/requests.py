"""The requests that read a group: its fields, planned within what the device bears."""

from collections.abc import Iterable, Mapping

from edge_agent.config.settings import NodeLimits, Tag
from edge_agent.core.cost import Cost
from edge_agent.core.plan import NETWORK, NOTHING, Block, Limits, Ranges, plan
from edge_agent.core.registers import Field, Table


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
