"""What devices of a type say of themselves, and what one says that contradicts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge_agent.core.model import Value
from edge_agent.core.registers import Field

Object = Literal["vendor", "product", "revision"]
"""What a device's identification tells (Modbus Application Protocol 1.1b3, 6.21: its basic objects)."""

Place = Field | Object
"""Where a device says something of itself: in its tables, or in its identification."""

LONGEST = 60
"""Characters of a text that are shown: two of them have to go into a sentence."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A device of this type says one of `values` at a place; if `within`, a text that one of them is in.

    Numbers are as the type of the place holds them. Blanks and zero bytes around a text do not count.
    """

    place: Place
    values: tuple[Value, ...]
    within: bool = False

    @property
    def name(self) -> str:
        """The place, as people write it."""
        return self.place if isinstance(self.place, str) else self.place.name


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What a device says of itself, and what its profile expects there, in words."""

    place: str
    expected: str
    found: str

    @property
    def words(self) -> str:
        """All of it."""
        return f"{self.place} is {self.found} instead of {self.expected}"


@dataclass(frozen=True, slots=True)
class Identified:
    """What a device says it is, in one line that may be empty, and the first thing against its profile.

    `confirmed` when the profile claims something and the device said all of it: one that says nothing is
    neither confirmed nor contradicted.
    """

    says: str = ""
    mismatch: Mismatch | None = None
    confirmed: bool = False


def judged(says: str, claims: Sequence[Claim], said: Mapping[Place, Value]) -> Identified:
    """A device held against the claims of its profile; `said` has the places of which it said anything."""
    answered = [claim for claim in claims if claim.place in said]
    faults = [_fault(claim, said[claim.place]) for claim in answered if not _holds(claim, said[claim.place])]
    if faults:
        return Identified(says, faults[0])
    return Identified(says, None, confirmed=0 < len(claims) == len(answered))


def _holds(claim: Claim, found: Value) -> bool:
    if not isinstance(found, str):
        return found in claim.values
    text = _bare(found)
    expected = [_bare(value) for value in claim.values if isinstance(value, str)]
    return any(each in text for each in expected) if claim.within else text in expected


def _fault(claim: Claim, found: Value) -> Mismatch:
    expected = " or ".join(_shown(value) for value in claim.values)
    return Mismatch(claim.name, f"a text with {expected}" if claim.within else expected, _shown(found))


def _bare(text: str) -> str:
    return text.strip(" \0\t\r\n")


def _shown(value: Value) -> str:
    """A value in words, without what a terminal would obey."""
    if isinstance(value, str):
        text = "".join(char if char.isprintable() else "?" for char in _bare(value)[:LONGEST])
        return f"'{text}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing that can be read" if value is None else str(value)
