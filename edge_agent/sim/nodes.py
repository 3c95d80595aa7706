"""OPC UA tags as the simulator sees them: what their values are like, in the words of a Modbus tag."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import BuiltIn
from edge_agent.core.registers import Field, Type

TYPES: Mapping[BuiltIn, Type] = {
    "Boolean": "bool",
    "SByte": "int8",
    "Byte": "uint8",
    "Int16": "int16",
    "UInt16": "uint16",
    "Int32": "int32",
    "UInt32": "uint32",
    "Int64": "int64",
    "UInt64": "uint64",
    "Float": "float32",
    "Double": "float64",
    "String": "string",
    "DateTime": "string",
    "Guid": "string",
    "ByteString": "string",
    "LocalizedText": "string",
    "XmlElement": "string",
    "NodeId": "string",
    "ExpandedNodeId": "string",
    "QualifiedName": "string",
}
"""The type of register that holds the same values; text for what is text in a payload."""

LONGEST_TEXT = 16  # registers: 32 letters are enough for any index and step

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=200)
ROUND = 4096  # ticks until all values come round again


def seen(tag: Tag) -> Field:
    """What the values of a tag are like; of an OPC UA tag, which has no registers, nothing else counts.

    ValueError for a type that cannot be simulated.
    """
    node = tag.address
    if isinstance(node, Field):
        return node
    if node.type not in TYPES:
        raise ValueError(f"{tag.name}: {node.type} cannot be simulated")
    if node.range:
        raise ValueError(f"{tag.name}: a part of an array cannot be simulated; leave out the range")
    return Field(
        node.name,
        "holding",
        0,
        TYPES[node.type],
        length=LONGEST_TEXT,
        encoding="utf-8",
        valid=node.valid,
        enum=node.enum,
        elements=node.elements,
    )


def stamped(tag: Tag) -> Callable[[int, int], str] | None:
    """The text of a tag by index and tick, for types whose text has a form of its own; None for others."""
    return None if isinstance(tag.address, Field) else STAMPS.get(tag.address.type)


def _moment(index: int, tick: int) -> str:
    """Ticks since 2026, as ISO 8601 UTC: index * 4096 + step, like any number."""
    moment = EPOCH + (index * ROUND + tick) * TICK
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _guid(index: int, tick: int) -> str:
    return str(UUID(int=index << 64 | tick))


def _bytes(index: int, tick: int) -> str:
    return b64encode(f"T{index}-{tick}".encode()).decode()


def _node(index: int, tick: int) -> str:
    return f"s=T{index}-{tick}"


STAMPS: Mapping[BuiltIn, Callable[[int, int], str]] = {
    "NodeId": _node,
    "ExpandedNodeId": _node,
    "DateTime": _moment,
    "Guid": _guid,
    "ByteString": _bytes,
}
