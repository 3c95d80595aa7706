"""Structures of a simulated server: the fields of a tag are put together to values of a type that it has.

The bytes are packed here, and the type described, without the code that takes them apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from struct import pack
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.ua.ua_binary import variant_to_binary

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import STORES
from edge_agent.sim.opcua_server import Kind, Space, made, standard
from edge_agent.sim.opcua_values import lift
from edge_agent.sim.signals import Source

_TYPE = Kind(ua.NodeClass.DataType, "HasSubtype")
_ENCODING = Kind(ua.NodeClass.Object, "HasEncoding")

Tree = dict[str, Any]
"""Fields by name: a Source, or the Tree of a structure."""


class Structure:
    """One variable that is a structure: its `parts` are what its fields hold."""

    def __init__(self, name: str, parts: Sequence[Source]) -> None:
        self.name = name
        self.parts = tuple(parts)
        self._tree: Tree = {}
        for part in parts:
            self._add(part)

    @property
    def tag(self) -> Tag:
        """The variable as one tag."""
        first = self.parts[0].tag
        return replace(first, name=self.name, address=replace(first.opcua, name=self.name, field=()))

    def describe(self, space: Space, index: int, node: NodeData) -> Callable[[int], ua.Variant]:
        """Put its type into the address space, and give it to its node; gives what that holds by the tick."""
        type_, encoding = _described(space, index, f"{self.name}Type", self._tree)
        node.attributes[ua.AttributeIds.DataType] = _value(type_, ua.VariantType.NodeId)
        sent = ua.VariantType.ExtensionObject
        return lambda tick: ua.Variant(
            ua.ExtensionObject(encoding, ua.ByteString(_packed(self._tree, tick))), sent
        )

    def _add(self, part: Source) -> None:
        node, at = part.tag.opcua, self._tree
        if any(step.isdecimal() for step in node.field):
            raise ValueError(
                f"{part.tag.name}: an element of an array within a structure cannot be simulated"
            )
        for step in node.field[:-1]:
            at = _inner(at, step, part)
        if at.setdefault(node.field[-1], part) is not part:
            raise ValueError(f"{part.tag.name}: two tags are the same field")


def _inner(tree: Tree, step: str, part: Source) -> Tree:
    inner: object = tree.setdefault(step, {})
    if isinstance(inner, dict):
        return inner
    raise ValueError(f"{part.tag.name}: {step} is a value and a structure")


def joined(sources: Sequence[Source]) -> list[Source | Structure]:
    """The variables of a server: the fields of a structure are one."""
    found: dict[object, list[Source]] = {}
    for source in sources:
        node = source.tag.opcua
        found.setdefault(
            (source.tag.name.rpartition(".")[0], node.place) if node.field else source.tag.name, []
        ).append(source)
    return [
        Structure(parts[0].tag.name.rpartition(".")[0], parts) if parts[0].tag.opcua.field else parts[0]
        for parts in found.values()
    ]


def _packed(tree: Tree, tick: int) -> bytes:
    out = b""
    for each in tree.values():
        out += _packed(each, tick) if isinstance(each, dict) else _field(each, tick)
    return out


def _field(source: Source, tick: int) -> bytes:
    node, raw = source.tag.opcua, source.raw(tick)
    if node.elements and isinstance(raw, tuple):
        return pack(f"<i{node.elements}{STORES[node.type]}", node.elements, *raw)
    lifted = lift(node.type, raw)
    # A Variant is its type in one byte, and then the value as it stands in a structure.
    return variant_to_binary(ua.Variant(lifted, ua.VariantType[node.type]))[1:]


def _described(space: Space, index: int, name: str, tree: Tree) -> tuple[ua.NodeId, ua.NodeId]:
    type_, encoding = _id(name, index), _id(f"{name}/Default Binary", index)
    definition = ua.StructureDefinition()
    definition.DefaultEncodingId, definition.BaseDataType = encoding, standard("Structure")
    for field, each in tree.items():
        described = ua.StructureField()
        described.Name = field
        described.ValueRank = ua.Int32(-1)
        if isinstance(each, dict):
            described.DataType, _ = _described(space, index, f"{name}/{field}", each)
        else:
            node = each.tag.opcua
            described.DataType = standard(node.type)
            described.ValueRank = ua.Int32(1 if node.elements else -1)
        definition.Fields.append(described)
    data_type = made(type_, ua.QualifiedName(name, index), _TYPE)
    data_type.attributes[ua.AttributeIds.DataTypeDefinition] = _value(
        definition, ua.VariantType.ExtensionObject
    )
    space.add(data_type, _TYPE, standard("Structure"))
    space.add(made(encoding, ua.QualifiedName("Default Binary"), _ENCODING), _ENCODING, type_)
    return type_, encoding


def _id(name: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(name), ua.Int16(index))


def _value(value: Any, type_: ua.VariantType) -> AttributeValue:  # noqa: ANN401 - values of the library
    return AttributeValue(ua.DataValue(ua.Variant(value, type_)))
