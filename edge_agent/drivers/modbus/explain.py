"""What a group costs on the wire, in the words of a Modbus manual."""

from collections.abc import Iterable, Mapping
from itertools import chain

from edge_agent.config.settings import Group, ModbusConnection
from edge_agent.core.cost import FRAMES, Cost
from edge_agent.core.plan import Block
from edge_agent.core.registers import Field, Table
from edge_agent.drivers.driver import Explained
from edge_agent.drivers.modbus.client import FUNCTIONS

PRINTED: Mapping[Table, int] = {"coil": 0, "discrete": 1, "input": 3, "holding": 4}
"""The digit in front of an address as manuals print it, which count from 1."""


def explained(group: Group, block: Block, connection: ModbusConnection, cost: Cost) -> Explained:
    """The request of one block of a group."""
    frames = FRAMES[connection.framing]
    cost_s = cost.of(block.size_bytes)
    used = set(chain.from_iterable(_addresses(field) for field in block.fields))
    last = block.address + block.count - 1
    return Explained(
        group=group.name,
        facts={
            "function": FUNCTIONS[block.table],
            "table": block.table,
            "first": block.address,
            "last": last,
            "printed": f"{printed(block.table, block.address)}-{printed(block.table, last)}",
            "used": len(used),
            "along": block.count - len(used),
        },
        tags=tuple(field.name for field in block.fields),
        requests_per_s=1 / group.interval_s,
        request_bytes=frames.request,
        answer_bytes=frames.answered(block.size_bytes),
        cost_s=cost_s,
        share=cost_s / group.interval_s / connection.max_in_flight,
    )


def _addresses(field: Field) -> Iterable[int]:
    """The addresses that hold a tag and its factor, without those between the two."""
    factor = () if field.factor is None else _addresses(field.factor)
    return chain(range(field.at, field.at + field.width), factor)


def printed(table: Table, address: int) -> str:
    """An address as manuals print it: 30001 is input register 0; six digits where five do not do."""
    digits = 4 if address < 9999 else 5
    return f"{PRINTED[table]}{address + 1:0{digits}}"
