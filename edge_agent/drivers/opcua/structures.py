"""The structures of a server in one session: what their types are, and their values taken apart.

A type is asked for when its first value has come. What a server says of it is believed until the server says
that it has changed, or until a value does not fit it; then it is asked for anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncua import ua

from edge_agent.config.settings import Tag
from edge_agent.core.browsed import Part
from edge_agent.drivers.opcua.answer import ARRAY, REASON, SHAPE, STRUCTURE, Answer, Body, plain_id
from edge_agent.drivers.opcua.asked import Asked
from edge_agent.drivers.opcua.datatypes import ABSTRACT, DataType, data_types, value_of
from edge_agent.drivers.opcua.layout import DEEPEST, UNFIT, Cell, Layout, Member, cell, parts
from edge_agent.drivers.opcua.questions import Questions
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.values import kind_name

UNKNOWN_TYPE = "BadDataTypeIdUnknown"
"""The server does not say what the structure has: it has no DataTypeDefinition, as before OPC UA 1.04."""
UNSUPPORTED = "BadNotSupported"
"""The type has matrices, values of any of its subtypes, or itself in it."""


class Structures:
    """The types that are known in a session; `wanted` are those whose values came and could not be read."""

    def __init__(self, tags: Sequence[Tag], asked: Sequence[Asked]) -> None:
        self._ways = {each: [tags[i].opcua.field for i in each.columns] for each in asked if each.structure}
        self._layouts: dict[ua.NodeId, Layout | str] = {}
        self._doubted: set[ua.NodeId] = set()
        self.wanted: set[ua.NodeId] = set()

    def apart(self, each: Asked, answer: Answer) -> Iterator[tuple[int, Answer]]:
        """The columns of a structure, each with its part of the answer."""
        if answer.status & SHAPE:
            self.forget()
        ways = self._ways[each]
        if answer.kind == 0 or answer.status >> 30 >= 2:
            yield from ((i, answer) for i in each.columns)
            return
        found = self._found(answer, single=each.place.range.isdecimal())
        for i, way in zip(each.columns, ways, strict=True):
            kind, value = cell(found, way)
            yield i, Answer(kind, value, answer.status, answer.source_ns, answer.server_ns)

    def forget(self) -> None:
        """Ask for every type anew."""
        self._layouts.clear()
        self._doubted.clear()

    async def learn(self, questions: Questions) -> None:
        """Ask for the types that are wanted. Raises DeviceError."""
        wanted, self.wanted = sorted(self.wanted, key=str), set()
        if wanted:
            self._layouts.update(await layouts_of(wanted, questions))

    def _found(self, answer: Answer, *, single: bool) -> object:
        kind, value = answer.kind, answer.value
        if kind & ~ARRAY != STRUCTURE:
            return REASON, f"wrong_answer:{kind_name(kind)}"
        if not isinstance(value, list):
            return self._parts(value)
        found = [self._parts(each) for each in value]
        return found[0] if single and len(found) == 1 else found

    def _parts(self, body: Body | None) -> dict[str, Any] | Cell:
        if body is None:
            return REASON, "wrong_answer:Null"
        layout = self._layouts.get(body.encoding)
        if layout is None:
            self.wanted.add(body.encoding)
            return REASON, UNKNOWN_TYPE
        if isinstance(layout, str):
            return REASON, layout
        found = parts(layout, body.data)
        if found == (REASON, UNFIT) and body.encoding not in self._doubted:
            self._doubted.add(body.encoding)
            self.wanted.add(body.encoding)
        return found


async def layouts_of(wanted: Iterable[ua.NodeId], questions: Questions) -> Mapping[ua.NodeId, Layout | str]:
    """The layouts of structures by the nodes that say how they are encoded, or why there is none.

    Raises DeviceError.
    """
    encodings = list(wanted)
    described = await questions.follow(encodings, ua.ObjectIds.HasEncoding, ua.BrowseDirection.Inverse)
    types = {
        encoding: next((plain_id(each.NodeId) for each in result.References or ()), encoding)
        for encoding, result in zip(encodings, described, strict=True)
    }
    definitions = await _definitions(list(types.values()), questions)
    return {encoding: _layout(types[encoding], definitions) for encoding in encodings}


def parts_of(layout: Layout | str, body: Body) -> tuple[Part, ...]:
    """The values that a structure has within it; none when nobody can tell."""
    found = parts(layout, body.data) if isinstance(layout, Layout) else None
    return tuple(_leaves(layout, found, ())) if isinstance(layout, Layout) and isinstance(found, dict) else ()


def _leaves(layout: Layout, found: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[Part]:
    for member in layout.members:
        way, held = (*above, member.name), found.get(member.name)
        if not isinstance(member.type, Layout):
            value = held[1] if isinstance(held, tuple) else None
            count = len(value) if member.array and isinstance(value, list) else 0
            yield Part(way, member.type.name, member.array, count)
        elif not member.array and isinstance(held, dict):
            yield from _leaves(member.type, held, way)


class _Known:
    """What was asked of types: definitions of structures, and what other types are sent as."""

    def __init__(self) -> None:
        self.structures: dict[ua.NodeId, ua.StructureDefinition | None] = {}
        self.others: dict[ua.NodeId, DataType] = {}


async def _definitions(wanted: Sequence[ua.NodeId], questions: Questions) -> _Known:
    """The definitions of types, and of all that are in them."""
    known = _Known()
    for _ in range(DEEPEST):
        if not wanted:
            break
        answers = await questions.read([(each, ua.AttributeIds.DataTypeDefinition) for each in wanted])
        inner: dict[ua.NodeId, None] = {}
        for each, answer in zip(wanted, answers, strict=True):
            said = value_of(answer)
            definition = known.structures[each] = said if isinstance(said, ua.StructureDefinition) else None
            for field in definition.Fields if definition else ():
                inner[plain_id(field.DataType)] = None
        unseen = [each for each in inner if each not in known.others]
        known.others |= await data_types(unseen, questions.follow, questions.read, texts=False)
        wanted = [
            each
            for each in unseen
            if known.others[each].sent_as == "ExtensionObject"
            and each != _ANY
            and each not in known.structures
        ]
    return known


_ANY = node_id(ua.ObjectIds.Structure, 0)
_WITH_SUBTYPES = 3
"""From here on values may be of subtypes, and are sent with their type (OPC UA Part 3, 8.49)."""


def _layout(type_: ua.NodeId, known: _Known, above: tuple[ua.NodeId, ...] = ()) -> Layout | str:
    definition = known.structures.get(type_)
    if definition is None:
        return UNKNOWN_TYPE
    kind = int(definition.StructureType)
    if kind >= _WITH_SUBTYPES or type_ in above:
        return UNSUPPORTED
    members = []
    for field in definition.Fields:
        member = _member(field, known, (*above, type_), optional=kind == 1 and bool(field.IsOptional))
        if isinstance(member, str):
            return member
        members.append(member)
    return Layout(tuple(members), union=kind == int(ua.StructureType.Union))


def _member(
    field: ua.StructureField, known: _Known, above: tuple[ua.NodeId, ...], *, optional: bool
) -> Member | str:
    type_ = plain_id(field.DataType)
    if field.ValueRank not in (-1, 1):
        return UNSUPPORTED
    array, its = field.ValueRank == 1, known.others[type_]
    if type_.NamespaceIndex == 0 and type_.Identifier in ABSTRACT:
        return Member(field.Name, ua.VariantType.Variant, array, optional)
    if its.sent_as == "ExtensionObject" and type_ != _ANY:
        inner = _layout(type_, known, above)
        return inner if isinstance(inner, str) else Member(field.Name, inner, array, optional)
    if not its.sent_as:
        return UNKNOWN_TYPE
    return Member(field.Name, ua.VariantType[its.sent_as], array, optional)
