"""Tags whose power of ten stands in another tag: `scale_from`, once all tags of a profile are made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from edge_agent.config.hints import hint
from edge_agent.config.settings import Tag
from edge_agent.config.syntax import quoted
from edge_agent.core.registers import BCD, FLOATS, with_factor
from edge_agent.drivers.modbus.draft import Draft


def with_factors(drafts: Sequence[Draft], tags: Sequence[Tag], names: Sequence[str]) -> Iterator[Tag]:
    """The tags with their factors; one whose factor cannot be used is left out, and that is noted.

    `names` are those of all tags that the file has, `tags` those without mistakes of their own.
    """
    written = {draft.name: draft for draft in drafts}
    made = {tag.name: tag for tag in tags}
    for tag in tags:
        draft = written[tag.name]
        name = draft.keys.scale_from
        if name is None:
            yield tag
        elif name not in names:
            draft.section.error(f"unknown tag {quoted(name)}{hint(name, list(names))}", "scale_from")
        elif name in made:
            yield from _joined(draft, tag, written[name], made[name])


def _joined(draft: Draft, tag: Tag, factor_draft: Draft, factor: Tag) -> Iterator[Tag]:
    """The tag with its factor, or nothing."""
    field = with_factor(tag.modbus, factor.modbus)
    longest = draft.limits.max_registers
    if fault := _fault(tag, factor_draft, factor):
        draft.section.error(fault, "scale_from")
    elif field.size > longest:
        message = (
            f"'{tag.name}' and its factor '{factor.name}' are read in one request, which takes {field.size} "
            f"registers; limits.max_registers reads only {longest}"
        )
        draft.section.error(message, "scale_from")
    else:
        yield replace(tag, address=field)


def _fault(tag: Tag, draft: Draft, factor: Tag) -> str:
    """What is wrong with a factor; empty for a right one."""
    value, held = tag.modbus, factor.modbus
    if factor.name == tag.name:
        return "a tag cannot be its own factor"
    if held.type in {"bool", "string", *FLOATS, *BCD} or held.elements:
        return f"'{factor.name}' is {factor.type}; a factor is a whole number, usually int16"
    own = [key for key in _OTHERWISE if getattr(draft.keys, key) is not None]
    if own:
        return f"'{factor.name}' has '{own[0]}'; a factor is the power of ten as it stands in its register"
    places: Mapping[str, tuple[str, str]] = {
        "group": (tag.group, factor.group),
        "table": (value.table, held.table),
    }
    apart = next((what for what, (one, other) in places.items() if one != other), None)
    if apart:
        one, other = places[apart]
        return (
            f"'{factor.name}' is in {apart} {other} and '{tag.name}' in {one}; both are read in one request"
        )
    return ""


_OTHERWISE = ("scale", "offset", "scale_from", "bits", "enum", "flags")
"""Keys that make something else of a number than a power of ten."""
