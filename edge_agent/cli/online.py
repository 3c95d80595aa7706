"""`edge-agent check --online`: every device once, and what to do about those that do not answer well."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from edge_agent.cli import asking
from edge_agent.cli.advice import advice
from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE
from edge_agent.cli.table import shown
from edge_agent.config.problems import counted
from edge_agent.config.settings import Device, Gateway
from edge_agent.errors import DeviceError, EdgeAgentError
from edge_agent.ops.reading import GroupRead, Reading, Row

CONNECTIONS = 16
"""Asked at the same time; the devices of one connection are asked one after the other."""
TOTAL_S = 60.0
"""For all devices together: as long as somebody in front of a cabinet waits for a verdict."""
NAMED = 3
"""Bad values named in the line of their device; `edge-agent read` shows all."""

Verdict = Literal["ok", "warn", "FAIL"]
_Look = Callable[[Gateway, Sequence[Device], "dict[str, Seen]"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of asking one device; `connect_ms` is None when a running agent was connected already."""

    device: str
    verdict: Verdict
    words: str
    connect_ms: float | None = None
    reading: Reading | None = None


def seen(gateway: Gateway, *, within_s: float = TOTAL_S) -> list[Seen]:
    """Ask every device of a gateway; in the order of its file.

    Raises EdgeAgentError when an agent runs that cannot be asked: its devices are not asked beside it.
    """
    look = _by_agent if asking.runs(gateway) else _directly
    found: dict[str, Seen] = {}
    asking.quietly(_all(gateway, look, found, within_s))
    late = f"not asked within {within_s:g} s: ask it alone with edge-agent read"
    return [found.get(name, Seen(name, "FAIL", late)) for name in gateway.devices]


def code(all_seen: Sequence[Seen]) -> int:
    """The exit code for what was seen."""
    if all(each.verdict == "ok" for each in all_seen):
        return OK
    return UNREACHABLE if all(each.verdict == "FAIL" for each in all_seen) else PROBLEM


def by_another_configuration(gateway: Gateway, all_seen: Sequence[Seen]) -> bool:
    """Whether the agent that was asked runs with another configuration than this one."""
    return any(each.reading is not None and asking.differs(gateway, each.reading) for each in all_seen)


def lines(all_seen: Sequence[Seen]) -> Iterator[str]:
    """One line per device, and below it what it is, and a line for each group that was answered."""
    width = max((len(each.device) for each in all_seen), default=0)
    for each in all_seen:
        connected = "" if each.connect_ms is None else f", connected in {each.connect_ms:g} ms"
        yield f"{each.verdict:<4}  {each.device:<{width}}  {each.words}{connected}"
        if each.reading is not None:
            said = (*_refused(each.reading), *_identity(each.reading), *_groups(each.reading))
            yield from (f"      {line}" for line in said)


def document(all_seen: Sequence[Seen]) -> list[Mapping[str, object]]:
    """What was seen, as JSON has it."""
    return [asdict(each) for each in all_seen]


async def _all(gateway: Gateway, look: _Look, found: dict[str, Seen], within_s: float) -> None:
    slots = asyncio.Semaphore(CONNECTIONS)

    async def one(connection: str) -> None:
        users = [each for each in gateway.devices.values() if each.connection == connection]
        async with slots:
            await look(gateway, users, found)

    try:
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
            for connection in {each.connection for each in gateway.devices.values()}:
                tasks.create_task(one(connection))
    except TimeoutError:
        return  # those that are not in `found` were not asked in time


async def _directly(gateway: Gateway, devices: Sequence[Device], found: dict[str, Seen]) -> None:
    async with asking.opened(gateway, devices[0]) as connection:
        began = time.perf_counter()
        try:
            await connection.reach()
        except DeviceError as error:
            failure = GroupRead("", 0.0, error.reason, error.detail)
            for device in devices:
                why = advice(failure, device, gateway.connections[device.connection])
                found[device.name] = Seen(device.name, "FAIL", why)
            return
        connect_ms = round((time.perf_counter() - began) * 1000, 1)
        for device in devices:
            read = await connection.read(device, identity=True)
            found[device.name] = _judged(gateway, device, read, connect_ms)


async def _by_agent(gateway: Gateway, devices: Sequence[Device], found: dict[str, Seen]) -> None:
    for device in devices:
        try:
            read = await asyncio.to_thread(asking.by_agent, gateway, device, identity=True)
        except EdgeAgentError as error:
            found[device.name] = Seen(device.name, "FAIL", str(error))
        else:
            found[device.name] = _judged(gateway, device, read, None)


def _judged(gateway: Gateway, device: Device, read: Reading, connect_ms: float | None) -> Seen:
    connection = gateway.connections[device.connection]
    failed = [each for each in read.groups if each.reason]
    if read.failure is not None:
        return Seen(device.name, "FAIL", advice(read.failure, device, connection))
    if failed:
        words = f"group {failed[0].group}: {advice(failed[0], device, connection)}"
        return Seen(device.name, "warn", words, connect_ms, read)
    verdict: Verdict = "warn" if read.bad or read.mismatch else "ok"
    return Seen(device.name, verdict, words_of(read), connect_ms, read)


def words_of(read: Reading) -> str:
    """What is to be said of a device all of whose groups were answered."""
    doubtful = [row for row in read.rows if row.quality.startswith("uncertain:")]
    values = counted(len(read.rows), "value")
    if read.bad:
        return f"{len(read.bad)} of {values} bad: {_named(read.bad)}"
    return f"{values}, doubtful: {_named(doubtful)}" if doubtful else values


def _named(rows: Sequence[Row]) -> str:
    names = ", ".join(f"{row.tag} {row.quality}" for row in rows[:NAMED])
    return names if len(rows) <= NAMED else f"{names} and {len(rows) - NAMED} more"


def _identity(read: Reading) -> Iterator[str]:
    if read.identity:
        yield f"says it is {read.identity}"
    if read.mismatch:
        yield f"not what its profile is for: {read.mismatch}; is the unit right, is the profile?"


def _refused(read: Reading) -> Iterator[str]:
    if any(row.quality == "bad:illegal_address" for row in read.rows):
        yield "it has no such address: does the profile fit the device and its firmware?"


def _groups(read: Reading) -> Iterator[str]:
    for each in read.groups:
        first = next((r for r in read.rows if r.group == each.group and r.value is not None), None)
        if first is not None:
            value = f"{first.tag} {shown(first.value)} {first.unit or ''}".rstrip()
            yield f"{each.group}: {value}, in {each.took_ms:g} ms"
