"""What comes of a dump of registers: the answers of a device that holds it, decoded as in a poll."""

import struct
from collections.abc import Mapping

from edge_agent.config.settings import GoldenTest, Profile
from edge_agent.core.codec import compile_block
from edge_agent.core.model import Value
from edge_agent.core.plan import Block
from edge_agent.core.registers import BIT_TABLES, Field
from edge_agent.drivers.modbus.requests import blocks_of, fields_of


def decoded(profile: Profile, test: GoldenTest) -> dict[str, tuple[Value, str]]:
    """Value and quality of every column that the dump says anything of, group by group as in a poll."""
    found: dict[str, tuple[Value, str]] = {}
    for group in {tag.group for tag in profile.tags}:
        fields = [each for each in fields_of(profile.tags, group) if _mentioned(each, test)]
        for block in blocks_of(profile.limits, fields):
            layout = compile_block(block)
            values, quality = layout.decode(_wire(block, test.tables.get(block.table, {})))
            for column, value, text in zip(
                layout.columns, values, quality or [""] * len(values), strict=True
            ):
                found[column.name] = value, text
    return found


def _mentioned(field: Field, test: GoldenTest) -> bool:
    table = test.tables.get(field.table, {})
    return any(address in table for address in range(field.at, field.at + field.width))


def _wire(block: Block, table: Mapping[int, int]) -> bytes:
    """The data of an answer to a block's request; what the dump does not mention is 0."""
    contents = [table.get(address, 0) for address in range(block.address, block.address + block.count)]
    if block.table not in BIT_TABLES:
        return struct.pack(f">{len(contents)}H", *contents)
    word = sum(bit << place for place, bit in enumerate(contents))
    return word.to_bytes(block.size_bytes, "little")
