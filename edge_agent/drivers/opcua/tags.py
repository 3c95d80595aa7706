"""One OPC UA tag as it is written -> which node it is and what it means; contradictions are all named.

A tag with `fields` becomes one for each of them, `tag.field`: to everything else they are tags like others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from edge_agent.config.groups import on_change
from edge_agent.config.hints import hint
from edge_agent.config.section import Section
from edge_agent.config.settings import Group, Report, Tag
from edge_agent.config.syntax import Percent, in_unit, quoted
from edge_agent.config.units import unit_fault
from edge_agent.core.nodes import INTEGERS, NUMBERS, Method, Node, Place, Spot, spans
from edge_agent.drivers.opcua.keys import (
    DefaultKeys,
    FieldKeys,
    MeaningKeys,
    MethodKeys,
    Shape,
    TagKeys,
    shape_of,
)
from edge_agent.drivers.opcua.spots import node_of, segments, spot_of


@dataclass(frozen=True, slots=True)
class Draft:
    """A tag with everything that its file says about it; `namespaces` are the aliases of the file."""

    name: str
    section: Section
    keys: TagKeys
    defaults: DefaultKeys
    namespaces: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Value:
    """What is said of one value: of a tag, or of a field of one."""

    name: str
    section: Section
    keys: MeaningKeys
    shape: Shape | None
    kind: str | None
    report: Report | None
    field: tuple[str, ...] = ()


def make_method(
    name: str, section: Section, keys: MethodKeys, namespaces: Mapping[str, str]
) -> Method | None:
    """The method, or None when something about it is wrong; every mistake is noted."""
    on = node_of(section, "object", keys.object, namespaces)
    method = node_of(section, "method", keys.method, namespaces)
    return None if on is None or method is None else Method(name, Spot(*on), Spot(*method))


def make_tags(draft: Draft, groups: Mapping[str, Group | None]) -> list[Tag]:
    """The tag, or those of its fields; none when something about it is wrong. Every mistake is noted."""
    before = len(draft.section.document.problems)
    place = spot_of(draft.section, draft.keys, draft.namespaces)
    group = _group(draft, groups)
    values = list(_values(draft))
    for value in values:
        _check(value, draft.defaults.report)
        if place is not None and value.shape is not None and not value.field:
            _check_range(value, place.range)
    if place is None or len(draft.section.document.problems) > before:
        return []
    return [_tag(draft, value, place, group) for value in values]


def _tag(draft: Draft, value: _Value, place: Place, group: Group | None) -> Tag:
    keys, shape = value.keys, value.shape
    assert shape is not None  # noqa: S101 - without one a mistake was noted
    percent = float(keys.deadband.share) if isinstance(keys.deadband, Percent) else 0.0
    deadband = in_unit(keys.deadband, keys.valid)
    node = Node(
        name=value.name,
        namespace=place.namespace,
        id=place.id,
        type=shape.type,
        valid=(keys.valid[0], keys.valid[1]) if keys.valid else None,
        enum=frozenset(keys.enum) if keys.enum else None,
        deadband=deadband,
        on_change=on_change(value.report, deadband or percent, group.report if group else "always"),
        path=place.path,
        range=place.range,
        elements=shape.elements,
        field=value.field,
        percent=percent,
    )
    return Tag(
        name=value.name,
        group=draft.keys.group or draft.defaults.group or "",
        type=shape.name,
        address=node,
        unit=keys.unit,
        quantity=keys.quantity,
        kind=value.kind,
        access=draft.keys.access or ("r" if value.field else draft.defaults.access) or "r",
        deadband=deadband,
        percent=percent,
        report=value.report,
        enum=keys.enum or {},
        enum_else=keys.enum_else,
    )


# What is said of values


def _values(draft: Draft) -> Iterator[_Value]:
    keys, defaults, section = draft.keys, draft.defaults, draft.section
    if keys.fields is None:
        shape = keys.type or defaults.type
        if shape is None:
            section.error_at_key(f"'{draft.name}' has no type; write type: in it or in defaults")
        yield _Value(
            draft.name, section, keys, shape, keys.kind or defaults.kind, keys.report or defaults.report
        )
        return
    for key in _OF_ONE_VALUE:
        if section.inside(key).present:
            section.error_at_key(f"'{key}' is said of each field; this is a structure", key)
    if keys.access == "rw":
        section.error("the fields of a structure cannot be written; leave access out", "access")
    for name in keys.fields:
        yield from _field(draft, name)


_OF_ONE_VALUE = ("type", "unit", "quantity", "enum", "enum_else", "valid", "deadband", "kind")


def _field(draft: Draft, name: str) -> Iterator[_Value]:
    section, defaults = draft.section.inside("fields", name), draft.defaults
    alone = isinstance(section.value, str)
    keys = FieldKeys() if alone else section.check(FieldKeys)
    if keys is None:
        return
    shape = _alone(section) if alone else keys.type or defaults.type
    if shape is None and not alone:
        section.error_at_key(f"'{name}' has no type; write type: in it or in defaults")
    way = tuple(segments(keys.field or name))
    if not all(way):
        section.error(f"{quoted(keys.field)} has an empty name; write for example Actual/Speed", "field")
    report = keys.report or draft.keys.report or defaults.report
    yield _Value(f"{draft.name}.{name}", section, keys, shape, keys.kind or defaults.kind, report, way)


def _alone(section: Section) -> Shape | None:
    """The type of a field of which nothing else is said."""
    try:
        return shape_of(section.value)
    except ValueError as error:
        section.error(str(error))
        return None


def _group(draft: Draft, groups: Mapping[str, Group | None]) -> Group | None:
    name = draft.keys.group or draft.defaults.group
    if name is None:
        draft.section.error_at_key(f"'{draft.name}' has no group; write group: in it or in defaults")
        return None
    if name not in groups:
        if draft.keys.group is not None:
            draft.section.error(f"unknown group {quoted(name)}{hint(name, list(groups))}", "group")
        return None
    group = groups[name]
    if group is not None and group.mode == "events":
        draft.section.error_at_key(
            f"'{draft.name}' is in group '{name}', which is mode: events and has no tags; write another group"
        )
    return group


# Contradictions


def _check(value: _Value, report: Report | None) -> None:
    if value.shape is not None:
        for check in (_check_enum, _check_numbers, _check_deadband):
            check(value, value.shape)
        whole = not value.shape.elements and not value.section.inside("range").present
        if value.section.inside("access").value == "rw" and not whole:
            value.section.error("parts of nodes, and arrays, are only read; leave access out", "access")
        if value.shape.elements and value.kind is not None:
            value.section.error_at_key("a counter is one number; this is an array", "kind")
    unit = value.keys.unit
    if unit is not None and (fault := unit_fault(unit)):
        value.section.error(fault, "unit")
    if value.keys.deadband is not None and (value.report or report) == "always":
        value.section.error_at_key(
            "a deadband reports on change; leave out report: always, or the deadband", "deadband"
        )


def _check_enum(value: _Value, shape: Shape) -> None:
    keys, section = value.keys, value.section
    if keys.enum_else is not None and keys.enum is None:
        section.error_at_key(
            "'enum_else' is the text for numbers that are not in 'enum'; there is none", "enum_else"
        )
    if keys.enum is None:
        return
    if shape.type not in INTEGERS or shape.elements:
        section.error_at_key(f"'enum' names whole numbers; this is {shape.name}", "enum")
        return
    low, high = INTEGERS[shape.type]
    for number in keys.enum:
        if not low <= number <= high:
            section.error_at_key(
                f"{number} is outside of {shape.type}, which goes from {low} to {high}", "enum", number
            )


def _check_numbers(value: _Value, shape: Shape) -> None:
    valid, section = value.keys.valid, value.section
    if valid is None:
        return
    if shape.type not in NUMBERS:
        section.error_at_key(f"'valid' is for numbers; this is {shape.name}", "valid")
    elif valid[0] > valid[1]:
        low, high = valid
        section.error(f"the lower bound {low:g} is above the upper bound {high:g}", "valid")


def _check_deadband(value: _Value, shape: Shape) -> None:
    keys = value.keys
    if keys.deadband is not None and (shape.type not in NUMBERS or shape.elements or keys.enum):
        what = "a number with texts" if keys.enum else shape.name
        value.section.error_at_key(f"a deadband is for measured numbers; this is {what}", "deadband")


def _check_range(value: _Value, text: str) -> None:
    counts, shape = spans(text), value.shape
    if not text or counts is None or shape is None:
        return
    count = prod(counts)
    if shape.elements not in (0, count):
        message = f"the range takes {count} elements and {shape.name} has {shape.elements}"
        value.section.error(f"{message}; write {shape.type}[{count}]", "range")
    elif not shape.elements and count > 1 and not (len(counts) == 1 and shape.type in _SLICED):
        message = f"the range takes {count} elements; write type: {shape.type}[{count}]"
        value.section.error(message if shape.type in NUMBERS else f"{message} or one index", "range")
    elif shape.elements and count == 1:
        value.section.error("the index of one element gives one value; leave out the brackets", "range")


_SLICED = frozenset({"String", "ByteString"})
"""Types of which a range may take a part: letters, bytes (OPC UA Part 4, 7.27)."""
