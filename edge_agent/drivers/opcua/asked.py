"""The tags of a group -> what a server is asked for: a structure is asked for once for all its fields."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import Place


@dataclass(frozen=True, slots=True)
class Asked:
    """One place, and the columns (positions among the tags) that come of its value."""

    place: Place
    columns: tuple[int, ...]
    structure: bool = False


def asked_for(tags: Sequence[Tag]) -> tuple[Asked, ...]:
    """What is asked for, in the order of the tags; its position is the handle of an item."""
    columns: dict[object, list[int]] = {}
    for i, tag in enumerate(tags):
        node = tag.opcua
        columns.setdefault(node.place if node.field else i, []).append(i)
    return tuple(
        Asked(tags[those[0]].opcua.place, tuple(those), bool(tags[those[0]].opcua.field))
        for those in columns.values()
    )
