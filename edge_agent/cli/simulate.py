"""`edge-agent simulate`: play a profile as a PLC, with faults on demand."""

import argparse
import asyncio
import errno
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_agent.cli.played import HOST, PORTS, Played, announcement, count, played, present
from edge_agent.cli.typed import lines
from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile
from edge_agent.config.shelf import Shelf, shipped_profiles
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.commands import FOR_ALL, FOR_MODBUS, FOR_OPCUA, numbers, seconds
from edge_agent.sim.faults import Faults

PROBLEM = 1  # exit codes
UNREACHABLE = 3

OF_SOCKETS: Mapping[int | None, str] = {
    errno.EADDRINUSE: "it is in use; choose another with --port, or 0 for a free one",
    errno.EACCES: "ports below 1024 need rights; choose a higher one with --port",
}
OF_SERIAL_PORTS: Mapping[int | None, str] = {
    errno.ENOENT: "there is no such port; is the adapter plugged in, does socat run?",
    errno.EACCES: "it needs rights; serial ports belong to the group dialout as a rule",
    errno.ENOTTY: "this is no serial port",
    errno.EBUSY: "another program has it",
}
"""Why a place cannot be had, where the words of the system say little."""


def _listed(commands: Mapping[str, str]) -> str:
    return "\n".join(f"  {usage:<28} {what}" for usage, what in commands.items())


COMMANDS = f"""\
commands on stdin, one a line, while it runs; `quit` ends it:
{_listed(FOR_ALL)}
Modbus:
{_listed(FOR_MODBUS)}
  Behind `unit 3 ` a command is for this unit alone, else for all.
  `random 5% seed 7 late 50ms-300ms without slow,twice` draws one fault for 5 of
  100 requests, from all but refuse and single. The same seed draws the same;
  `late` is how late what is drawn to be slow is; `without` is not drawn.
OPC UA:
{_listed(FOR_OPCUA)}
  `limits 10` is for each of read, items, browse, translate, register, history;
  `limits read 10,items 5` for these. `untold` behind it: the server keeps its
  limits without telling them; `too-large`: it refuses with BadResponseTooLarge.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = COMMANDS
    parser.add_argument("profile", metavar="PROFILE", help="file, or an id such as eastron/sdm630-v2@1")
    parser.add_argument("--host", help=f"address to listen on (default {HOST})")
    parser.add_argument("--port", type=int, help="0 takes a free one (default 5020, OPC UA 4840)")
    parser.add_argument(
        "--secure", action="store_true", help="OPC UA: signed and encrypted only, with a new certificate"
    )
    parser.add_argument("--user", type=_user, metavar="NAME:PASSWORD", help="OPC UA: who is let in, alone")
    modbus = parser.add_argument_group("Modbus")
    modbus.add_argument("--mode", choices=["tcp", "rtu", "ascii"], help="framing (tcp; rtu on a serial port)")
    modbus.add_argument("--udp", action="store_true", help="datagrams instead of connections")
    modbus.add_argument("--serial", metavar="PATH", help="a serial port, or one end of a pair made by socat")
    modbus.add_argument("--baudrate", type=int, help="of the serial port (default 9600)")
    modbus.add_argument("--parity", choices=["none", "even", "odd"], help="of the serial port (default even)")
    modbus.add_argument("--stopbits", type=int, choices=[1, 2], help="of the serial port (default 1)")
    modbus.add_argument("--databits", type=int, choices=[7, 8], help="of the serial port (8; 7 with ascii)")
    modbus.add_argument("--units", type=_units, metavar="1,2,5-8", help="units that answer (default 1)")
    modbus.add_argument(
        "--others",
        choices=["refuse", "ignore"],
        help="what other units do: mode tcp refuses with exception 11, rtu and ascii ignore",
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
    except ValueError as error:
        print(error, file=sys.stderr)
        return PROBLEM
    return play(profile, args)


def play(profile: Profile, args: argparse.Namespace) -> int:
    """Play a profile that is loaded; ends as `run` does. Ended for arguments that contradict each other."""
    try:
        playing = played(profile, args)
    except ValueError as error:
        print(error, file=sys.stderr)
        return PROBLEM
    faults = Faults(silence=args.silence, refuse=args.refuse, slow_s=args.slow)
    try:
        asyncio.run(_play(playing, faults, args, f"{profile.id}@{profile.version}"))
    except OSError as error:
        print(_unreachable(error, playing), file=sys.stderr)
        return UNREACHABLE
    return 0


async def _play(playing: Played, faults: Faults, args: argparse.Namespace, profile: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with playing.plc, asyncio.TaskGroup() as tasks:
        await playing.plc.switch(faults)
        print(announcement(profile, playing.where(), as_json=args.json), flush=True)
        others = [tasks.create_task(_obey(playing, stop, as_json=args.json))]
        if playing.gone is not None:
            others.append(tasks.create_task(_end_after(playing.gone, stop)))
        await stop.wait()
        for other in others:
            other.cancel()
    if playing.counts is not None and playing.counts()[1]:
        print(count(*playing.counts(), as_json=args.json), flush=True)


async def _end_after(gone: asyncio.Event, stop: asyncio.Event) -> None:
    await gone.wait()
    stop.set()


async def _obey(playing: Played, stop: asyncio.Event, *, as_json: bool) -> None:
    async for line in lines(0):
        command = line.strip()
        if command == "quit":
            stop.set()
            return
        if command == "count" and playing.counts is not None:
            print(count(*playing.counts(), as_json=as_json), flush=True)
        elif command == "count" and playing.clients is not None:
            print(present(*playing.clients(), as_json=as_json), flush=True)
        elif command:
            try:
                await playing.obey(command)
            except (ValueError, OSError) as error:
                print(error, file=sys.stderr, flush=True)


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
        raise ValueError(f"{error} (no file has this name; --profiles DIR names a folder of yours)") from None


def _unreachable(error: OSError, playing: Played) -> str:
    reasons = OF_SERIAL_PORTS if playing.serial else OF_SOCKETS
    why = reasons.get(error.errno, error.strerror or str(error))
    return f"{playing.place}: {why}" if playing.serial else f"cannot listen on {playing.place}: {why}"


def _units(text: str) -> tuple[int, ...]:
    try:
        return numbers(text, 255)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _user(text: str) -> tuple[str, str]:
    name, _, password = text.partition(":")
    if not name or not password:
        raise argparse.ArgumentTypeError(f"{text!r} is no user; write it like edge:secret")
    return name, password


def _seconds(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
