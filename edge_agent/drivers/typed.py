"""What people type -> numbers, bits and texts of numbers, alike for every protocol."""

import re
from collections.abc import Mapping
from fractions import Fraction

from edge_agent.config.hints import hint
from edge_agent.core.writing import shown

ON = frozenset({"true", "on", "yes", "1"})
OFF = frozenset({"false", "off", "no", "0"})

_WHOLE = re.compile(r"[-+]?[0-9]{1,40}")
_HEX = re.compile(r"0x[0-9A-Fa-f]{1,16}")
_DECIMAL = re.compile(r"[-+]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?")


def is_number(word: str) -> bool:
    """Whether it is a whole number, decimal or `0x...`."""
    return bool(_WHOLE.fullmatch(word) or _HEX.fullmatch(word))


def number_of(text: object, texts: Mapping[int, str]) -> int:
    """The number of a text: as it stands, or in other letters when only one is meant. Raises ValueError."""
    exact = [number for number, known in texts.items() if known == text]
    alike = [number for number, known in texts.items() if known.lower() == str(text).lower()]
    found = exact or alike
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{shown(str(text))} is the text of several numbers: {', '.join(map(str, found))}")
    raise ValueError(f"{shown(str(text))} is none of its texts{hint(str(text), list(texts.values()))}")


def switch(word: str) -> bool:
    """The bit that is meant by true/on/yes/1 or false/off/no/0. Raises ValueError."""
    if word.lower() in ON | OFF:
        return word.lower() in ON
    raise ValueError(f"{shown(word)} is neither true nor false")


def number(word: str, *, whole: bool) -> int | float:
    """A decimal number, or `0x...` where it is `whole`. Raises ValueError."""
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
