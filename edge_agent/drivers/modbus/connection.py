"""A Modbus connection as it is written -> where it leads and how it is paced."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from edge_agent.config.problems import has_errors
from edge_agent.config.section import Section
from edge_agent.config.settings import Framing, ModbusConnection, SerialLine, Tls, Transport
from edge_agent.config.syntax import host_port
from edge_agent.drivers.modbus.keys import ConnectionKeys

PORTS: Mapping[str, int] = {"tcp": 502, "udp": 502, "tls": 802}
"""The ports registered for Modbus (mbap) and Modbus/TCP Security (mbap-s)."""

PLACES: tuple[Transport, ...] = ("tcp", "udp", "tls", "serial")

SILENCE_CHARACTERS = 3.5
"""Between two RTU frames (Modbus over Serial Line 1.02, 2.5.1.1)."""
SILENCE_S = 0.00175
"""Instead of that above 19200 bit/s, same place."""
MARGIN_S = 0.005
"""For the direction of the line to turn round, and for adapters that hand over characters in lots."""
QUIET_S = 0.1

BY_ID = Path("/dev/serial/by-id")


def connection(name: str, section: Section) -> ModbusConnection | None:
    """One Modbus socket or serial line."""
    keys = section.check(ConnectionKeys)
    if keys is None:
        return None
    found = [place for place in PLACES if getattr(keys, place) is not None]
    if len(found) != 1:
        _note_places(section, found)
        return None
    transport = found[0]
    before = len(section.document.problems)
    _check_mode(section, keys, transport)
    _check_owners(section, keys, transport)
    made = _serial(name, section, keys) if transport == "serial" else _socket(name, section, keys, transport)
    return None if has_errors(section.document.problems[before:]) else made


def silence_s(line: SerialLine) -> float:
    """How long a line is left alone between two frames unless the file says otherwise."""
    characters = SILENCE_CHARACTERS * line.character_s
    return (SILENCE_S if line.baudrate > 19200 else characters) + MARGIN_S


def _note_places(section: Section, found: list[Transport]) -> None:
    if found:
        section.error_at_key(f"a connection leads to one place; '{found[0]}' says it already", found[1])
    else:
        section.error_at_key(
            'nothing says where it leads; write tcp: "10.3.7.20:502", or udp, tls, or serial: with a path'
        )


def _check_mode(section: Section, keys: ConnectionKeys, transport: Transport) -> None:
    if keys.mode == "tcp" and transport == "serial":
        section.error("frames of mode tcp do not go over a serial port; write rtu or ascii", "mode")
    if keys.mode in ("rtu", "ascii") and transport == "tls":
        section.error("Modbus/TCP Security knows mode tcp only; leave it out", "mode")
    if keys.max_in_flight > 1 and _framing(keys, transport) != "tcp":
        message = f"answers of mode {_framing(keys, transport)} have no numbers: one request at a time"
        section.error(message, "max_in_flight")


def _check_owners(section: Section, keys: ConnectionKeys, transport: Transport) -> None:
    """Note keys that have no effect with this transport, and halves of a pair."""
    for owner, names in (
        ("serial", ("baudrate", "parity", "stopbits", "databits")),
        ("tls", ("ca", "cert", "key")),
    ):
        for key in names:
            if owner != transport and getattr(keys, key) is not None:
                section.error_at_key(f"'{key}' has no effect with '{transport}'; leave it out", key)
    for key, other, what in (("cert", "key", "private key"), ("key", "cert", "certificate")):
        if getattr(keys, key) is not None and not section.inside(other).present:
            section.error_at_key(f"'{key}' needs its {what}; write {other}: beside it", key)


def _framing(keys: ConnectionKeys, transport: Transport) -> Framing:
    return keys.mode or ("rtu" if transport == "serial" else "tcp")


def _quiet_s(keys: ConnectionKeys, framing: Framing) -> float:
    if keys.quiet_after_timeout is not None:
        return keys.quiet_after_timeout
    return 0.0 if framing == "tcp" else QUIET_S


def _socket(
    name: str, section: Section, keys: ConnectionKeys, transport: Transport
) -> ModbusConnection | None:
    try:
        host, port = host_port(getattr(keys, transport), PORTS[transport])
    except ValueError as error:
        section.error(str(error), transport)
        return None
    framing = _framing(keys, transport)
    return ModbusConnection(
        name,
        host,
        port,
        keys.timeout,
        keys.connect_timeout,
        transport=transport,
        framing=framing,
        tls=Tls(keys.ca, keys.cert, keys.key) if transport == "tls" else None,
        retries=(1 if transport == "udp" else 0) if keys.retries is None else keys.retries,
        turnaround_s=keys.turnaround or 0.0,
        connect_delay_s=keys.connect_delay,
        quiet_s=_quiet_s(keys, framing),
        max_in_flight=keys.max_in_flight,
    )


def _serial(name: str, section: Section, keys: ConnectionKeys) -> ModbusConnection:
    path = cast("str", keys.serial)
    _check_path(section, path)
    framing = _framing(keys, "serial")
    line = SerialLine(
        path,
        baudrate=keys.baudrate or 9600,
        parity=keys.parity or "even",
        stopbits=keys.stopbits or 1,
        databits=keys.databits or (7 if framing == "ascii" else 8),
    )
    if framing == "rtu" and line.databits != 8:
        section.error("bytes of mode rtu have 8 bits; leave it out", "databits")
    return ModbusConnection(
        name,
        timeout_s=keys.timeout,
        connect_timeout_s=keys.connect_timeout,
        transport="serial",
        framing=framing,
        line=line,
        retries=1 if keys.retries is None else keys.retries,
        turnaround_s=silence_s(line) if keys.turnaround is None else keys.turnaround,
        connect_delay_s=keys.connect_delay,
        quiet_s=_quiet_s(keys, framing),
    )


def _check_path(section: Section, path: str) -> None:
    if not path.startswith("/"):
        section.error(f"'{path}' is not the path of a serial port; write for example {BY_ID}/...", "serial")
        return
    if not re.fullmatch(r"/dev/tty(USB|ACM)\d+", path):
        return
    same = next((link for link in _links() if link.resolve() == Path(path)), None)
    advice = f"write {same}" if same else f"write its name in {BY_ID}, which does not change"
    section.warning(f"{path} may be another adapter after the next start; {advice}", "serial")


def _links() -> list[Path]:
    return sorted(BY_ID.iterdir()) if BY_ID.is_dir() else []
