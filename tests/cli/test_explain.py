import json
from pathlib import Path

import pytest

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
from edge_agent.demo.programs import free_port
from edge_agent.drivers.driver import Explained
from tests.cli.gateway import Terminal, config
from tests.e2e.plant import plant


async def test_every_request_is_shown_with_its_range_its_cost_and_its_tags(
    tmp_path: Path, terminal: Terminal
) -> None:
    path = config(tmp_path, {"meter": 502})
    path.write_text(
        path.read_text().replace("connection: meter}", "connection: meter, groups: {energy: {phase: 3s}}}")
    )

    assert await terminal.type("explain", "meter", "--config", str(path)) == 0

    assert terminal.out.splitlines()[6:] == [
        "         4  input     52    71  30053-30072     6     14  12 + 49  2.04",
        "    power_total, power_factor, frequency",
        "",
        "energy: every 30 s, phase 3 s, 2 requests, 4.01 ms, 0 % of the interval",
        "  FUNCTION  TABLE  FIRST  LAST  PRINTED      USED  ALONG  BYTES      MS",
        "         4  input     72    75  30073-30076     4      0  12 + 17  2.01",
        "    energy_import, energy_export",
        "         4  input    342   343  30343-30344     2      0  12 + 13     2",
        "    energy_total",
        "",
        "in all: 4 requests, 2.07 requests/s, 108 bytes/s, 0.4 % of the connection",
        "",
        "connection meter: 1 device, 2.07 requests/s, 0.4 % of its time",
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
        "cost_s": pytest.approx(0.002024),
        "share": pytest.approx(0.002024),
    }
    assert fast["cost_s"] == pytest.approx(0.002024 + 0.00204)
    assert len(energy["requests"]) == 2
    assert answer["bytes_per_s"] == 45 + 61 + (29 + 25) / 30
    assert answer["share"] == answer["connection_share"] == pytest.approx(0.0041977, rel=1e-3)
    assert answer["sharing"] == [
        {"device": "meter", "requests_per_s": answer["requests_per_s"], "share": answer["share"]}
    ]


async def test_a_line_of_meters_reads_well_on_a_terminal(tmp_path: Path, terminal: Terminal) -> None:
    # 8 + 29 characters of 1.1458 ms, 10 ms until the answer, 9.01 ms of pause: 61.4 ms.
    path = line_of(tmp_path, meters=12)

    assert await terminal.type("explain", "meter-3", "--config", str(path)) == 0

    told = terminal.out.splitlines()
    assert told[2:5] == [
        "fast: every 5 s, phase 3 s, 2 requests, 141 ms, 2.8 % of the interval",
        "  FUNCTION  TABLE  FIRST  LAST  PRINTED      USED  ALONG  BYTES     MS",
        "         4  input      0    11  30001-30012    12      0  8 + 29  61.4",
    ]
    at = told.index("connection rs485-1: 12 devices, 5.6 requests/s, 37.1 % of its time")
    assert told[at + 1 : at + 3] == ["  DEVICE    REQUESTS/S  PERCENT", "  meter-1        0.467      3.1"]
    assert len(told[at:]) == 14
    assert max(map(len, told)) <= 80


async def test_the_many_devices_of_a_connection_are_summed_up(tmp_path: Path, terminal: Terminal) -> None:
    path = line_of(tmp_path, meters=20)

    assert await terminal.type("explain", "meter-3", "--config", str(path)) == 0

    assert terminal.out.splitlines()[-2:] == [
        "  meter-14       0.467      3.1",
        "  6 others         2.8     18.6",
    ]


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

    told = list(lines(gateway, device, {"press": [Explained("events", {"items": 1}, ("force",), 2.0)]}))

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

    told = list(lines(gateway, device, {"press": []}))

    assert "in all: 0 requests, 0 requests/s, 0 bytes/s, 0 % of the connection" in told


def line_of(folder: Path, *, meters: int) -> Path:
    """The file of a gateway with meters on a serial line of 9600 bit/s."""
    path = config(folder, {"rs485-1": 502})
    text = path.read_text()
    text = text.replace('{tcp: "127.0.0.1:502", timeout: 200ms}', "{serial: /dev/serial/by-id/usb-FTDI-if00}")
    text = text.replace(
        "  rs485-1: {profile: eastron/sdm630-v2@1, connection: rs485-1}",
        "  meter-{n}: {profile: eastron/sdm630-v2@1, connection: rs485-1, unit: '{n}', "
        f"groups: {{fast: {{interval: 5s, phase: 3s}}}}, for: {{n: '1..{meters}'}}}}",
    )
    path.write_text(text)
    return path


async def test_what_a_running_agent_has_measured_counts(tmp_path: Path, terminal: Terminal) -> None:
    async with plant(tmp_path, free_port()) as site:
        site.agent.start()
        await site.agent.tells("device answers")
        path = str(tmp_path / "agent.yaml")

        assert await terminal.type("explain", "meter", "--config", path) == 0
        assert terminal.out.endswith(" ms until a device answers, as the running agent measured\n")

        assert await terminal.type("explain", "meter", "--json", "--config", path) == 0
        told = json.loads(terminal.out)
        assert 0 < told["latency_s"] < 0.2
        request = told["groups"][0]["requests"][0]
        assert request["cost_s"] == pytest.approx(told["latency_s"], abs=0.001)
