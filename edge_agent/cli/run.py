"""`edge-agent run`: the agent itself."""

import argparse
import asyncio
import sys
from pathlib import Path

from edge_agent.app import App
from edge_agent.cli.loading import load_apart
from edge_agent.config.settings import Gateway
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import logs

EX_CONFIG = 78


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/edge-agent/agent.yaml"),
        metavar="FILE",
        help="agent.yaml; conf.d/, profiles/ and certs/ are found beside it (default: %(default)s)",
    )
    parser.epilog = (
        "Stop it with Ctrl-C or SIGTERM: it stores and sends what it has and ends its log in order."
    )


def run(args: argparse.Namespace) -> int:
    """Run until stopped."""
    path: Path = args.config
    if not path.is_file():
        print(f"edge-agent: {path}: no such file", file=sys.stderr)
        return EX_CONFIG
    verdict = load_apart(path)
    if verdict.problems:
        print(verdict.problems, file=sys.stderr)
    if verdict.gateway is None:
        return EX_CONFIG
    logs.set_up(verdict.gateway.log_level)
    try:
        _loop_runner(verdict.gateway)
    except EdgeAgentError as error:
        print(f"edge-agent: {error}", file=sys.stderr)
        return 1
    return 0


def _loop_runner(gateway: Gateway) -> None:
    """Run on uvloop where it is installed: a third less CPU for the same work."""
    try:
        import uvloop  # noqa: PLC0415 - optional, and dear to import where it is not used
    except ImportError:
        factory = asyncio.new_event_loop
    else:
        factory = uvloop.new_event_loop

    async def serve() -> None:
        await App(gateway).run()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve())
