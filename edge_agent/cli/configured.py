"""What the commands that work on a gateway's configuration share: which one, and what is wrong with it."""

import argparse
import sys
from pathlib import Path

from edge_agent.cli.codes import PROBLEM, USAGE, Ended
from edge_agent.config.gateway import load
from edge_agent.config.hints import hint
from edge_agent.config.settings import Device, Gateway
from edge_agent.drivers.kinds import kinds

DEFAULT = Path("/etc/edge-agent/agent.yaml")


def add_config(parser: argparse.ArgumentParser, help_: str) -> None:
    """The option `--config`."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT, metavar="FILE", help=f"{help_} (default: %(default)s)"
    )


def gateway_of(path: Path) -> Gateway:
    """The gateway in a file. Raises Ended where there is none."""
    if not path.is_file():
        raise Ended(f"{path}: no such file; name your agent.yaml with --config", USAGE)
    try:
        loaded = load(path, kinds())
    except OSError as error:
        raise Ended(f"{error.filename or path}: {(error.strerror or str(error)).lower()}", USAGE) from error
    if loaded.gateway is None:
        raise Ended(f"{path} has mistakes; see edge-agent check {path}", PROBLEM)
    return loaded.gateway


def device_of(gateway: Gateway, name: str) -> Device:
    """A device by its name. Raises Ended, with the name that was probably meant, where there is none."""
    if name not in gateway.devices:
        raise Ended(f"there is no device '{name}'{hint(name, list(gateway.devices))}", USAGE)
    return gateway.devices[name]


def note_other(path: Path) -> None:
    """Say beside a result that the agent it comes from does not run with this file."""
    print(f"note: the running agent does not use {path} as it is now; restart it to do so", file=sys.stderr)
