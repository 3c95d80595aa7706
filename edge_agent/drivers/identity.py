"""What a device says it is, in words for a person."""

from collections.abc import Iterable

LONGEST = 100
"""Characters of it: a line of a terminal has room for no more."""


def named(parts: Iterable[str]) -> str:
    """Maker, product and version in one line, without what a terminal would obey; empty if all are."""
    words = " ".join(part.strip() for part in parts)
    printable = "".join(character if character.isprintable() else " " for character in words)
    return " ".join(printable.split())[:LONGEST]
