"""`edge-agent status`: what a running agent is doing, from its control socket."""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, Ended
from edge_agent.cli.configured import add_config, gateway_of
from edge_agent.cli.table import size, span, table, when
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `status`."""
    add_config(parser, "the configuration of the agent that is asked")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.epilog = (
        "exit codes: 0 all is well, 1 a device, the disk or a destination is not, 3 no agent answers"
    )


def run(args: argparse.Namespace) -> int:
    """Print the status."""
    gateway = gateway_of(args.config)
    try:
        answer = control.ask(control.socket_path(gateway.buffer.path.parent), "status")
    except EdgeAgentError as error:
        raise Ended(str(error), UNREACHABLE) from error
    print(json.dumps(answer) if args.json else "\n".join(_lines(answer)))
    return OK if _well(answer) else PROBLEM


def _well(answer: Mapping[str, Any]) -> bool:
    devices = all(each["state"] == "ok" for each in answer["devices"].values())
    return (
        devices
        and not answer["buffer"]["failing"]
        and all(d["connected"] for d in answer["destinations"].values())
    )


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    buffer = answer["buffer"]
    yield f"{answer['gateway']}  edge-agent {answer['version']}, up {span(answer['up_s'])}"
    if answer["devices"]:
        yield ""
        yield from table(
            ("DEVICE", "STATE", "SINCE", "LAST GOOD READ", "WHY"),
            [
                (name, each["state"], when(each["since"]), when(each["last_good"]), each["why"])
                for name, each in answer["devices"].items()
            ],
        )
    if answer["destinations"]:
        yield ""
        yield from table(
            ("DESTINATION", "LINK", "DELIVERED UNTIL", "WAITING", "OLDEST", "SCANS", "MESSAGES", "WHY"),
            [_destination(name, each) for name, each in answer["destinations"].items()],
        )
    yield ""
    disk = "the disk cannot be written" if buffer["failing"] else f"{size(buffer['bytes'])} on disk"
    books = f"{buffer['appended']} scans stored, {buffer['evicted_segments']} segments evicted"
    yield f"buffer {buffer['b']}: {disk}, {books}"


def _destination(name: str, each: Mapping[str, Any]) -> tuple[str | int, ...]:
    link = "up" if each["connected"] else "down"
    until = when(each["delivered_until"])
    waiting = f"{each['waiting']}{'+' if each['more'] else ''}"
    oldest = "" if each["oldest"] is None else when(each["oldest"])
    return name, link, until, waiting, oldest, each["scans"], each["messages"], each["why"]
