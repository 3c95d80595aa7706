"""What a Modbus tag means: contradictions between its keys, each told at its place."""

from collections.abc import Mapping

from edge_agent.config.syntax import Percent
from edge_agent.config.units import unit_fault
from edge_agent.core.registers import BIT_TABLES, FLOATS, ONE, ZERO, Table, Type, bounds
from edge_agent.drivers.modbus.draft import Draft
from edge_agent.drivers.modbus.sentinels import contents

WIDTHS: Mapping[Type, int] = {"uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64}
"""Bits of the types whose bits can be named."""

READ_ONLY: frozenset[Table] = frozenset({"discrete", "input"})
"""Tables without a function to write them."""

NUMBERS_ONLY = ("scale", "offset", "scale_from", "valid", "deadband", "sentinels")
"""Keys that say something of a number as a whole."""


def check_meaning(draft: Draft, table: Table, type_: Type) -> None:
    """Note every contradiction between the keys of a tag."""
    _check_type(draft, table, type_)
    if draft.keys.access == "rw" and table in READ_ONLY:
        draft.section.error(f"table {table} can only be read; leave out access: rw", "access")
    for check in _CHECKS:
        check(draft, type_)


def _check_type(draft: Draft, table: Table, type_: Type) -> None:
    if table in BIT_TABLES and type_ != "bool":
        draft.section.error(f"table {table} has single bits; write type: bool, not {type_}", "type")
    if table not in BIT_TABLES and type_ == "bool":
        message = (
            f"table {table} has registers, no single bits; write type: uint16 and name the bit under `bits`"
        )
        draft.section.error(message, "type")


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
        section.error_at_key(f"only a string has a length; {draft.written} has its own", "length")
    for key in ("encoding", "pad"):
        if getattr(keys, key) is not None:
            section.error_at_key(f"'{key}' is for strings; this is {draft.written}", key)
    if type_ == "bool" and keys.order is not None:
        section.error_at_key("'order' is for registers; a bool is a single bit", "order")


def _check_numbers(draft: Draft, type_: Type) -> None:
    keys, section = draft.keys, draft.section
    if type_ in ("bool", "string"):
        for key in NUMBERS_ONLY:
            if getattr(keys, key) is not None and key != "deadband":
                section.error_at_key(f"'{key}' is for numbers; this is {type_}", key)
        return
    if keys.scale == 0:
        section.error("scale 0 makes every value 0; leave it out, or write the factor", "scale")
    low, high = keys.valid or (0.0, 0.0)
    if low > high:
        section.error(f"the lower bound {low:g} is above the upper bound {high:g}", "valid")


def sentinels_of(draft: Draft, type_: Type) -> frozenset[int]:
    """The sentinels of a number as they stand in its registers, each mistake in them noted."""
    found: set[int] = set()
    for index, sentinel in enumerate(draft.keys.sentinels or ()):
        try:
            found |= contents(sentinel, type_)
        except ValueError as error:
            draft.section.error(str(error), "sentinels", index)
    return frozenset(found)


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


def counts(draft: Draft, type_: Type) -> bool:
    """Whether a tag is a counter; a default of `kind` is for those that can be one."""
    if draft.keys.kind is not None:
        return True
    return draft.defaults.kind is not None and not _no_counter(draft, type_) and not _falling(draft)


def _check_array(draft: Draft, _type: Type) -> None:
    for key in ("bits", "enum", "flags", "deadband"):
        if draft.elements and getattr(draft.keys, key) is not None:
            draft.section.error_at_key(f"'{key}' is for single numbers; this is {draft.written}", key)


def _check_factor(draft: Draft, type_: Type) -> None:
    if draft.keys.scale_from is None:
        return
    if type_ in FLOATS:
        what = f"'scale_from' is for whole numbers; this is {draft.written}"
        draft.section.error_at_key(what, "scale_from")
    elif draft.keys.bits and draft.keys.unit is not None:
        draft.section.error_at_key("a tag with 'bits' has no 'scale_from'; write two tags", "scale_from")


def _check_counter(draft: Draft, type_: Type) -> None:
    if draft.keys.kind is None:
        return
    if what := _no_counter(draft, type_):
        draft.section.error_at_key(f"a counter is a number that rises; this is {what}", "kind")
    elif _falling(draft):
        draft.section.error("a counter rises; with a scale below 0 it falls", "scale")


def _falling(draft: Draft) -> bool:
    return draft.keys.scale is not None and draft.keys.scale < 0


def _no_counter(draft: Draft, type_: Type) -> str:
    """What a tag is that cannot be a counter; empty for one that can."""
    if type_ in ("bool", "string") or draft.elements:
        return draft.written
    return "a number with texts" if draft.keys.enum or draft.keys.flags else ""


def _check_enum(draft: Draft, type_: Type) -> None:
    keys, section = draft.keys, draft.section
    if keys.enum_else is not None and keys.enum is None:
        section.error_at_key(
            "'enum_else' is the text for numbers that are not in 'enum'; there is none", "enum_else"
        )
    if keys.enum is None:
        return
    if type_ == "string" or type_ in FLOATS:
        section.error_at_key(f"'enum' names whole numbers; this is {type_}", "enum")
        return
    scale, offset = keys.scale or ONE, keys.offset or ZERO
    if scale.denominator != 1 or offset.denominator != 1 or keys.scale_from is not None:
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
    width = WIDTHS.get(type_)
    if width is None:
        section.error_at_key(f"'flags' names the bits of an unsigned number; this is {type_}", "flags")
        return
    if keys.enum is not None:
        section.error_at_key("a tag has 'flags' or 'enum', not both", "flags")
    if any(each is not None for each in (keys.scale, keys.offset, keys.scale_from)):
        section.error_at_key("'flags' names bits; leave out 'scale' and 'offset'", "flags")
    for number in keys.flags:
        if not 0 <= number < width:
            section.error_at_key(f"{type_} has bits 0 to {width - 1}, not {number}", "flags", number)


_CHECKS = (
    _check_array,
    _check_factor,
    _check_texts,
    _check_deadband,
    _check_counter,
    _check_enum,
    _check_flags,
    _check_numbers,
    _check_unit,
)
