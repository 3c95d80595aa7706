"""Data types of a server -> the built-in types of their values, and the texts of enumerations."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

Follow = Callable[[Sequence[ua.NodeId], int, ua.BrowseDirection], Awaitable[list[ua.BrowseResult]]]
"""All references of a kind that nodes have in a direction."""
Read = Callable[[Sequence[tuple[ua.NodeId, ua.AttributeIds]]], Awaitable[list[ua.DataValue]]]
"""Attributes of nodes, one answer each."""

DEEPEST = 20
"""Types above one another that are looked at; real ones have five."""
BUILT_IN: Mapping[int, str] = {
    each.value: each.name for each in ua.VariantType if each.name not in ("Null", "Variant")
}
ABSTRACT: Mapping[int, str] = {24: "BaseDataType", 26: "Number", 27: "Integer", 28: "UInteger"}
"""Types of namespace 0 that leave open which built-in type a value is sent as (OPC UA Part 3, 8)."""
STRUCTURE, ENUMERATION = 22, 29


@dataclass(slots=True)
class DataType:
    """A data type: its name, the built-in type of its values (empty where that is open), its texts."""

    name: str = ""
    sent_as: str = ""
    texts: Mapping[int, str] = field(default_factory=dict)
    enumeration: bool = False


async def data_types(
    ids: Iterable[ua.NodeId], follow: Follow, read: Read, *, texts: bool
) -> dict[ua.NodeId, DataType]:
    """What is known of data types; with `texts` also those of enumerations. Raises DeviceError."""
    types = {each: _standard(each) or DataType() for each in ids}
    unknown = [each for each, type_ in types.items() if not type_.name]
    names = await read([(each, ua.AttributeIds.BrowseName) for each in unknown])
    for each, answer in zip(unknown, names, strict=True):
        named = value_of(answer)
        types[each].name = getattr(named, "Name", None) or each.to_string()
    at = {each: each for each in unknown}
    for _ in range(DEEPEST):
        if not at:
            break
        results = await follow(list(at.values()), ua.ObjectIds.HasSubtype, ua.BrowseDirection.Inverse)
        at = _risen(at, results, types)
    if texts:
        await _add_texts({each: type_ for each, type_ in types.items() if type_.enumeration}, follow, read)
    return types


def value_of(answer: ua.DataValue) -> Any:  # noqa: ANN401 - whatever a server has there
    """What an answer holds; None when it is bad, or nothing."""
    status = answer.StatusCode
    if answer.Value is None or (status is not None and not status.is_good()):
        return None
    return answer.Value.Value


def texts_of(value: Any) -> dict[int, str]:  # noqa: ANN401 - as above
    """The texts of numbers in EnumStrings, EnumValues or an EnumDefinition; empty for anything else."""
    entries = getattr(value, "Fields", value)
    if not isinstance(entries, list):
        return {}
    texts: dict[int, str] = {}
    for at, entry in enumerate(entries):
        if isinstance(entry, ua.LocalizedText):
            texts[at] = entry.Text or ""
        elif isinstance(number := getattr(entry, "Value", None), int):
            shown = getattr(entry, "DisplayName", None)
            texts[int(number)] = getattr(shown, "Text", None) or getattr(entry, "Name", None) or ""
    return texts


def _standard(node: ua.NodeId) -> DataType | None:
    """A type of namespace 0 whose place in the hierarchy the standard fixes."""
    if node.NamespaceIndex != 0 or not isinstance(node.Identifier, int):
        return None
    number = node.Identifier
    if number in ABSTRACT:
        return DataType(ABSTRACT[number])
    if number == ENUMERATION:
        return DataType("Enumeration", "Int32", enumeration=True)
    if number == STRUCTURE:
        return DataType("Structure", "ExtensionObject")
    return DataType(BUILT_IN[number], BUILT_IN[number]) if number in BUILT_IN else None


def _risen(
    at: Mapping[ua.NodeId, ua.NodeId], results: Sequence[ua.BrowseResult], types: Mapping[ua.NodeId, DataType]
) -> dict[ua.NodeId, ua.NodeId]:
    """For each type the one above; those that have arrived at a type of the standard take it over."""
    higher = {}
    for each, result in zip(at, results, strict=True):
        above = next(
            (ua.NodeId(r.NodeId.Identifier, r.NodeId.NamespaceIndex) for r in result.References), None
        )
        known = None if above is None else _standard(above)
        if known is not None:
            types[each].sent_as, types[each].enumeration = known.sent_as, known.enumeration
        elif above is not None:
            higher[each] = above
    return higher


async def _add_texts(types: Mapping[ua.NodeId, DataType], follow: Follow, read: Read) -> None:
    """The texts of enumerations: from the definition of the type, else from its properties."""
    nodes = list(types)
    definitions = await read([(each, ua.AttributeIds.DataTypeDefinition) for each in nodes])
    for each, answer in zip(nodes, definitions, strict=True):
        types[each].texts = texts_of(value_of(answer))
    bare = [each for each in nodes if not types[each].texts]
    results = await follow(bare, ua.ObjectIds.HasProperty, ua.BrowseDirection.Forward)
    properties = [
        (each, ua.NodeId(r.NodeId.Identifier, r.NodeId.NamespaceIndex))
        for each, result in zip(bare, results, strict=True)
        for r in result.References
        if r.BrowseName.Name in ("EnumStrings", "EnumValues")
    ]
    answers = await read([(node, ua.AttributeIds.Value) for _, node in properties])
    for (each, _), answer in zip(properties, answers, strict=True):
        types[each].texts = types[each].texts or texts_of(value_of(answer))
