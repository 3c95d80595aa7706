"""Golden tests of a Modbus profile: dumps of registers, and what must come of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from edge_agent.config.section import Section
from edge_agent.config.settings import Expected, GoldenTest, Tag
from edge_agent.config.syntax import hint, quoted
from edge_agent.core.model import Value
from edge_agent.core.registers import BIT_TABLES, Table
from edge_agent.drivers.modbus.keys import ExpectKeys, TestKeys
from edge_agent.drivers.modbus.tags import LAST_ADDRESS


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
        expect = {name: _expected(entry.inside("expect", name), name, columns, whole) for name in keys.expect}
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


# --- expectations ---------------------------------------------------------------------------------


def _expected(section: Section, name: str, columns: list[str], whole: Mapping[str, bool]) -> Expected | None:
    if name not in columns:
        section.error_at_key(f"unknown tag {quoted(name)}{hint(name, columns)}")
        return None
    if not whole.get(name, True):
        section.error_at_key(f"'{name}' sends its bits only; expect '{name}.<bit>'")
        return None
    value = section.value
    if not isinstance(value, dict):
        return Expected(_scalar(section))
    keys = section.check(ExpectKeys)
    if keys is None:
        return None
    expected = Expected(
        _scalar(section.inside("value")), keys.quality, keys.reason, _text(section.inside("text"))
    )
    told = section.inside("value").present or section.inside("text").present
    if keys.quality == "good" and not told:
        section.error_at_key("a good value is expected, but not which; write value:")
    if keys.quality == "bad" and section.inside("value").present:
        section.error("what is bad has no value; leave it out", "value")
    return expected


def _scalar(section: Section) -> Value:
    value = section.value
    if isinstance(value, dict | list):
        section.error("one value is expected here: a number, a text, true or false")
        return None
    if isinstance(value, float):
        return float(value)
    if value is None and section.present:
        section.error("there is no value; write one, or {quality: bad}")
    return cast("Value", value)


def _text(section: Section) -> str | tuple[str, ...] | None:
    value = section.value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if value is None or isinstance(value, str):
        return value
    section.error("a text is expected here, or a list of texts for flags")
    return None
