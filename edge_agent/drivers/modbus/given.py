"""What people give to be written -> what is written: texts of enums and flags, and what they type."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from edge_agent.config.hints import hint
from edge_agent.config.settings import Tag
from edge_agent.core.registers import FLOATS, Field
from edge_agent.core.writing import Given, Writing, shown, written

ON = frozenset({"true", "on", "yes", "1"})
OFF = frozenset({"false", "off", "no", "0"})

_WHOLE = re.compile(r"[-+]?[0-9]{1,40}")
_HEX = re.compile(r"0x[0-9A-Fa-f]{1,16}")
_DECIMAL = re.compile(r"[-+]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?")


def to_write(tag: Tag, value: Given, part: str = "", *, power: int | None = None) -> Writing:
    """What is written to a device for a value of a tag, or of one of its parts.

    `value` is a number, a bool, a text or a list of numbers, the text of an enum, or the texts of all flags
    that shall be set; the other bits of such a tag are cleared. `power` is what the factor of the tag holds
    just now, when it has one. Raises ValueError, in words, for what cannot be written.
    """
    _refuse_read_only(tag)
    try:
        number = meant(tag, value, part)
    except ValueError as error:
        raise ValueError(f"{_name(tag, part)}: {error}") from None
    return written(tag.modbus, number, part, power=power)


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
        return _number_of(value, texts)
    if isinstance(value, Sequence) and not isinstance(value, str) and tag.flags and not part:
        return sum(1 << _number_of(each, tag.flags) for each in dict.fromkeys(value))
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
    if texts and not _is_number(word):
        return _number_of(word, texts)
    if tag.flags and not part and not _is_number(word):
        names = [] if word == "none" else [each.strip() for each in word.split(",")]
        return meant(tag, names)
    if field.type == "bool" or _width(field, part) == 1:
        return _switch(word)
    if field.elements:
        return _typed_array(word, field)
    return _typed_number(word, whole=bool(part) or field.type not in FLOATS)


def _number_of(text: object, texts: Mapping[int, str]) -> int:
    """The number of a text: as it stands, or in other letters when only one is meant."""
    exact = [number for number, known in texts.items() if known == text]
    alike = [number for number, known in texts.items() if known.lower() == str(text).lower()]
    found = exact or alike
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{shown(str(text))} is the text of several numbers: {', '.join(map(str, found))}")
    raise ValueError(f"{shown(str(text))} is none of its texts{hint(str(text), list(texts.values()))}")


def _is_number(word: str) -> bool:
    return bool(_WHOLE.fullmatch(word) or _HEX.fullmatch(word))


def _width(field: Field, part: str) -> int:
    """Bits of a part; 0 for the tag itself."""
    return next((bit.width for bit in field.bits if bit.name == part), 0)


def _switch(word: str) -> bool:
    if word.lower() in ON | OFF:
        return word.lower() in ON
    raise ValueError(f"{shown(word)} is neither true nor false")


def _typed_array(word: str, field: Field) -> tuple[int | float, ...]:
    inside = word.removeprefix("[").removesuffix("]")
    if f"[{inside}]" != word:
        example = ", ".join(map(str, range(1, min(field.elements, 3) + 1)))
        more = ", ..." if field.elements > 3 else ""
        raise ValueError(f"{shown(word)} is not a list; write {field.elements} numbers: [{example}{more}]")
    return tuple(_typed_number(each.strip(), whole=field.type not in FLOATS) for each in inside.split(","))


def _typed_number(word: str, *, whole: bool) -> int | float:
    if _HEX.fullmatch(word):
        if not whole:
            raise ValueError(f"{word}: a number with a decimal point has no hexadecimal form")
        return int(word, 16)
    if not _DECIMAL.fullmatch(word):
        raise ValueError(f"{shown(word)} is not a number{_way_out(word)}")
    exact = Fraction(word)
    if exact.denominator == 1:
        return int(exact)
    if Fraction(repr(float(exact))) != exact:
        raise ValueError(f"{word} has more digits than a value can have")
    return float(exact)


def _way_out(word: str) -> str:
    point = word.replace(",", ".")
    return f"; write {point}" if point != word and _DECIMAL.fullmatch(point) else ""
