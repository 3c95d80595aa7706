"""A gateway's certificates for tests of secured servers."""

import time
from pathlib import Path
from shutil import copytree

import pytest

from edge_agent.config.settings import Home
from edge_agent.drivers.opcua.pki import Pki

URI = "urn:gw17:edge-agent"


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of certificates with a key, made once per test process; not to be changed."""
    folder = tmp_path_factory.mktemp("home") / "pki"
    Pki(folder).own(URI, "box17", time.time())
    return folder


@pytest.fixture
def home(made_home: Path, tmp_path: Path) -> Home:
    """A gateway that has its own certificate, and has trusted nobody yet."""
    return Home(URI, "box17", Path(copytree(made_home, tmp_path / "state" / "pki")))
