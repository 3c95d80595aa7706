"""`edge-agent status`: what a running agent is doing, from its control socket."""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, Ended
from edge_agent.cli.configured import add_config, gateway_of
from edge_agent.cli.table import Cell, ago, size, span, table, when
from edge_agent.config.problems import counted
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control

WIDTH = 80
"""Columns of a terminal in a cabinet."""
NAMED = 8
"""Refused tags named; `--json` has all."""
CLOCK_S = 10.0
"""From here on a server's clock is wrong, as for the event of the driver."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `status`."""
    add_config(parser, "the configuration of the agent that is asked")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.epilog = (
        "exit codes: 0 all is well, 1 a device (also one that is not what its profile is for),\n"
        "            the disk or a destination is not, or a certificate ends within 30 days,\n"
        "            3 no agent answers"
    )


def run(args: argparse.Namespace) -> int:
    """Print the status."""
    gateway = gateway_of(args.config)
    try:
        answer = control.ask(control.socket_path(gateway.buffer.path.parent), "status")
    except EdgeAgentError as error:
        raise Ended(str(error), UNREACHABLE) from error
    print(json.dumps(answer) if args.json else "\n".join(lines(answer)))
    return OK if well(answer) else PROBLEM


def well(answer: Mapping[str, Any]) -> bool:
    """Whether nobody has to look after anything."""
    devices = all(each["state"] == "ok" and each["mismatch"] is None for each in answer["devices"].values())
    return (
        devices
        and not any(_ends(each) for each in answer["connections"].values())
        and not answer["buffer"]["failing"]
        and all(d["connected"] for d in answer["destinations"].values())
    )


def lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """What a person is shown: tables of 80 columns for usual names, and below a row what is not well."""
    buffer, now = answer["buffer"], answer["now"]
    yield f"{answer['gateway']}  edge-agent {answer['version']}, up {span(answer['up_s'])}"
    yield from _rows(
        ("CONNECTION", "LINK", "BUSY %", "REQUESTS", "FAILED", "OPENED", "PLACE"),
        [_connection(name, each) for name, each in answer["connections"].items()],
        [_of_connection(each) for each in answer["connections"].values()],
    )
    yield from _rows(
        ("DEVICE", "STATE", "FOR", "LAST GOOD READ"),
        [_device(name, each, now) for name, each in answer["devices"].items()],
        [_of_device(each) for each in answer["devices"].values()],
    )
    yield from _rows(
        ("DESTINATION", "LINK", "DELIVERED UNTIL", "WAITING", "OLDEST", "SCANS", "MESSAGES"),
        [_destination(name, each, now) for name, each in answer["destinations"].items()],
        [[each["why"]] for each in answer["destinations"].values()],
    )
    yield ""
    disk = "the disk cannot be written" if buffer["failing"] else f"{size(buffer['bytes'])} on disk"
    books = f"{buffer['appended']} scans stored, {buffer['evicted_segments']} segments evicted"
    yield f"buffer {buffer['b']}: {disk}, {books}"


def _rows(
    head: Sequence[str], rows: Sequence[Sequence[Cell]], notes: Sequence[Iterable[str]]
) -> Iterator[str]:
    """A table with an empty line above it and notes below its rows; nothing at all without rows."""
    if not rows:
        return
    title, *shown = table(head, rows)
    yield from ("", title)
    for line, below in zip(shown, notes, strict=True):
        yield line
        for note in below:
            yield from wrap(note, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6)


def _connection(name: str, each: Mapping[str, Any]) -> tuple[Cell, ...]:
    failed = sum(each["failures"].values())
    link = "up" if each["connected"] else "down"
    busy, requests = each.get("utilisation_percent", ""), each.get("requests", "")
    return name, link, busy, requests, failed, each["opened"], each["place"]


def _of_connection(each: Mapping[str, Any]) -> Iterator[str]:
    if each.get("why"):
        yield each["why"]
    if each["failures"]:
        yield "failed: " + ", ".join(f"{count} {reason}" for reason, count in each["failures"].items())
    offset_s = each.get("clock_offset_s")
    if offset_s is not None and abs(offset_s) > CLOCK_S:
        yield f"the clock of its server is {span(abs(offset_s))} {'ahead' if offset_s > 0 else 'behind'}"
    for whose, until in _ends(each).items():
        yield f"the certificate of {whose} ends {when(until)[:10]}"
    for unit in each.get("silent", ()):
        yield (
            f"unit {unit['unit']} is silent: {unit['misses']} times; "
            f"asked again in {unit['next_probe_s']:.0f} s"
        )


def _ends(each: Mapping[str, Any]) -> Mapping[str, float]:
    """Certificates of a connection that end within 30 days: until when, in ms."""
    shown = each.get("certificates", {})
    names = {"server": "its server", "own": "this gateway"}
    return {names[whose]: known["until"] for whose, known in shown.items() if known["ends_soon"]}


def _device(name: str, each: Mapping[str, Any], now: float) -> tuple[Cell, ...]:
    return name, each["state"], span((now - each["since"]) / 1000), ago(each["last_good"], now)


def _of_device(each: Mapping[str, Any]) -> Iterator[str]:
    if each["why"]:
        yield each["why"]
    if each["mismatch"] is not None:
        yield f"not what its profile is for: {each['mismatch']}"
    refused = each["refused"]
    if refused:
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        yield f"{counted(len(refused), 'tag')} refused: {', '.join(refused[:NAMED])}{more}"


def _destination(name: str, each: Mapping[str, Any], now: float) -> tuple[Cell, ...]:
    link = "up" if each["connected"] else "down"
    waiting = f"{each['waiting']}{'+' if each['more'] else ''}"
    oldest = "" if each["oldest"] is None else ago(each["oldest"], now)
    until = ago(each["delivered_until"], now)
    return name, link, until, waiting, oldest, each["scans"], each["messages"]
