"""TLS to a real Mosquitto, and the words for what a plant operator has to mend."""

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config.settings import Destination, Tls
from edge_agent.errors import LinkLost
from edge_agent.mqtt.link import MqttLink
from edge_agent.ports import Message
from tests.brokers import Certificates, Mosquitto, Receiver, silent_port


def _link(port: int, tls: Tls, host: str = "127.0.0.1", connect_timeout_s: float = 10) -> MqttLink:
    return MqttLink(Destination("cloud", host, port, "gw-cloud", tls), connect_timeout_s=connect_timeout_s)


async def _failure(link: MqttLink) -> str:
    with pytest.raises(LinkLost) as lost:
        async with link.open():
            pass
    return str(lost.value)


@pytest.fixture
def broker(tmp_path: Path, certificates: Certificates) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, *certificates.listener(certificates.server)) as broker:
        yield broker


@pytest.fixture
def strict_broker(tmp_path: Path, certificates: Certificates) -> Iterator[Mosquitto]:
    """It wants a certificate of each client."""
    lines = (*certificates.listener(certificates.server), "require_certificate true")
    with Mosquitto(tmp_path, *lines) as broker:
        yield broker


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_trusted_broker_of_the_right_name_is_used(
    broker: Mosquitto, certificates: Certificates, host: str
) -> None:
    async with _link(broker.port, Tls(ca=certificates.ca), host).open() as publisher:
        await asyncio.gather(*[publisher.publish(Message("a", os.urandom(50_000))) for _ in range(50)])


async def test_many_small_acknowledgements_in_one_record_are_all_read(
    broker: Mosquitto, certificates: Certificates
) -> None:
    async with _link(broker.port, Tls(ca=certificates.ca)).open() as publisher:
        await asyncio.gather(*[publisher.publish(Message("a", b"x")) for _ in range(2000)])


async def test_a_clean_close_over_tls_does_not_publish_the_will(
    tmp_path: Path, certificates: Certificates
) -> None:
    with Mosquitto(tmp_path) as plain:
        plain_port = plain.port
    tls_port = plain_port + 1
    lines = (f"listener {tls_port} 127.0.0.1", *certificates.listener(certificates.server))
    with Mosquitto(tmp_path, *lines) as both, Receiver(both.port) as receiver:
        tls = Destination("cloud", "127.0.0.1", tls_port, "gw-cloud", Tls(ca=certificates.ca))
        for _ in range(5):
            async with MqttLink(tls, will=Message("will", b"offline")).open() as publisher:
                for _ in range(20):
                    publisher.publish(Message("a", b"x" * 5000))
        async with MqttLink(tls).open() as publisher:
            await publisher.publish(Message("marker", b""))
        arrived = await receiver.until(lambda arrived: any(m.topic == "marker" for m in arrived))

    assert "will" not in {message.topic for message in arrived}


async def test_a_broker_of_another_authority_is_not_trusted(
    broker: Mosquitto, certificates: Certificates
) -> None:
    told = await _failure(_link(broker.port, Tls(ca=certificates.stranger)))

    assert told.startswith(f"certificate of the broker is not trusted by {certificates.stranger} (")


async def test_without_a_ca_file_the_system_decides(broker: Mosquitto) -> None:
    told = await _failure(_link(broker.port, Tls()))

    assert told.startswith("certificate of the broker is not trusted by the system authorities (")


async def test_a_broker_of_another_name_is_not_used(tmp_path: Path, certificates: Certificates) -> None:
    with Mosquitto(tmp_path, *certificates.listener(certificates.elsewhere)) as broker:
        address = await _failure(_link(broker.port, Tls(ca=certificates.ca)))
        name = await _failure(_link(broker.port, Tls(ca=certificates.ca), "localhost"))

    assert address.startswith("certificate of the broker is not valid for '127.0.0.1' (")
    assert name.startswith("certificate of the broker is not valid for 'localhost' (")


async def test_an_expired_certificate_is_told_with_the_clock(
    tmp_path: Path, certificates: Certificates
) -> None:
    with Mosquitto(tmp_path, *certificates.listener(certificates.expired)) as broker:
        told = await _failure(_link(broker.port, Tls(ca=certificates.ca)))

    assert re.fullmatch(
        r"certificate of the broker has expired; this gateway's clock says \d{4}-\d\d-\d\d \d\d:\d\d UTC",
        told,
    )


async def test_a_client_certificate_that_is_asked_for_and_given_is_taken(
    strict_broker: Mosquitto, certificates: Certificates
) -> None:
    key = certificates.client.with_suffix(".key")

    async with _link(strict_broker.port, Tls(certificates.ca, certificates.client, key)).open() as publisher:
        await publisher.publish(Message("a", b"x"))


async def test_a_client_certificate_that_is_missing_is_asked_for(
    strict_broker: Mosquitto, certificates: Certificates
) -> None:
    told = await _failure(_link(strict_broker.port, Tls(ca=certificates.ca)))

    assert told.startswith(f"TLS: 127.0.0.1:{strict_broker.port} refused us (")
    assert told.endswith("does it ask for a client certificate?")


async def test_the_files_are_read_again_at_each_connection(
    tmp_path: Path, broker: Mosquitto, certificates: Certificates
) -> None:
    ca = tmp_path / "ca.pem"
    link = _link(broker.port, Tls(ca=ca))

    assert await _failure(link) == f"{ca}: No such file or directory"
    shutil.copy(certificates.stranger, ca)
    assert "not trusted" in await _failure(link)
    shutil.copy(certificates.ca, ca)
    async with link.open():
        pass


@pytest.mark.parametrize(
    "content", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_a_ca_file_without_certificates_is_named(tmp_path: Path, content: str) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(content)

    told = await _failure(_link(1, Tls(ca=ca)))

    assert told.startswith(f"{ca}: not a usable PEM file (")


async def test_a_missing_client_certificate_or_key_file_is_named(
    tmp_path: Path, certificates: Certificates
) -> None:
    nowhere = tmp_path / "nowhere.pem"

    no_certificate = await _failure(_link(1, Tls(certificates.ca, nowhere, certificates.client)))
    no_key = await _failure(_link(1, Tls(certificates.ca, certificates.client, nowhere)))

    assert no_certificate == no_key == f"{nowhere}: No such file or directory"


async def test_a_key_that_does_not_fit_is_named(certificates: Certificates) -> None:
    key = certificates.server.with_suffix(".key")

    told = await _failure(_link(1, Tls(certificates.ca, certificates.client, key)))

    assert told.startswith(f"{key}: not a usable PEM file (key values mismatch")


async def test_an_encrypted_key_is_an_error_and_asks_nobody(
    tmp_path: Path, certificates: Certificates
) -> None:
    key = tmp_path / "encrypted.key"
    command = ("openssl", "ec", "-aes128", "-passout", "pass:secret", "-out", str(key))
    process = await asyncio.create_subprocess_exec(
        *command, "-in", str(certificates.client.with_suffix(".key")), stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0

    told = await _failure(_link(1, Tls(certificates.ca, certificates.client, key)))

    assert told.startswith(f"{key}: not a usable PEM file (")


async def test_a_broker_without_tls_is_said_to_speak_none(
    mosquitto: Mosquitto, certificates: Certificates
) -> None:
    told = await _failure(_link(mosquitto.port, Tls(ca=certificates.ca)))

    assert told.startswith(f"TLS: the other side, 127.0.0.1:{mosquitto.port}, does not speak TLS")


async def test_a_server_that_talks_first_without_tls_is_said_to_speak_none(
    certificates: Certificates,
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        told = await _failure(_link(server.sockets[0].getsockname()[1], Tls(ca=certificates.ca)))

    assert told.endswith("does not speak TLS")


async def test_a_handshake_that_nobody_answers_ends_at_the_timeout(certificates: Certificates) -> None:
    with silent_port() as port:
        told = await _failure(_link(port, Tls(ca=certificates.ca), connect_timeout_s=0.1))

    assert told.startswith(f"no answer from 127.0.0.1:{port}")


async def test_plain_mqtt_to_a_tls_port_is_asked_about_tls(broker: Mosquitto) -> None:
    link = MqttLink(Destination("cloud", "127.0.0.1", broker.port, "gw-cloud", None))

    assert await _failure(link) == (
        f"127.0.0.1:{broker.port} hung up instead of answering CONNECT; does it expect TLS?"
    )
