"""What an OPC UA tag is: the node whose value it is, and what that means. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from edge_agent.core.model import Store
from edge_agent.core.registers import Bit

BuiltIn = Literal[
    "Boolean",
    "SByte",
    "Byte",
    "Int16",
    "UInt16",
    "Int32",
    "UInt32",
    "Int64",
    "UInt64",
    "Float",
    "Double",
    "String",
    "DateTime",
    "Guid",
    "ByteString",
    "LocalizedText",
]
"""Types a value can have (OPC UA Part 6, 5.1.2)."""

INTEGERS: Mapping[BuiltIn, tuple[int, int]] = {
    "SByte": (-128, 127),
    "Byte": (0, 255),
    "Int16": (-32768, 32767),
    "UInt16": (0, 65535),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
}
"""Whole numbers, with their smallest and largest value."""

STORES: Mapping[BuiltIn, Store] = {
    "Boolean": "?",
    "SByte": "b",
    "Byte": "B",
    "Int16": "h",
    "UInt16": "H",
    "Int32": "i",
    "UInt32": "I",
    "Int64": "q",
    "UInt64": "Q",
    "Float": "f",
    "Double": "d",
}
"""How values are kept; what is not here is kept as text."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A node of any kind. `namespace` and `id` as those of a Node."""

    namespace: str
    id: str


@dataclass(frozen=True, slots=True)
class Method:
    """What an object of a server does when it is asked to; its arguments are the server's to tell."""

    name: str
    object: Spot
    method: Spot


@dataclass(frozen=True, slots=True)
class Node:
    """One tag in the address space of a server.

    `namespace` is the URI, empty for namespace 0: indexes are a matter of each session. `id` is the
    identifier with its kind, such as `s=GVL.x`, `i=2258`, `g=...` or `b=...`. `valid` bounds the value
    (inclusive), `enum` are its known numbers. `deadband` (in the tag's unit) and `on_change` go to the
    column.
    """

    name: str
    namespace: str
    id: str
    type: BuiltIn
    valid: tuple[float, float] | None = None
    enum: frozenset[int] | None = None
    deadband: float = 0.0
    on_change: bool = False

    bits: ClassVar[tuple[Bit, ...]] = ()
    whole: ClassVar[bool] = True
