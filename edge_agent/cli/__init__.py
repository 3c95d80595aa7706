"""The command line: one module per command, each with `add_arguments(parser)` and `run(args) -> exit code`.

Exit codes: 0 ok, 1 a problem was found, 2 wrong usage, 3 unreachable; `run` ends with 78 (EX_CONFIG) when its
configuration cannot run, so that systemd can tell it from a crash.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from edge_agent import __version__
from edge_agent.cli.codes import Ended

COMMANDS = {
    "run": "poll the devices, keep what they say, forward it",
    "check": "look for mistakes in a configuration or a profile and run the profile's tests",
    "schema": "the JSON Schema of a configuration or a profile, for editors",
    "status": "what a running agent is doing",
    "read": "what a device says now, once",
    "write": "one value to a device, once, and what it shows afterwards",
    "call": "a method of a device, once, and what came of it",
    "browse": "what an OPC UA server offers, and a first profile of it",
    "explain": "what a device will be asked, how often, and what that costs",
    "endpoints": "what an OPC UA server offers, and what to write to use it",
    "trust": "look at the certificate of an OPC UA server, and keep it as trusted",
    "buffer": "what lies in the log and what still waits, without touching it",
    "audit": "listen at a broker: what of every stream arrived, and what is missing without a word",
    "simulate": "play a device profile as a PLC",
    "demo": "a small plant with everything in it: PLCs, the agent, a broker, and a receiver that counts",
}

EPILOG = """\
first steps:
  edge-agent demo                              see it work, no configuration needed
  edge-agent check /etc/edge-agent/agent.yaml  all mistakes at once, each with file, line and what to write
  edge-agent run --config /etc/edge-agent/agent.yaml
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    args = _parsed(sys.argv[1:] if argv is None else argv)
    try:
        code = import_module(f"edge_agent.cli.{args.command}").run(args)
    except Ended as end:
        print(f"edge-agent: {end}", file=sys.stderr)
        return end.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone (`edge-agent status | head`).
        sys.stderr.close()
        return 141
    return int(code)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser, commands = _parser(argv)
    args, rest = parser.parse_known_args(argv)
    if rest:
        # Of words on both sides of an option, argparse takes the first ones for all.
        way_out = "" if rest[0].startswith("-") else "; options stand behind all else"
        commands[args.command].error(f"cannot use {' '.join(rest)}{way_out}")
    return args


def _parser(argv: Sequence[str]) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="edge-agent",
        description="PLC data to your MQTT broker: never a wrong value, never a silent loss.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"edge-agent {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        # Only the command that is used is imported: some need libraries that others have no use for.
        if name in argv:
            import_module(f"edge_agent.cli.{name}").add_arguments(command)
    return parser, commands.choices
