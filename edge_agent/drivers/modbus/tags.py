"""One Modbus tag as it is written -> where it stands and what it means; contradictions are all named."""

from collections.abc import Mapping

from edge_agent.config.groups import on_change
from edge_agent.config.hints import hint
from edge_agent.config.settings import Group, Tag
from edge_agent.config.syntax import in_unit, quoted
from edge_agent.core.registers import ONE, ZERO, Field, Order, Table, Type
from edge_agent.drivers.modbus.checks import READ_ONLY, check_meaning, counts, sentinels_of
from edge_agent.drivers.modbus.draft import Draft
from edge_agent.drivers.modbus.keys import PartKeys
from edge_agent.drivers.modbus.parts import bits_of, check_parts_only, parts_written
from edge_agent.drivers.modbus.places import check_place, spot_of


def make_tag(draft: Draft, groups: Mapping[str, Group | None]) -> Tag | None:
    """The tag, or None when something about it is wrong; every mistake is noted."""
    before = len(draft.section.document.problems)
    spot = spot_of(draft)
    if draft.shape is None:
        draft.section.error_at_key(f"'{draft.name}' has no type; write type: in it or in defaults")
    group = _group(draft, groups)
    if spot is None or draft.shape is None:
        return None
    field = _field(draft, *spot, draft.shape.type, group)
    if len(draft.section.document.problems) > before:
        return None
    return _tag(draft, field)


def _tag(draft: Draft, field: Field) -> Tag:
    keys, defaults = draft.keys, draft.defaults
    parts = {name: part for name, part in parts_written(draft).items() if isinstance(part, PartKeys)}
    return Tag(
        name=draft.name,
        group=keys.group or defaults.group or "",
        type=draft.written,
        address=field,
        unit=keys.unit,
        quantity=keys.quantity,
        kind="counter" if field.counter else None,
        access="r" if field.table in READ_ONLY else keys.access or defaults.access or "r",
        deadband=field.deadband,
        report=keys.report or defaults.report,
        enum=keys.enum or {},
        enum_else=keys.enum_else,
        flags=keys.flags or {},
        parts={bit.name: (parts[bit.name].enum or {}) if bit.name in parts else {} for bit in field.bits},
    )


def _field(draft: Draft, table: Table, address: int, type_: Type, group: Group | None) -> Field:
    keys, defaults = draft.keys, draft.defaults
    check_place(draft, table, address, type_)
    check_meaning(draft, table, type_)
    bits = bits_of(draft, type_)
    whole = not bits or any((keys.unit, keys.enum, keys.flags))
    if not whole:
        check_parts_only(draft)
    numeric = type_ not in ("bool", "string")
    report = keys.report or defaults.report
    deadband = in_unit(keys.deadband, keys.valid)
    return Field(
        name=draft.name,
        table=table,
        address=address,
        type=type_,
        order=_order(draft, numeric=numeric),
        length=(keys.length or 0) if type_ == "string" else 0,
        encoding=keys.encoding or defaults.encoding or "latin-1",
        pad=tuple(keys.pad or defaults.pad or (0,)),
        bits=bits,
        whole=whole,
        scale=ONE if keys.scale is None else keys.scale,
        offset=ZERO if keys.offset is None else keys.offset,
        sentinels=sentinels_of(draft, type_) if numeric else frozenset(),
        valid=(keys.valid[0], keys.valid[1]) if keys.valid else None,
        enum=frozenset(keys.enum) if keys.enum else None,
        deadband=deadband,
        counter=whole and counts(draft, type_),
        elements=draft.elements,
        on_change=on_change(report, deadband, group.report if group else "always"),
    )


def _order(draft: Draft, *, numeric: bool) -> Order:
    if not numeric:
        return draft.keys.order or "ABCD"
    return draft.keys.order or draft.defaults.order or "ABCD"


def _group(draft: Draft, groups: Mapping[str, Group | None]) -> Group | None:
    name = draft.keys.group or draft.defaults.group
    if name is None:
        draft.section.error_at_key(f"'{draft.name}' has no group; write group: in it or in defaults")
        return None
    if name not in groups:
        message = f"unknown group {quoted(name)}{hint(name, list(groups))}"
        if draft.keys.group is not None:
            draft.section.error(message, "group")
        return None
    return groups[name]
