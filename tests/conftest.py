"""Fixtures and settings that all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.brokers import Certificates, Mosquitto
from tests.peers import libmodbus as libmodbus_
from tests.peers import node_server
from tests.peers.libmodbus import Libmodbus

# "ci" gives the same examples in every run, so that a red run is red again at home.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running Mosquitto of its own, open to all."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with Mosquitto(folder) as broker:
        yield broker


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for TLS tests, made once per test process."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> Libmodbus:
    """A Modbus server of libmodbus, built once per test process; for tests marked slow."""
    why = libmodbus_.missing()
    if why:
        pytest.skip(why)
    return Libmodbus(tmp_path_factory.mktemp("libmodbus"))


@pytest.fixture(scope="session")
def node_opcua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a server of node-opcua, one per test process; for tests marked slow."""
    why = node_server.missing()
    if why:
        pytest.skip(why)
    with node_server.served(tmp_path_factory.mktemp("node_opcua")) as endpoint:
        yield endpoint
