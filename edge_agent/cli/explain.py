"""`edge-agent explain`: what a device will be asked, how often, and what that costs."""

import argparse
import json
from collections.abc import Iterator, Sequence
from textwrap import wrap

from edge_agent.cli.codes import OK
from edge_agent.cli.configured import add_config, device_of, gateway_of
from edge_agent.cli.table import table
from edge_agent.config.problems import counted
from edge_agent.config.settings import Device, Gateway, Group
from edge_agent.drivers.driver import Explained, driver

EPILOG = """\
Nothing is asked for it. Each group is read at its phase and then at every
interval, by the clock of the machine. For Modbus:

  first, last   addresses as on the wire, counted from 0
  printed       as manuals print them: from 1, with the digit of the table in front
  used, along   registers (bits) with a tag, and those between that are read along
  bytes         of request and answer, without TCP/IP

exit codes: 0 explained, 1 the configuration has mistakes, 2 no such device
"""
WIDTH = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `explain`."""
    parser.add_argument("device", metavar="DEVICE", help="its name in the configuration")
    add_config(parser, "the configuration that has the device")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Explain one device."""
    gateway = gateway_of(args.config)
    device = device_of(gateway, args.device)
    asked = driver(device.profile.protocol).explain(device)
    if args.json:
        print(json.dumps(_document(gateway, device, asked)))
    else:
        print("\n".join(lines(gateway, device, asked)))
    return OK


def lines(gateway: Gateway, device: Device, asked: Sequence[Explained]) -> Iterator[str]:
    """What is asked, group by group, each request with its tags below."""
    profile = device.profile
    yield f"{device.name}: {profile.id}@{profile.version} on connection {device.connection}"
    head, *rows = table(_head(asked), [_row(each)[: len(_head(asked))] for each in asked], indent=2)
    for group in device.groups.values():
        its = [(each, row) for each, row in zip(asked, rows, strict=True) if each.group == group.name]
        yield ""
        yield f"{group.name}: {_rhythm(group, gateway, device)}, {counted(len(its), 'request')}"
        yield head
        for each, row in its:
            yield row
            yield from wrap(", ".join(each.tags), WIDTH, initial_indent="    ", subsequent_indent="    ")
    yield ""
    yield f"in all: {_sum(asked)}"


def _rhythm(group: Group, gateway: Gateway, device: Device) -> str:
    if group.mode == "subscribe":
        return f"subscribed to, sent every {group.interval_s:g} s"
    return f"every {group.interval_s:g} s, phase {group.phase(gateway.id, device.name):g} s"


def _head(asked: Sequence[Explained]) -> list[str]:
    facts = asked[0].facts if asked else ()
    return [name.upper() for name in (*facts, *(("bytes",) if _counted(asked) else ()))]


def _counted(asked: Sequence[Explained]) -> bool:
    """Whether anybody can tell how many bytes go over the wire."""
    return any(each.request_bytes is not None for each in asked)


def _row(each: Explained) -> list[str | int]:
    bytes_ = "" if each.request_bytes is None else f"{each.request_bytes} + {each.answer_bytes}"
    return [*each.facts.values(), bytes_]


def _sum(asked: Sequence[Explained]) -> str:
    per_s = sum(each.requests_per_s for each in asked)
    bytes_per_s = _bytes_per_s(asked)
    words = f"{counted(len(asked), 'request')}, {per_s:.3g} requests/s"
    return words if bytes_per_s is None else f"{words}, {bytes_per_s:.3g} bytes/s"


def _bytes_per_s(asked: Sequence[Explained]) -> float | None:
    total = 0.0
    for each in asked:
        if each.request_bytes is None or each.answer_bytes is None:
            return None
        total += (each.request_bytes + each.answer_bytes) * each.requests_per_s
    return total


def _document(gateway: Gateway, device: Device, asked: Sequence[Explained]) -> dict[str, object]:
    return {
        "device": device.name,
        "profile": f"{device.profile.id}@{device.profile.version}",
        "connection": device.connection,
        "groups": [
            {
                "group": name,
                "mode": group.mode,
                "interval_s": group.interval_s,
                "phase_s": group.phase(gateway.id, device.name),
                "requests": [
                    {
                        **each.facts,
                        "tags": each.tags,
                        "request_bytes": each.request_bytes,
                        "answer_bytes": each.answer_bytes,
                        "requests_per_s": each.requests_per_s,
                    }
                    for each in asked
                    if each.group == name
                ],
            }
            for name, group in device.groups.items()
        ],
        "requests_per_s": sum(each.requests_per_s for each in asked),
        "bytes_per_s": _bytes_per_s(asked),
    }
