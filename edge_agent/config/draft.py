"""What a server shows -> a first profile of it, as text that `check` takes as it is."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import cast, get_args

from edge_agent.config.placeholders import escaped
from edge_agent.config.unece import code, ucum
from edge_agent.config.units import unit_fault
from edge_agent.config.yaml_nodes import LIMIT_DIGITS, plain
from edge_agent.core.browsed import OPC_UA, Found, Part, written
from edge_agent.core.naming import tag_names
from edge_agent.core.nodes import INTEGERS, LONGEST_ARRAY, STORES, BuiltIn

_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
"""Texts that need no quotes anywhere, also between braces, unless YAML 1.1 takes them for something else."""
_MEASURED = frozenset({*INTEGERS, "Float", "Double"})
_TYPES = frozenset(get_args(BuiltIn))
LONGEST_LINE = 100  # a tag whose entry is longer gets a line for each key


@dataclass(frozen=True, slots=True)
class Draft:
    """A profile as text, how many tags it has, and what could not become one."""

    text: str
    tags: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the tags. `origin` says where the profile was drafted from, for a comment."""

    id: str
    title: str
    origin: str


def drafted(head: Head, nodes: Sequence[Found], known: Mapping[str, str]) -> Draft:
    """A profile with a tag for each variable that can be one; what cannot be is a comment that says why.

    `known` are the aliases of namespaces by URI; those that are used are written.
    """
    reasons = {at: why for at, node in enumerate(nodes) if (why := _unfit(node)) is not None}
    fit = [node for at, node in enumerate(nodes) if at not in reasons]
    names = iter(tag_names([node.path for node in fit]))
    used = {node.namespace for node in fit if node.namespace}
    lines = list(_head(head, {uri: alias for uri, alias in known.items() if uri in used}))
    folder: tuple[str, ...] | None = None
    for at, node in enumerate(nodes):
        why = reasons.get(at)
        if why == "":
            continue
        if node.path[:-1] != folder:
            folder = node.path[:-1]
            lines.append(f"  # {_line(written(folder) or 'Objects')}")
        lines += _left_out(node, why) if why else _tag(next(names), node, known)
    return Draft("\n".join(lines) + "\n", len(fit), sum(1 for why in reasons.values() if why))


def in_yaml(text: str) -> str:
    """A text of one line as YAML, in quotes where something else would be read; never a placeholder."""
    text = escaped(text)
    if _BARE.fullmatch(text) and _is_itself(text):
        return text
    return "'" + text.replace("'", "''") + "'"


def _is_itself(text: str) -> bool:
    try:
        return plain(text) == text
    except ValueError:
        return False


def _head(head: Head, known: Mapping[str, str]) -> Iterator[str]:
    yield "# yaml-language-server: $schema=profile-1.schema.json"
    yield f"# {_line(head.origin)}"
    yield "# A draft: look at names, units and groups, and leave out what nobody needs."
    yield "schema: edge-agent/profile/1"
    yield f"id: {head.id}"
    yield "version: 0.1.0"
    yield "protocol: opcua"
    yield f"title: {in_yaml(_line(head.title).strip() or 'An OPC UA server')}"
    if known:
        yield "namespaces:"
        yield from (f"  {in_yaml(alias)}: {in_yaml(uri)}" for uri, alias in known.items())
    yield "defaults: {group: fast}"
    yield "groups:"
    yield "  fast: {publishing: 1s}"
    yield "tags:"


def _unfit(node: Found) -> str | None:
    """Why a node is no tag; empty where there is nothing to be said about it, None when it is one."""
    if node.of_parent or node.elsewhere is not None or node.kind not in ("variable", "method"):
        return node.refused and f"not looked at: {node.refused}"
    if node.kind == "method":
        return "a method"
    return node.refused or _unusable(node) or _unwritable(node)


def _unusable(node: Found) -> str | None:
    if node.array:
        return _no_array(node.type.removesuffix("[]"), node.sent_as, node.elements) or _unreadable(node)
    if _fields(node):
        return _unreadable(node)
    if node.sent_as not in _TYPES:
        return f"{node.type or 'a value of no type'} cannot be a tag"
    return _unreadable(node)


def _unreadable(node: Found) -> str | None:
    return None if "r" in node.access else "it may not be read"


def _no_array(type_: str, sent_as: str, elements: int) -> str | None:
    """Why an array is no tag."""
    if sent_as not in STORES:
        return f"an array of {type_} cannot be a tag; its elements can, each with range:"
    if not elements:
        return f"an array of {type_} that has no elements now, or several dimensions; write its type yourself"
    return (
        None if elements <= LONGEST_ARRAY else f"an array of {elements} is too long; take a part with range:"
    )


def _fields(node: Found) -> Mapping[str, str]:
    """The fields of a structure that can be tags, as they are written."""
    fit = [
        part
        for part in node.parts
        if (part.type in STORES and 0 < part.elements <= LONGEST_ARRAY if part.array else part.type in _TYPES)
        and all(step.isprintable() and step.strip() for step in part.way)
    ]
    names = tag_names([("", *part.way) for part in fit])
    return {name: _field(name, part) for name, part in zip(names, fit, strict=True)}


def _field(name: str, part: Part) -> str:
    type_ = in_yaml(f"{part.type}[{part.elements}]" if part.array else part.type)
    way = written(part.way)
    return type_ if way == name else f"{{field: {in_yaml(way)}, type: {type_}}}"


def _unwritable(node: Found) -> str | None:
    kind, _, rest = node.id.partition("=")
    namespace = node.namespace
    nameless = bool(namespace) and not (namespace.strip() and namespace.isprintable())
    if nameless or not rest or not node.id.isprintable() or kind not in "isgb":
        return "its node id cannot be written in a profile"
    return None


def _tag(name: str, node: Found, known: Mapping[str, str]) -> Iterator[str]:
    prefix = f"{known[node.namespace]}:" if node.namespace else ""
    fields = _fields(node)
    type_ = f"{node.sent_as}[{node.elements}]" if node.array else node.sent_as
    keys = {"node": in_yaml(prefix + node.id)} | ({} if fields else {"type": in_yaml(type_)})
    remarks = list(_remarks(node, one_value=not fields and not node.array))
    for meant in () if fields else (_unit, _valid, _enum):
        key, value, remark = meant(node)
        if value:
            keys[key] = value
        if remark:
            remarks.append(remark)
    comment = f"  # {'; '.join(remarks)}" if remarks else ""
    if fields:
        yield f"  {in_yaml(name)}:{comment}"
        yield from (f"    {key}: {value}" for key, value in keys.items())
        yield "    fields:"
        yield from (f"      {in_yaml(field)}: {value}" for field, value in fields.items())
        return
    entry = f"  {in_yaml(name)}: {{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}"
    if len(entry) <= LONGEST_LINE:
        yield entry + comment
        return
    yield f"  {in_yaml(name)}:{comment}"
    yield from (f"    {key}: {value}" for key, value in keys.items())


def _remarks(node: Found, *, one_value: bool) -> Iterator[str]:
    if node.type.removesuffix("[]") != node.sent_as:
        yield f"declared as {_line(node.type)}"
    if node.array:
        yield "as long as it was then"
    if states := node.meaning.states:
        yield f"false is {_line(states[0])}, true is {_line(states[1])}"
    if "w" in node.access and one_value:
        yield "writable: access: rw"


def _unit(node: Found) -> tuple[str, str, str]:
    meaning = node.meaning
    if meaning.unit_id is None and not meaning.unit_text:
        return "unit", "", ""
    unit = ucum(meaning.unit_id, meaning.unit_text)
    if unit is not None and unit_fault(unit) is None:
        return "unit", in_yaml(unit), ""
    its_code = "" if meaning.unit_id is None else code(meaning.unit_id)
    named = f" (UNECE {its_code})" if its_code else ""
    return "unit", "", f"its unit is called {_line(repr(meaning.unit_text))}{named}"


def _valid(node: Found) -> tuple[str, str, str]:
    bounds = node.meaning.bounds
    if bounds is None or node.sent_as not in _MEASURED:
        return "valid", "", ""
    low, high = bounds
    texts = [_number(each) for each in bounds]
    if not low < high or "" in texts:
        return "valid", "", f"its range is {low:g} to {high:g}"
    return "valid", f"[{', '.join(texts)}]", ""


def _number(number: float) -> str:
    """A number without an exponent; empty for one that profiles do not take."""
    if not isfinite(number):
        return ""
    text = f"{Decimal(repr(number)):f}".removesuffix(".0")
    return text if len(text) <= LIMIT_DIGITS else ""


def _enum(node: Found) -> tuple[str, str, str]:
    texts = node.meaning.texts
    if not texts or node.sent_as not in INTEGERS or node.array:
        return "enum", "", ""
    low, high = INTEGERS[cast("BuiltIn", node.sent_as)]
    if not all(low <= number <= high for number in texts):
        return "enum", "", f"its texts are for numbers beyond {node.sent_as}"
    entries = (f"{number}: {in_yaml(_line(text).strip() or str(number))}" for number, text in texts.items())
    return "enum", f"{{{', '.join(entries)}}}", ""


def _left_out(node: Found, why: str) -> Iterator[str]:
    where = f"nsu={node.namespace};{node.id}" if node.namespace not in ("", OPC_UA) else node.id
    yield f"  # {_line(node.path[-1] if node.path else 'Objects')} ({_line(where)}): {_line(why)}"


def _line(text: str) -> str:
    """A text as it may stand in one line of a file."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
