"""`edge-agent browse`: what a server offers, as a tree or as the draft of a profile."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from edge_agent.cli import asking
from edge_agent.cli.advice import about
from edge_agent.cli.check import check
from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, USAGE, Ended
from edge_agent.cli.configured import add_config, gateway_of
from edge_agent.cli.table import shown, table
from edge_agent.config.draft import Head, drafted
from edge_agent.config.folders import ID
from edge_agent.config.hints import hint
from edge_agent.config.problems import counted
from edge_agent.config.section import Section
from edge_agent.config.settings import Connection, OpcUaConnection
from edge_agent.config.syntax import Origin, Surroundings, host_port, is_loopback
from edge_agent.config.yaml_nodes import LIMIT_BYTES, read
from edge_agent.core.browsed import Browsed, Found, Nowhere, Wanted, fitting, written
from edge_agent.core.naming import snake
from edge_agent.drivers.driver import Browsing, driver
from edge_agent.drivers.kinds import kinds
from edge_agent.errors import DeviceError

EPILOG = """\
WHERE is a connection of the configuration, whose login and security are used, or
an address. Over an address nothing is signed or encrypted; beyond this machine
that has to be wanted (--insecure). PATH are names as they are shown, or a node.
A running agent is not disturbed: a server takes several sessions.

  edge-agent browse press12                       everything, as a tree
  edge-agent browse press12 Press/Motor --values  what is below a place, with values
  edge-agent browse press12 --filter '*temp*'     names or paths that fit
  edge-agent browse opc.tcp://10.3.7.12:4840 --insecure --depth 2
  edge-agent browse press12 Press --profile profiles/acme/press.yaml

With --profile nothing is shown: a first profile is written, with a tag for each
variable that can be one, and checked. Names, units, ranges and texts are the
server's; what cannot be a tag stands in it as a comment.

exit codes: 0 all was seen, 1 part of it could not be, or nothing can be a tag,
            2 no such connection or place, 3 no answer
"""

MOST = 100_000
"""Nodes that are kept: 220 MB, and half a minute (99,109 nodes of a node-opcua server, 2026-11-24)."""
LONGEST_VALUE = 40  # characters of a value in the tree


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `browse`."""
    parser.add_argument("where", metavar="WHERE", help="a connection, or opc.tcp://host:port")
    parser.add_argument(
        "path", nargs="?", default="", metavar="PATH", help="where to begin (default: Objects)"
    )
    add_config(parser, "the configuration that has the connection")
    parser.add_argument("--insecure", action="store_true", help="ask an address without security")
    parser.add_argument("--depth", type=_count, metavar="N", help="levels below PATH (default: all)")
    parser.add_argument("--filter", metavar="GLOB", help="only what fits by name or path, such as '*temp*'")
    parser.add_argument("--values", action="store_true", help="with the values of now")
    parser.add_argument(
        "--most", type=_count, default=MOST, metavar="N", help="end after N nodes (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line and node")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write the draft of a profile")
    parser.add_argument("--force", action="store_true", help="write it over a file that is there")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Browse once; print what there is, or draft a profile of it."""
    connection = _connection(args)
    if args.profile is not None:
        _check_place(args.profile, force=args.force)
    wanted = Wanted(args.path, args.depth, args.most, values=args.values, meanings=args.profile is not None)
    found = _seen(connection, wanted)
    nodes = list(found.nodes) if args.filter is None else fitting(found.nodes, args.filter)
    if not nodes and args.filter is not None:
        raise Ended(f"nothing below {args.path or 'Objects'} fits {args.filter!r}", PROBLEM)
    if args.profile is not None:
        code = _draft(args, connection, found, nodes)
    else:
        for line in _documents(nodes, found.aliases) if args.json else _tree(nodes, found):
            print(line)
        code = OK
    return PROBLEM if _incomplete(found, args.most) else code


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**7:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


# Where to ask


def _connection(args: argparse.Namespace) -> Connection:
    """The connection that is meant. Raises Ended where there is none."""
    if "://" in args.where:
        return _open(args.where, insecure=args.insecure)
    if args.insecure:
        raise Ended("--insecure is for an address; the connection says itself how it is secured", USAGE)
    connections = gateway_of(args.config).connections
    if args.where not in connections:
        such = f"there is no connection '{args.where}'{hint(args.where, list(connections))}"
        raise Ended(f"{such}; an address begins with opc.tcp://", USAGE)
    connection = connections[args.where]
    if not isinstance(connection, OpcUaConnection):
        raise Ended(f"{args.where} is no OPC UA connection: such devices do not say what they offer", USAGE)
    return connection


def _open(endpoint: str, *, insecure: bool) -> Connection:
    """A connection without security. Raises Ended unless that is wanted, or nothing crosses a wire."""
    keys = {"endpoint": endpoint, "security": {"policy": "None", "mode": "none"}}
    document = read(json.dumps(keys).encode(), Path("WHERE"))
    made = kinds()["opcua"].connection("browse", Section(document, Origin(Path(), Surroundings())))
    if made is None:
        raise Ended("; ".join(each.message for each in document.problems if each.severity == "error"), USAGE)
    host, _ = host_port(made.place.removeprefix("opc.tcp://").partition("/")[0], 0)
    if not insecure and not is_loopback(host):
        way = "write --insecure when that is wanted, or name a connection of your agent.yaml"
        raise Ended(f"{endpoint}: nothing would be signed or encrypted; {way}", USAGE)
    return made


def _seen(connection: Connection, wanted: Wanted) -> Browsed:
    progress = _Progress(sys.stderr, time.monotonic)
    try:
        return asking.quietly(_browsed(connection, wanted, progress.tell))
    except Nowhere as error:
        raise Ended(shown(str(error)), USAGE) from error
    except DeviceError as error:
        raise Ended(about(error.reason, error.detail, connection), UNREACHABLE) from error
    finally:
        progress.end()


async def _browsed(connection: Connection, wanted: Wanted, told: Callable[[str], None]) -> Browsed:
    its = driver("opcua")
    if not isinstance(its, Browsing):
        raise TypeError("it cannot browse")
    async with its.connect(connection) as wire:
        await its.reach(wire)
        return await its.browse(wire, wanted, told)


class _Progress:
    """How far it is: one line that changes on a terminal, else a line now and then; none for short work."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._live = stream.isatty()
        self._next = clock() + 1.0
        self._open = False

    def tell(self, text: str) -> None:
        """How far it is."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (0.2 if self._live else 10.0)
        self._open = self._live
        print(
            f"\r{text:<60}" if self._live else text,
            end="" if self._live else "\n",
            file=self._stream,
            flush=True,
        )

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._open:
            print(f"\r{'':<60}\r", end="", file=self._stream, flush=True)


def _incomplete(found: Browsed, most: int) -> bool:
    """Say what has not been seen."""
    if found.cut_off:
        print(f"note: there are more than {most} nodes; name a PATH, or --most", file=sys.stderr)
    hidden = [node for node in found.nodes if node.refused and node.elsewhere is None]
    for node in hidden[:10]:
        print(f"note: {shown(written(node.path) or 'Objects')}: {node.refused}", file=sys.stderr)
    if len(hidden) > 10:
        print(f"note: and {len(hidden) - 10} more that could not be seen", file=sys.stderr)
    return found.cut_off or bool(hidden)


# How it is shown


def _tree(nodes: list[Found], found: Browsed) -> Iterator[str]:
    above = len(nodes[0].path) if nodes else 0
    rows = [
        (
            "  " * (len(node.path) - above) + shown(node.path[-1] if node.path else "Objects"),
            shown(node.type) if node.type else node.kind,
            node.access,
            shown(_node(node, found.aliases)),
            _value(node),
            _note(node),
        )
        for node in nodes
    ]
    yield from table(("NAME", "TYPE", "ACCESS", "NODE", "VALUE", "NOTE"), rows)
    yield ""
    used = {node.namespace for node in nodes}
    for uri, alias in found.aliases.items():
        if uri in used:
            yield f"{alias}: {shown(uri)}"
    variables = sum(1 for node in nodes if node.kind == "variable")
    server = f"{shown(found.server)}: " if found.server else ""
    yield f"{server}{counted(len(nodes), 'node')}, {counted(variables, 'variable')}"


def _node(node: Found, aliases: Mapping[str, str]) -> str:
    return f"{aliases[node.namespace]}:{node.id}" if node.namespace else node.id


def _value(node: Found) -> str:
    if node.value is None:
        return node.quality
    text = shown(node.value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _note(node: Found) -> str:
    return node.refused if node.elsewhere is None else f"see {shown(written(node.elsewhere))}"


def _documents(nodes: list[Found], aliases: Mapping[str, str]) -> Iterator[str]:
    for node in nodes:
        document: dict[str, object] = {
            "path": written(node.path),
            "name": node.path[-1] if node.path else "Objects",
            "class": node.kind,
            "node": f"nsu={node.namespace};{node.id}" if node.namespace else node.id,
            "alias": _node(node, aliases),
        }
        if node.kind == "variable" and node.elsewhere is None:
            document |= {"type": node.type, "sent_as": node.sent_as, "access": node.access}
            document |= {"value": node.value, "quality": node.quality}
        if node.elsewhere is not None:
            document["elsewhere"] = written(node.elsewhere)
        if node.refused:
            document["refused"] = node.refused
        yield json.dumps(document)


# The draft


def _check_place(path: Path, *, force: bool) -> None:
    """Whether a draft may be written there. Raises Ended."""
    if path.exists() and not force:
        raise Ended(f"{path}: there is a file; --force writes over it", USAGE)
    _id(path, "")


def _id(path: Path, maker: str) -> str:
    """The id that fits a file: by its folders where these are of profiles, else the maker's and its name."""
    whole = path.absolute()
    if whole.parent.parent.name in ("profiles", "device_profiles"):
        id_ = f"{whole.parent.name}/{path.stem.partition('@')[0]}"
        if not re.fullmatch(ID, id_):
            say = "write small letters, digits, '.', '_' and '-', such as profiles/acme/press.yaml"
            raise Ended(f"{path}: the folder and the file become the id of the profile; {say}", USAGE)
        return id_
    return f"{snake(maker.partition(' ')[0]) or 'acme'}/{snake(path.stem) or 'device'}"


def _draft(args: argparse.Namespace, connection: Connection, found: Browsed, nodes: list[Found]) -> int:
    where = written(nodes[0].path) if nodes else ""
    below = f", below {where}" if where else ""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    head = Head(
        _id(args.profile, found.server),
        f"{found.server or 'An OPC UA server'}{below}",
        f"From {connection.place}{below}, {day}",
    )
    draft = drafted(head, nodes, found.aliases)
    if not draft.tags:
        raise Ended(f"nothing{below} can be a tag; see edge-agent browse {args.where}", PROBLEM)
    data = draft.text.encode()
    if len(data) > LIMIT_BYTES:
        such = f"{counted(draft.tags, 'tag')} are more than one profile holds"
        raise Ended(f"{such}; name a PATH, or --filter what is needed", PROBLEM)
    try:
        args.profile.parent.mkdir(parents=True, exist_ok=True)
        args.profile.write_bytes(data)
    except OSError as error:
        raise Ended(f"{args.profile}: {(error.strerror or str(error)).lower()}", USAGE) from error
    left = f", {draft.left_out} left out" if draft.left_out else ""
    print(f"{args.profile}: {head.id} 0.1.0, {counted(draft.tags, 'tag')}{left}")
    return check([args.profile])
