"""Placeholders in texts: `{db}`, `{n+1:04}` -> what they stand for.

    text        = { "{{" | "}}" | "{" sum [ ":0" width ] "}" | any other character }
    sum         = product { ("+" | "-") product }
    product     = factor { "*" factor }
    factor      = whole number | name | "(" sum ")"

This is all the arithmetic there is; a name alone may also stand for a text, a fraction or true and false.
"""
# ruff: noqa: TRY004 - models take up a ValueError as the user's mistake; a TypeError is ours

import re
from collections.abc import Iterator, Mapping
from typing import Self

from edge_agent.config.hints import hint, nearest
from edge_agent.config.syntax import quoted

Value = str | int | float | bool
"""What a name can stand for; a number with a decimal point is one that remembers its text."""

LONGEST_FORMULA = 100  # characters; keeps depth and numbers small
WIDEST = 20  # digits that a number can be filled up to: more than any address has

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]")
_PLACEHOLDER = re.compile(r"([^:]*)(?::(.*))?", re.DOTALL)
_TOKEN = re.compile(r"\s*([0-9]+|[A-Za-z_][A-Za-z0-9_]*|[-+*()])\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UndecidedError(Exception):
    """A name whose value has a mistake of its own; nothing more is to be said of who uses it."""


class Filled(str):
    """What a placeholder that makes up a whole text stands for; `value` is it where no text is wanted."""

    __slots__ = ("value",)

    value: int | float | bool

    def __new__(cls, value: float) -> Self:
        """Write the value out."""
        text = super().__new__(cls, quoted(value))
        text.value = value
        return text


def is_name(text: str) -> bool:
    """Whether a placeholder can call something so."""
    return bool(_NAME.fullmatch(text))


def filled(text: str, values: Mapping[str, Value | None]) -> str:
    """The text with every placeholder replaced.

    A text that is one placeholder without a width becomes a Filled when that is no text. ValueError, in
    words, for a mistake in it; UndecidedError when it uses a name whose value is None.
    """
    if "{" not in text and "}" not in text:
        return text
    pieces = [_filled(formula, values) if formula is not None else piece for piece, formula in _pieces(text)]
    if len(pieces) == 1 and isinstance(pieces[0], int | float):
        return Filled(pieces[0])
    return "".join(piece if isinstance(piece, str) else quoted(piece) for piece in pieces)


def names(text: str) -> set[str]:
    """The names that the placeholders of a text use. ValueError for a brace that stands alone."""
    return {name for _, formula in _pieces(text) if formula is not None for name in _NAME.findall(formula)}


def escaped(text: str) -> str:
    """The text with its braces written so that they stand for themselves."""
    return text.replace("{", "{{").replace("}", "}}")


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """The text in order: what stands for itself, and the formulas of placeholders."""
    for match in _PIECE.finditer(text):
        piece = match[0]
        if match[1] is not None:
            yield piece, match[1]
        elif piece in ("{{", "}}"):
            yield piece[0], None
        elif piece in ("{", "}"):
            raise ValueError(f"{quoted(text)}: a '{piece}' stands alone; write '{piece * 2}' for the brace")
        else:
            yield piece, None


def _filled(placeholder: str, values: Mapping[str, Value | None]) -> Value:
    formula, form = _PLACEHOLDER.fullmatch(placeholder).groups()  # type: ignore[union-attr]  # it always matches
    formula = formula.strip()
    value = _known(formula, values) if is_name(formula) else _calculated(formula, values)
    if form is None:
        return value
    if not re.fullmatch(r"0[1-9][0-9]?", form) or int(form) > WIDEST:
        raise ValueError(f"{{{placeholder}}}: write a width as :04, at most :0{WIDEST}")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{{{placeholder}}}: only a whole number has a width")
    return f"{value:{form}}"


def _known(name: str, values: Mapping[str, Value | None]) -> Value:
    if name not in values:
        brace = "" if nearest(name, list(values)) else " (a brace that stands for itself is written {{)"
        raise ValueError(f"unknown name '{name}' in a placeholder{hint(name, list(values))}{brace}")
    value = values[name]
    if value is None:
        raise UndecidedError
    return value


def _calculated(formula: str, values: Mapping[str, Value | None]) -> int:
    if len(formula) > LONGEST_FORMULA:
        raise ValueError(f"a placeholder of {len(formula)} characters; at most {LONGEST_FORMULA}")
    return _Formula(formula, values).result()


class _Formula:
    """One pass over a formula from left to right."""

    def __init__(self, text: str, values: Mapping[str, Value | None]) -> None:
        self._text = text
        self._values = values
        self._at = 0

    def result(self) -> int:
        """What it gives."""
        value = self._sum()
        if self._at < len(self._text):
            raise self._wrong()
        return value

    def _next(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match[1] if match else ""

    def _take(self, *wanted: str) -> str:
        """The next word when it is one of those wanted, and go on behind it."""
        match = _TOKEN.match(self._text, self._at)
        if match is None or match[1] not in wanted:
            return ""
        self._at = match.end()
        return match[1]

    def _sum(self) -> int:
        value = self._product()
        while sign := self._take("+", "-"):
            value += self._product() if sign == "+" else -self._product()
        return value

    def _product(self) -> int:
        value = self._factor()
        while self._take("*"):
            value *= self._factor()
        return value

    def _factor(self) -> int:
        if self._take("("):
            value = self._sum()
            if not self._take(")"):
                raise self._wrong()
            return value
        word = self._next()
        if not word or not (word.isdecimal() or is_name(word)):
            raise self._wrong()
        self._take(word)
        return int(word) if word.isdecimal() else self._whole(word)

    def _whole(self, name: str) -> int:
        value = _known(name, self._values)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"'{name}' is {quoted(value)}; only whole numbers can be calculated with")
        return value

    def _wrong(self) -> ValueError:
        example = "write for example {n}, {n+1:04} or {(n-1)*2}"
        return ValueError(f"{quoted('{' + self._text + '}')} is not a placeholder; {example}")
