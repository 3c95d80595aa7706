"""`edge-agent demo`: see it work without any configuration."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from typing import Any

from edge_agent.cli.simulate import profile_of
from edge_agent.config.settings import Profile
from edge_agent.config.syntax import duration
from edge_agent.demo import plant
from edge_agent.demo.play import Course, play
from edge_agent.errors import EdgeAgentError

EPILOG = """\
A meter and an I/O device are simulated on loopback, a broker and the agent are started beside
them, and a receiver at the broker checks every value against what the simulated device held at
that moment. With --for the cable to the broker is pulled for 5 s and the agent is killed with -9
once; the last line is the receiver's verdict.

exit codes: 0 nothing missing and nothing wrong, 1 something is, 3 no broker to be had
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `demo`."""
    parser.add_argument(
        "--for", dest="span", metavar="20s", help="end after this time, with faults on the way"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict only, as one JSON line")
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
    profiles = {name: profile_of(id_, None) for name, id_ in plant.PROFILES.items()}
    try:
        verdict = asyncio.run(_play(profiles, seconds, args))
    except EdgeAgentError as error:
        print(f"edge-agent: {error}", file=sys.stderr)
        return 3
    print(json.dumps(verdict) if args.json else _words(verdict))
    return 1 if verdict["missing"] or verdict["wrong"] else 0


async def _play(
    profiles: Mapping[str, Profile], seconds: float | None, args: argparse.Namespace
) -> Mapping[str, Any]:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def say(line: str) -> None:
        if not args.json:
            print(line, flush=True)

    return await play(profiles, Course(seconds, args.broker, say, stop))


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
