"""`edge-agent status`: what a running agent is doing, from its control socket."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.config.gateway import load
from edge_agent.drivers.kinds import kinds
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control

UNREACHABLE = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `status`."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/edge-agent/agent.yaml"),
        metavar="FILE",
        help="the configuration of the agent that is asked (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.epilog = (
        "exit codes: 0 all is well, 1 a device, the disk or a destination is not, 3 no agent answers"
    )


def run(args: argparse.Namespace) -> int:
    """Print the status."""
    path: Path = args.config
    if not path.is_file():
        print(f"edge-agent: {path}: no such file", file=sys.stderr)
        return 2
    loaded = load(path, kinds())
    if loaded.gateway is None:
        print(f"edge-agent: {path} has mistakes; see edge-agent check {path}", file=sys.stderr)
        return 1
    try:
        answer = control.ask(control.socket_path(loaded.gateway.buffer.path.parent), "status")
    except EdgeAgentError as error:
        print(f"edge-agent: {error}; is it running?", file=sys.stderr)
        return UNREACHABLE
    if args.json:
        print(json.dumps(answer))
    else:
        print("\n".join(_lines(answer)))
    return 0 if _well(answer) else 1


def _well(answer: Mapping[str, Any]) -> bool:
    devices = all(each["state"] == "ok" for each in answer["devices"].values())
    return (
        devices
        and not answer["buffer"]["failing"]
        and all(d["connected"] for d in answer["destinations"].values())
    )


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    buffer = answer["buffer"]
    yield f"{answer['gateway']}  edge-agent {answer['version']}, up {_span(answer['up_s'])}"
    yield ""
    yield f"{'DEVICE':<24} {'STATE':<9} {'SINCE':<20} LAST GOOD READ"
    for name, each in answer["devices"].items():
        why = f"  {each['why']}" if each["why"] else ""
        yield f"{name:<24} {each['state']:<9} {_when(each['since']):<20} {_when(each['last_good'])}{why}"
    yield ""
    yield f"{'DESTINATION':<24} {'LINK':<9} {'DELIVERED UNTIL':<20} {'WAITING':<8} {'OLDEST':<20} SENT"
    for name, each in answer["destinations"].items():
        link = "up" if each["connected"] else "down"
        why = f"  {each['why']}" if each["why"] else ""
        sent = f"{each['scans']} scans in {each['messages']} messages"
        waiting = f"{each['waiting']}{'+' if each['more'] else ''}"
        oldest = "" if each["oldest"] is None else _when(each["oldest"])
        until = _when(each["delivered_until"])
        yield f"{name:<24} {link:<9} {until:<20} {waiting:<8} {oldest:<20} {sent}{why}"
    yield ""
    disk = (
        "the disk cannot be written" if buffer["failing"] else f"{buffer['bytes'] / 1048576:.1f} MiB on disk"
    )
    books = f"{buffer['appended']} scans stored, {buffer['evicted_segments']} segments evicted"
    yield f"buffer {buffer['b']}: {disk}, {books}"


def _when(ms: int | None) -> str:
    return "never" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
