"""YAML text -> plain Python values, each with its place; every mistake is collected, none raises.

Only what a person would write on purpose is accepted: one document, plain keys, no anchors and no tags. Text
that YAML 1.1 reads differently from how it looks (`on`, `010`, `1:30`) is an error that says what to write.
Built from parser events rather than from composed nodes: aliases, tags and the end of every line keep their
places, and no depth of nesting can exhaust a stack.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import yaml

from edge_agent.config.problems import Problem, Severity

LIMIT_BYTES = 1 << 20  # a profile of 1000 tags has about 100 kB; more than this is not a configuration
LIMIT_DEPTH = 32  # the deepest sensible key lies 7 levels down
LIMIT_DIGITS = 40  # longer than any 64-bit number however it is written, and cheap to convert

At = tuple[str | int, ...]
"""The way to a value from the top of a document: keys and list positions."""

# typeshed knows only the pure Python loader; both give the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Written(float):
    """A number with a decimal point that remembers its text, so that 0.1 can be exactly one tenth."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        """Parse the text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class Hexadecimal(int):
    """A whole number that was written as `0x...`: where both can be, bits are meant and not an amount."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text: line and column from 1, `width` characters of that line.

    `source` is the document whose text is meant, when that is another one than the mark is found in. Members
    of a family share their places; `member` tells which of them this mark belongs to.
    """

    line: int
    column: int
    width: int = 1
    source: "Document | None" = field(default=None, compare=False, repr=False)
    member: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, and its key when it has one."""

    value: Mark
    key: Mark | None = None


@dataclass(slots=True)
class Document:
    """One YAML file as values; `spoiled` are the places whose values a problem already speaks of."""

    file: Path
    value: object = None
    lines: list[str] = field(default_factory=list)
    places: dict[At, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    spoiled: set[At] = field(default_factory=set)
    readable: bool = True
    _speakers: dict[tuple[Path, int, int], str] = field(default_factory=dict, init=False, repr=False)

    def note(self, message: str, mark: Mark, severity: Severity = "error") -> None:
        """Keep a problem at a mark; said once is enough, and of a family by its first member."""
        source = mark.source or self
        text = source.lines[mark.line - 1] if mark.line <= len(source.lines) else ""
        problem = Problem(source.file, mark.line, mark.column, severity, message, mark.width, text)
        spot = (source.file, mark.line, mark.column)
        if mark.member and self._speakers.setdefault(spot, mark.member) != mark.member:
            return
        # Several devices or destinations may come upon the same mistake.
        if problem not in self.problems:
            self.problems.append(problem)

    def place(self, at: At) -> Place:
        """Where a value stands; the nearest one around it when it does not stand anywhere."""
        while at and at not in self.places:
            at = at[:-1]
        return self.places.get(at, Place(Mark(1, 1)))


def read(data: bytes, file: Path) -> Document:
    """The document in `data`; `file` is only named in problems. Without a value it is not `readable`."""
    document = Document(file)
    text = _text(data, document)
    if text is not None:
        lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
        document.lines = [without_secrets(line) for line in lines]
        _Builder(document).build(text)
    document.readable = document.readable and not (document.problems and document.value is None)
    return document


# Keys that mean a secret, also misspelt: whoever reads the error must not read the password with it.
_HIDDEN = r"(?:pas+[a-z]*|pwd|secret[a-z]*|token)"
_HIDDEN_KEY = re.compile(_HIDDEN, re.IGNORECASE)
_PASSWORD = re.compile(
    rf"""({_HIDDEN}["']?\s*:\s*["']?)(?!["']?\$\{{)([^"',}}#\s][^"',}}#]*)""", re.IGNORECASE
)
_LOGIN = re.compile(r"(://[^/\s\"':@]*:)([^\s\"']*)(?=@)")


def without_secrets(line: str) -> str:
    """A source line as it may be shown: passwords that stand in it are covered, one star per character."""
    for pattern in (_PASSWORD, _LOGIN):
        line = pattern.sub(lambda match: match[1] + "*" * len(match[2]), line)
    return line


def _text(data: bytes, document: Document) -> str | None:
    if len(data) > LIMIT_BYTES:
        document.note(
            f"the file has {len(data)} bytes; a configuration has at most {LIMIT_BYTES}", Mark(1, 1)
        )
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        mark = Mark(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        document.note(f"byte 0x{data[error.start]:02X} is not UTF-8; save the file as UTF-8", mark)
        return None
    if not text.strip():
        document.note("the file is empty", Mark(1, 1))
        return None
    return text


class _Builder:
    """Turns the events of one document into its values."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._events: Iterator[Any] = iter(())
        self._anchored = False

    def build(self, text: str) -> None:
        """Read everything, up to the first mistake of syntax."""
        try:
            self._events = iter(yaml.parse(text, Loader=_LOADER))
            self._documents()
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
            self._document.readable = False
        except yaml.reader.ReaderError as error:
            self._unreadable(text, error)
            self._document.readable = False
        except _TooDeepError as error:
            self._document.note(f"nested deeper than {LIMIT_DEPTH} levels", error.mark)
            self._document.readable = False

    def _documents(self) -> None:
        seen = 0
        for event in self._events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            seen += 1
            if seen == 2:
                message = "a second document starts here; write one document per file"
                self._document.note(message, self._mark(event))
                return
            self._document.value = self._value(next(self._events), ())

    def _value(self, event: Any, at: At, key: Mark | None = None) -> object:  # noqa: ANN401 - yaml is untyped
        mark = self._mark(event)
        self._document.places[at] = Place(mark, key)
        if isinstance(event, yaml.AliasEvent):
            self._spoil(at, f"'*{event.anchor}': aliases are not supported; write the value out", mark)
            return None
        self._refuse_decoration(event, mark)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, at, mark)
        if len(at) >= LIMIT_DEPTH:
            raise _TooDeepError(mark)
        if isinstance(event, yaml.SequenceStartEvent):
            value, end = self._sequence(at)
        else:
            value, end = self._mapping(at)
        self._document.places[at] = Place(self._span(event, end), key)
        return value

    def _refuse_decoration(self, event: Any, mark: Mark) -> None:  # noqa: ANN401 - yaml is untyped
        if event.anchor is not None:
            self._document.note(f"'&{event.anchor}': anchors are not supported; write the value out", mark)
        if event.tag is not None:
            self._document.note(f"tag {_quoted(event.tag)}: YAML tags are not supported; leave it out", mark)

    def _scalar(self, event: Any, at: At, mark: Mark) -> object:  # noqa: ANN401 - yaml is untyped
        secret = any(isinstance(key, str) and _HIDDEN_KEY.fullmatch(key) for key in at)
        if secret:
            self._cover(event)
        if not event.implicit[0]:
            return str(event.value)
        try:
            return plain(event.value)
        except ValueError as error:
            self._spoil(at, "put the password in quotes" if secret else str(error), mark)
            return str(event.value)

    def _cover(self, event: Any) -> None:  # noqa: ANN401 - yaml is untyped
        """Cover a secret in the lines that may be shown; a reference to one may stay."""
        if str(event.value).startswith("${"):
            return
        lines, start, end = self._document.lines, event.start_mark, event.end_mark
        for number in range(start.line, min(end.line + 1, len(lines))):
            line = lines[number]
            first = start.column if number == start.line else len(line) - len(line.lstrip())
            last = end.column if number == end.line else len(line)
            lines[number] = line[:first] + "*" * (last - first) + line[last:]

    def _sequence(self, at: At) -> tuple[object, Any]:
        values: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, (*at, len(values))))
        return values, event

    def _mapping(self, at: At) -> tuple[object, Any]:
        values: dict[str | int, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            mark = self._mark(event)
            key = self._key(event, mark)
            value_event = next(self._events)
            if key is None or key in values:
                if key is not None:
                    first = self._document.places[(*at, key)].key
                    line = first.line if first else mark.line
                    self._document.note(
                        f"duplicate key {_quoted(str(key))}; it stands in line {line} already", mark
                    )
                self._skip(value_event, at)
                continue
            values[key] = self._value(value_event, (*at, key), mark)
        return values, event

    def _key(self, event: Any, mark: Mark) -> str | int | None:  # noqa: ANN401 - yaml is untyped
        if not isinstance(event, yaml.ScalarEvent):
            self._document.note("a key is a word or a whole number, nothing else", mark)
            if not isinstance(event, yaml.AliasEvent):
                self._skip(event, ())
            return None
        self._refuse_decoration(event, mark)
        if event.implicit[0] and event.value == "<<":
            self._document.note("merge keys are not supported; write the keys out", mark)
            return None
        # `for: {n: "0..7"}`: no loader that people use takes one letter for a truth value.
        if not event.implicit[0] or event.value in _LETTERS:
            return str(event.value)
        try:
            key = plain(event.value)
        except ValueError as error:
            self._document.note(str(error), mark)
            return None
        if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)):
            return key
        self._document.note(f'a key is a word or a whole number; write "{event.value}" in quotes', mark)
        return None

    def _skip(self, event: Any, at: At) -> None:  # noqa: ANN401 - yaml is untyped
        """Pass over a value that has no place; mistakes inside it are of no interest."""
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth + len(at) > LIMIT_DEPTH:
                    raise _TooDeepError(self._mark(event))
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = next(self._events)

    def _spoil(self, at: At, message: str, mark: Mark) -> None:
        self._document.spoiled.add(at)
        self._document.note(message, mark)

    def _mark(self, event: Any) -> Mark:  # noqa: ANN401 - yaml is untyped
        return self._span(event, event)

    def _span(self, first: Any, last: Any) -> Mark:  # noqa: ANN401 - yaml is untyped
        start, end = first.start_mark, last.end_mark
        width = end.column - start.column if start.line == end.line else self._rest(start)
        return Mark(start.line + 1, start.column + 1, max(1, width))

    def _rest(self, start: Any) -> int:  # noqa: ANN401 - yaml is untyped
        """The first word from a place on, for a value that goes on in the next lines."""
        line = self._document.lines[start.line] if start.line < len(self._document.lines) else ""
        return len(re.match(r"[^\s:]*", line[start.column :])[0])  # type: ignore[index]  # it always matches

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        found = error.problem_mark or error.context_mark
        mark = Mark(found.line + 1, found.column + 1) if found else Mark(1, 1)
        lines = self._document.lines
        line = lines[mark.line - 1] if mark.line <= len(lines) else ""
        message = _syntax_message(error, line[mark.column - 1 : mark.column])
        if not line:
            mark = self._last()
        opened = error.context_mark
        if opened is not None and opened.line + 1 != mark.line:
            message += f" (it began in line {opened.line + 1})"
        self._document.note(message, mark)

    def _last(self) -> Mark:
        """Behind the last character: where a file ends too early."""
        filled = [number for number, line in enumerate(self._document.lines, 1) if line.strip()]
        number = filled[-1] if filled else 1
        return Mark(number, len(self._document.lines[number - 1].rstrip()) + 1)

    def _unreadable(self, text: str, error: yaml.reader.ReaderError) -> None:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        self._document.note("a control character stands here; delete it", mark)


class _TooDeepError(Exception):
    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark


_SYNTAX = {
    "mapping values are not allowed in this context": (
        "a ':' is not expected here; put a text with ': ' in quotes, and check the indentation"
    ),
    "found unexpected end of stream": "the closing quote is missing",
    "did not find expected ',' or ']'": "a ',' or the closing ']' is missing",
    "did not find expected ',' or '}'": (
        "a ',' or the closing '}' is missing; a text with brackets in it needs quotes"
    ),
    "did not find expected '-' indicator": "a list entry '- ...' is expected here; check the indentation",
    "did not find expected key": "a key is expected here; check the indentation and the quotes before it",
    "could not find expected ':'": "a ':' is missing after the key before",
    "found unknown escape character": "unknown escape in a text in \"...\"; use '...' or write \\\\",
    "did not find expected node content": "a value is expected here",
}


def _syntax_message(error: yaml.MarkedYAMLError, char: str) -> str:
    if char == "\t":
        return "a tab stands here; YAML is indented with spaces"
    problem = str(error.problem or "this is not YAML")
    if problem.startswith("found character") and char:
        return f"a text that begins with {_quoted(char)} needs quotes"
    return _SYNTAX.get(problem, f"this is not YAML: {problem}")


_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F]+")
_POINT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)")
_EXPONENT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_UNDERSCORES = re.compile(r"[-+]?(0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F_.]*_[0-9a-fA-F_.]*")
_BASES = re.compile(r"[-+]?0([bB][01]+|[oO][0-7]+|X[0-9a-fA-F]+)")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LETTERS = frozenset("nNyY")
_SWITCHES: Mapping[str, str] = {
    **dict.fromkeys(("on", "On", "ON", "yes", "Yes", "YES", "y", "Y"), "true"),
    **dict.fromkeys(("off", "Off", "OFF", "no", "No", "NO", "n", "N"), "false"),
}


def plain(text: str) -> object:
    """The value of an unquoted scalar. Raises ValueError, in words, where YAML 1.1 would surprise."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _SWITCHES:
        raise ValueError(
            f'{text} is read as {_SWITCHES[text]} by YAML 1.1; write {_SWITCHES[text]}, or "{text}"'
        )
    if text[0] not in "+-.0123456789_":
        return text
    if _NUMBER.fullmatch(text):
        return int(_of_length(text))
    if _HEX.fullmatch(text):
        return Hexadecimal(_of_length(text), 0)
    if _POINT.fullmatch(text):
        return Written(_of_length(text))
    _refuse_number(text)
    return text


def _refuse_number(text: str) -> None:
    """Raise ValueError for what YAML 1.1 takes as a number or a date without looking like one."""
    if _LEADING_ZERO.fullmatch(text):
        plainly = str(int(_of_length(text), 10))
        raise ValueError(f'{text} is octal in YAML 1.1; write {plainly}, or "{text}" in quotes for a text')
    if _EXPONENT.fullmatch(text):
        raise ValueError(f"{text} is not a number in YAML 1.1; write {_without_exponent(text)}")
    if _BASES.fullmatch(text):
        plainly = str(int(_of_length(text), 0))
        raise ValueError(
            f'{text} is not the same in every YAML; write {plainly}, or "{text}" in quotes for a text'
        )
    if _UNDERSCORES.fullmatch(text):
        raise ValueError(
            f'{text} is a number in YAML 1.1; write {text.replace("_", "")}, or "{text}" for a text'
        )
    if _SEXAGESIMAL.fullmatch(text):
        raise ValueError(f'{text} is a number of base 60 in YAML 1.1; write "{text}" in quotes')
    if _DATE.fullmatch(text):
        raise ValueError(f'{text} is a date in YAML 1.1; write "{text}" in quotes')
    if _SPECIAL.fullmatch(text):
        raise ValueError(f"{text} is not a number that can be used here; write a finite number")


def _of_length(text: str) -> str:
    if len(text) > LIMIT_DIGITS:
        raise ValueError(f"a number of {len(text)} characters is too long; at most {LIMIT_DIGITS}")
    return text


def _without_exponent(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > 20 or len(exponent) > 3 or abs(int(exponent)) > 20:
        return "the number without an exponent"
    return f"{Decimal(text):f}"


def _quoted(text: str) -> str:
    """The text in quotes, short enough for a line and without control characters."""
    short = text if len(text) <= 60 else text[:57] + "..."
    return "'" + "".join(char if char.isprintable() else "?" for char in short) + "'"
