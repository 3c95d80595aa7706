"""`edge-agent demo`: see it work without any configuration."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from edge_agent.cli.simulate import profile_of
from edge_agent.config.syntax import duration
from edge_agent.demo import plant
from edge_agent.demo.play import Course, play
from edge_agent.demo.scene import FAULTS, QUIT
from edge_agent.demo.terminal import INTERRUPT, Terminal
from edge_agent.demo.watch import watch
from edge_agent.errors import EdgeAgentError

EPILOG = """\
A meter and an I/O device are simulated on loopback, a broker and the agent are started beside
them, and a receiver at the broker checks every value against what the simulated device held at
that moment. With --for the cable to the broker is pulled for 5 s and the agent is killed with -9
once; the last line is the receiver's verdict.

On a terminal the screen shows what has arrived at the broker, and keys make the same faults at
any time: b cuts the broker link, p stops a PLC, k kills the agent, q ends.

exit codes: 0 nothing missing and nothing wrong, 1 something is, 3 no broker to be had
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `demo`."""
    parser.add_argument(
        "--for", dest="span", metavar="20s", help="end after this time, with faults on the way"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict only, as one JSON line")
    parser.add_argument("--plain", action="store_true", help="a line per second, also on a terminal")
    parser.add_argument(
        "--broker",
        choices=("mosquitto", "amqtt"),
        help="default: mosquitto where it is installed",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Play the demo and print the verdict."""
    try:
        seconds = None if args.span is None else duration(args.span)
    except ValueError as error:
        print(f"edge-agent: --for: {error}", file=sys.stderr)
        return 2
    try:
        verdict = asyncio.run(_play(seconds, args))
    except EdgeAgentError as error:
        print(f"edge-agent: {error}", file=sys.stderr)
        return 3
    print(json.dumps(verdict) if args.json else _words(verdict))
    return 1 if verdict["missing"] or verdict["wrong"] else 0


async def _play(seconds: float | None, args: argparse.Namespace) -> Mapping[str, Any]:
    devices = [(each, profile_of(each.profile, None)) for each in plant.DEVICES]
    keys: asyncio.Queue[str] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, keys.put_nowait, QUIT)

    def say(line: str) -> None:
        if not args.json:
            print(line, flush=True)

    if args.json or args.plain or not _draws():
        return await play(devices, Course(seconds, args.broker, say, keys))
    # A terminal that is closed must not leave a broker behind.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, keys.put_nowait, QUIT)
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
    colours = not os.environ.get("NO_COLOR")
    with Terminal(sys.stdout.fileno(), keyboard, lambda key: _press(keys, key), colours=colours) as terminal:
        course = Course(seconds, args.broker, _unsaid, keys, lambda scene: watch(scene, terminal))
        return await play(devices, course)


def _draws() -> bool:
    """Whether the output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _press(keys: "asyncio.Queue[str]", key: str) -> None:
    if key in FAULTS or key in (QUIT, INTERRUPT):
        keys.put_nowait(QUIT if key == INTERRUPT else key)


def _unsaid(_line: str) -> None:
    """The screen shows it."""


def _words(verdict: Mapping[str, Any]) -> str:
    gaps = ", ".join(gap["reason"] for gap in verdict["gaps"]) or "none"
    good = not verdict["missing"] and not verdict["wrong"]
    return (
        f"verdict of the receiver: {verdict['delivered']} of {verdict['read']} scans delivered"
        f" ({verdict['values']} values, {verdict['duplicates']} scans twice),"
        f" {verdict['buffered']} still buffered, {verdict['evicted']} named as evicted\n"
        f"gaps announced: {gaps}\n"
        f"missing: {verdict['missing']}   wrong: {verdict['wrong']}   "
        f"{'all accounted for' if good else 'THIS IS A BUG'}"
    )
