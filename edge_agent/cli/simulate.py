"""`edge-agent simulate`: play a profile as a PLC, with faults on demand."""

import argparse
import asyncio
import errno
import ipaddress
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile
from edge_agent.config.shelf import Shelf, shipped_profiles
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.faults import Faults, seconds, switched
from edge_agent.sim.modbus import ModbusPlc

PROBLEM = 1  # exit codes
UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class Announced:
    """Where a simulated PLC listens and what it plays."""

    host: str
    port: int
    units: tuple[int, ...]
    profile: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("profile", metavar="PROFILE", help="file, or an id such as eastron/sdm630-v2@1")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=5020, help="0 takes a free one (default %(default)s)")
    parser.add_argument(
        "--units", type=_units, default=(1,), metavar="1,2", help="units that answer (default 1)"
    )
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
        plc = ModbusPlc(profile.tags, host=args.host, port=args.port, units=args.units)
    except ValueError as error:
        print(error, file=sys.stderr)
        return PROBLEM
    faults = Faults(silence=args.silence, refuse=args.refuse, slow_s=args.slow)
    try:
        asyncio.run(_play(plc, faults, args, f"{profile.id}@{profile.version}"))
    except OSError as error:
        print(_unreachable(error, args), file=sys.stderr)
        return UNREACHABLE
    return 0


async def _play(plc: ModbusPlc, faults: Faults, args: argparse.Namespace, profile: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with plc, asyncio.TaskGroup() as tasks:
        await plc.switch(faults)
        about = Announced(args.host, plc.port, plc.units, profile)
        print(announcement(about, as_json=args.json), flush=True)
        listening = tasks.create_task(_obey(plc, stop))
        await stop.wait()
        listening.cancel()


def announcement(about: Announced, *, as_json: bool) -> str:
    """The line that says where the simulated PLC listens, with a warning where others can reach it."""
    warning = "" if _is_loopback(about.host) else "warning: anybody who reaches this address can read"
    if as_json:
        facts = {"host": about.host, "port": about.port, "units": about.units, "profile": about.profile}
        return json.dumps({**facts, "warning": warning} if warning else facts)
    units = ", ".join(map(str, about.units))
    line = f"simulating {about.profile} on {about.host} port {about.port}, units {units}"
    return f"{line} ({warning})" if warning else line


async def _obey(plc: ModbusPlc, stop: asyncio.Event) -> None:
    async for line in _lines(0):
        if line.strip() == "quit":
            stop.set()
            return
        if not line.strip():
            continue
        try:
            await plc.switch(switched(plc.faults, line))
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
    if profile.protocol != "modbus":
        raise ValueError(f"{wanted}: only modbus can be simulated, this profile is {profile.protocol}")
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
