"""What `edge-agent simulate` plays: the PLC its arguments ask for, and the words that tell where it is."""

import argparse
import asyncio
import ipaddress
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Literal, Protocol

from edge_agent.cli.codes import USAGE, Ended
from edge_agent.config.settings import Profile
from edge_agent.sim.commands import EVENTS, FOR_ALL, FOR_OPCUA, switched, tell
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.places import Place, Serial, Tcp, Udp

HOST = "127.0.0.1"
PORTS = {"modbus": 5020, "opcua": 4840}
"""Where a protocol is played by default; 502 would need rights."""

OF_SOCKETS = ("host", "port", "udp")
OF_LINES = ("baudrate", "parity", "stopbits", "databits")
OF_MODBUS = ("units", "others", "mode", "udp", "serial", *OF_LINES)
"""Arguments that go together, by name."""


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
class Where:
    """Where a simulated PLC is found: in words, and as facts for a program; `host` is that of a socket."""

    words: str
    facts: Mapping[str, object]
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """A simulated PLC. `place` names where it shall be, a serial port or the address of a socket.

    `obey` does a command: ValueError or OSError, with words for the user, when that cannot be. `where` is
    known inside its context. `gone` is set when its place has ended. `counts` are requests and faults,
    `clients` sessions and subscriptions, each where they are counted.
    """

    plc: Plc
    place: str
    obey: Callable[[str], Awaitable[None]]
    where: Callable[[], Where]
    gone: asyncio.Event | None = None
    counts: Callable[[], tuple[int, Mapping[str, int]]] | None = None
    clients: Callable[[], tuple[int, int]] | None = None
    serial: bool = False


def played(profile: Profile, args: argparse.Namespace) -> Played:
    """The PLC of a profile, as the arguments say.

    Ended for arguments that contradict each other; ValueError, with words for the user, when the PLC cannot
    be simulated.
    """
    if profile.protocol == "modbus":
        _refuse(args, ("secure",), "Modbus has no certificates")
        _refuse(args, ("user",), "Modbus has no users")
        return _modbus(profile, args)
    strange = _given(args, OF_MODBUS)
    if strange:
        raise Ended(f"{profile.id} is played by an OPC UA server: leave {strange} out", USAGE)
    return _opcua(profile, args)


def announcement(profile: str, where: Where, *, as_json: bool) -> str:
    """The line that says where a profile is played, with a warning where others can reach it."""
    reached = where.host is not None and not _is_loopback(where.host)
    warning = "warning: anybody who reaches this address can read" if reached else ""
    if as_json:
        facts = {**where.facts, "profile": profile}
        return json.dumps({**facts, "warning": warning} if warning else facts)
    line = f"simulating {profile} {where.words}"
    return f"{line} ({warning})" if warning else line


def count(requests: int, injected: Mapping[str, int], *, as_json: bool) -> str:
    """The line that says how many requests came, and which faults struck how often."""
    if as_json:
        return json.dumps({"requests": requests, "injected": dict(injected)})
    kinds = ", ".join(f"{kind.replace('_', '-')} {times}" for kind, times in sorted(injected.items()))
    return f"{requests} requests; faults: {kinds or 'none'}"


def present(sessions: int, subscriptions: int, *, as_json: bool) -> str:
    """The line that says what clients have at a server just now."""
    if as_json:
        return json.dumps({"sessions": sessions, "subscriptions": subscriptions})
    return f"{sessions} sessions, {subscriptions} subscriptions"


def _modbus(profile: Profile, args: argparse.Namespace) -> Played:
    at = _place(args)
    plc = ModbusPlc(profile.tags, at=at, units=args.units or (1,), others=args.others)
    serial = isinstance(at, Serial)
    place = at.path if isinstance(at, Serial) else f"{at.host} port {at.port}"

    def counts() -> tuple[int, Mapping[str, int]]:
        return plc.requests, plc.injected

    return Played(plc, place, partial(tell, plc), partial(_where, plc), plc.gone, counts, serial=serial)


def _opcua(profile: Profile, args: argparse.Namespace) -> Played:
    from edge_agent.sim.opcua import OpcUaPlc  # noqa: PLC0415 - asyncua costs 26 MB and 0.25 s
    from edge_agent.sim.opcua_events import Happenings  # noqa: PLC0415 - as above
    from edge_agent.sim.opcua_security import Security  # noqa: PLC0415 - as above

    # What the library has to say of each connection is not for the person at this terminal.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    host, port = args.host or HOST, PORTS["opcua"] if args.port is None else args.port
    security = Security() if args.secure else None
    events = {name: group.events for name, group in profile.groups.items() if group.events is not None}
    if args.user is not None:
        security = security or Security(policies=(), open=True)
        security.logins, security.users = ("password",), dict([args.user])
    plc = OpcUaPlc(profile.tags, host=host, port=port, security=security)
    plc.happenings = Happenings(events)
    plc.callable = profile.methods
    known = {usage: does for usage, does in {**FOR_ALL, **FOR_OPCUA}.items() if events or usage != EVENTS}

    async def obey(command: str) -> None:
        deeds = {"cut": plc.cut, "restart": plc.restart, "forget": plc.forget, "drop": plc.drop}
        if (deed := deeds.get(command)) is not None:
            await deed()
        elif EVENTS in known and (times := re.fullmatch(r"events (\d{1,4})", command)):
            await plc.happenings.happen(int(times[1]))
        else:
            await plc.switch(switched(plc.faults, command, known))

    def where() -> Where:
        facts = {"host": host, "port": plc.port, "endpoint": plc.endpoint}
        if not args.secure or security is None:
            return Where(f"at {plc.endpoint}", facts, host)
        shown = security.certificate.fingerprint
        return Where(f"at {plc.endpoint}, certificate {shown}", {**facts, "fingerprint": shown}, host)

    def clients() -> tuple[int, int]:
        return plc.sessions, plc.subscriptions

    return Played(plc, f"{host} port {port}", obey, where, clients=clients)


def _place(args: argparse.Namespace) -> Place:
    """Where a Modbus PLC shall be. Ended for what contradicts itself."""
    if args.serial is not None:
        _refuse(args, OF_SOCKETS, "with --serial there is neither network nor port")
        if args.mode == "tcp":
            raise Ended("a serial port carries rtu or ascii: leave --mode tcp out", USAGE)
        mode: Literal["rtu", "ascii"] = args.mode or "rtu"
        databits = args.databits or (7 if mode == "ascii" else 8)
        line = {
            name: getattr(args, name) for name in ("baudrate", "parity", "stopbits") if getattr(args, name)
        }
        return Serial(args.serial, mode, databits=databits, **line)
    _refuse(args, OF_LINES, "only a serial port has these: say --serial PATH")
    host, port = args.host or HOST, PORTS["modbus"] if args.port is None else args.port
    if not args.udp:
        return Tcp(host, port, args.mode or "tcp")
    if args.mode not in {None, "tcp"}:
        raise Ended(f"datagrams carry mode tcp only: leave --mode {args.mode} or --udp out", USAGE)
    return Udp(host, port)


def _where(plc: ModbusPlc) -> Where:
    at, units = plc.place, ", ".join(map(str, plc.units))
    what: dict[str, object] = {"mode": at.mode, "units": plc.units}
    if isinstance(at, Serial):
        words = f"on {at.path} ({at.mode}, {at.baudrate} bit/s), units {units}"
        return Where(words, {"transport": "serial", "path": at.path, **what})
    transport = "udp" if isinstance(at, Udp) else "tcp"
    how = "" if transport == at.mode else f" ({at.mode} over {transport})"
    words = f"on {at.host} port {plc.port}{how}, units {units}"
    return Where(words, {"transport": transport, "host": at.host, "port": plc.port, **what}, at.host)


def _refuse(args: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    given = _given(args, names)
    if given:
        raise Ended(f"{given}: {why}", USAGE)


def _given(args: argparse.Namespace, names: tuple[str, ...]) -> str:
    """Those of these arguments that were given, as they are written."""
    return ", ".join(f"--{name}" for name in names if getattr(args, name) not in (None, False))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
