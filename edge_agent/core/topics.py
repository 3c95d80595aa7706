"""MQTT topics made from templates such as `edge/{gateway}/{device}/{group}`."""

from collections.abc import Mapping

LONGEST_BYTES = 65535
"""A topic name is an MQTT string: at most 65535 bytes of UTF-8 (MQTT 5, 1.5.4)."""


def placeholders(template: str) -> tuple[str, ...]:
    """The names in braces, in the order of the template. Raises ValueError when it cannot be a topic."""
    return tuple(name for _, name in _pieces(template) if name)


def expand(template: str, values: Mapping[str, str]) -> str:
    """The topic with every placeholder filled in.

    Raises ValueError, in words, for a template that cannot be a topic, a placeholder without a value, a value
    that would break the topic, and a topic that is too long.
    """
    topic = "".join(before + (_checked(name, values) if name else "") for before, name in _pieces(template))
    if len(topic.encode()) > LONGEST_BYTES:
        raise ValueError(f"the topic has {len(topic.encode())} bytes; MQTT allows {LONGEST_BYTES}")
    return topic


def fault(value: str) -> str | None:
    """What keeps a value from standing in a topic, in words; None when nothing does."""
    if not value:
        return "it is empty"
    for char in value:
        if char in "+#/":
            return f"'{char}' has a meaning of its own in topics"
        if not char.isprintable():
            return "it has a control character in it"
    return None


def _checked(name: str, values: Mapping[str, str]) -> str:
    value = values.get(name)
    if value is None:
        raise ValueError(f"{{{name}}} has no value")
    found = fault(value)
    if found is not None:
        raise ValueError(f"{{{name}}} is '{value}': {found}")
    return value


def _pieces(template: str) -> list[tuple[str, str]]:
    """Literal text with the name that follows it; the last name is empty."""
    if not template or template.startswith("$"):
        raise ValueError("a topic cannot be empty or begin with '$'")
    pieces: list[tuple[str, str]] = []
    rest = template
    while True:
        before, opened, rest = rest.partition("{")
        _refuse_odd(before)
        if not opened:
            return [*pieces, (before, "")]
        name, closed, rest = rest.partition("}")
        if not closed or not name or "{" in name:
            raise ValueError("a '{' without its name and '}'")
        pieces.append((before, name))


def _refuse_odd(literal: str) -> None:
    for char in literal:
        if char in "+#":
            raise ValueError(f"'{char}' cannot stand in a topic that is published to")
        if char == "}":
            raise ValueError("a '}' without its '{'")
        if not char.isprintable():
            raise ValueError("a topic has no control character in it")
