"""`edge-agent explain`: what a device will be asked, how often, and what that costs."""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from edge_agent.cli import asking
from edge_agent.cli.codes import OK
from edge_agent.cli.configured import add_config, device_of, gateway_of
from edge_agent.cli.table import Cell, figure, table
from edge_agent.config.problems import counted
from edge_agent.config.settings import Device, Gateway, Group
from edge_agent.drivers.driver import Explained, driver

Asked = Mapping[str, Sequence[Explained]]
"""What each device of a connection is asked, by its name."""

EPILOG = """\
Nothing is asked for it. Each group is read at its phase and then at every
interval, by the clock of the machine. For Modbus:

  first, last   addresses as on the wire, counted from 0
  printed       as manuals print them: from 1, with the digit of the table in front
  used, along   registers (bits) with a tag, and those between that are read along
  bytes         of request and answer, without TCP/IP
  ms            for which they keep the connection busy, with the pause behind:
                computed, with what a device takes to answer as a running agent
                has measured it, else 10 ms on a serial line, 2 ms on a network

exit codes: 0 explained, 1 the configuration has mistakes, 2 no such device
"""
WIDTH = 80
MOST_DEVICES = 15
"""Rows for the devices of a connection, so that what was asked for stays on the screen."""


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
    latency_s = asking.latency_s(gateway, device.connection)
    asked = _asked(gateway, device, latency_s)
    if args.json:
        print(json.dumps({**_document(gateway, device, asked), "latency_s": latency_s}))
    else:
        print("\n".join(lines(gateway, device, asked)))
        if latency_s is not None:
            print(f"\n{figure(latency_s * 1000)} ms until a device answers, as the running agent measured")
    return OK


def _asked(gateway: Gateway, device: Device, latency_s: float | None) -> Asked:
    """What the device and all others on its connection are asked."""
    protocol = driver(device.profile.protocol)
    connection = gateway.connections[device.connection]
    sharing = [each for each in gateway.devices.values() if each.connection == device.connection]
    return {each.name: protocol.explain(connection, each, latency_s) for each in sharing}


def lines(gateway: Gateway, device: Device, asked: Asked) -> Iterator[str]:
    """What is asked, group by group, each request with its tags below; then who shares the connection."""
    profile = device.profile
    own = asked[device.name]
    yield f"{device.name}: {profile.id}@{profile.version} on connection {device.connection}"
    head, *rows = table(_head(own), [_row(each)[: len(_head(own))] for each in own], indent=2)
    for group in device.groups.values():
        its = [(each, row) for each, row in zip(own, rows, strict=True) if each.group == group.name]
        yield ""
        yield f"{group.name}: {_rhythm(group, gateway, device)}, {_effort([each for each, _ in its], group)}"
        yield head
        for each, row in its:
            yield row
            yield from wrap(", ".join(each.tags), WIDTH, initial_indent="    ", subsequent_indent="    ")
    yield ""
    yield f"in all: {_sum(own)}"
    yield from _sharing(device, asked)


def _rhythm(group: Group, gateway: Gateway, device: Device) -> str:
    if group.mode == "subscribe":
        return f"subscribed to, sent every {group.interval_s:g} s"
    if group.mode == "events":
        return f"events as they come, sent every {group.interval_s:g} s"
    return f"every {group.interval_s:g} s, phase {group.phase(gateway.id, device.name):g} s"


def _effort(asked: Sequence[Explained], group: Group) -> str:
    requests, cost_s = counted(len(asked), "request"), _cost_s(asked)
    if cost_s is None:
        return requests
    return (
        f"{requests}, {figure(cost_s * 1000)} ms, {_percent(cost_s / group.interval_s):g} % of the interval"
    )


def _head(asked: Sequence[Explained]) -> list[str]:
    facts = asked[0].facts if asked else ()
    return [name.upper() for name in (*facts, *(("bytes", "ms") if _bytes_per_s(asked) else ()))]


def _row(each: Explained) -> list[Cell]:
    bytes_ = "" if each.request_bytes is None else f"{each.request_bytes} + {each.answer_bytes}"
    return [*each.facts.values(), bytes_, "" if each.cost_s is None else each.cost_s * 1000]


def _sum(asked: Sequence[Explained]) -> str:
    words = [counted(len(asked), "request"), f"{figure(_requests_per_s(asked))} requests/s"]
    bytes_per_s, share = _bytes_per_s(asked), _share(asked)
    if bytes_per_s is not None:
        words.append(f"{figure(bytes_per_s)} bytes/s")
    if share is not None:
        words.append(f"{_percent(share):g} % of the connection")
    return ", ".join(words)


def _sharing(device: Device, asked: Asked) -> Iterator[str]:
    """How busy the connection is, and with whom, the busiest first."""
    total = _share([each for its in asked.values() for each in its])
    if total is None:
        return
    requests = figure(sum(_requests_per_s(its) for its in asked.values()))
    yield ""
    yield (
        f"connection {device.connection}: {counted(len(asked), 'device')}, {requests} requests/s, "
        f"{_percent(total):g} % of its time"
    )
    if len(asked) > 1:
        yield from table(("DEVICE", "REQUESTS/S", "PERCENT"), list(_busiest(asked)), indent=2)


def _busiest(asked: Asked) -> Iterator[tuple[str, float, float]]:
    shares = {name: _share(its) or 0.0 for name, its in asked.items()}
    names = sorted(asked, key=lambda name: -shares[name])
    shown = names if len(names) <= MOST_DEVICES else names[: MOST_DEVICES - 1]
    rest = names[len(shown) :]
    rows = [(name, [name]) for name in shown] + ([(f"{len(rest)} others", rest)] if rest else [])
    for label, those in rows:
        per_s = sum(_requests_per_s(asked[name]) for name in those)
        yield label, per_s, _percent(sum(shares[name] for name in those))


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _requests_per_s(asked: Sequence[Explained]) -> float:
    return sum(each.requests_per_s for each in asked)


def _bytes_per_s(asked: Sequence[Explained]) -> float | None:
    return _total(
        None
        if each.request_bytes is None or each.answer_bytes is None
        else (each.request_bytes + each.answer_bytes) * each.requests_per_s
        for each in asked
    )


def _cost_s(asked: Sequence[Explained]) -> float | None:
    return _total(each.cost_s for each in asked)


def _share(asked: Sequence[Explained]) -> float | None:
    return _total(each.share for each in asked)


def _total(numbers: Iterable[float | None]) -> float | None:
    """Their sum, where all of them are known."""
    known: list[float] = []
    for number in numbers:
        if number is None:
            return None
        known.append(number)
    return sum(known)


def _document(gateway: Gateway, device: Device, asked: Asked) -> dict[str, object]:
    own = asked[device.name]
    by_group = {name: [each for each in own if each.group == name] for name in device.groups}
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
                "cost_s": _cost_s(by_group[name]),
                "requests": [_request(each) for each in by_group[name]],
            }
            for name, group in device.groups.items()
        ],
        "requests_per_s": _requests_per_s(own),
        "bytes_per_s": _bytes_per_s(own),
        "share": _share(own),
        "sharing": [
            {"device": name, "requests_per_s": _requests_per_s(its), "share": _share(its)}
            for name, its in asked.items()
        ],
        "connection_share": _share([each for its in asked.values() for each in its]),
    }


def _request(each: Explained) -> dict[str, object]:
    return {
        **each.facts,
        "tags": each.tags,
        "request_bytes": each.request_bytes,
        "answer_bytes": each.answer_bytes,
        "requests_per_s": each.requests_per_s,
        "cost_s": each.cost_s,
        "share": each.share,
    }
