"""`for`: one entry -> a family of entries; and the placeholders in all of them.

Every mistake keeps the place in the file that its text has, and what all members share is told once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from pydantic import Field as Key

from edge_agent.config.placeholders import UndecidedError, Value, filled, is_name, names
from edge_agent.config.section import Keys, Section
from edge_agent.config.syntax import Text, quoted
from edge_agent.config.yaml_nodes import At, Document, Place

LIMIT = 10_000
"""Entries that the families of one file may have: more than any gateway reads, few enough to be checked."""

_RANGE = re.compile(r" *(-?[0-9]{1,9}) *\.\. *(-?[0-9]{1,9}) *")

Values = Mapping[str, Value | None]


class FamilyKeys(Keys):
    """The key of entries that may stand for many; it is gone when the entries are checked."""

    for_: dict[str, Text] | None = Key(
        None,
        alias="for",
        description='makes a family of entries, one a number: `{n: "0..7"}`; the name of the entry says '
        "`{n}`, the texts in it may",
    )


@dataclass(frozen=True, slots=True)
class Expanded:
    """A file with its families written out; `families` names the members of each by its key.

    `broken` says that an entry had to be left out, so that whoever misses it is not to blame.
    """

    section: Section
    families: Mapping[str, tuple[str, ...]]
    broken: bool


def profile_filled(section: Section, values: Values) -> Expanded:
    """A profile with its families of tags, and every placeholder outside of its tests replaced."""
    work = _Work(section, values)
    value = section.value
    if isinstance(value, dict):
        fixed = ("schema", "id", "version", "extends", "params", "tests")
        rest = {
            key: each if key in fixed else work.fill((key,), (key,), each, values, "")
            for key, each in value.items()
            if key != "tags"
        }
        # In the order of the file, with the tags where they stand.
        work.document.value = {
            key: work.entries("tags", value["tags"], alone=values) if key == "tags" else rest[key]
            for key in value
        }
    return work.result()


def devices_filled(section: Section) -> Expanded:
    """A gateway's file with its families of devices; nothing else in it has placeholders."""
    work = _Work(section, {})
    value = section.value
    if isinstance(value, dict) and "devices" in value:
        work.document.value = {
            key: work.entries("devices", each, alone=None) if key == "devices" else each
            for key, each in value.items()
        }
    return work.result()


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of a family, or an entry that stands for itself."""

    values: Values
    mark: str = ""


@dataclass(slots=True)
class _Work:
    """A document on its way from what is written to what is meant."""

    section: Section
    values: Values
    document: Document = field(init=False)
    families: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: bool = False
    left: int = LIMIT

    def __post_init__(self) -> None:
        written = self.section.document
        self.document = replace(
            written,
            places=dict(written.places),
            problems=list(written.problems),
            spoiled=set(written.spoiled),
        )

    def result(self) -> Expanded:
        """What has been made."""
        return Expanded(replace(self.section, document=self.document), self.families, self.broken)

    def entries(self, under: str, written: object, *, alone: Values | None) -> object:
        """The entries under a key with all families; `alone` is what an entry without `for` is filled with.

        None leaves such an entry as it is.
        """
        if not isinstance(written, dict):
            return written
        made: dict[str | int, object] = {}
        for key, value in written.items():
            at = (under, key)
            if isinstance(key, str) and isinstance(value, dict) and "for" in value:
                self._family(at, value, made)
            elif alone is None or not isinstance(key, str):
                if self._is_new(at, key, made):
                    made[key] = value
            else:
                self._add(at, value, _Member(alone), made)
        return made

    def _family(self, at: At, value: dict[str | int, object], made: dict[str | int, object]) -> None:
        key = str(at[-1])
        ranges = self._ranges(at, value["for"])
        if ranges is None or not self._distinct(at, key, ranges):
            self.broken = True
            return
        bare = {name: each for name, each in value.items() if name != "for"}
        members = []
        for numbers in product(*ranges.values()):
            own = dict(zip(ranges, numbers, strict=True))
            mark = ",".join(f"{name}={number}" for name, number in own.items())
            name = self._add(at, bare, _Member({**self.values, **own}, mark), made)
            if name is None:
                return
            members.append(name)
        self.families[key] = tuple(members)

    def _add(self, at: At, value: object, member: _Member, made: dict[str | int, object]) -> str | None:
        """Put one entry to the others; its name, None when it cannot have one."""
        key = self._named(at, member.values)
        if key is None:
            self.broken = True
            return None
        if not self._is_new(at, key, made):
            return None
        made[key] = self.fill(at, (at[0], key), value, member.values, member.mark)
        return key

    def _is_new(self, at: At, key: str | int, made: Mapping[str | int, object]) -> bool:
        """Whether nothing has the name of an entry yet; notes that something has."""
        if key not in made:
            return True
        # The entry itself may have lost its place to the one that was first.
        place = self.section.document.place(at)
        there = self._at((at[0], key)).where()
        message = f"{quoted(key)} is made twice; it stands in {there} already"
        self.document.note(message, place.key or place.value)
        self.broken = True
        return False

    def _named(self, at: At, values: Values) -> str | None:
        try:
            return str(filled(str(at[-1]), values))
        except ValueError as error:
            self._at(at).error_at_key(str(error))
        except UndecidedError:
            pass  # the parameter it names has been told of
        return None

    def _ranges(self, at: At, written: object) -> dict[str, range] | None:
        """The numbers of each name under `for`; None with a mistake."""
        if not isinstance(written, dict) or not written:
            message = f'{quoted(written)} does not count; write for example for: {{n: "0..7"}}'
            self._at(at).error_at_key(message, "for")
            return None
        ranges: dict[str, range] = {}
        for name, bounds in written.items():
            numbers = self._range(at, name, bounds)
            if numbers is None:
                return None
            ranges[str(name)] = numbers
        count = 1
        for numbers in ranges.values():
            count *= len(numbers)
        self.left -= count
        if self.left < 0:
            self._at(at).error_at_key(
                f"with this family the file has more than {LIMIT} entries of families", "for"
            )
            return None
        return ranges

    def _range(self, at: At, name: str | int, bounds: object) -> range | None:
        spot = self._at((*at, "for", name))
        if not isinstance(name, str) or not is_name(name):
            spot.error_at_key(f"{quoted(name)} cannot be counted with; write a name such as n")
            return None
        if name in self.values:
            spot.error_at_key(f"'{name}' is a parameter already; take another name")
            return None
        try:
            return _numbers(bounds, self.values)
        except ValueError as error:
            spot.error(str(error))
        except UndecidedError:
            pass  # the parameter it uses has been told of
        return None

    def _distinct(self, at: At, key: str, ranges: Mapping[str, range]) -> bool:
        """Whether the key of a family names everything that is counted."""
        try:
            missing = [name for name in ranges if name not in names(key)]
        except ValueError as error:
            self._at(at).error_at_key(str(error))
            return False
        for name in missing:
            advice = f"write for example {key}_{{{name}}}"
            self._at(at).error_at_key(f"every member needs a name of its own, with {{{name}}}; {advice}")
        return not missing

    def fill(self, at: At, target: At, value: object, values: Values, member: str) -> object:
        """The value at a place of the file with placeholders replaced, put to its place among the members."""
        place = self.section.document.places.get(at)
        if place is not None and (member or at != target):
            self.document.places[target] = _marked(place, member)
        if at in self.section.document.spoiled:
            self.document.spoiled.add(target)
        if isinstance(value, dict):
            return {
                key: self.fill((*at, key), (*target, key), each, values, member)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [
                self.fill((*at, index), (*target, index), each, values, member)
                for index, each in enumerate(value)
            ]
        return self._filled(target, value, values) if isinstance(value, str) else value

    def _filled(self, target: At, text: str, values: Values) -> str:
        try:
            return filled(text, values)
        except ValueError as error:
            self._at(target).error(str(error))
        except UndecidedError:
            pass  # the parameter it uses has been told of
        self.document.spoiled.add(target)
        return text

    def _at(self, at: At) -> Section:
        return replace(self.section, document=self.document, at=at)


def _marked(place: Place, member: str) -> Place:
    if not member:
        return place
    key = None if place.key is None else replace(place.key, member=member)
    return Place(replace(place.value, member=member), key)


def _numbers(bounds: object, values: Values) -> range:
    """The numbers of a text such as `0..7`. ValueError, in words."""
    text = filled(bounds, values) if isinstance(bounds, str) else ""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f'{quoted(bounds)} is not a range; write for example "0..7"')
    first, last = int(match[1]), int(match[2])
    # With bounds of parameters, "0..{channels-1}" may well come to nothing.
    if last < first and (last < first - 1 or text == bounds):
        raise ValueError(f"the range {first}..{last} has no number in it; the smaller one comes first")
    return range(first, last + 1)
