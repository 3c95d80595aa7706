"""Where a Modbus tag stands: the address as it is written -> table and address on the wire."""

import re
from collections.abc import Mapping

from edge_agent.config.syntax import quoted
from edge_agent.core.registers import BIT_TABLES, REGISTERS, Table, Type
from edge_agent.drivers.modbus.draft import Draft

LAST_ADDRESS = 65535
"""Addresses have 16 bits on the wire."""

MODICON: Mapping[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
"""The first digit of an address as manuals print it."""


def spot_of(draft: Draft) -> tuple[Table, int] | None:
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


def check_place(draft: Draft, table: Table, address: int, type_: Type) -> None:
    """Note it when a tag reaches beyond its table, or beyond what one request reads."""
    size = _size(draft, table, type_)
    what = "bits" if table in BIT_TABLES else "registers"
    if address + size - 1 > LAST_ADDRESS:
        last = f"{address} to {address + size - 1}"
        message = f"{draft.written} takes {size} {what}, {last}; the last one of a table is {LAST_ADDRESS}"
        draft.section.error(message, "address")
    if table not in BIT_TABLES and size > draft.limits.max_registers:
        longest = draft.limits.max_registers
        message = f"'{draft.name}' takes {size} registers; limits.max_registers reads only {longest}"
        draft.section.error(message, "length" if type_ == "string" else "type")


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


def _size(draft: Draft, table: Table, type_: Type) -> int:
    if table in BIT_TABLES:
        return 1
    if type_ == "string":
        return draft.keys.length or 1
    return REGISTERS.get(type_, 1) * max(1, draft.elements)
