"""`edge-agent write`: one value to a device, and what the device shows afterwards."""

import argparse
import json
import sys

from edge_agent.cli import asking
from edge_agent.cli.advice import advice
from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, USAGE, Ended
from edge_agent.cli.configured import add_config, device_of, gateway_of
from edge_agent.cli.table import shown
from edge_agent.config.hints import hint
from edge_agent.config.settings import Device, Gateway, Tag
from edge_agent.drivers.kinds import kinds
from edge_agent.errors import EdgeAgentError
from edge_agent.ops.reading import GroupRead, columns
from edge_agent.ops.writing import LONGEST_S, WITHIN_S, Order, Result

EPILOG = """\
Only tags whose profile says access: rw can be written. The value is one that the
tag can have: a number in its unit, true or false, a text of its enum, flags with
commas between them or none, an array as '[1, 2.5]'. It is written once, before
all polls, and read back until the device shows it. A running agent does it over
its own connection; without one, this command connects.

  edge-agent write io-1.lamp on
  edge-agent write press-1.recipe 42 --yes
  edge-agent write press-1.mode auto --within 10

exit codes: 0 the device shows the value, 1 it does not, or refuses it, 2 no such
            tag, or not a value of it, 3 no answer
"""
UNANSWERED = ("bad:timeout", "bad:disconnected", "bad:unit_open")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `write`."""
    parser.add_argument("where", metavar="DEVICE.TAG", help="device and tag, or tag.part")
    parser.add_argument("value", metavar="VALUE", help="what it shall be")
    parser.add_argument("--yes", action="store_true", help="do not ask before")
    parser.add_argument(
        "--within",
        type=_seconds,
        default=WITHIN_S,
        metavar="SECONDS",
        help="until the device has to show it (default %(default)g)",
    )
    add_config(parser, "the configuration that has the device")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Write once and tell what came of it."""
    gateway = gateway_of(args.config)
    device, column, tag = _found(gateway, args.where)
    order = Order(device.name, column, args.value, args.within)
    _check(device, tag, order)
    if not args.yes and not _agreed(gateway, order, tag):
        raise Ended("nothing was written", PROBLEM)
    try:
        result = _written(gateway, device, order)
    except EdgeAgentError as error:
        raise Ended(str(error), UNREACHABLE) from error
    if args.json:
        print(json.dumps(result.document()))
    else:
        print(_words(result, tag) if result.how else _refusal(gateway, result))
    if result.ok:
        return OK
    return UNREACHABLE if result.quality in UNANSWERED else PROBLEM


def _found(gateway: Gateway, where: str) -> tuple[Device, str, Tag]:
    """The device, the column and its tag; names of devices may have dots of their own."""
    for name in sorted(gateway.devices, key=len, reverse=True):
        if where.startswith(f"{name}."):
            device, column = gateway.devices[name], where.removeprefix(f"{name}.")
            tag = next(
                (each for each in device.tags if each.name in (column, column.partition(".")[0])), None
            )
            there = columns(device)
            if tag is None or (column not in there and column != tag.name):
                raise Ended(f"{name} has no tag '{column}'{hint(column, list(there))}", USAGE)
            return device, column, tag
    if "." not in where:
        raise Ended(f"'{where}' names no tag; write DEVICE.TAG, for example {_example(gateway)}", USAGE)
    name = where.partition(".")[0]
    device_of(gateway, name)
    raise AssertionError  # a device of that name has been found above


def _example(gateway: Gateway) -> str:
    pairs = ((device.name, tag) for device in gateway.devices.values() for tag in device.tags)
    return next((f"{name}.{tag.name}" for name, tag in pairs if tag.access == "rw"), "press-1.recipe")


def _check(device: Device, tag: Tag, order: Order) -> None:
    """Refuse what can never be written, before anybody is asked."""
    try:
        kinds()[device.profile.protocol].writable(
            tag, order.text, order.column.removeprefix(tag.name).removeprefix(".")
        )
    except ValueError as error:
        raise Ended(str(error), USAGE) from error


def _agreed(gateway: Gateway, order: Order, tag: Tag) -> bool:
    if not sys.stdin.isatty():
        raise Ended("nobody is there to agree; add --yes to write without asking", USAGE)
    place = gateway.connections[gateway.devices[order.device].connection].place
    unit = f" {tag.unit}" if tag.unit and tag.unit != "1" else ""
    question = f"write {order.device}.{order.column} = {order.text}{unit} to {place}? [y/N] "
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D: who was asked has left, without a line end
        print()
        return False


def _written(gateway: Gateway, device: Device, order: Order) -> Result:
    if asking.runs(gateway):
        return asking.written_by_agent(gateway, order)
    return asking.quietly(asking.written_directly(gateway, device, order))


def _words(result: Result, tag: Tag) -> str:
    unit = f" {tag.unit}" if tag.unit and tag.unit != "1" and result.value is not None else ""
    text = tag.text(result.value, result.column.partition(".")[2])
    texts = ", ".join(text) if isinstance(text, tuple) else text
    named = f" ({texts})" if texts else ""
    now = f"{shown(result.value) or 'empty'}{unit}{named}, {result.quality}"
    where = f"{result.device}.{result.column}"
    if result.ok:
        return f"{where} is {now}; {result.how}, {result.took_ms:g} ms"
    told = f"it shows {now}" if result.value is not None else "nobody knows whether it was written"
    return f"{where}: {result.why}; {told}; {result.how}, {result.took_ms:g} ms"


def _refusal(gateway: Gateway, result: Result) -> str:
    """What is said of an order that no device has carried out, with what to do about it."""
    device = gateway.devices[result.device]
    reason = result.quality.removeprefix("bad:")
    failure = GroupRead("", result.took_ms, reason, result.why.removeprefix(reason).removeprefix(": "))
    why = advice(failure, device, gateway.connections[device.connection])
    return f"{result.device}.{result.column}: not written: {why}"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write seconds from 0 to {LONGEST_S:g}")
    return seconds
