"""What a Modbus profile says under `identify`, made into claims; contradictions are all named."""

import struct
from collections.abc import Iterator
from dataclasses import replace

from edge_agent.config.section import Section
from edge_agent.config.settings import Limits
from edge_agent.config.syntax import quoted
from edge_agent.core.claims import Claim, Place
from edge_agent.core.model import Value
from edge_agent.core.orders import NUMBERS
from edge_agent.core.plan import Unreadable, plan
from edge_agent.core.registers import FLOATS, Field, Type, bounds
from edge_agent.drivers.modbus.draft import Draft
from edge_agent.drivers.modbus.keys import Addressing, ClaimKeys, DefaultKeys, LimitKeys, ReadKeys, TagKeys
from edge_agent.drivers.modbus.tags import make_tag

GROUP = "identify"
"""The group of what is read for a claim, so that it can be checked like a tag."""
PLACES = ("read", "object")
TESTS = ("equals", "one_of", "contains")


def claims_of(
    section: Section, defaults: DefaultKeys, style: Addressing | None, limits: LimitKeys
) -> tuple[Claim, ...]:
    """The claims of a profile but those with mistakes, which are noted."""
    found: list[Claim] = []
    count = len(section.value) if isinstance(section.value, list) else 0
    for entry in (section.inside(index) for index in range(count)):
        keys = entry.check(ClaimKeys)
        if keys is None:
            continue
        before = len(entry.document.problems)
        at = _only(entry, PLACES, "nothing says where; write read: {address: ...}, or object: vendor")
        test = _only(entry, TESTS, "nothing says what it is; write equals:, one_of: or contains:")
        place: Place | None = keys.object_
        if at == "read" and keys.read is not None:
            place = _field(Draft("read", entry.inside("read"), _as_tag(keys.read), defaults, style, limits))
        if place is None:
            continue
        values = [_value(*each, place, test) for each in _expected(entry, keys, test)]
        if len(entry.document.problems) == before:
            found.append(Claim(place, tuple(values), within=test == "contains"))
    return tuple(found)


def _only(entry: Section, keys: tuple[str, ...], missing: str) -> str:
    """Which one of some keys is written; empty with none or several, which is noted."""
    written = [key for key in keys if entry.inside(key).present]
    if not written:
        entry.error_at_key(missing)
    for key in written[1:]:
        entry.error_at_key(f"'{written[0]}' and '{key}' do not go together; leave one out", key)
    return written[0] if len(written) == 1 else ""


# --- what is read ---------------------------------------------------------------------------------


def _as_tag(keys: ReadKeys) -> TagKeys:
    return TagKeys(**keys.model_dump(exclude_none=True), group=GROUP)


def _field(draft: Draft) -> Field | None:
    """What is read, checked as a tag is; named as the file names it."""
    tag = make_tag(draft, {GROUP: None})
    if tag is None:
        return None
    field = replace(tag.modbus, name=f"{tag.modbus.table} {draft.keys.address}")
    try:
        plan([field], Limits(**draft.limits.model_dump()))
    except Unreadable as error:
        draft.section.error(str(error), "address")
    return field


# --- what it is -----------------------------------------------------------------------------------


def _expected(entry: Section, keys: ClaimKeys, test: str) -> Iterator[tuple[Section, object]]:
    """Every value that is written, with its place in the file."""
    if test == "one_of":
        yield from ((entry.inside(test, index), each) for index, each in enumerate(keys.one_of or ()))
    elif test:
        yield entry.inside(test), getattr(keys, test)


def _value(spot: Section, written: object, place: Place, test: str) -> Value:
    """One expected value as its place holds it; None when it cannot, which is noted."""
    type_: Type = "string" if isinstance(place, str) else place.type
    if test == "contains" and type_ != "string":
        spot.error_at_key(f"'contains' is for texts; this is {type_}")
    elif isinstance(written, dict | list):
        spot.error("one value is expected here: a number, a text, true or false")
    elif type_ == "string":
        return _text(spot, written, place)
    elif type_ == "bool":
        if isinstance(written, bool):
            return written
        spot.error(f"{quoted(written)} is no bit; write true or false")
    else:
        return _number(spot, written, type_)
    return None


def _text(spot: Section, written: object, place: Place) -> str | None:
    if not isinstance(written, str):
        spot.error(f'{quoted(written)} is not a text; write "{quoted(written)}" in quotes')
        return None
    if isinstance(place, str):
        return written
    try:
        size = len(written.encode(place.encoding))
    except UnicodeEncodeError:
        spot.error(f"{quoted(written)} cannot be written in {place.encoding}")
        return None
    if size > 2 * place.length:
        spot.error(f"{quoted(written)} takes {size} bytes; {place.length} registers hold {2 * place.length}")
    return written


def _number(spot: Section, written: object, type_: Type) -> float | None:
    if isinstance(written, bool) or not isinstance(written, int | float):
        spot.error(f"{quoted(written)} is not a number; this is {type_}")
        return None
    if type_ in FLOATS:
        try:
            return float(struct.unpack(f">{NUMBERS[type_]}", struct.pack(f">{NUMBERS[type_]}", written))[0])
        except (OverflowError, struct.error):
            spot.error(f"{quoted(written)} is outside of {type_}")
            return None
    low, high = bounds(type_)
    if not isinstance(written, int):
        spot.error(f"{quoted(written)} is not a whole number; this is {type_}")
    elif not low <= written <= high:
        spot.error(f"{written} is outside of {type_}, which goes from {low} to {high}")
    return written
