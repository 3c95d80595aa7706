"""What an OPC UA tag is: the node whose value it is, and what that means. Data only."""

import re
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
    "XmlElement",
    "NodeId",
    "ExpandedNodeId",
    "StatusCode",
    "QualifiedName",
    "LocalizedText",
]
"""Types a value can have (OPC UA Part 6, 5.1.2); those that hold other values are taken apart or refused."""

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


LONGEST_ARRAY = 10_000
"""Elements of one tag: 80 kB of Doubles, more than a batch of messages."""

NUMBERS: frozenset[BuiltIn] = frozenset({*INTEGERS, "Float", "Double"})
"""Types of numbers, which can be measured."""


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
class Step:
    """One segment of a browse path: a name, and the URI of its namespace (empty for namespace 0)."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked of a server: a node, or with `range` some elements of its array.

    `namespace` is the URI, empty for namespace 0: indexes are a matter of each session. `id` is the
    identifier with its kind, such as `s=GVL.x`, `i=2258`, `g=...` or `b=...`; with a `path` it is the node
    where that begins. `range` is as OPC UA writes it, such as `3`, `2:5` or `0:1,4` (Part 4, 7.27).
    """

    namespace: str
    id: str
    path: tuple[Step, ...] = ()
    range: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One tag in the address space of a server: `namespace`, `id`, `path` and `range` are as in Place.

    An array has `elements`, a single value 0. `field` names the way to the value within a structure, element
    by element; empty when the value is no part of one. `valid` bounds the value (inclusive), `enum` are its
    known numbers. `deadband` (in the tag's unit) and `on_change` go to the column; `percent` is a deadband in
    percent of the range that the server tells.
    """

    name: str
    namespace: str
    id: str
    type: BuiltIn
    valid: tuple[float, float] | None = None
    enum: frozenset[int] | None = None
    deadband: float = 0.0
    on_change: bool = False
    path: tuple[Step, ...] = ()
    range: str = ""
    elements: int = 0
    field: tuple[str, ...] = ()
    percent: float = 0.0

    bits: ClassVar[tuple[Bit, ...]] = ()
    whole: ClassVar[bool] = True

    @property
    def place(self) -> Place:
        """What a server is asked for."""
        return Place(self.namespace, self.id, self.path, self.range)

    @property
    def store(self) -> str:
        """How the column of the tag is kept."""
        single = STORES.get(self.type, "s")
        return f"{self.elements}{single}" if self.elements else single


def spans(text: str) -> list[int] | None:
    """How many elements a range takes in each dimension; None for a text that is no range.

    Both ends count. A range of one element is written as its index alone.
    """
    counts = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part)
        if match is None:
            return None
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if match[2] is not None and last <= first:
            return None
        counts.append(last - first + 1)
    return counts


_SPAN = re.compile(r"([0-9]{1,9})(?::([0-9]{1,9}))?")
