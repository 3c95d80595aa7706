"""How much of its time each connection is asked for, and what is said when that is too much."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import not_

from edge_agent.config.kinds import Overload
from edge_agent.config.problems import counted
from edge_agent.config.settings import Connection, Device, ModbusConnection
from edge_agent.drivers.modbus.requests import (
    BEHIND_CONVERTER,
    blocks_of,
    cost_of,
    fields_of,
    least_of,
    modbus,
    usual_latency_s,
)

BUSY = 0.8
"""Share of its time that a connection may be asked for without a word: the rest is for repetitions, timeouts
and devices that are slower than assumed."""
MOST_USERS = 3
"""Kinds of use that a message names."""
CLEARLY = 1 + 1e-9
"""What is meant to be all of the time may come out a little above one."""

_Planned = dict[Hashable, tuple[int, ...]]
"""Bytes of the answers by what is planned, so that devices of a type are planned once."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A group of a device, with the time that one reading of it takes.

    `least_s` is that for certain: all that is known, with a device that answers at once.
    """

    device: str
    profile: str
    group: str
    interval_s: float
    requests: int
    cost_s: float
    least_s: float

    @property
    def kind(self) -> Hashable:
        """Equal for what need not be told apart."""
        return self.profile, self.group, self.interval_s, self.requests, self.cost_s, self.least_s


def overloads(connections: Mapping[str, Connection], devices: Sequence[Device]) -> list[Overload]:
    """What is to be said of the time that devices need of their Modbus connections.

    What cannot be, whatever the devices, is an error: a group that takes longer than its interval, or groups
    that together take all the time of their connection and more. What probably is so, with an assumed time to
    answer, is a warning, and so is a connection that is busy for more than `BUSY` of its time.
    """
    planned: _Planned = {}
    uses: dict[str, list[_Use]] = {}
    for device in devices:
        connection = modbus(connections[device.connection])
        uses.setdefault(device.connection, []).extend(_uses(connection, device, planned))
    told = [each for name, those in uses.items() for each in _told(modbus(connections[name]), those)]
    return [*_nobody(connections, devices), *told]


def _nobody(connections: Mapping[str, Connection], devices: Sequence[Device]) -> Iterator[Overload]:
    """Devices that nobody answers for: unit 0 of a line."""
    for device in devices:
        connection = modbus(connections[device.connection])
        if connection.framing != "tcp" and device.unit == 0:
            message = (
                f"unit 0 of {device.name} is all units of a line at once, and none answers; write 1 to 247"
            )
            yield Overload(message, "error", connection.name, device.name)


def _uses(connection: ModbusConnection, device: Device, planned: _Planned) -> Iterator[_Use]:
    cost, least = cost_of(connection, device), least_of(connection, device)
    for name, group in device.groups.items():
        fields = fields_of(device.tags, name)
        places = tuple((each.table, each.address, each.type, each.length) for each in fields)
        key = device.profile.limits, cost, places
        if key not in planned:
            planned[key] = tuple(each.size_bytes for each in blocks_of(device.profile.limits, fields, cost))
        sizes = planned[key]
        yield _Use(
            device.name,
            device.profile.id,
            name,
            group.interval_s,
            len(sizes),
            sum(map(cost.of, sizes)),
            sum(map(least.of, sizes)),
        )


def _told(connection: ModbusConnection, uses: Sequence[_Use]) -> Iterator[Overload]:
    at_a_time = connection.max_in_flight
    bearable = [each.least_s <= CLEARLY * at_a_time * each.interval_s for each in uses]
    for those in _alike(compress(uses, map(not_, bearable))):
        one = those[0]
        yield Overload(_endless(those, connection), "error", connection.name, one.device, one.group)
    rest = list(compress(uses, bearable))
    least = sum(each.least_s / each.interval_s for each in rest) / at_a_time
    likely = sum(each.cost_s / each.interval_s for each in rest) / at_a_time
    if least > CLEARLY:
        words = f"is asked for {likely:.3g} s of every second, {least:.3g} s even if devices answered at once"
        yield Overload(_asked(connection, words, rest), "error", connection.name)
    elif likely > BUSY:
        words = f"is asked for {likely:.3g} s of every second{_assumed(connection)}"
        yield Overload(_asked(connection, words, rest), "warning", connection.name)


def _endless(those: Sequence[_Use], connection: ModbusConnection) -> str:
    one = those[0]
    others = f" and of {counted(len(those) - 1, 'device')} like it" if len(those) > 1 else ""
    return (
        f"group {one.group} of {one.device}{others} is read every {one.interval_s:g} s and keeps "
        f"{connection.name} busy for {_span(one.cost_s)} ({counted(one.requests, 'request')}), for "
        f"{_span(one.least_s)} even if the device answered at once; make the interval longer"
    )


def _asked(connection: ModbusConnection, words: str, uses: Iterable[_Use]) -> str:
    kinds = sorted(_alike(uses), key=lambda those: -sum(each.cost_s / each.interval_s for each in those))
    named = [_user(those) for those in kinds[:MOST_USERS]]
    if kinds[MOST_USERS:]:
        named.append(f"and {len(kinds) - MOST_USERS} more")
    way_out = ", the baudrate higher, or split the line" if connection.line else " or use another connection"
    return f"connection {connection.name} {words}: {', '.join(named)}; make intervals longer{way_out}"


def _user(those: Sequence[_Use]) -> str:
    one = those[0]
    who = one.device if len(those) == 1 else f"{len(those)} devices"
    each = f"{counted(one.requests, 'request')}, {_span(one.cost_s)}"
    return f"{who} x {one.group} ({each}) every {one.interval_s:g} s"


def _assumed(connection: ModbusConnection) -> str:
    latency = f", if an answer takes {_span(usual_latency_s(connection))} to begin"
    if connection.line or connection.framing == "tcp":
        return latency
    return f"{latency} and the line behind it has {BEHIND_CONVERTER.baudrate} bit/s"


def _alike(uses: Iterable[_Use]) -> list[list[_Use]]:
    kinds: dict[Hashable, list[_Use]] = {}
    for each in uses:
        kinds.setdefault(each.kind, []).append(each)
    return list(kinds.values())


def _span(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
