"""The gateway's files -> settings: `agent.yaml`, `conf.d/*.yaml` and the profiles they name."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from edge_agent.config.destination import check_topics, make_destination
from edge_agent.config.families import devices_filled
from edge_agent.config.gateway_keys import (
    AdditionFile,
    BufferKeys,
    DeviceKeys,
    GatewayFile,
    GatewayKeys,
    LogKeys,
)
from edge_agent.config.hints import hint
from edge_agent.config.kinds import Kind, Overload
from edge_agent.config.problems import Problem, has_errors, ordered
from edge_agent.config.profile import in_group
from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import (
    BufferSettings,
    Connection,
    Device,
    Gateway,
    Group,
    Home,
    Profile,
)
from edge_agent.config.shelf import Shelf, shipped_profiles
from edge_agent.config.syntax import Origin, Surroundings, name, quoted
from edge_agent.config.yaml_nodes import read

BUFFER_PATH = Path("/var/lib/edge-agent/buffer")
"""Where the log lies unless the file says otherwise: the state folder that systemd makes."""

Shared = Literal["connections", "devices", "destinations"]
SHARED: tuple[Shared, ...] = ("connections", "devices", "destinations")
"""What the files of `conf.d` may add to."""

K = TypeVar("K", bound=Keys)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and everything there is to say about it.

    `gateway` is None exactly when an error was found.
    `profiles` gives the file of every profile in use that needs no parameters, as it is with their defaults.
    """

    gateway: Gateway | None
    problems: tuple[Problem, ...]
    profiles: Mapping[Path, Profile] = field(default_factory=dict)


def load(path: Path, kinds: Mapping[str, Kind], *, surroundings: Surroundings | None = None) -> Loaded:
    """Read a gateway's configuration; start and check go this same way.

    Raises OSError when a file cannot be read at all.
    """
    around = surroundings or Surroundings()
    additions = sorted((path.parent / "conf.d").glob("*.yaml"), key=lambda file: file.name.encode())
    contents = {file: file.read_bytes() for file in (path, *additions)}
    sections = [
        devices_filled(Section(read(data, file), Origin(file.absolute().parent, around))).section
        for file, data in contents.items()
    ]
    shelf = Shelf((path.parent / "profiles", shipped_profiles()), kinds, around)
    gateway = _Reading(sections, kinds, shelf).gateway()

    problems = [problem for section in sections for problem in section.document.problems] + shelf.problems
    if gateway is None or has_errors(problems):
        return Loaded(None, tuple(ordered(problems)), shelf.usual)
    digests = [hashlib.sha256(data).digest() for data in contents.values()]
    digests += sorted({bytes.fromhex(device.profile.digest) for device in gateway.devices.values()})
    digest = hashlib.sha256(b"".join(digests)).hexdigest()
    return Loaded(replace(gateway, digest=digest), tuple(ordered(problems)), shelf.usual)


class _Reading:
    """One pass over all files of a gateway; everything is looked at, whatever else is wrong."""

    def __init__(self, sections: list[Section], kinds: Mapping[str, Kind], shelf: Shelf) -> None:
        self._sections = [section for section in sections if section.document.readable]
        self._main = sections[0]
        self._kinds = kinds
        self._shelf = shelf
        self._kind_of: dict[str, str | None] = {}

    def gateway(self) -> Gateway | None:
        """The settings as far as they could be made; None when even the frame is wrong."""
        for section in self._sections:
            section.check(GatewayFile if section is self._main else AdditionFile)
        if not self._main.document.readable or not isinstance(self._main.value, dict):
            return None
        head = self._main.inside("gateway")
        keys = None if head.value is None else head.check(GatewayKeys)
        identity = self._identity(keys)
        log = _optional(self._main.inside("log"), LogKeys())
        buffer = self._buffer()
        connections = dict(self._connections(self._home(identity or "gateway", buffer.path.parent)))
        devices = dict(self._devices())
        labels = keys.labels if keys else {}
        entries = list(self._entries("destinations"))
        destinations = {
            entry_name: destination
            for entry_name, entry in entries
            if (destination := make_destination(entry_name, entry, identity or "gateway"))
        }
        gateway = Gateway(
            id=identity or "gateway",
            labels=labels,
            connections=connections,
            devices=devices,
            destinations=destinations,
            buffer=buffer,
            log_level=log.level if log else "info",
        )
        self._check_load(connections, devices)
        if keys is not None:
            check_topics(gateway, dict(entries), dict(self._entries("devices", quiet=True)), self._main)
        return gateway if identity else None

    def _identity(self, keys: GatewayKeys | None) -> str | None:
        if keys is None:
            return None
        try:
            return name(keys.id)
        except ValueError as error:
            self._main.error(str(error), "gateway", "id")
            return None

    def _entries(self, what: Shared, *, quiet: bool = False) -> Iterator[tuple[str, Section]]:
        """The entries of all files under one key; the first definition of a name counts."""
        first: dict[str, Section] = {}
        for section in self._sections:
            for entry_name, entry in section.inside(what).entries():
                if entry_name in first:
                    if not quiet:
                        there = first[entry_name].where()
                        entry.error_at_key(f"'{entry_name}' is defined twice; it stands in {there} already")
                    continue
                first[entry_name] = entry
                yield entry_name, entry

    def _home(self, identity: str, state: Path) -> Home:
        return Home(f"urn:{identity}:edge-agent", self._main.origin.surroundings.hostname, state / "pki")

    def _connections(self, home: Home) -> Iterator[tuple[str, Connection]]:
        taken: dict[str, Section] = {}
        for entry_name, entry in self._entries("connections"):
            self._kind_of[entry_name] = None
            protocol = self._protocol(entry_name, entry)
            if protocol is None:
                continue
            self._kind_of[entry_name] = protocol
            made = self._kinds[protocol].connection(entry_name, entry.inside(protocol))
            if made is not None:
                _check_exclusive(entry, made, taken)
                yield entry_name, self._kinds[protocol].at_home(made, entry.inside(protocol), home)

    def _protocol(self, entry_name: str, entry: Section) -> str | None:
        value = entry.value
        known = list(self._kinds)
        example = 'modbus: {tcp: "10.3.7.20:502"}'
        if not isinstance(value, dict) or not value:
            entry.error(f"connection '{entry_name}' has no protocol; write for example {example}")
            return None
        for key in value:
            if key not in self._kinds:
                entry.error_at_key(f"unknown protocol {quoted(key)}{hint(key, known)}", key)
        found = [key for key in value if key in self._kinds]
        if len(found) > 1:
            entry.error_at_key(
                f"a connection has one protocol; this is the second after '{found[0]}'", found[1]
            )
        return str(found[0]) if found else None

    def _devices(self) -> Iterator[tuple[str, Device]]:
        for entry_name, entry in self._entries("devices"):
            keys = entry.check(DeviceKeys)
            if keys is None:
                continue
            self._check_connection(entry, keys)
            profile = self._profile(entry, keys)
            if profile is not None:
                self._check_protocol(entry, keys, profile)
                yield entry_name, self._device(entry_name, entry, keys, profile)

    def _check_load(self, connections: Mapping[str, Connection], devices: Mapping[str, Device]) -> None:
        """Note what is asked too much of, as far as it could be made."""
        for protocol, kind in self._kinds.items():
            those = [
                device
                for device in devices.values()
                if device.connection in connections
                and self._kind_of[device.connection] == device.profile.protocol == protocol
            ]
            for each in kind.overloads(connections, those):
                self._note(each)

    def _note(self, overload: Overload) -> None:
        if overload.device:
            device = dict(self._entries("devices", quiet=True))[overload.device]
            group = device.inside("groups", overload.group)
            section = group if group.present else device
        else:
            section = dict(self._entries("connections", quiet=True))[overload.connection]
        (section.error if overload.severity == "error" else section.warning)(overload.message)

    def _check_connection(self, entry: Section, keys: DeviceKeys) -> None:
        if keys.connection not in self._kind_of:
            message = (
                f"unknown connection {quoted(keys.connection)}{hint(keys.connection, list(self._kind_of))}"
            )
            entry.error(message, "connection")

    def _check_protocol(self, entry: Section, keys: DeviceKeys, profile: Profile) -> None:
        kind = self._kind_of.get(keys.connection)
        if kind is not None and kind != profile.protocol:
            message = (
                f"profile {profile.id} speaks {profile.protocol}, connection '{keys.connection}' is {kind}"
            )
            entry.error(message, "profile")

    def _profile(self, entry: Section, keys: DeviceKeys) -> Profile | None:
        try:
            return self._shelf.take(keys.profile, entry)
        except ValueError as error:
            entry.error(str(error), "profile")
            return None

    def _device(self, device: str, entry: Section, keys: DeviceKeys, profile: Profile) -> Device:
        groups = self._groups(entry, keys, profile)
        _check_disabled(entry, keys, profile)
        _check_modbus_alone(entry, profile)
        disabled = {tag for name in keys.disable for tag in profile.families.get(name, (name,))}
        tags = tuple(
            in_group(tag, groups[tag.group])
            for tag in profile.tags
            if disabled.isdisjoint((tag.name, _structure(tag.name)))
        )
        sources = {name for name, group in groups.items() if group.events and name not in disabled}
        if not tags and not sources and profile.tags:
            entry.error("every tag is disabled; leave the device out instead", "disable")
        used = {tag.group for tag in tags} | sources
        return Device(
            name=device,
            profile=profile,
            connection=keys.connection,
            unit=keys.unit,
            groups={group: settings for group, settings in groups.items() if group in used},
            tags=tags,
            labels=keys.labels,
            timeout_s=keys.timeout,
            turnaround_s=keys.turnaround,
        )

    def _groups(self, entry: Section, keys: DeviceKeys, profile: Profile) -> dict[str, Group]:
        groups = dict(profile.groups)
        for group in keys.groups:
            if group not in groups:
                message = f"profile {profile.id} has no group {quoted(group)}{hint(group, list(groups))}"
                entry.error_at_key(message, "groups", group)
                continue
            changed = self._kinds[profile.protocol].group(entry.inside("groups", group), group, groups[group])
            groups[group] = changed or groups[group]
        return groups

    def _buffer(self) -> BufferSettings:
        keys = _optional(self._main.inside("buffer"), BufferKeys()) or BufferKeys()
        default = BufferSettings(BUFFER_PATH)
        return BufferSettings(
            path=keys.path or default.path,
            max_bytes=keys.max_bytes or default.max_bytes,
            commit_s=keys.commit or default.commit_s,
        )


def _optional(section: Section, default: K) -> K | None:
    # An empty one is a mistake that the frame of the file has been told of.
    return default if section.value is None else section.check(type(default))


def _check_modbus_alone(entry: Section, profile: Profile) -> None:
    for key in ("unit", "timeout", "turnaround"):
        if entry.inside(key).present and profile.protocol != "modbus":
            entry.error_at_key(f"'{key}' is for devices that speak Modbus; leave it out", key)


def _check_exclusive(entry: Section, made: Connection, taken: dict[str, Section]) -> None:
    """Note a connection that leads where another one leads already."""
    if not made.exclusive:
        return
    there = taken.setdefault(made.exclusive, entry)
    if there is not entry:
        message = (
            f"'{made.name}' leads to {made.place}, as '{there.at[-1]}' in {there.where()} does; "
            "devices behind one place share one connection"
        )
        entry.error_at_key(message)


def _structure(tag: str) -> str:
    """The structure that a tag is a field of; the tag itself where it is none."""
    return tag.partition(".")[0]


def _check_disabled(entry: Section, keys: DeviceKeys, profile: Profile) -> None:
    names = [tag.name for tag in profile.tags]
    sources = [name for name, group in profile.groups.items() if group.events]
    known = list(dict.fromkeys([*profile.families, *names, *map(_structure, names), *sources]))
    for index, tag in enumerate(keys.disable):
        if tag not in known:
            entry.error(f"profile {profile.id} has no tag {quoted(tag)}{hint(tag, known)}", "disable", index)
