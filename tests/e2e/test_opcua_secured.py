"""The same press behind an encrypted channel: nobody is trusted unseen, and no sample is missing either."""

import asyncio
from pathlib import Path

import pytest

from edge_agent import cli
from edge_agent.sim.opcua_security import Security
from tests.brokers import Mosquitto, Receiver
from tests.e2e.cloud import Books, told
from tests.e2e.plant import SOON_S, Plant, plant
from tests.e2e.test_opcua import missing_ticks, more_samples, samples


async def trust(site: Plant, security: Security) -> None:
    """What a person types, with the fingerprint of the server in front of him."""
    shown = security.certificate.fingerprint
    words = ("trust", "press", "--fingerprint", shown, "--config", str(site.agent.config))
    assert await asyncio.to_thread(cli.main, words) == 0


async def test_server_is_refused_until_it_is_trusted_and_the_agent_goes_on(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    security = Security(logins=["anonymous", "password"])
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press", security=security) as site:
            site.agent.start()
            await receiver.until(told("device/press", state="down"), SOON_S)
            await trust(site, security)
            await receiver.until(told("device/press", state="ok"), 2 * SOON_S)
            await receiver.until(samples("force", 5), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)
        (down,) = site.agent.events("connection down")
        (made,) = site.agent.events("own certificate made")

    books.assert_right()
    assert "bad:BadCertificateUntrusted" in books.qualities("press")
    assert down["why"].startswith("the server's certificate is not trusted yet: CN=simulated PLC, sha256:")
    assert down["why"].endswith("; if that is the server: edge-agent trust press")
    assert made["file"] == str(tmp_path / "state" / "pki" / "own" / "cert.der")


@pytest.mark.parametrize("how", ["cut", pytest.param("kill", marks=pytest.mark.slow)])
async def test_cut_or_kill_costs_no_sample_of_an_encrypted_channel(
    how: str, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    security = Security()
    with Receiver(mosquitto.port) as receiver:
        async with plant(tmp_path, mosquitto.port, "press", security=security) as site:
            site.agent.start()
            await site.agent.tells("connection down")
            await trust(site, security)
            for _ in range(3):
                await receiver.until(more_samples("force", 5, receiver.arrived), 2 * SOON_S)
                if how == "cut":
                    await site.press.cut()
                else:
                    site.agent.kill()
                    site.agent.start()
            await receiver.until(more_samples("force", 10, receiver.arrived), SOON_S)
            await receiver.until(more_samples("temperature", 5, receiver.arrived), SOON_S)
            await site.agent.stop()
            books = Books().enter(receiver.arrived)

    books.assert_right()
    assert set(books.reasons) == (set() if how == "cut" else {"restart:unclean"})
    assert missing_ticks(books, "force", "temperature") == {}
