"""What people give to be written -> what is written: texts of enums and flags, and what they type."""

from collections.abc import Sequence

from edge_agent.config.settings import Tag
from edge_agent.core.registers import FLOATS, Field
from edge_agent.core.writing import Given, Writing, shown, written
from edge_agent.drivers.typed import is_number, number, number_of, switch


def to_write(tag: Tag, value: Given, part: str = "", *, power: int | None = None) -> Writing:
    """What is written to a device for a value of a tag, or of one of its parts.

    `value` is a number, a bool, a text or a list of numbers, the text of an enum, or the texts of all flags
    that shall be set; the other bits of such a tag are cleared. `power` is what the factor of the tag holds
    just now, when it has one. Raises ValueError, in words, for what cannot be written.
    """
    _refuse_read_only(tag)
    try:
        meaning = meant(tag, value, part)
    except ValueError as error:
        raise ValueError(f"{_name(tag, part)}: {error}") from None
    return written(tag.modbus, meaning, part, power=power)


def typed(tag: Tag, text: str, part: str, *, power: int | None = None) -> Writing:
    """What is written for what a person has typed; `power` as in `to_write`. Raises ValueError, in words."""
    return to_write(tag, parse(tag, text, part), part, power=power)


def check(tag: Tag, text: str, part: str) -> None:
    """Raise ValueError, in words, for what can never be written, as far as can be told without the device."""
    factor = tag.modbus.factor
    if factor is None or part:
        typed(tag, text, part)
    else:
        _refuse_read_only(tag)
        parse(tag, text, part)


def _refuse_read_only(tag: Tag) -> None:
    if tag.access != "rw":
        raise ValueError(f"{tag.name} cannot be written: its profile does not say access: rw")


def meant(tag: Tag, value: Given, part: str = "") -> Given:
    """The number that the text of an enum, or a list of flags, stands for; any other value as it is."""
    texts = tag.parts.get(part, {}) if part else tag.enum
    if isinstance(value, str) and texts:
        return number_of(value, texts)
    if isinstance(value, Sequence) and not isinstance(value, str) and tag.flags and not part:
        return sum(1 << number_of(each, tag.flags) for each in dict.fromkeys(value))
    return value


def parse(tag: Tag, text: str, part: str = "") -> Given:
    """The value that a person has typed for a tag or a part; `to_write` takes it.

    Numbers are decimal or `0x...`, bits true/on/yes/1 and false/off/no/0, enums and flags their texts,
    several flags with commas between them (`none` for none), arrays `[1, 2.5]`. Raises ValueError, in words.
    """
    try:
        return _parsed(tag, text, part)
    except ValueError as error:
        raise ValueError(f"{_name(tag, part)}: {error}") from None


def _name(tag: Tag, part: str) -> str:
    return f"{tag.name}.{part}" if part else tag.name


def _parsed(tag: Tag, text: str, part: str) -> Given:
    field = tag.modbus
    word = text.strip()
    if field.type == "string" and not part:
        return text
    texts = tag.parts.get(part, {}) if part else tag.enum
    if texts and not is_number(word):
        return number_of(word, texts)
    if tag.flags and not part and not is_number(word):
        names = [] if word == "none" else [each.strip() for each in word.split(",")]
        return meant(tag, names)
    if field.type == "bool" or _width(field, part) == 1:
        return switch(word)
    if field.elements:
        return _typed_array(word, field)
    return number(word, whole=bool(part) or field.type not in FLOATS)


def _width(field: Field, part: str) -> int:
    """Bits of a part; 0 for the tag itself."""
    return next((bit.width for bit in field.bits if bit.name == part), 0)


def _typed_array(word: str, field: Field) -> tuple[int | float, ...]:
    inside = word.removeprefix("[").removesuffix("]")
    if f"[{inside}]" != word:
        example = ", ".join(map(str, range(1, min(field.elements, 3) + 1)))
        more = ", ..." if field.elements > 3 else ""
        raise ValueError(f"{shown(word)} is not a list; write {field.elements} numbers: [{example}{more}]")
    return tuple(number(each.strip(), whole=field.type not in FLOATS) for each in inside.split(","))
