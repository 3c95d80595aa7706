import json
from pathlib import Path

from edge_agent.cli.explain import lines
from edge_agent.config.settings import (
    BufferSettings,
    Device,
    Gateway,
    Group,
    NodeLimits,
    OpcUaConnection,
    Profile,
)
from edge_agent.drivers.driver import Explained
from tests.cli.gateway import Terminal, config


async def test_every_request_is_shown_with_its_range_its_cost_and_its_tags(
    tmp_path: Path, terminal: Terminal
) -> None:
    path = config(tmp_path, {"meter": 502})
    path.write_text(
        path.read_text().replace("connection: meter}", "connection: meter, groups: {energy: {phase: 3s}}}")
    )

    assert await terminal.type("explain", "meter", "--config", str(path)) == 0

    assert terminal.out.splitlines()[6:] == [
        "         4  input     52    71  30053-30072     6     14  12 + 49",
        "    power_total, power_factor, frequency",
        "",
        "energy: every 30 s, phase 3 s, 2 requests",
        "  FUNCTION  TABLE  FIRST  LAST  PRINTED      USED  ALONG  BYTES",
        "         4  input     72    75  30073-30076     4      0  12 + 17",
        "    energy_import, energy_export",
        "         4  input    342   343  30343-30344     2      0  12 + 13",
        "    energy_total",
        "",
        "in all: 4 requests, 2.07 requests/s, 108 bytes/s",
    ]
    assert max(len(line) for line in terminal.out.splitlines()) <= 80


async def test_json_has_the_same_in_numbers(tmp_path: Path, terminal: Terminal) -> None:
    path = config(tmp_path, {"meter": 502})

    assert await terminal.type("explain", "meter", "--config", str(path), "--json") == 0

    answer = json.loads(terminal.out)
    fast, energy = answer["groups"]
    assert (answer["device"], answer["connection"]) == ("meter", "meter")
    assert (fast["group"], fast["mode"], fast["interval_s"]) == ("fast", "read", 1.0)
    assert fast["requests"][0] == {
        "function": 4,
        "table": "input",
        "first": 0,
        "last": 11,
        "printed": "30001-30012",
        "used": 12,
        "along": 0,
        "tags": ["voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3"],
        "request_bytes": 12,
        "answer_bytes": 33,
        "requests_per_s": 1.0,
    }
    assert len(energy["requests"]) == 2
    assert answer["bytes_per_s"] == 45 + 61 + (29 + 25) / 30


async def test_device_that_is_none_is_wrong_usage(tmp_path: Path, terminal: Terminal) -> None:
    path = config(tmp_path, {"meter": 502})

    assert await terminal.type("explain", "press", "--config", str(path)) == 2
    assert terminal.err == "edge-agent: there is no device 'press'; there is: meter\n"


def test_what_is_subscribed_to_is_told_as_such_and_costs_what_nobody_can_tell() -> None:
    group = Group("events", 0.5, mode="subscribe", sampling_s=0.1)
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"events": group}, (), NodeLimits())
    device = Device("press", profile, "plc", 1, {"events": group}, ())
    plc = OpcUaConnection("plc", "opc.tcp://10.3.7.12:4840")
    gateway = Gateway("gw17", {}, {"plc": plc}, {"press": device}, {}, BufferSettings(Path("b")))

    told = list(lines(gateway, device, [Explained("events", {"items": 1}, ("force",), 2.0)]))

    assert told == [
        "press: a/b@1.0.0 on connection plc",
        "",
        "events: subscribed to, sent every 0.5 s, 1 request",
        "  ITEMS",
        "      1",
        "    force",
        "",
        "in all: 1 request, 2 requests/s",
    ]


def test_a_device_without_tags_is_asked_for_nothing() -> None:
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {}, (), NodeLimits())
    device = Device("press", profile, "plc", 1, {}, ())
    gateway = Gateway("gw17", {}, {}, {"press": device}, {}, BufferSettings(Path("b")))

    assert list(lines(gateway, device, []))[-1] == "in all: 0 requests, 0 requests/s, 0 bytes/s"
