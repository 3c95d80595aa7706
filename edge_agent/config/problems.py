"""What is wrong with a configuration, where, and how a person gets to read it."""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_agent.errors import ConfigError

Severity = Literal["error", "warning"]

LONGEST_EXCERPT = 120  # characters of a source line that are shown: what a terminal of a laptop holds


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake at a place of a file; line and column count from 1, `width` characters are meant.

    Line 0 speaks of the file as a whole. `text` is the source line, empty when there is none to show.
    """

    file: Path
    line: int
    column: int
    severity: Severity
    message: str
    width: int = 1
    text: str = ""


class InvalidConfig(ConfigError):  # noqa: N818 - as the other failures of ours are named
    """A configuration that cannot run; `problems` says why, the text is ready to print."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(render(problems))
        self.problems = tuple(problems)


def has_errors(problems: Sequence[Problem]) -> bool:
    """Whether any of the problems is more than a warning."""
    return any(problem.severity == "error" for problem in problems)


def ordered(problems: Sequence[Problem]) -> list[Problem]:
    """The problems by file and position; the order in which they were found decides the rest."""
    return sorted(problems, key=lambda problem: (str(problem.file), problem.line, problem.column))


def render(problems: Sequence[Problem]) -> str:
    """Every problem with its source line and a caret, then the count; empty without problems."""
    if not problems:
        return ""
    return "\n".join([*(_entry(problem) for problem in ordered(problems)), summary(problems)])


def summary(problems: Sequence[Problem]) -> str:
    """How many of each: `3 errors, 1 warning`."""
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = [counted(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
    return ", ".join(counts)


def counted(number: int, word: str) -> str:
    """A number with its word: `1 error`, `2 errors`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def to_json(problems: Sequence[Problem]) -> str:
    """The problems as a JSON list, for editors and scripts; paths as `render` shows them."""
    entries = [
        {
            "file": shown(problem.file),
            "line": problem.line,
            "column": problem.column,
            "severity": problem.severity,
            "message": problem.message,
            "width": problem.width,
        }
        for problem in ordered(problems)
    ]
    return json.dumps(entries, indent=2, ensure_ascii=False)


def shown(file: Path) -> str:
    """A path as people write it: relative when it lies below the current folder."""
    folder = Path.cwd()
    absolute = Path(folder, file)
    return str(absolute.relative_to(folder)) if absolute.is_relative_to(folder) else str(file)


def _entry(problem: Problem) -> str:
    if problem.line == 0:
        return f"{shown(problem.file)}: {problem.severity}: {problem.message}"
    head = f"{shown(problem.file)}:{problem.line}:{problem.column}: {problem.severity}: {problem.message}"
    if not problem.text.strip():
        return head
    text, column = _excerpt(problem.text, problem.column)
    indent = "".join("\t" if char == "\t" else " " * _cells(char) for char in text[: column - 1])
    marked = text[column - 1 : column - 1 + problem.width]
    carets = "^" * max(1, sum(_cells(char) for char in marked))
    return f"{head}\n{problem.line:6} | {text}\n       | {indent}{carets}"


def _excerpt(text: str, column: int) -> tuple[str, int]:
    """The part of a long line around the column, with the column in it."""
    # A control character in a file must not reach the terminal of whoever checks it.
    clean = "".join(
        char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )
    if len(clean) <= LONGEST_EXCERPT:
        return clean, column
    start = max(0, min(column - 1 - LONGEST_EXCERPT // 2, len(clean) - LONGEST_EXCERPT))
    return clean[start : start + LONGEST_EXCERPT], column - start


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
