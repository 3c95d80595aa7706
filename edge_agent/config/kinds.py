"""How a protocol plugs into the configuration without the configuration knowing it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from edge_agent.config.groups import GroupKeys, polled_group
from edge_agent.config.problems import Severity
from edge_agent.config.section import Section
from edge_agent.config.settings import (
    Connection,
    Device,
    GoldenTest,
    Group,
    Home,
    Limits,
    NodeLimits,
    Profile,
    Tag,
)
from edge_agent.core.claims import Claim
from edge_agent.core.model import Value
from edge_agent.core.nodes import Method

Decoded = Callable[[Profile, GoldenTest], Mapping[str, tuple[Value, str]]]
"""Value and quality of every column that a golden test says anything of, decoded as in a poll."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a protocol makes of a profile: everything in it that it alone understands."""

    tags: tuple[Tag, ...]
    limits: Limits | NodeLimits
    tests: tuple[GoldenTest, ...]
    identify: tuple[Claim, ...] = ()
    methods: tuple[Method, ...] = ()


@dataclass(frozen=True, slots=True)
class Overload:
    """A connection is asked for too much: by all its devices, or by a group of `device` alone."""

    message: str
    severity: Severity
    connection: str
    device: str = ""
    group: str = ""


def unlimited(_connections: Mapping[str, Connection], _devices: Sequence[Device]) -> Sequence[Overload]:
    """For a protocol that cannot tell what its requests cost."""
    return ()


def anywhere(connection: Connection, _section: Section, _home: Home) -> Connection:
    """For a protocol whose connections are the same in every agent."""
    return connection


def read_only(tag: Tag, _text: str, _part: str) -> object:
    """Nothing of the protocol can be written."""
    raise ValueError(f"{tag.name}: tags of its protocol cannot be written yet")


@dataclass(frozen=True, slots=True)
class Kind:
    """One protocol, under the name it has in `connections.<name>.<kind>` and in a profile's `protocol`.

    The models describe its part of the files: every key has a description, `profile_model` extends
    ProfileFile, `tag_model` FamilyKeys, and what they leave to a check of its own they name with CheckedAs.
    `connection` makes the settings of the section below `<kind>`, for a connection of that name; `contents`
    those of a profile, given its groups (None for one that has mistakes of its own). Both note every mistake;
    `connection` then gives None, `contents` leaves out what is wrong. `group` makes the group of a section,
    put over that of the profile where a device changes it. `decoded` runs a golden test. `overloads` judges
    what devices ask of their connections, all of them of this protocol. `writable` raises ValueError, in
    words, for a text that cannot be written to a tag, or to its part of that name. `at_home` puts into a
    connection what follows from whose it is, and notes what is amiss there.
    """

    name: str
    connection_model: type[BaseModel]
    profile_model: type[BaseModel]
    tag_model: type[BaseModel]
    connection: Callable[[str, Section], Connection | None]
    contents: Callable[[Section, Mapping[str, Group | None]], Contents]
    decoded: Decoded
    group_model: type[GroupKeys] = GroupKeys
    group: Callable[[Section, str, Group | None], Group | None] = polled_group
    overloads: Callable[[Mapping[str, Connection], Sequence[Device]], Sequence[Overload]] = unlimited
    writable: Callable[[Tag, str, str], object] = read_only
    at_home: Callable[[Connection, Section, Home], Connection] = anywhere
