"""`edge-agent call`: a method of a device, once, and what came of it."""

import argparse
import json
import sys

from edge_agent.cli import asking
from edge_agent.cli.advice import advice
from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, USAGE, Ended
from edge_agent.cli.configured import add_config, device_of, gateway_of
from edge_agent.cli.table import shown
from edge_agent.config.hints import hint
from edge_agent.config.settings import Device, Gateway
from edge_agent.errors import EdgeAgentError
from edge_agent.ops.calling import LONGEST_S, WITHIN_S, Outcome, Request
from edge_agent.ops.reading import GroupRead

EPILOG = """\
Only methods that the profile lists under methods: can be called: a call may start
a machine. Which arguments one takes its server says; they are given in their
order, or each as NAME=VALUE: a number, true or false, a text of an enumeration, a
list as '[1, 2.5]'. It is called once, never again. A running agent does it over
its own connection; without one, this command connects.

  edge-agent call press-1.acknowledge
  edge-agent call press-1.start 1200 SX-001
  edge-agent call press-1.start speed=1200 recipe=SX-001 --within 30 --yes

exit codes: 0 it was carried out, 1 the device refuses it, 2 no such method, or not
            its arguments, 3 no answer: it may have been carried out
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `call`."""
    parser.add_argument("where", metavar="DEVICE.METHOD", help="device and method of its profile")
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="an argument: VALUE, or NAME=VALUE")
    parser.add_argument("--yes", action="store_true", help="do not ask before")
    parser.add_argument(
        "--within",
        type=_seconds,
        default=WITHIN_S,
        metavar="SECONDS",
        help="how long it may take (default %(default)g)",
    )
    add_config(parser, "the configuration that has the device")
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON object")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Call once and tell what came of it."""
    gateway = gateway_of(args.config)
    device, method = _found(gateway, args.where)
    request = Request(device.name, method, tuple(args.arguments), args.within)
    if not args.yes and not _agreed(gateway, request):
        raise Ended("nothing was called", PROBLEM)
    try:
        outcome = _called(gateway, device, request)
    except EdgeAgentError as error:
        raise Ended(str(error), UNREACHABLE) from error
    if outcome.misused:
        raise Ended(f"{args.where}: not called: {outcome.why}", USAGE)
    if args.json:
        print(json.dumps({**outcome.document(), "outputs": dict(outcome.outputs)}))
    else:
        print(_words(gateway, outcome))
    if outcome.done == "yes":
        return OK
    silent = outcome.quality in ("bad:timeout", "bad:disconnected", "bad:unit_open")
    return UNREACHABLE if outcome.done == "unknown" or silent else PROBLEM


def _found(gateway: Gateway, where: str) -> tuple[Device, str]:
    """The device and its method; names of devices may have dots of their own."""
    for name in sorted(gateway.devices, key=len, reverse=True):
        if where.startswith(f"{name}."):
            device, method = gateway.devices[name], where.removeprefix(f"{name}.")
            there = [each.name for each in device.profile.methods]
            if method in there:
                return device, method
            if not there:
                such = f"{name} has no methods: its profile {device.profile.id} lists none"
                raise Ended(f"{such}; write under methods: what may be called", USAGE)
            raise Ended(f"{name} has no method '{method}'{hint(method, there)}", USAGE)
    device_of(gateway, where.partition(".")[0])
    raise Ended(f"'{where}' names no method; write DEVICE.METHOD", USAGE)


def _agreed(gateway: Gateway, request: Request) -> bool:
    if not sys.stdin.isatty():
        raise Ended("nobody is there to agree; add --yes to call without asking", USAGE)
    place = gateway.connections[gateway.devices[request.device].connection].place
    given = ", ".join(map(shown, request.arguments))
    question = f"call {request.device}.{request.method}({given}) at {place}? It may start a machine. [y/N] "
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D: who was asked has left, without a line end
        print()
        return False


def _called(gateway: Gateway, device: Device, request: Request) -> Outcome:
    if asking.runs(gateway):
        return asking.called_by_agent(gateway, request)
    return asking.quietly(asking.called_directly(gateway, device, request))


def _words(gateway: Gateway, outcome: Outcome) -> str:
    where = f"{outcome.device}.{outcome.method}"
    if outcome.done == "unknown":
        return (
            f"{where}: {outcome.why}; it may have been carried out: look at the machine before you repeat it"
        )
    if outcome.done == "no":
        return f"{where}: not carried out: {_why(gateway, outcome)}"
    lines = [f"{where}: {outcome.status}, {outcome.took_ms:g} ms"]
    lines += [f"  {shown(name)} = {shown(value)}" for name, value in outcome.outputs]
    return "\n".join(lines)


def _why(gateway: Gateway, outcome: Outcome) -> str:
    """Why a device has not carried it out, with what to do about it."""
    device = gateway.devices[outcome.device]
    reason = outcome.quality.removeprefix("bad:")
    failure = GroupRead("", outcome.took_ms, reason, outcome.why.removeprefix(reason).removeprefix(": "))
    return advice(failure, device, gateway.connections[device.connection])


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write seconds up to {LONGEST_S:g}")
    return seconds
