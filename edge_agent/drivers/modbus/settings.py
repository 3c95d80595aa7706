"""How Modbus is configured: what becomes of its part of the files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast, get_args

from edge_agent.config.hints import hint, nearest
from edge_agent.config.kinds import Contents, Kind
from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import Group, Limits, Tag
from edge_agent.config.syntax import quoted
from edge_agent.core.claims import Claim
from edge_agent.core.registers import BIT_TABLES
from edge_agent.drivers.modbus.claims import claims_of
from edge_agent.drivers.modbus.connection import connection
from edge_agent.drivers.modbus.draft import Draft
from edge_agent.drivers.modbus.dumps import golden_tests
from edge_agent.drivers.modbus.factors import with_factors
from edge_agent.drivers.modbus.given import check
from edge_agent.drivers.modbus.keys import (
    Addressing,
    ConnectionKeys,
    DefaultKeys,
    LimitKeys,
    ModbusProfile,
    TagKeys,
)
from edge_agent.drivers.modbus.load import overloads
from edge_agent.drivers.modbus.replay import decoded
from edge_agent.drivers.modbus.tags import make_tag

K = TypeVar("K", bound=Keys)

MOST_ALONG = 32
"""Addresses without a tag that are read along at most, unless a profile says otherwise.

Where they cost nothing it could be a whole request of them, but some devices are silent when asked for what
they do not have, which nobody can tell from a device that is off.
"""


def contents(section: Section, groups: Mapping[str, Group | None]) -> Contents:
    """Tags, limits, claims and golden tests of a Modbus profile."""
    limits = _checked(section.inside("limits"), LimitKeys()) or LimitKeys()
    _check_limits(section.inside("limits"), limits)
    defaults = _checked(section.inside("defaults"), DefaultKeys())
    entries = section.inside("tags")
    written = [(name, entry, entry.check(TagKeys)) for name, entry in entries.entries()]
    tags: list[Tag] = []
    claims: tuple[Claim, ...] = ()
    # With defaults that are wrong, only what stands in the tags themselves can be judged.
    if defaults is not None:
        _check_default_group(section, defaults, groups)
        style = _style(section)
        drafts = [Draft(name, entry, keys, defaults, style, limits) for name, entry, keys in written if keys]
        made = [tag for draft in drafts if (tag := make_tag(draft, groups)) is not None]
        tags = list(with_factors(drafts, made, [name for name, *_ in written]))
        claims = claims_of(section.inside("identify"), defaults, style, limits)
        _check_reach(entries, limits, tags)
        if style is None:
            _doubt_addressing(entries, tags)
    return Contents(
        tags=tuple(tags),
        limits=_borne(limits),
        tests=golden_tests(section.inside("tests"), entries, tags),
        identify=claims,
    )


KIND = Kind(
    name="modbus",
    connection_model=ConnectionKeys,
    profile_model=ModbusProfile,
    tag_model=TagKeys,
    connection=connection,
    contents=contents,
    decoded=decoded,
    writable=check,
    overloads=overloads,
)


def _borne(limits: LimitKeys) -> Limits:
    """The limits as the planner has them."""
    borne = Limits(**limits.model_dump())
    own = limits.max_gap is not None or limits.from_zero
    return borne if own else replace(borne, max_gap=MOST_ALONG)


def _checked(section: Section, default: K) -> K | None:
    return default if section.value is None else section.check(type(default))


def _check_limits(section: Section, limits: LimitKeys) -> None:
    if limits.min_registers > limits.max_registers:
        message = f"one request reads {limits.max_registers} registers at most, as 'max_registers' says"
        section.error(message, "min_registers")
    for key in ("from_zero", "one_tag_per_request"):
        if getattr(limits, key) and limits.max_gap is not None:
            section.error_at_key(f"'max_gap' has no effect with '{key}'; leave it out", "max_gap")
            return


def _check_reach(entries: Section, limits: LimitKeys, tags: Iterable[Tag]) -> None:
    """Note tags that no request from the beginning of their table reaches."""
    for tag in tags if limits.from_zero else ():
        field = tag.modbus
        bits = field.table in BIT_TABLES
        longest = limits.max_bits if bits else limits.max_registers
        if field.end > longest:
            what = "bit" if bits else "register"
            message = (
                f"'{tag.name}' ends with {what} {field.end - 1}; from_zero reads only 0 to {longest - 1}"
            )
            entries.error(message, tag.name, "address")


def _style(section: Section) -> Addressing | None:
    """How addresses are written; for a misspelt word the one that was meant, so that no tag is blamed."""
    written = section.inside("addressing").value
    if written is None:
        return None
    return cast("Addressing", nearest(written, list(get_args(Addressing))) or "protocol")


def _check_default_group(section: Section, defaults: DefaultKeys, groups: Mapping[str, Group | None]) -> None:
    name = defaults.group
    if name is not None and name not in groups:
        section.error(f"unknown group {quoted(name)}{hint(name, list(groups))}", "defaults", "group")


def _doubt_addressing(entries: Section, tags: Sequence[Tag]) -> None:
    """Warn of addresses that look as if counted from 40001, in a file that does not say how it counts."""
    digit = {"holding": 4, "input": 3}
    for tag in tags:
        field = tag.modbus
        if field.at // 10000 == digit.get(field.table) and field.at % 10000:
            message = (
                f"{field.table} {field.at} looks like a printed address; write addressing: modicon, "
                "or addressing: protocol when it is the number on the wire"
            )
            entries.warning(message, tag.name, "address")
            return
