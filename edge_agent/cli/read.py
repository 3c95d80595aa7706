"""`edge-agent read`: what a device says now."""

import argparse
import json
from collections.abc import Iterator

from edge_agent.cli import asking
from edge_agent.cli.advice import advice
from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, USAGE, Ended
from edge_agent.cli.configured import add_config, device_of, gateway_of, note_other
from edge_agent.cli.table import shown, table, when
from edge_agent.config.hints import hint
from edge_agent.config.problems import counted
from edge_agent.config.settings import Device, Gateway
from edge_agent.errors import EdgeAgentError
from edge_agent.ops.reading import Reading, Row, chosen, columns

EPILOG = """\
A running agent reads the device itself, between its polls, so that the device
sees one connection only; without one, this command connects. Nothing of it is
stored or sent.

  edge-agent read meter-1               all tags
  edge-agent read meter-1 voltage_l1    one tag
  edge-agent read io-1 status.ready     one part of a tag

exit codes: 0 all values are good or uncertain, 1 some are bad, 2 no such device
            or tag, 3 no answer
"""

MOST, FIRST = 16, 4
"""An array of more numbers is shown by its first ones, so that the table stays one; `--json` has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `read`."""
    parser.add_argument("device", metavar="DEVICE", help="its name in the configuration")
    parser.add_argument("tags", nargs="*", metavar="TAG", help="tag or tag.part (default: all)")
    add_config(parser, "the configuration that has the device")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Read once and print."""
    gateway = gateway_of(args.config)
    device = device_of(gateway, args.device)
    _check(device, args.tags)
    try:
        read = _read(gateway, device, args.tags)
    except EdgeAgentError as error:
        raise Ended(str(error), UNREACHABLE) from error
    if asking.differs(gateway, read):
        note_other(args.config)
    if args.json:
        print(json.dumps(read.document()))
    elif read.failure is None:
        print("\n".join(_lines(read)))
    if read.failure is not None:
        why = advice(read.failure, device, gateway.connections[device.connection])
        raise Ended(f"{device.name}: {why}", UNREACHABLE)
    return PROBLEM if read.bad else OK


def _check(device: Device, tags: list[str]) -> None:
    try:
        chosen(device, tags)
    except KeyError as error:
        (name,) = error.args
        what = f"{device.name} has no tag '{name}'{hint(name, list(columns(device)))}"
        raise Ended(what, USAGE) from error


def _read(gateway: Gateway, device: Device, tags: list[str]) -> Reading:
    if asking.runs(gateway):
        return asking.by_agent(gateway, device, tags)
    return asking.quietly(asking.directly(gateway, device, tags))


def _lines(read: Reading) -> Iterator[str]:
    if not read.rows:
        yield f"{read.device}: it has no tags; what it tells are events"
        return
    yield from table(
        ("TAG", "VALUE", "UNIT", "TEXT", "QUALITY", "AGE"),
        [
            (row.tag, _value(row.value), row.unit or "", row.text or "", row.quality, _age(row))
            for row in read.rows
        ],
    )
    yield ""
    times = [row.ts for row in read.rows if row.ts is not None]
    took = ", ".join(f"{each.group} in {each.took_ms:g} ms" for each in read.groups)
    counts = f"{counted(len(read.rows), 'value')}, {len(read.bad)} bad"
    yield f"{read.device}: {counts}; {took}; {when(max(times, default=None))}"


def _value(value: object) -> str:
    """A value in a table: of a long array the first numbers, and how many there are."""
    if not isinstance(value, list | tuple) or len(value) <= MOST:
        return shown(value)
    return f"{shown(value[:FIRST])[:-1]}, ... {len(value)} in all]"


def _age(row: Row) -> str:
    if row.age_ms is None or row.value is None:
        return ""
    return f"{row.age_ms:.0f} ms" if row.age_ms < 10_000 else f"{row.age_ms / 1000:.0f} s"
