"""What a group costs on the wire, in the words of a Modbus manual."""

from collections.abc import Mapping

from edge_agent.core.plan import Block
from edge_agent.core.registers import Table
from edge_agent.drivers.driver import Explained
from edge_agent.drivers.modbus.client import FUNCTIONS

REQUEST_BYTES = 12
"""Header 7, function 1, address 2, count 2 (Modbus Messaging on TCP/IP 1.0b, 3.1.3)."""
ANSWER_BYTES = 9
"""Header 7, function 1, byte count 1; the data follow."""

PRINTED: Mapping[Table, int] = {"coil": 0, "discrete": 1, "input": 3, "holding": 4}
"""The digit in front of an address as manuals print it, which count from 1."""


def explained(group: str, interval_s: float, block: Block) -> Explained:
    """The request of one block, sent every `interval_s`."""
    used = {address for field in block.fields for address in range(field.address, field.end)}
    last = block.address + block.count - 1
    return Explained(
        group=group,
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
        requests_per_s=1 / interval_s,
        request_bytes=REQUEST_BYTES,
        answer_bytes=ANSWER_BYTES + block.size_bytes,
    )


def printed(table: Table, address: int) -> str:
    """An address as manuals print it: 30001 is input register 0; six digits where five do not do."""
    digits = 4 if address < 9999 else 5
    return f"{PRINTED[table]}{address + 1:0{digits}}"
