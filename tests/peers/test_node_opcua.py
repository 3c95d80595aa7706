"""A server that is not asyncua is browsed, drafts its profile, and is read and followed by it."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Device, OpcUaConnection, Profile
from edge_agent.core.model import Scan
from edge_agent.drivers.kinds import kinds
from edge_agent.drivers.opcua.driver import OpcUaDevice, OpcUaDriver
from edge_agent.drivers.opcua.wire import connect
from tests.brokers import Arrived, Mosquitto, Receiver
from tests.cli.gateway import Terminal

pytestmark = pytest.mark.slow

URI = "http://acme.example/Anlage Süd/Fräse 1"
SCALARS: Mapping[str, object] = {
    "alle_typen_ein_boolean": True,
    "alle_typen_ein_s_byte": -7,
    "alle_typen_ein_byte": 200,
    "alle_typen_ein_int16": -3000,
    "alle_typen_ein_u_int16": 60000,
    "alle_typen_ein_int32": -2_000_000_000,
    "alle_typen_ein_u_int32": 4_000_000_000,
    "alle_typen_ein_int64": 9_007_199_254_740_991,
    "alle_typen_ein_u_int64": 18_446_744_073_709_551_614,
    "alle_typen_ein_float": 0.5,
    "alle_typen_ein_double": 3.141592653589793,
    "alle_typen_ein_string": "Grüße: {a}, 'b' # c",
    "alle_typen_ein_date_time": "2026-01-02T03:04:05.678Z",
    "alle_typen_ein_guid": "12345678-1234-1234-1234-123456789abc",
    "alle_typen_ein_byte_string": "ZWRnZQ==",
    "alle_typen_ein_localized_text": "Betrieb",
    "alle_typen_ein_xml_element": "<a/>",
    "alle_typen_ein_node_id": "i=85",
    "alle_typen_ein_expanded_node_id": "i=85",
    "alle_typen_ein_status_code": "Good",
    "alle_typen_ein_qualified_name": "q",
    "alle_typen_werte": (1.0, 2.5, 4.0),
}
OTHERS: Mapping[str, object] = {
    "achse_1_ist_drehzahl": 1480.5,
    "achse_2_ist_drehzahl": -20.0,
    "oel_pumpe_motor_druck": 1e-7,
    "oel_pumpe_motor_zaehne": 17,
    "oel_pumpe_motor_zustand": 3,
    "oel_pumpe_motor_stufe": 1,
    "oel_pumpe_motor_sollwert": 12.5,
    "oel_pumpe_motor_zahl": 42,
}
STILL = {**SCALARS, **OTHERS}
"""Tags whose values do not change."""
MOVING = "oel_pumpe_motor_oel_temperatur"
LEFT_OUT = {
    "Geheim": "it may not be read",
    "Quittieren": "a method",
}


async def test_it_is_shown_as_a_tree_with_its_values(node_opcua: str, terminal: Terminal) -> None:
    assert await terminal.type("browse", node_opcua, "Halle Süd", "--values", "--json") == 0

    nodes = {each["path"]: each for each in map(json.loads, terminal.out.splitlines())}
    axis = nodes["Halle Süd/Achse&/1/IstDrehzahl"]
    assert (axis["type"], axis["access"], axis["value"]) == ("Double", "rw", 1480.5)
    assert nodes["Halle Süd/Alle Typen/Werte"]["value"] == [1.0, 2.5, 4.0]
    assert nodes["Halle Süd/Alle Typen/Werte"]["node"] == f"nsu={URI};b=Zm9v"
    assert nodes["Halle Süd/Öl-Pumpe && Motor/Geheim"]["access"] == "w"
    assert nodes["Halle Süd/Öl-Pumpe && Motor/Halle Süd"]["elsewhere"] == "Halle Süd"
    assert nodes["Halle Süd/Öl-Pumpe && Motor/Zustand"]["type"] == "ZustandType"


async def test_its_draft_says_what_the_server_says(
    node_opcua: str, tmp_path: Path, terminal: Terminal
) -> None:
    profile = await drafted(node_opcua, tmp_path, terminal)

    tags = {tag.name: tag for tag in profile.tags}
    assert tags.keys() == {*STILL, MOVING}
    temperature = tags[MOVING]
    assert (temperature.type, temperature.unit, temperature.opcua.valid) == ("Float", "Cel", (-40.0, 150.0))
    assert (tags["oel_pumpe_motor_druck"].unit, tags["oel_pumpe_motor_druck"].opcua.valid) == (
        "bar",
        (1e-9, 400.0),
    )
    assert (tags["oel_pumpe_motor_zaehne"].unit, tags["oel_pumpe_motor_zaehne"].opcua.valid) == (None, None)
    assert tags["oel_pumpe_motor_zustand"].enum == {0: "off", 1: "no", 2: "1:30", 3: "läuft"}
    assert tags["oel_pumpe_motor_stufe"].enum == {0: "null", 1: "eins"}
    assert tags["oel_pumpe_motor_sollwert"].opcua.id == "s=Soll;wert"
    assert tags["oel_pumpe_motor_zahl"].type == "Int16"
    assert {tag.access for tag in profile.tags} == {"r"}
    text = (tmp_path / "profiles" / "acme" / "mill.yaml").read_text()
    said = [
        line.partition("  # ")[2] for line in text.splitlines() if line.startswith("  # ") and ";" in line
    ]
    assert {line.partition(" (")[0]: line.rpartition("): ")[2] for line in said} == LEFT_OUT


async def test_it_is_read_by_its_draft(node_opcua: str, tmp_path: Path, terminal: Terminal) -> None:
    profile = await drafted(node_opcua, tmp_path, terminal)

    async with reached(node_opcua, profile) as device:
        scan = await device.read("fast")

    assert by_name(scan).items() >= STILL.items()
    assert by_name(scan)[MOVING] in (61.25, 61.5, 61.75, 62.0)
    assert scan.quality is None


async def test_it_is_followed_by_its_draft(node_opcua: str, tmp_path: Path, terminal: Terminal) -> None:
    profile = await drafted(node_opcua, tmp_path, terminal)
    values: dict[str, object] = {}
    samples: list[object] = []

    async with (
        reached(node_opcua, profile) as device,
        aclosing(device.subscriber("fast").changes(None)) as all_,
    ):
        async for news in all_:
            for scan in news.scans:
                assert scan.quality is None
                values |= by_name(scan)
                samples += [by_name(scan)[MOVING]] if MOVING in by_name(scan) else []
            if len(samples) >= 5 and values.keys() >= STILL.keys():
                break

    assert values.items() >= STILL.items()
    assert set(samples) <= {61.25, 61.5, 61.75, 62.0}


async def test_a_gateway_with_its_draft_sends_the_values(
    node_opcua: str, tmp_path: Path, terminal: Terminal, mosquitto: Mosquitto
) -> None:
    await drafted(node_opcua, tmp_path, terminal)
    config = tmp_path / "agent.yaml"
    config.write_text(
        "schema: edge-agent/gateway/1\ngateway: {id: gw17}\n"
        "connections:\n"
        f'  mill: {{opcua: {{endpoint: "{node_opcua}", security: {{policy: None, mode: none}}}}}}\n'
        "devices: {mill-1: {profile: acme/mill@0, connection: mill}}\n"
        f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{mosquitto.port}"}}}}}}\n'
        "buffer: {path: ./state/buffer}\n"
    )
    with Receiver(mosquitto.port) as receiver, running(config):
        await receiver.until(lambda now: arrived(now).keys() >= STILL.keys(), 20.0)

    wide = {name for name, value in STILL.items() if isinstance(value, int) and value > 2**53 - 1}
    sent = {name: str(value) if name in wide else value for name, value in STILL.items()}
    sent["alle_typen_werte"] = [1.0, 2.5, 4.0]
    assert arrived(receiver.arrived).items() >= sent.items()


# --- helpers ------------------------------------------------------------------------------


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


async def drafted(endpoint: str, folder: Path, terminal: Terminal) -> Profile:
    path = folder / "profiles" / "acme" / "mill.yaml"
    assert await terminal.type("browse", endpoint, "Halle Süd", "--profile", str(path)) == 0, terminal.err
    assert await terminal.type("check", str(path)) == 0, terminal.out
    profile, problems = load_profile(path, kinds())
    assert profile is not None
    assert problems == ()
    return profile


@asynccontextmanager
async def reached(endpoint: str, profile: Profile) -> AsyncIterator[OpcUaDevice]:
    device = Device("mill", profile, "plc", 1, profile.groups, profile.tags)
    async with connect(OpcUaConnection("plc", endpoint)) as wire:
        yield OpcUaDriver().device(wire, device, b"{}", time.time_ns)


@contextmanager
def running(config: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "edge_agent", "run", "--config", str(config)]
    log = config.with_suffix(".log")
    with log.open("wb") as told, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=told) as agent:
        try:
            yield
        finally:
            agent.terminate()


def by_name(scan: Scan) -> dict[str, object]:
    columns = range(len(scan.schema.names)) if scan.index is None else scan.index
    return {scan.schema.names[at]: value for at, value in zip(columns, scan.values, strict=True)}


def arrived(messages: list[Arrived]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for message in messages:
        if message.topic.endswith("mill-1/fast") and not message.retain:
            for scan in json.loads(message.payload)["s"]:
                values |= scan["v"]
    return values
