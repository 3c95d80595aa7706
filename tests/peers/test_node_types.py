"""Paths, arrays, matrices, structures and deadbands at a server that is not asyncua."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import structlog

from edge_agent.config.problems import render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Device, OpcUaConnection, Profile
from edge_agent.core.follow import Follower
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.opcua.driver import OpcUaDevice, OpcUaDriver
from tests.cli.gateway import Terminal

pytestmark = pytest.mark.slow

HEAD = """\
schema: edge-agent/profile/1
id: acme/types
version: 1.0.0
protocol: opcua
title: What a tag can be
namespaces: {t: "http://acme.example/Typen", u: "http://acme.example/Anlage Süd/Fräse 1"}
defaults: {group: read}
groups: {read: {mode: read, interval: 1s}, fast: {publishing: 100ms, sampling: 50ms, heartbeat: 1h}}
"""
TAGS = """\
  name: {path: "t:Typen/t:Zustände", type: Int32, enum: {0: aus, 1: geht, 2: dreht}}
  nowhere: {path: "t:Typen/t:Nix", type: Int16}
  axis:
    path: "t:Typen/t:Achse"
    fields:
      Name: String
      Zustand: {type: Int32, enum: {0: aus, 1: steht, 2: dreht}}
      Laufzeit: Double
      x: {field: Ort/X, type: Double}
      Grenzen: "Float[2]"
      low: {field: Grenzen/0, type: Float}
      y: {field: Bahn/1/Y, type: Double}
      Seit: DateTime
      Text: LocalizedText
      none: Int16
      Drehzahl: Float
  loose: {node: "t:s=Lose", fields: {Fest: Int16, Vielleicht: UInt16, Danach: UInt32}}
  one: {node: "t:s=Wort", fields: {Zahl: Int32, Wort: String}}
  second: {node: "t:s=Achsen", range: 1, fields: {X: Double}}
  first: {node: "t:s=Achsen", fields: {Y: {field: 0/Y, type: Double}}}
  row: {node: "t:s=Reihe", type: "Int16[4]", range: "0:3"}
  fourth: {node: "t:s=Reihe", type: Int16, range: 3}
  short: {node: "t:s=Reihe", type: "Int16[4]"}
  beyond: {node: "t:s=Reihe", type: Int16, range: 9}
  matrix: {node: "t:s=Matrix", type: "Double[6]"}
  column: {node: "t:s=Matrix", type: "Double[2]", range: "0:1,1"}
  corner: {node: "t:s=Matrix", type: Double, range: "1,2"}
  word: {node: "t:s=Wörter", type: String, range: 1}
  door: {node: "t:s=Tür", type: Boolean}
  xml: {node: 'u:s="Typen".XmlElement', type: XmlElement}
  id: {node: 'u:s="Typen".NodeId', type: NodeId}
  far: {node: 'u:s="Typen".ExpandedNodeId', type: ExpandedNodeId}
  status: {node: 'u:s="Typen".StatusCode', type: StatusCode}
  called: {node: 'u:s="Typen".QualifiedName', type: QualifiedName}
"""
RIGHT = {
    "name": 1,
    "axis.Name": "A1",
    "axis.Zustand": 2,
    "axis.Laufzeit": 1500.0,
    "axis.x": 1.5,
    "axis.Grenzen": (0.5, 2.5),
    "axis.low": 0.5,
    "axis.y": 4.0,
    "axis.Seit": "2026-01-02T00:00:00.000Z",
    "axis.Text": "läuft",
    "loose.Fest": -3,
    "loose.Danach": 7,
    "one.Wort": "eins",
    "second.X": 20.0,
    "first.Y": 11.0,
    "row": (1, -2, 3, -4),
    "fourth": -4,
    "column": (2.0, 5.0),
    "corner": 6.0,
    "word": "eins",
    "door": True,
    "xml": "<a/>",
    "id": "i=85",
    "far": "i=85",
    "status": "Good",
    "called": "q",
}
WRONG = {
    "nowhere": "bad:BadNoMatch",
    "axis.none": "bad:wrong_answer:no_field",
    "axis.Drehzahl": "bad:wrong_answer:Double",
    "loose.Vielleicht": "bad:wrong_answer:Null",
    "one.Zahl": "bad:wrong_answer:Null",
    "short": "bad:wrong_answer:Int16[5]",
    "beyond": "bad:BadIndexRangeNoData",
    "matrix": "bad:wrong_answer:Double[2,3]",
}


async def test_every_kind_of_tag_is_read_right_or_says_why_not(node_opcua: str, tmp_path: Path) -> None:
    profile = loaded(tmp_path, f"{HEAD}tags:\n{TAGS}")

    with structlog.testing.capture_logs() as logs:
        async with reached(node_opcua, profile) as device:
            scan = await device.read("read")

    quality = scan.quality or ()
    named = dict(zip(scan.schema.names, zip(scan.values, quality, strict=True), strict=True))
    assert {name: value for name, (value, why) in named.items() if not why} == RIGHT
    assert {name: why for name, (_, why) in named.items() if why} == WRONG
    assert [each["differ"] for each in logs if each["event"] == "texts differ from the server"] == [
        ["1 is 'steht' at the server and 'geht' in the profile"]
    ]


async def test_the_same_is_followed(node_opcua: str, tmp_path: Path) -> None:
    more = "  turns: {node: 't:s=Achse', fields: {Drehzahl: Double}}\n"
    head = HEAD.replace("group: read", "group: fast")
    profile = loaded(tmp_path, f"{head}tags:\n{TAGS}{more}")
    told: dict[str, set[object]] = {}

    async with (
        asyncio.timeout(60),
        reached(node_opcua, profile) as device,
        aclosing(device.subscriber("fast").changes(None)) as changes,
    ):
        async for news in changes:
            for scan in news.scans:
                for at, i in enumerate(scan.index or range(len(scan.values))):
                    name, why = scan.schema.names[i], scan.quality[at] if scan.quality else ""
                    told.setdefault(name, set()).add(why or scan.values[at])
            if len(told.get("turns.Drehzahl", ())) == 4:
                break

    assert told.pop("turns.Drehzahl") == {1480.5, 1481.5, 1482.5, 1483.5}
    assert told == {name: {each} for name, each in {**RIGHT, **WRONG}.items()}


@pytest.mark.parametrize("filters", ["true", "false"])
async def test_a_share_of_the_range_is_left_out_whoever_applies_it(
    node_opcua: str, tmp_path: Path, filters: str
) -> None:
    tag = 'tags: {level: {path: "t:Typen/t:Füllstand", type: Double, deadband: 2%, group: fast}}\n'
    profile = loaded(tmp_path, f"{HEAD}limits: {{filters: {filters}}}\n{tag}")
    samples, reported = 0, []

    async with reached(node_opcua, profile) as device:
        follower = Follower(device.schemas["fast"], heartbeat_ns=10**15, resolution_ns=10**6)
        async with asyncio.timeout(60), aclosing(device.subscriber("fast").changes(None)) as changes:
            async for news in changes:
                samples += len(news.scans)
                reported += [float(each.values[0]) for scan in news.scans if (each := follower.report(scan))]  # type: ignore[arg-type]  # a number
                if len(reported) >= 8:
                    break

    # EURange is 0 to 200, so 4 are left out; the level climbs by 1 and falls from 119 to 100. The first
    # values are read, and then told again.
    assert all(abs(after - before) > 4.0 for before, after in pairwise(reported[2:]))
    assert any(after - before == 5.0 for before, after in pairwise(reported[2:]))
    assert (samples < 12) is (filters == "true")


async def test_a_range_that_changes_is_read_anew(node_opcua: str, tmp_path: Path) -> None:
    tag = 'tags: {level: {path: "t:Typen/t:Bereich", type: Double, deadband: 2%, group: fast}}\n'
    profile = loaded(tmp_path, f"{HEAD}{tag}")
    deadbands: set[float] = set()

    async with (
        asyncio.timeout(60),
        reached(node_opcua, profile) as device,
        aclosing(device.subscriber("fast").changes(None)) as changes,
    ):
        async for news in changes:
            deadbands |= {scan.schema.columns[0].deadband for scan in news.scans}
            if len(deadbands) == 2:
                break

    assert deadbands == {2.0, 20.0}


async def test_its_draft_has_arrays_and_structures_and_is_read(
    node_opcua: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profiles" / "acme" / "types.yaml"
    path.parent.mkdir(parents=True)
    assert await Terminal(capsys).type("browse", node_opcua, "Typen", "--profile", str(path)) == 0
    text = path.read_text().replace("{publishing: 1s}", "{mode: read, interval: 1s}")
    profile = loaded(tmp_path, text)

    async with reached(node_opcua, profile) as device:
        scan = await device.read("fast")

    quality = scan.quality or ("",) * len(scan.values)
    named = dict(zip(scan.schema.names, zip(scan.values, quality, strict=True), strict=True))
    assert named["achse.ort_x"] == (1.5, "")
    assert named["achse.grenzen"] == ((0.5, 2.5), "")
    assert named["lose.danach"] == (7, "")
    assert named["wort.wort"] == ("eins", "")
    assert {why for _, why in named.values()} == {"", "bad:wrong_answer:Null"}
    assert "false is zu, true is auf" in text
    assert "enum: {0: aus, 1: steht, 2: dreht}" in text


def loaded(folder: Path, text: str) -> Profile:
    path = folder / "types.yaml"
    path.write_text(text)
    profile, problems = load_profile(path, kinds())
    assert profile is not None, render(problems)
    return profile


@asynccontextmanager
async def reached(endpoint: str, profile: Profile) -> AsyncIterator[OpcUaDevice]:
    driver = OpcUaDriver()
    device = Device("types", profile, "plc", 1, profile.groups, profile.tags)
    async with driver.connect(OpcUaConnection("plc", endpoint, timeout_s=5.0)) as wire:
        yield driver.device(wire, device, b"{}", time.time_ns)
