"""Golden tests of a Modbus profile: dumps of registers, and what must come of them."""

import re
from collections.abc import Iterator, Mapping, Sequence

from edge_agent.config.expect import expected
from edge_agent.config.section import Section
from edge_agent.config.settings import GoldenTest, Tag
from edge_agent.config.syntax import quoted
from edge_agent.core.registers import BIT_TABLES, Table
from edge_agent.drivers.modbus.keys import TestKeys
from edge_agent.drivers.modbus.places import LAST_ADDRESS


def golden_tests(section: Section, tags: Section, made: Sequence[Tag]) -> tuple[GoldenTest, ...]:
    """The tests of a profile; `tags` is its section of tags, `made` are those without mistakes."""
    columns = list(_columns(tags))
    whole = {tag.name: tag.modbus.whole for tag in made}
    found: list[GoldenTest] = []
    count = len(section.value) if isinstance(section.value, list) else 0
    for entry in (section.inside(index) for index in range(count)):
        keys = entry.check(TestKeys)
        if keys is None:
            continue
        tables: dict[str, Mapping[int, int]] = {
            table: _table(entry.inside("registers", table), table) for table in keys.registers
        }
        expect = {name: expected(entry.inside("expect", name), name, columns, whole) for name in keys.expect}
        found.append(GoldenTest(keys.name, tables, {name: each for name, each in expect.items() if each}))
    return tuple(found)


def _columns(tags: Section) -> Iterator[str]:
    for name, entry in tags.entries():
        yield name
        yield from (f"{name}.{part}" for part, _ in entry.inside("bits").entries())


# --- dumps ----------------------------------------------------------------------------------------


def _table(section: Section, table: Table) -> Mapping[int, int]:
    """Contents by address."""
    contents: dict[int, int] = {}
    value = section.value
    for start, written in value.items() if isinstance(value, dict) else ():
        entry = section.inside(start)
        try:
            run = _bits(written) if table in BIT_TABLES else _registers(written)
        except ValueError as error:
            entry.error(str(error))
            continue
        if not 0 <= start <= start + len(run) - 1 <= LAST_ADDRESS:
            entry.error_at_key(f"{start} to {start + len(run) - 1} is not within 0 to {LAST_ADDRESS}")
            continue
        twice = [address for address in range(start, start + len(run)) if address in contents]
        if twice:
            entry.error_at_key(f"{table} {twice[0]} is in this dump already")
        contents.update(zip(range(start, start + len(run)), run, strict=True))
    return contents


def _registers(written: object) -> list[int]:
    if isinstance(written, int) and not isinstance(written, bool):
        if not 0 <= written <= 0xFFFF:
            raise ValueError(f"{written} is no content of a register; it goes from 0 to 65535")
        return [written]
    digits = written.replace(" ", "") if isinstance(written, str) else ""
    if not digits or len(digits) % 4 or not re.fullmatch(r"[0-9A-Fa-f]+", digits):
        raise ValueError(
            f'{quoted(written)} is not a dump; write 4 hex digits for each register: "4366 3333"'
        )
    return [int(digits[at : at + 4], 16) for at in range(0, len(digits), 4)]


def _bits(written: object) -> list[int]:
    if isinstance(written, bool | int) and written in (0, 1):
        return [int(written)]
    if not isinstance(written, str) or not re.fullmatch(r"0b[01]{1,2000}", written):
        raise ValueError(
            f'{quoted(written)} is not a row of bits; write "0b0101", the first address on the right'
        )
    return [int(digit) for digit in reversed(written[2:])]
