"""Where a tag says that its value is -> the place that a server is asked for; mistakes are all named."""

import re
from collections.abc import Iterator, Mapping

from edge_agent.config.hints import hint
from edge_agent.config.section import Section
from edge_agent.config.syntax import quoted
from edge_agent.core.nodes import Place, Step
from edge_agent.drivers.opcua.keys import TagKeys

OPC_UA = "http://opcfoundation.org/UA/"
OBJECTS = "i=85"
"""The folder in which everything of a machine is found (OPC UA Part 5, 8.2.4)."""

_NODE = re.compile(r"(?:nsu=(?P<uri>[^;]+);|(?P<alias>[A-Za-z0-9._-]+):)?(?P<id>[isgb]=.+)")
_INDEXED = re.compile(r"ns=([0-9]+);(.*)")
_STEP = re.compile(r"(?:(?P<alias>[A-Za-z0-9._-]+):)?(?P<name>.+)", re.DOTALL)


def spot_of(section: Section, keys: TagKeys, namespaces: Mapping[str, str]) -> Place | None:
    """The place of a tag; `namespaces` are the aliases of the file. None when it is not said rightly."""
    if keys.node is not None and keys.path is not None:
        section.error_at_key("a tag has a node or a path; leave one of them out", "path")
        return None
    if keys.path is None:
        if keys.start is not None:
            section.error_at_key("'start' is the node where a path begins; there is no path", "start")
        if keys.node is None:
            section.error_at_key(
                "where is its value? write node: plc:s=GVL.x, or path: plc:Line1/plc:Speed from Objects on"
            )
            return None
        spot = node_of(section, "node", keys.node, namespaces)
        return None if spot is None else Place(*spot, range=keys.range_ or "")
    start = ("", OBJECTS) if keys.start is None else node_of(section, "start", keys.start, namespaces)
    steps = steps_of(section, keys.path, namespaces)
    return None if start is None or steps is None else Place(*start, steps, keys.range_ or "")


def node_of(
    section: Section, key: str | int, text: str, namespaces: Mapping[str, str]
) -> tuple[str, str] | None:
    """The URI of the namespace (empty for namespace 0) and the identifier."""
    indexed = _INDEXED.fullmatch(text)
    if indexed and indexed[1] != "0":
        section.error(
            f"{quoted(text)}: the index of a namespace changes with the server; name its URI under "
            f'`namespaces: {{plc: "..."}}` and write plc:{indexed[2]}',
            key,
        )
        return None
    match = _NODE.fullmatch(indexed[2] if indexed else text)
    if match is None or not _is_identifier(match["id"]):
        section.error(f"{quoted(text)} is not a node; write for example plc:s=GVL.x or i=2258", key)
        return None
    alias = match["alias"]
    uri = match["uri"] if alias is None else _uri(section, key, alias, namespaces)
    if alias is not None and uri is None:
        return None
    return ("" if uri in (None, OPC_UA) else str(uri)), match["id"]


def _uri(section: Section, key: str | int, alias: str, namespaces: Mapping[str, str]) -> str | None:
    if alias in namespaces:
        return str(namespaces[alias])
    known = list(namespaces)
    advice = hint(alias, known) if known else "; write its URI under `namespaces`"
    section.error(f"unknown namespace {quoted(alias)}{advice}", key)
    return None


def _is_identifier(text: str) -> bool:
    kind, _, rest = text.partition("=")
    if kind == "i":
        return rest.isdecimal() and int(rest) < 1 << 32
    if kind == "g":
        return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", rest) is not None
    if kind == "b":
        return re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", rest) is not None and len(rest) % 4 == 0
    return True


def steps_of(section: Section, text: str, namespaces: Mapping[str, str]) -> tuple[Step, ...] | None:
    """The steps of a path that stands under `path`; None when it is not said rightly."""
    steps = []
    for segment in segments(text.removeprefix("/")):
        match = _STEP.fullmatch(segment)
        if match is None:
            section.error(
                f"{quoted(text)} has an empty name; write for example plc:Line1/plc:Speed, and a slash that "
                "is part of a name as &/",
                "path",
            )
            return None
        alias = match["alias"]
        if alias is not None and alias.isdecimal() and alias not in namespaces:
            if alias != "0":
                section.error(
                    f"{quoted(segment)}: the index of a namespace changes with the server; name its URI "
                    f'under `namespaces: {{plc: "..."}}` and write plc:{match["name"]}',
                    "path",
                )
                return None
            alias = None
        uri = "" if alias is None else _uri(section, "path", alias, namespaces)
        if uri is None:
            return None
        steps.append(Step("" if uri == OPC_UA else uri, match["name"]))
    return tuple(steps)


def segments(text: str) -> Iterator[str]:
    """The segments of a path; an ampersand takes away what the letter behind it means."""
    segment, letters = "", iter(text)
    for letter in letters:
        if letter == "/":
            yield segment
            segment = ""
        else:
            segment += next(letters, letter) if letter == "&" else letter
    yield segment
