"""Paths, arrays and structures at a simulated server, from the profile to the scans."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from typing_extensions import override

from edge_agent.config.problems import render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Device, OpcUaConnection, Profile
from edge_agent.core.follow import Follower
from edge_agent.core.mark import Mark
from edge_agent.core.model import Schema, Value
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.opcua.columns import Columns, column
from edge_agent.drivers.opcua.driver import OpcUaDevice, OpcUaDriver
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.sources import Sources
from edge_agent.drivers.opcua.subscription import GroupSubscription
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.truth import Truth

PROFILE = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: opcua
title: A press
namespaces: {plc: "urn:acme:press", di: "urn:acme:di"}
defaults: {group: GROUP}
groups: {read: {mode: read, interval: 1s}, fast: {publishing: 100ms, sampling: 50ms, heartbeat: 1h}}
tags:
  speed: {path: "plc:Line1/di:Speed", type: Double}
  start: {path: "plc:Speed", start: "plc:i=77", type: UInt32}
  row: {path: "plc:Line1/plc:Row", type: "UInt32[5]"}
  bits: {node: "plc:s=Bits", type: "Boolean[3]"}
  axis:
    path: plc:Line1/plc:Axis
    fields:
      name: String
      turns: {field: Is/Turns, type: Double}
      live: {field: Is/On, type: Boolean}
      mode: {type: Int32, enum: {0: a, 3: b}}
      limits: "Float[2]"
      since: DateTime
      text: LocalizedText
      id: Guid
      raw: ByteString
  file: {node: "plc:s=file", type: XmlElement}
  called: {node: "plc:s=called", type: QualifiedName}
  points: {node: "plc:s=points", type: NodeId}
"""


@pytest.mark.parametrize("before", [(), ("urn:first", "urn:acme:di")])
async def test_every_kind_of_tag_is_read_right(tmp_path: Path, before: tuple[str, ...]) -> None:
    profile = loaded(tmp_path, "read")

    async with OpcUaPlc(profile.tags, namespaces_before=before) as plc, reached(plc, profile) as device:
        scan = await device.read("read")

    right = Truth(profile.tags)
    assert scan.quality is None
    assert len(scan.values) == len(profile.tags)
    for name, value in zip(scan.schema.names, scan.values, strict=True):
        assert right.expected(name, scan.time_ns) == value, name


async def test_every_kind_of_tag_is_followed_right(tmp_path: Path) -> None:
    profile = loaded(tmp_path, "fast")
    right = Truth(profile.tags)
    seen: dict[str, set[Value]] = {}

    async with (
        asyncio.timeout(60),
        OpcUaPlc(profile.tags) as plc,
        reached(plc, profile) as device,
        aclosing(device.subscriber("fast").changes(None)) as changes,
    ):
        async for news in changes:
            for scan in news.scans:
                assert scan.quality is None
                offsets = scan.offsets_ms or [0.0] * len(scan.values)
                index = scan.index or range(len(scan.values))
                for i, value, offset in zip(index, scan.values, offsets, strict=True):
                    name, at_ns = scan.schema.names[i], scan.time_ns + round(offset * 1e6)
                    assert right.expected(name, at_ns) == value, name
                    seen.setdefault(name, set()).add(value)
            moving = [name for name in seen if name not in ("bits", "axis.live", "axis.mode")]
            if len(seen) == len(profile.tags) and all(len(seen[name]) >= 3 for name in moving):
                break


async def test_a_node_that_appears_late_is_followed_along_its_path(tmp_path: Path) -> None:
    profile = loaded(tmp_path, "fast")

    async with OpcUaPlc(profile.tags) as plc, reached(plc, profile) as device:
        await plc.switch(Faults(missing=frozenset({"speed"})))
        qualities: list[str] = []
        async with asyncio.timeout(60), aclosing(device.subscriber("fast").changes(None)) as changes:
            async for news in changes:
                for scan in news.scans:
                    for i, quality in zip(
                        scan.index or range(len(scan.values)),
                        scan.quality or [""] * len(scan.values),
                        strict=True,
                    ):
                        if scan.schema.names[i] == "speed" and quality not in qualities:
                            qualities.append(quality)
                        assert scan.schema.names[i] == "speed" or not quality
                if qualities == ["bad:BadNoMatch"]:
                    await plc.switch(Faults())
                if len(qualities) > 1:
                    break

    assert qualities == ["bad:BadNoMatch", ""]


async def test_a_deadband_is_against_the_last_value_reported(tmp_path: Path) -> None:
    path = tmp_path / "press.yaml"
    head = PROFILE.replace("GROUP", "fast").partition("tags:")[0]
    path.write_text(f"{head}tags: {{a: {{node: 'plc:s=a', type: Double, deadband: 2.5}}}}\n")
    profile, problems = load_profile(path, kinds())
    assert profile is not None, render(problems)
    samples, reported = 0, []

    async with OpcUaPlc(profile.tags) as plc, reached(plc, profile) as device:
        follower = Follower(device.schemas["fast"], heartbeat_ns=10**15, resolution_ns=10**6)
        async with asyncio.timeout(60), aclosing(device.subscriber("fast").changes(None)) as changes:
            async for news in changes:
                samples += len(news.scans)
                reported += [each.values[0] for scan in news.scans if (each := follower.report(scan))]
                if len(reported) >= 5:
                    break

    # The signal climbs by one: 3 is the first step beyond 2.5. The first values are read, and told again.
    assert [after - before for before, after in pairwise(reported[-3:])] == [3.0, 3.0]  # type: ignore[operator]  # numbers
    assert samples > len(reported)


class Moving(Sources):
    """As if nodes were elsewhere, once."""

    gone = False

    @override
    async def moved(self, session: Session) -> bool:
        moved, self.gone = self.gone, False
        return moved


async def test_nodes_that_move_within_a_session_are_followed_anew_with_a_gap(tmp_path: Path) -> None:
    profile = loaded(tmp_path, "fast")
    group, tags = profile.groups["fast"], profile.tags
    columns = Columns(
        Schema("press", "fast", tuple(column(tag.opcua) for tag in tags), b"{}", "0"), tags, group
    )
    sources = Moving("press", group, tags, columns)
    device = Device("press", profile, "plc", 1, profile.groups, tags)

    async with (
        asyncio.timeout(60),
        OpcUaPlc(tags) as plc,
        OpcUaDriver().connect(OpcUaConnection("plc", plc.endpoint, timeout_s=5.0)) as wire,
    ):
        subscriber = GroupSubscription(wire, device, group, columns, sources, time.time_ns)
        marks: list[Mark] = []

        async def follow() -> None:
            async with aclosing(subscriber.changes(None)) as changes:
                async for news in changes:
                    marks.extend([news.mark] if news.mark else [])
                    sources.gone = bool(marks)

        with pytest.raises(DeviceError, match="stale"):
            await follow()
        async with aclosing(subscriber.changes(marks[-1])) as changes:
            losses = {(await anext(changes)).loss for _ in range(3)}

    assert losses == {"source:lost", ""}


def loaded(folder: Path, group: str) -> Profile:
    path = folder / "press.yaml"
    path.write_text(PROFILE.replace("GROUP", group))
    profile, problems = load_profile(path, kinds())
    assert profile is not None, render(problems)
    return profile


@asynccontextmanager
async def reached(plc: OpcUaPlc, profile: Profile) -> AsyncIterator[OpcUaDevice]:
    driver = OpcUaDriver()
    device = Device("press", profile, "plc", 1, profile.groups, profile.tags)
    async with driver.connect(OpcUaConnection("plc", plc.endpoint, timeout_s=5.0)) as wire:
        yield driver.device(wire, device, b"{}", time.time_ns)
