"""A server of another stack that is secured: whom the gateway trusts, and who it is there."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from edge_agent.config.settings import Group, Home, Login, Mode, Policy, Security
from edge_agent.core.model import Value
from edge_agent.drivers.opcua.certificate import Certificate
from edge_agent.drivers.opcua.pki import Pki, certificate_of
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults
from tests.faults.following import COUNTER, Gateway
from tests.faults.plants import Plant, plant

pytestmark = pytest.mark.slow

GROUPS = {"fast": Group("fast", 1.0, timestamp="source", mode="read")}
ENCRYPTED = Security("Basic256Sha256", "sign_and_encrypt")
TWENTY_YEARS_S = 20 * 365.25 * 86400


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A gateway that has its own certificate, and has trusted nobody yet."""
    pki = tmp_path / "pki"
    Pki(pki).own("urn:gw17:edge-agent", "box17", time.time())
    return Home("urn:gw17:edge-agent", "box17", pki)


@asynccontextmanager
async def secured(folder: Path, faults: Faults | None = None) -> AsyncIterator[tuple[Plant, Certificate]]:
    """A server of node-opcua, and its certificate."""
    async with plant("node-opcua", COUNTER, folder, faults=faults) as server:
        yield server, certificate_of(folder / "own" / "certs" / "certificate.pem")


async def value(gateway: Gateway) -> Value:
    """What the counter is. Raises DeviceError."""
    async with gateway.open():
        await gateway.wire.open()
        (value,) = (await gateway.device.read("fast")).values
        return value


def gateway(server: Plant, home: Home, security: Security = ENCRYPTED, login: Login | None = None) -> Gateway:
    return Gateway(server.endpoint, groups=GROUPS, security=security, login=login, home=home)


async def test_unknown_certificate_is_refused_and_trusted_and_works_with_every_policy(
    certificate_folder: Path, home: Home
) -> None:
    async with secured(certificate_folder) as (server, certificate):
        with pytest.raises(DeviceError) as refused:
            await value(gateway(server, home))
        assert certificate.fingerprint in refused.value.detail
        Pki(home.pki).trust("plc", certificate)
        ways = [Security(policy, mode) for policy in get_args(Policy) for mode in get_args(Mode)]
        read = [await value(gateway(server, home, security)) for security in ways]

    assert refused.value.reason == "BadCertificateUntrusted"
    assert len(ways) == 6
    assert {type(each) for each in read} == {int}


async def test_wrong_password_is_refused_and_the_right_one_works(
    certificate_folder: Path, home: Home
) -> None:
    async with secured(certificate_folder) as (server, certificate):
        Pki(home.pki).trust("plc", certificate)
        with pytest.raises(DeviceError) as refused:
            await value(gateway(server, home, login=Login("edge", "falsch-0815")))
        read = await value(gateway(server, home, login=Login("edge", "geheim-4711")))

    assert refused.value.reason in {"BadUserAccessDenied", "BadIdentityTokenRejected"}
    assert "user" in refused.value.detail
    assert isinstance(read, int)


async def test_certificate_that_has_ended_is_refused_though_it_is_trusted(tmp_path: Path, home: Home) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    async with secured(folder, Faults(clock_s=-TWENTY_YEARS_S)):
        pass  # it made its certificate twenty years ago
    async with secured(folder) as (server, certificate):
        Pki(home.pki).trust("plc", certificate)
        with pytest.raises(DeviceError) as refused:
            await value(gateway(server, home))

    assert refused.value.reason == "BadCertificateTimeInvalid"
