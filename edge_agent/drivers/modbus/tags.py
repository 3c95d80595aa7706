"""One Modbus tag as it is written -> where it stands and what it means; contradictions are all named."""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from edge_agent.config.groups import on_change
from edge_agent.config.section import Section
from edge_agent.config.settings import Group, Tag
from edge_agent.config.syntax import Percent, hint, in_unit, quoted
from edge_agent.config.units import unit_fault
from edge_agent.core.registers import BIT_TABLES, ONE, REGISTERS, ZERO, Bit, Field, Order, Table, Type
from edge_agent.drivers.modbus.keys import Addressing, DefaultKeys, LimitKeys, PartKeys, TagKeys

LAST_ADDRESS = 65535
"""Addresses have 16 bits on the wire."""

MODICON: Mapping[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
"""The first digit of an address as manuals print it."""

_WIDTHS: Mapping[Type, int] = {"uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64}
_FLOATS: frozenset[Type] = frozenset({"float32", "float64"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A tag with everything that its file says about it; `style` is None when the file says nothing."""

    name: str
    section: Section
    keys: TagKeys
    defaults: DefaultKeys
    style: Addressing | None
    limits: LimitKeys


def make_tag(draft: Draft, groups: Mapping[str, Group | None]) -> Tag | None:
    """The tag, or None when something about it is wrong; every mistake is noted."""
    before = len(draft.section.document.problems)
    spot = _spot(draft)
    type_ = draft.keys.type or draft.defaults.type
    if type_ is None:
        draft.section.error_at_key(f"'{draft.name}' has no type; write type: in it or in defaults")
    group = _group(draft, groups)
    if spot is None or type_ is None:
        return None
    field = _field(draft, *spot, type_, group)
    if len(draft.section.document.problems) > before:
        return None
    return _tag(draft, field)


def _tag(draft: Draft, field: Field) -> Tag:
    keys, defaults = draft.keys, draft.defaults
    parts = {name: part for name, part in _parts_written(draft).items() if isinstance(part, PartKeys)}
    return Tag(
        name=draft.name,
        group=keys.group or defaults.group or "",
        type=field.type,
        address=field,
        unit=keys.unit,
        quantity=keys.quantity,
        kind=keys.kind or defaults.kind,
        access=keys.access or defaults.access or "r",
        deadband=field.deadband,
        report=keys.report or defaults.report,
        enum=keys.enum or {},
        enum_else=keys.enum_else,
        flags=keys.flags or {},
        parts={bit.name: (parts[bit.name].enum or {}) if bit.name in parts else {} for bit in field.bits},
    )


def _field(draft: Draft, table: Table, address: int, type_: Type, group: Group | None) -> Field:
    keys, defaults = draft.keys, draft.defaults
    _check_type(draft, table, type_)
    _check_place(draft, table, address, type_)
    for check in (_check_texts, _check_deadband, _check_enum, _check_flags, _check_numbers, _check_unit):
        check(draft, type_)
    bits = _bits(draft, type_)
    whole = not bits or any((keys.unit, keys.enum, keys.flags))
    if not whole:
        _check_parts_only(draft)
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
        sentinels=frozenset(keys.sentinels or ()),
        valid=(keys.valid[0], keys.valid[1]) if keys.valid else None,
        enum=frozenset(keys.enum) if keys.enum else None,
        deadband=deadband,
        on_change=on_change(report, deadband, group.report if group else "always"),
    )


# --- where it stands ------------------------------------------------------------------------------


def _spot(draft: Draft) -> tuple[Table, int] | None:
    """Table and address on the wire."""
    if draft.style == "modicon":
        return _modicon(draft)
    written, section = draft.keys.address, draft.section
    table = draft.keys.table or draft.defaults.table
    if table is None:
        section.error_at_key(f"'{draft.name}' has no table; write table: in it or in defaults")
    if isinstance(written, bool) or not isinstance(written, int):
        section.error(f"{quoted(written)} is not an address; write a number, decimal or 0x...", "address")
        return None
    first = 1 if draft.style == "one_based" else 0
    if written < first:
        section.error(f"address {written} is too small; with addressing: {draft.style or 'protocol'} "
                      f"the first one is {first}", "address")  # fmt: skip
        return None
    if written - first > LAST_ADDRESS:
        section.error(_beyond(written, first), "address")
        return None
    return None if table is None else (table, written - first)


def _beyond(written: int, first: int) -> str:
    message = f"address {written} is beyond {LAST_ADDRESS + first}"
    digits = str(written)
    if len(digits) == 6 and digits[0] in MODICON and 1 <= int(digits[1:]) <= LAST_ADDRESS + 1:
        here = int(digits[1:]) - 1 + first
        return f"{message}; write the address without the leading {digits[0]}: {here}, or addressing: modicon"
    return message


def _modicon(draft: Draft) -> tuple[Table, int] | None:
    written, section = draft.keys.address, draft.section
    digits = str(written) if isinstance(written, int | str) and not isinstance(written, bool) else ""
    if not re.fullmatch(r"[0134][0-9]{4,5}", digits) or not 1 <= int(digits[1:]) <= LAST_ADDRESS + 1:
        message = (
            f'{quoted(written)} is not a modicon address; write it as printed: "00001", 10001, 30001 or 40001'
        )
        section.error(message, "address")
        return None
    table = MODICON[digits[0]]
    if draft.keys.table not in (None, table):
        section.error(
            f"address {digits} is in table {table}, not {draft.keys.table}; leave 'table' out", "table"
        )
        return None
    return table, int(digits[1:]) - 1


def _check_place(draft: Draft, table: Table, address: int, type_: Type) -> None:
    size = _size(draft, table, type_)
    what = "bits" if table in BIT_TABLES else "registers"
    if address + size - 1 > LAST_ADDRESS:
        last = f"{address} to {address + size - 1}"
        message = f"{type_} takes {size} {what}, {last}; the last one of a table is {LAST_ADDRESS}"
        draft.section.error(message, "address")
    if table not in BIT_TABLES and size > draft.limits.max_registers:
        longest = draft.limits.max_registers
        message = f"'{draft.name}' takes {size} registers; limits.max_registers reads only {longest}"
        draft.section.error(message, "length" if type_ == "string" else "type")


def _size(draft: Draft, table: Table, type_: Type) -> int:
    if table in BIT_TABLES:
        return 1
    return draft.keys.length or 1 if type_ == "string" else REGISTERS.get(type_, 1)


def _check_type(draft: Draft, table: Table, type_: Type) -> None:
    if table in BIT_TABLES and type_ != "bool":
        draft.section.error(f"table {table} has single bits; write type: bool, not {type_}", "type")
    if table not in BIT_TABLES and type_ == "bool":
        message = (
            f"table {table} has registers, no single bits; write type: uint16 and name the bit under `bits`"
        )
        draft.section.error(message, "type")


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


# --- what it means --------------------------------------------------------------------------------


def _check_texts(draft: Draft, type_: Type) -> None:
    keys, section = draft.keys, draft.section
    if type_ == "string":
        if keys.length is None:
            section.error_at_key(f"'{draft.name}' is a string without a length; write length: in registers")
        if keys.order in ("CDAB", "DCBA"):
            section.error(
                "a string has no word order; write ABCD, or BADC when its bytes are swapped", "order"
            )
        return
    if keys.length is not None:
        section.error_at_key(f"only a string has a length; {type_} has its own", "length")
    for key in ("encoding", "pad"):
        if getattr(keys, key) is not None:
            section.error_at_key(f"'{key}' is for strings; this is {type_}", key)
    if type_ == "bool" and keys.order is not None:
        section.error_at_key("'order' is for registers; a bool is a single bit", "order")


_NUMBERS_ONLY = ("scale", "offset", "valid", "deadband", "sentinels")


def _check_numbers(draft: Draft, type_: Type) -> None:
    keys, section = draft.keys, draft.section
    if type_ in ("bool", "string"):
        for key in _NUMBERS_ONLY:
            if getattr(keys, key) is not None and key != "deadband":
                section.error_at_key(f"'{key}' is for numbers; this is {type_}", key)
        return
    if keys.scale == 0:
        section.error("scale 0 makes every value 0; leave it out, or write the factor", "scale")
    low, high = keys.valid or (0.0, 0.0)
    if low > high:
        section.error(f"the lower bound {low:g} is above the upper bound {high:g}", "valid")
    for index, sentinel in enumerate(keys.sentinels or ()):
        if message := _sentinel_fault(sentinel, type_):
            section.error(message, "sentinels", index)


def _sentinel_fault(sentinel: int, type_: Type) -> str | None:
    if type_ in _FLOATS:
        form = "f" if type_ == "float32" else "d"
        try:
            held = struct.unpack(form, struct.pack(form, sentinel))[0] == sentinel
        except OverflowError:
            held = False
        return (
            None if held else f"{sentinel} is no value of {type_}; the number itself is meant, not its bits"
        )
    low, high = bounds(type_)
    if low <= sentinel <= high:
        return None
    signed = sentinel - (1 << (high.bit_length() + 1))
    such = f"; write {signed}" if low <= signed < 0 < sentinel else ""
    return f"{sentinel} is outside of {type_}, which goes from {low} to {high}{such}"


def bounds(type_: Type) -> tuple[int, int]:
    """Smallest and largest value of a whole-number type, or of a bool."""
    if type_ == "bool":
        return 0, 1
    width = int(type_.lstrip("uint"))
    return (0, (1 << width) - 1) if type_.startswith("u") else (-(1 << (width - 1)), (1 << (width - 1)) - 1)


def _check_unit(draft: Draft, _type: Type) -> None:
    if draft.keys.unit is not None and (fault := unit_fault(draft.keys.unit)):
        draft.section.error(fault, "unit")


def _check_deadband(draft: Draft, type_: Type) -> None:
    keys, section = draft.keys, draft.section
    if keys.deadband is None:
        return
    if type_ in ("bool", "string") or keys.enum or keys.flags:
        what = type_ if type_ in ("bool", "string") else "a number with texts"
        section.error_at_key(f"a deadband is for measured numbers; this is {what}", "deadband")
    elif isinstance(keys.deadband, Percent) and keys.valid is None:
        message = (
            "a deadband in percent is a share of the span of 'valid'; write valid: [low, high] beside it"
        )
        section.error(message, "deadband")
    if keys.report == "always":
        section.error("a deadband reports on change; leave out report: always, or the deadband", "report")


def _check_enum(draft: Draft, type_: Type) -> None:
    keys, section = draft.keys, draft.section
    if keys.enum_else is not None and keys.enum is None:
        section.error_at_key(
            "'enum_else' is the text for numbers that are not in 'enum'; there is none", "enum_else"
        )
    if keys.enum is None:
        return
    if type_ == "string" or type_ in _FLOATS:
        section.error_at_key(f"'enum' names whole numbers; this is {type_}", "enum")
        return
    scale, offset = keys.scale or ONE, keys.offset or ZERO
    if scale.denominator != 1 or offset.denominator != 1:
        section.error_at_key("'enum' names whole numbers; leave out 'scale' and 'offset'", "enum")
        return
    low, high = sorted(int(bound * scale + offset) for bound in bounds(type_))
    for number in keys.enum:
        if not low <= number <= high:
            section.error_at_key(
                f"{number} is outside of {type_}, which goes from {low} to {high}", "enum", number
            )
    if type_ == "bool" and len(keys.enum) < 2:
        section.error_at_key("a bool is 0 or 1; give both a text", "enum")


def _check_flags(draft: Draft, type_: Type) -> None:
    keys, section = draft.keys, draft.section
    if keys.flags is None:
        return
    width = _WIDTHS.get(type_)
    if width is None:
        section.error_at_key(f"'flags' names the bits of an unsigned number; this is {type_}", "flags")
        return
    if keys.enum is not None:
        section.error_at_key("a tag has 'flags' or 'enum', not both", "flags")
    if keys.scale is not None or keys.offset is not None:
        section.error_at_key("'flags' names bits; leave out 'scale' and 'offset'", "flags")
    for number in keys.flags:
        if not 0 <= number < width:
            section.error_at_key(f"{type_} has bits 0 to {width - 1}, not {number}", "flags", number)


# --- parts ----------------------------------------------------------------------------------------


def _check_parts_only(draft: Draft) -> None:
    for key in _NUMBERS_ONLY:
        if key != "sentinels" and getattr(draft.keys, key) is not None:
            message = f"'{key}' has no effect: only the bits are sent; give the tag a unit to send it as well"
            draft.section.error_at_key(message, key)


def _parts_written(draft: Draft) -> dict[str, PartKeys | int]:
    """The parts as the file has them; what is wrong in form is noted and left out."""
    parts: dict[str, PartKeys | int] = {}
    for name, value in (draft.keys.bits or {}).items():
        section = draft.section.inside("bits", name)
        if isinstance(value, int) and not isinstance(value, bool):
            parts[name] = value
        elif isinstance(value, dict):
            keys = section.check(PartKeys)
            if keys is not None:
                parts[name] = keys
        else:
            section.error(f"{quoted(value)} is not a bit; write its number, or {{bits: [4, 5]}} for several")
    return parts


def _bits(draft: Draft, type_: Type) -> tuple[Bit, ...]:
    if draft.keys.bits is None:
        return ()
    section = draft.section.inside("bits")
    width = _WIDTHS.get(type_)
    if width is None:
        section.error_at_key(f"'bits' names parts of an unsigned number; this is {type_}")
        return ()
    if not draft.keys.bits:
        section.error("'bits' names no bit")
    parts = _parts_written(draft)
    bits = [bit for name, part in parts.items() if (bit := _bit(section.inside(name), name, part, width))]
    for first, second in pairwise(sorted(bits, key=lambda bit: bit.shift)):
        if second.shift < first.shift + first.width:
            section.error_at_key(f"bit {second.shift} is in '{first.name}' already", second.name)
    return tuple(bits)


def _bit(section: Section, name: str, part: PartKeys | int, width: int) -> Bit | None:
    numbers = [part] if isinstance(part, int) else sorted(part.bits)
    if not 0 <= numbers[0] <= numbers[-1] < width:
        wrong = next(number for number in numbers if not 0 <= number < width)
        section.error(f"bit {wrong} is outside: uint{width} has bits 0 to {width - 1}")
        return None
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        whole = list(range(numbers[0], numbers[-1] + 1))
        section.error(f"the bits of a part stand side by side; write {whole}", "bits")
        return None
    enum = None if isinstance(part, int) or part.enum is None else frozenset(part.enum)
    for number in enum or ():
        if not 0 <= number < 1 << len(numbers):
            message = (
                f"{number} needs more than {len(numbers)} bits; they go from 0 to {(1 << len(numbers)) - 1}"
            )
            section.error_at_key(message, "enum", number)
    return Bit(name, numbers[0], len(numbers), enum)
