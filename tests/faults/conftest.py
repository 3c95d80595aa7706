"""A plant of either kind."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.faults.plants import SERVERS, Plant, plant

MakePlant = Callable[..., AbstractAsyncContextManager[Plant]]


@pytest.fixture(scope="session")
def certificate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of node-opcua keep the one certificate that each would make."""
    return tmp_path_factory.mktemp("plant")


@pytest.fixture(params=SERVERS)
def make_plant(request: pytest.FixtureRequest, certificate_folder: Path) -> MakePlant:
    """Makes a plant: `make_plant(tags, tick_ns=…)`."""
    return lambda tags, **more: plant(request.param, tags, certificate_folder, **more)
