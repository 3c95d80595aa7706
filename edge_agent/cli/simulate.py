"""`edge-agent simulate`: play a profile as a PLC, with faults on demand."""

import argparse
import asyncio
import errno
import ipaddress
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile
from edge_agent.config.shelf import Shelf, shipped_profiles
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.faults import FOR_ALL, FOR_MODBUS, FOR_OPCUA, Faults, seconds, switched
from edge_agent.sim.modbus import ModbusPlc

PROBLEM = 1  # exit codes
UNREACHABLE = 3


PORTS = {"modbus": 5020, "opcua": 4840}
"""Where a protocol is played by default; 502 would need rights."""

COMMANDS = f"""\
commands on stdin, one a line, while it runs:
  {", ".join((*FOR_ALL, "quit"))}
  Modbus: {", ".join(FOR_MODBUS)}
  OPC UA: {", ".join(FOR_OPCUA)}
"""


class Plc(Protocol):
    """What the command needs of a simulated PLC."""

    faults: Faults

    @property
    def port(self) -> int:
        """Where it listens."""
        ...

    async def switch(self, faults: Faults) -> None:
        """Fail like this from now on. ValueError or OSError, with words for the user, when that cannot be."""
        ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Played:
    """A simulated PLC, the commands it knows, and those of them that are done once."""

    plc: Plc
    known: Sequence[str]
    deeds: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Announced:
    """Where a simulated PLC listens and what it plays; `units` of a Modbus PLC, `endpoint` of OPC UA."""

    host: str
    port: int
    units: tuple[int, ...]
    profile: str
    endpoint: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = COMMANDS
    parser.add_argument("profile", metavar="PROFILE", help="file, or an id such as eastron/sdm630-v2@1")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, help="0 takes a free one (default 5020, OPC UA 4840)")
    parser.add_argument("--units", type=_units, metavar="1,2", help="Modbus units that answer (default 1)")
    parser.add_argument("--silence", action="store_true", help="begin without answering")
    parser.add_argument("--refuse", action="store_true", help="begin without listening")
    parser.add_argument("--slow", type=_seconds, default=0.0, metavar="200ms", help="answer late")
    parser.add_argument("--profiles", type=Path, metavar="DIR", help="where ids are looked up first")
    parser.add_argument("--json", action="store_true", help="say where it listens as JSON")


def run(args: argparse.Namespace) -> int:
    """Play the profile until SIGTERM, SIGINT or `quit`; while it runs, commands on stdin switch faults.

    0 after a clean end, 1 for a profile that cannot be played, 3 when the address cannot be had.
    """
    try:
        profile = profile_of(args.profile, args.profiles)
    except ValueError as error:
        print(error, file=sys.stderr)
        return PROBLEM
    return play(profile, args)


def play(profile: Profile, args: argparse.Namespace) -> int:
    """Play a profile that is loaded; ends as `run` does."""
    try:
        played = _played(profile, args)
    except ValueError as error:
        print(error, file=sys.stderr)
        return PROBLEM
    faults = Faults(silence=args.silence, refuse=args.refuse, slow_s=args.slow)
    try:
        asyncio.run(_play(played, faults, args, f"{profile.id}@{profile.version}"))
    except OSError as error:
        print(_unreachable(error, args), file=sys.stderr)
        return UNREACHABLE
    return 0


def _played(profile: Profile, args: argparse.Namespace) -> Played:
    """The PLC of a profile. ValueError, with words for the user, when it cannot be simulated."""
    if args.port is None:
        args.port = PORTS[profile.protocol]
    if profile.protocol == "modbus":
        units = args.units or (1,)
        return Played(
            ModbusPlc(profile.tags, host=args.host, port=args.port, units=units), FOR_ALL + FOR_MODBUS
        )
    if args.units:
        raise ValueError(f"{profile.id}: an OPC UA server has no units; leave --units out")

    from edge_agent.sim.opcua import OpcUaPlc  # noqa: PLC0415 - asyncua costs 26 MB and 0.25 s

    # What the library has to say of each connection is not for the person at this terminal.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    plc = OpcUaPlc(profile.tags, host=args.host, port=args.port)
    return Played(plc, FOR_ALL + FOR_OPCUA, {"cut": plc.cut, "restart": plc.restart})


async def _play(played: Played, faults: Faults, args: argparse.Namespace, profile: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with played.plc, asyncio.TaskGroup() as tasks:
        await played.plc.switch(faults)
        endpoint, units = getattr(played.plc, "endpoint", None), getattr(played.plc, "units", ())
        about = Announced(args.host, played.plc.port, units, profile, endpoint)
        print(announcement(about, as_json=args.json), flush=True)
        listening = tasks.create_task(_obey(played, stop))
        await stop.wait()
        listening.cancel()


def announcement(about: Announced, *, as_json: bool) -> str:
    """The line that says where the simulated PLC listens, with a warning where others can reach it."""
    warning = "" if _is_loopback(about.host) else "warning: anybody who reaches this address can read"
    if as_json:
        where = {"endpoint": about.endpoint} if about.endpoint else {"units": about.units}
        facts = {"host": about.host, "port": about.port, **where, "profile": about.profile}
        return json.dumps({**facts, "warning": warning} if warning else facts)
    if about.endpoint:
        line = f"simulating {about.profile} at {about.endpoint}"
    else:
        units = ", ".join(map(str, about.units))
        line = f"simulating {about.profile} on {about.host} port {about.port}, units {units}"
    return f"{line} ({warning})" if warning else line


async def _obey(played: Played, stop: asyncio.Event) -> None:
    async for line in _lines(0):
        command = line.strip()
        if command == "quit":
            stop.set()
            return
        if not command:
            continue
        try:
            if command in played.deeds:
                await played.deeds[command]()
            else:
                await played.plc.switch(switched(played.plc.faults, command, played.known))
        except (ValueError, OSError) as error:
            print(error, file=sys.stderr, flush=True)


async def _lines(descriptor: int) -> AsyncIterator[str]:
    """The lines of a pipe, a terminal or a file as they come; ends with it."""
    held = b""
    while True:
        await _readable(descriptor)
        try:
            chunk = os.read(descriptor, 4096)
        except OSError:  # closed, or a terminal that this process may not read from the background
            return
        *whole, held = (held + chunk).split(b"\n")
        for line in whole if chunk else [held]:
            yield line.decode(errors="replace")
        if not chunk:
            return


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except OSError:  # a file or /dev/null, which are always readable
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def profile_of(wanted: str, folder: Path | None) -> Profile:
    """The profile of a path or an id. ValueError with the list of problems, ready to print."""
    try:
        profile, problems = _found(wanted, folder)
    except OSError as error:
        raise ValueError(f"{wanted}: cannot be read: {error.strerror}") from error
    if profile is None:
        raise ValueError(render(problems))
    if problems:
        print(render(problems), file=sys.stderr)
    if profile.protocol not in PORTS:
        raise ValueError(
            f"{wanted}: {' and '.join(PORTS)} can be simulated, this profile is {profile.protocol}"
        )
    return profile


def _found(wanted: str, folder: Path | None) -> tuple[Profile | None, Sequence[Problem]]:
    if Path(wanted).is_file():
        return load_profile(Path(wanted), kinds())
    folders = [place for place in (folder, shipped_profiles()) if place is not None]
    shelf = Shelf(folders, kinds(), Surroundings())
    try:
        return shelf.take(wanted), shelf.problems
    except ValueError as error:
        raise ValueError(f"{error} (and no file has this name)") from None


def _unreachable(error: OSError, args: argparse.Namespace) -> str:
    reasons: Mapping[int | None, str] = {
        errno.EADDRINUSE: "it is in use; choose another with --port, or 0 for a free one",
        errno.EACCES: "ports below 1024 need rights; choose a higher one with --port",
    }
    why = reasons.get(error.errno, error.strerror or str(error))
    return f"cannot listen on {args.host} port {args.port}: {why}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _units(text: str) -> tuple[int, ...]:
    units = [int(part) if part.strip().isdecimal() else -1 for part in text.split(",")]
    if not all(0 <= unit <= 255 for unit in units):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of units; write it like 1,2 (0 to 255)")
    return tuple(dict.fromkeys(units))


def _seconds(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
