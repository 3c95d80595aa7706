"""What stands in the address space of a server, as far as somebody has looked. Data only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

NodeClass = Literal["object", "variable", "method", "view", "type"]
Access = Literal["", "r", "w", "rw"]

OPC_UA = "http://opcfoundation.org/UA/"
"""The namespace of the standard, which needs no alias."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a server says of the values of a variable beside their type.

    `unit_id` and `unit_text` are of its EUInformation (None and empty for none), `bounds` its EURange,
    `texts` those of its numbers, `states` what false and true of a Boolean are called.
    """

    unit_id: int | None = None
    unit_text: str = ""
    bounds: tuple[float, float] | None = None
    texts: Mapping[int, str] = field(default_factory=dict)
    states: tuple[str, str] | None = None


NO_MEANING = Meaning()


@dataclass(frozen=True, slots=True)
class Part:
    """One value within a structure: the way to it, its built-in type, and how many an array has now."""

    way: tuple[str, ...]
    type: str
    array: bool = False
    elements: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One node, where a walk down from the Objects folder met it first.

    `path` are the browse names from there on. `namespace` is a URI, empty for the standard's, `id` the
    identifier with its kind (`s=GVL.x`). Of a variable: `type` is the name of its data type, `sent_as` that
    of the built-in type its values have, empty when nobody can tell; `array` says that it has many,
    `elements` how many it has now (0 for a matrix, or when nobody has asked); `parts` are the values within
    a structure; `access` is what we may do. `value` and `quality` only where values were asked for.
    `of_parent` marks a property of the standard, which says something of the node above. `elsewhere` is the
    path of a node that was met before, `refused` why nothing is known of what is below or of the variable
    itself.
    """

    path: tuple[str, ...]
    kind: NodeClass
    namespace: str
    id: str
    type: str = ""
    sent_as: str = ""
    array: bool = False
    elements: int = 0
    parts: tuple[Part, ...] = ()
    access: Access = ""
    value: object = None
    quality: str = ""
    of_parent: bool = False
    elsewhere: tuple[str, ...] | None = None
    refused: str = ""
    meaning: Meaning = NO_MEANING


@dataclass(frozen=True, slots=True)
class Browsed:
    """A walk through an address space: nodes in the order of a tree, each behind the one above it.

    `aliases` are short names of all namespaces by URI. `server` is what it says it is, `cut_off` that there
    are more nodes than were asked for.
    """

    nodes: Sequence[Found]
    aliases: Mapping[str, str]
    server: str = ""
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be looked at below `start`, a path or a node: at most `depth` levels and `most` nodes.

    `values` asks for the present values, `meanings` for units, ranges and texts.
    """

    start: str = ""
    depth: int | None = None
    most: int = 100_000
    values: bool = False
    meanings: bool = False


class Nowhere(LookupError):  # noqa: N818 - not an error of ours: what was asked for is not there
    """There is nothing at the place that was named; the text says so in words."""


def written(path: Sequence[str]) -> str:
    """A path as one text: `Press/Motor 1/Speed`; a slash within a name is `&/`, an ampersand `&&`."""
    return "/".join(name.replace("&", "&&").replace("/", "&/") for name in path)


def parsed(text: str) -> tuple[str, ...]:
    """The names of a written path; slashes around it, and `Objects` in front, may be there or not."""
    names, name, letters = [], "", iter(text)
    for letter in letters:
        if letter == "/":
            names.append(name)
            name = ""
        else:
            name += next(letters, letter) if letter == "&" else letter
    path = tuple(each for each in (*names, name) if each)
    return path[1:] if path[:1] == ("Objects",) else path


def fitting(nodes: Sequence[Found], pattern: str) -> list[Found]:
    """The nodes whose name or path fits a pattern with `*` and `?`, whatever its case, and all above them."""
    lowered = pattern.lower()
    kept: set[tuple[str, ...]] = set()
    for node in nodes:
        whole = written(node.path).lower()
        if fnmatchcase(whole, lowered) or fnmatchcase(node.path[-1].lower() if node.path else "", lowered):
            kept.update(node.path[:length] for length in range(len(node.path) + 1))
    return [node for node in nodes if node.path in kept]
