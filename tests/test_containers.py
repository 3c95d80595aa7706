"""What stands in packaging/containers: commands that exist, addresses that lead to one another.

The image itself is not built here.
"""

import argparse
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_agent import cli
from edge_agent.cli.played import played
from edge_agent.cli.simulate import profile_of
from edge_agent.config.gateway import load
from edge_agent.config.settings import Gateway, ModbusConnection, OpcUaConnection
from edge_agent.drivers.kinds import kinds

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "packaging" / "containers"


@pytest.fixture(scope="module")
def services() -> Mapping[str, Mapping[str, Any]]:
    composed = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    found: Mapping[str, Mapping[str, Any]] = composed["services"]
    return found


@pytest.fixture(scope="module")
def simulators(services: Mapping[str, Mapping[str, Any]]) -> Mapping[str, argparse.Namespace]:
    """What each simulated PLC is told, by the name of its service."""
    said = {name: service["command"] for name, service in services.items() if "command" in service}
    return {name: parsed(words) for name, words in said.items() if words[0] == "simulate"}


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    loaded = load(FOLDER / "agent.yaml", kinds())
    assert loaded.gateway is not None
    return loaded.gateway


@pytest.fixture(scope="module")
def image() -> Sequence[tuple[str, str]]:
    """The instructions of the Containerfile, each with what stands behind it."""
    text = (FOLDER / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def test_the_configuration_of_the_agent_passes_its_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(FOLDER / "agent.yaml")]) == 0
    assert "ok: 5 devices" in capsys.readouterr().out


@pytest.fixture
def quiet() -> Iterator[None]:
    """Playing OPC UA silences a library for its process; the next test has one of its own."""
    library = logging.getLogger("asyncua")
    level = library.level
    yield
    library.setLevel(level)


@pytest.mark.usefixtures("quiet")
def test_two_modbus_plcs_and_a_server_of_opcua_can_be_played(
    simulators: Mapping[str, argparse.Namespace],
) -> None:
    protocols = []
    for args in simulators.values():
        profile = profile_of(args.profile, None)
        protocols.append(profile.protocol)
        assert played(profile, args).place == f"0.0.0.0 port {args.port}"

    assert protocols == ["modbus", "modbus", "opcua"]


def test_every_connection_leads_to_a_simulated_plc(
    gateway: Gateway, simulators: Mapping[str, argparse.Namespace]
) -> None:
    places = {name: place(connection) for name, connection in gateway.connections.items()}

    assert sorted(places.values()) == sorted((name, args.port) for name, args in simulators.items())
    for device in gateway.devices.values():
        args = simulators[places[device.connection][0]]
        assert device.profile.id == args.profile.partition("@")[0]
        assert device.unit in (args.units or (1,))


def test_the_destination_is_the_broker_of_the_plant(
    gateway: Gateway, services: Mapping[str, Mapping[str, Any]]
) -> None:
    (destination,) = gateway.destinations.values()

    assert destination.host in services
    assert f"listener {destination.port}\n" in (FOLDER / "mosquitto.conf").read_text("utf-8")


def test_the_agent_finds_its_configuration_and_keeps_its_log(
    gateway: Gateway, services: Mapping[str, Mapping[str, Any]]
) -> None:
    agent = services["agent"]
    mounted = dict(volume.split(":")[:2] for volume in agent["volumes"])

    assert mounted["./agent.yaml"] == str(parsed(agent["command"]).config)
    assert str(gateway.buffer.path).startswith(mounted["log"])
    assert set(agent["depends_on"]) == services.keys() - {"agent"}


def test_every_file_that_is_mounted_or_copied_is_there(
    services: Mapping[str, Mapping[str, Any]], image: Sequence[tuple[str, str]]
) -> None:
    volumes = [volume for service in services.values() for volume in service.get("volumes", ())]
    mounted = [FOLDER / volume.split(":")[0] for volume in volumes if volume.startswith(".")]
    copied = [words.split()[:-1] for do, words in image if do == "COPY" and "--from" not in words]
    build = services["agent"]["build"]

    assert all(path.is_file() for path in mounted)
    assert all((ROOT / name).exists() for names in copied for name in names)
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_image_runs_the_agent_and_not_as_root(image: Sequence[tuple[str, str]]) -> None:
    last = dict(image)

    assert parsed(json.loads(last["CMD"])).command == "run"
    assert Path(json.loads(last["ENTRYPOINT"])[0]).name == "edge-agent"
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last["USER"])


def test_the_readme_starts_the_command_where_the_image_has_it(image: Sequence[tuple[str, str]]) -> None:
    (program,) = json.loads(dict(image)["ENTRYPOINT"])

    assert f"exec agent {program} status" in (FOLDER / "README.md").read_text("utf-8")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line of edge-agent; SystemExit for one that it would refuse."""
    return cli._parsed(words)


def place(connection: object) -> tuple[str, int]:
    """Host and port of a connection."""
    if isinstance(connection, ModbusConnection):
        return connection.host, connection.port
    assert isinstance(connection, OpcUaConnection)
    host, _, port = connection.endpoint.removeprefix("opc.tcp://").partition(":")
    return host, int(port)
