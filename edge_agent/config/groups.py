"""Groups: how often, and when tags are reported. What all protocols share, and the group that is polled."""

from typing import Annotated

from pydantic import Field

from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import Group, Lane, Report
from edge_agent.config.syntax import Duration

Interval = Annotated[Duration, Field(ge=0.01, le=86400.0)]


class GroupKeys(Keys):
    """A group in a profile, or what a device changes of it."""

    interval: Interval | None = Field(None, description="how often its tags are read; a profile must say it")
    phase: Annotated[Duration, Field(ge=0.0)] | None = Field(
        None,
        description="when within the interval it is read; by itself the groups of a gateway spread evenly",
    )
    report: Report | None = Field(
        None, description="whether every scan is recorded, or only what changed; `always` unless written"
    )
    heartbeat: Annotated[Duration, Field(ge=1.0)] | None = Field(
        None, description="how often all tags are reported whether they changed or not; 5min unless written"
    )
    time_resolution: Duration | None = Field(
        None,
        description="how far apart in time the values of a scan may be before each tag carries its own; "
        "100ms unless written",
    )
    lane: Lane | None = Field(
        None, description="what waits in lane alarm is sent before all else; data unless written"
    )


def polled_group(section: Section, name: str, before: Group | None) -> Group | None:
    """A group as written, put over that of the profile where a device changes it; None with mistakes."""
    keys = section.check(GroupKeys)
    if keys is None:
        return None
    if keys.interval is None and before is None:
        section.error_at_key(f"group '{name}' has no interval; write for example interval: 1s")
        return None
    group = merged(before or Group(name, keys.interval or 0.0), keys)
    check_phase(section, group)
    return group


def merged(group: Group, keys: GroupKeys) -> Group:
    """A group with the keys that are written put over it."""
    return Group(
        name=group.name,
        interval_s=group.interval_s if keys.interval is None else keys.interval,
        phase_s=group.phase_s if keys.phase is None else keys.phase,
        report=keys.report or group.report,
        heartbeat_s=group.heartbeat_s if keys.heartbeat is None else keys.heartbeat,
        time_resolution_s=group.time_resolution_s if keys.time_resolution is None else keys.time_resolution,
        lane=keys.lane or group.lane,
    )


def check_phase(section: Section, group: Group) -> None:
    """Note a phase that lies beyond the interval."""
    if group.phase_s is not None and group.phase_s >= group.interval_s:
        message = f"the phase is {group.phase_s:g} s; it lies within the interval of {group.interval_s:g} s"
        section.error(message, "phase")


def on_change(report: Report | None, deadband: float, group: Report) -> bool:
    """Whether a tag is reported when it changes: its own word first, then a deadband, then its group's."""
    if report is not None:
        return report == "on_change"
    return deadband > 0 or group == "on_change"
