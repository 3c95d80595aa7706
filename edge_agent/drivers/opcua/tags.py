"""One OPC UA tag as it is written -> which node it is and what it means; contradictions are all named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_agent.config.groups import on_change
from edge_agent.config.hints import hint
from edge_agent.config.section import Section
from edge_agent.config.settings import Group, Tag
from edge_agent.config.syntax import Percent, in_unit, quoted
from edge_agent.config.units import unit_fault
from edge_agent.core.browsed import OPC_UA
from edge_agent.core.nodes import INTEGERS, BuiltIn, Method, Node, Spot
from edge_agent.drivers.opcua.keys import DefaultKeys, MethodKeys, TagKeys

_NODE = re.compile(r"(?:nsu=(?P<uri>[^;]+);|(?P<alias>[A-Za-z0-9._-]+):)?(?P<id>[isgb]=.+)")
_INDEXED = re.compile(r"ns=([0-9]+);(.*)")


@dataclass(frozen=True, slots=True)
class Draft:
    """A tag with everything that its file says about it; `namespaces` are the aliases of the file."""

    name: str
    section: Section
    keys: TagKeys
    defaults: DefaultKeys
    namespaces: Mapping[str, str]


def make_tag(draft: Draft, groups: Mapping[str, Group | None]) -> Tag | None:
    """The tag, or None when something about it is wrong; every mistake is noted."""
    keys, defaults, section = draft.keys, draft.defaults, draft.section
    before = len(section.document.problems)
    at = spot(keys.node, section.inside("node"), draft.namespaces)
    type_ = keys.type or defaults.type
    if type_ is None:
        section.error_at_key(f"'{draft.name}' has no type; write type: in it or in defaults")
    group = _group(draft, groups)
    if at is None or type_ is None:
        return None
    for check in (_check_enum, _check_numbers, _check_deadband):
        check(draft, type_)
    if keys.unit is not None and (fault := unit_fault(keys.unit)):
        section.error(fault, "unit")
    if len(section.document.problems) > before:
        return None
    report, deadband = keys.report or defaults.report, in_unit(keys.deadband, keys.valid)
    node = Node(
        name=draft.name,
        namespace=at.namespace,
        id=at.id,
        type=type_,
        valid=(keys.valid[0], keys.valid[1]) if keys.valid else None,
        enum=frozenset(keys.enum) if keys.enum else None,
        deadband=deadband,
        on_change=on_change(report, deadband, group.report if group else "always"),
    )
    return Tag(
        name=draft.name,
        group=keys.group or defaults.group or "",
        type=type_,
        address=node,
        unit=keys.unit,
        quantity=keys.quantity,
        kind=keys.kind or defaults.kind,
        access=keys.access or defaults.access or "r",
        deadband=deadband,
        report=report,
        enum=keys.enum or {},
        enum_else=keys.enum_else,
    )


def make_method(
    name: str, section: Section, keys: MethodKeys, namespaces: Mapping[str, str]
) -> Method | None:
    """The method, or None when something about it is wrong; every mistake is noted."""
    on = spot(keys.object, section.inside("object"), namespaces)
    method = spot(keys.method, section.inside("method"), namespaces)
    return None if on is None or method is None else Method(name, on, method)


def spot(text: str, section: Section, namespaces: Mapping[str, str]) -> Spot | None:
    """The node that stands in a section; None for what is none, which is noted."""
    indexed = _INDEXED.fullmatch(text)
    if indexed and indexed[1] != "0":
        section.error(
            f"{quoted(text)}: the index of a namespace changes with the server; name its URI under "
            f'`namespaces: {{plc: "..."}}` and write plc:{indexed[2]}'
        )
        return None
    match = _NODE.fullmatch(indexed[2] if indexed else text)
    if match is None or not _is_identifier(match["id"]):
        section.error(f"{quoted(text)} is not a node; write for example plc:s=GVL.x or i=2258")
        return None
    alias = match["alias"]
    if alias is not None and alias not in namespaces:
        section.error(unknown(alias, namespaces))
        return None
    uri = match["uri"] or (str(namespaces[alias]) if alias is not None else "")
    return Spot("" if uri == OPC_UA else uri, match["id"])


def unknown(alias: str, namespaces: Mapping[str, str]) -> str:
    """What is said of an alias that the file does not explain."""
    known = list(namespaces)
    advice = hint(alias, known) if known else "; write its URI under `namespaces`"
    return f"unknown namespace {quoted(alias)}{advice}"


def _is_identifier(text: str) -> bool:
    kind, _, rest = text.partition("=")
    if kind == "i":
        return rest.isdecimal() and int(rest) < 1 << 32
    if kind == "g":
        return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", rest) is not None
    if kind == "b":
        return re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", rest) is not None and len(rest) % 4 == 0
    return True


def _group(draft: Draft, groups: Mapping[str, Group | None]) -> Group | None:
    name = draft.keys.group or draft.defaults.group
    if name is None:
        draft.section.error_at_key(f"'{draft.name}' has no group; write group: in it or in defaults")
        return None
    if name not in groups:
        if draft.keys.group is not None:
            draft.section.error(f"unknown group {quoted(name)}{hint(name, list(groups))}", "group")
        return None
    group = groups[name]
    if group is not None and group.mode == "events":
        draft.section.error_at_key(
            f"'{draft.name}' is in group '{name}', which is mode: events and has no tags; write another group"
        )
    return group


def _check_enum(draft: Draft, type_: BuiltIn) -> None:
    keys, section = draft.keys, draft.section
    if keys.enum_else is not None and keys.enum is None:
        section.error_at_key(
            "'enum_else' is the text for numbers that are not in 'enum'; there is none", "enum_else"
        )
    if keys.enum is None:
        return
    if type_ not in INTEGERS:
        section.error_at_key(f"'enum' names whole numbers; this is {type_}", "enum")
        return
    low, high = INTEGERS[type_]
    for number in keys.enum:
        if not low <= number <= high:
            section.error_at_key(
                f"{number} is outside of {type_}, which goes from {low} to {high}", "enum", number
            )


def _check_numbers(draft: Draft, type_: BuiltIn) -> None:
    keys, section = draft.keys, draft.section
    if keys.valid is None:
        return
    if type_ not in INTEGERS and type_ not in ("Float", "Double"):
        section.error_at_key(f"'valid' is for numbers; this is {type_}", "valid")
    elif keys.valid[0] > keys.valid[1]:
        low, high = keys.valid
        section.error(f"the lower bound {low:g} is above the upper bound {high:g}", "valid")


def _check_deadband(draft: Draft, type_: BuiltIn) -> None:
    keys, section = draft.keys, draft.section
    if keys.deadband is None:
        return
    if (type_ not in INTEGERS and type_ not in ("Float", "Double")) or keys.enum:
        what = "a number with texts" if keys.enum else type_
        section.error_at_key(f"a deadband is for measured numbers; this is {what}", "deadband")
    elif isinstance(keys.deadband, Percent) and keys.valid is None:
        message = (
            "a deadband in percent is a share of the span of 'valid'; write valid: [low, high] beside it"
        )
        section.error(message, "deadband")
    if (keys.report or draft.defaults.report) == "always":
        section.error_at_key(
            "a deadband reports on change; leave out report: always, or the deadband", "deadband"
        )
