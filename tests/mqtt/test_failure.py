"""The words for foreign errors, for those that no test can cause at will."""

import errno
import socket
import ssl
from pathlib import Path

import pytest

from edge_agent.config.settings import Destination
from edge_agent.mqtt.failure import ended, lost, where

BROKER = Destination("cloud", "broker.example", 8883, "gw17-cloud", None)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "?"), "host name 'broker.example' is not known"),
        (
            socket.gaierror(socket.EAI_AGAIN, "?"),
            "host name 'broker.example' is not known: no name server answers",
        ),
        (TimeoutError("timed out"), "no answer from broker.example:8883"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "?"), "connection refused by broker.example:8883"),
        (BrokenPipeError(errno.EPIPE, "?"), "connection closed by broker.example:8883"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "broker.example:8883: Network is unreachable"),
        (OSError("the host name has no address"), "broker.example:8883: the host name has no address"),
        (ValueError("Invalid host."), "broker.example:8883: Invalid host."),
        (PermissionError(errno.EACCES, "Permission denied", "gw.key"), "gw.key: Permission denied"),
        (ssl.SSLError(1, "[SSL] something new"), "TLS: broker.example:8883: [SSL] something new"),
    ],
)
def test_a_foreign_error_is_told_in_words(error: Exception, words: str) -> None:
    told = lost(error, BROKER)

    assert str(told) == words
    assert told.__cause__ is error


def test_a_certificate_of_the_future_is_told_with_the_clock() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate is not yet valid")
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"

    assert str(lost(error, BROKER)).startswith(
        "certificate of the broker is not valid yet; this gateway's clock says 2"
    )


def test_a_file_that_cannot_be_parsed_is_named() -> None:
    told = lost(ValueError("no start line"), BROKER, file=Path("certs/ca.pem"))

    assert str(told) == "certs/ca.pem: not a usable PEM file (no start line)"


def test_a_disconnect_is_told_with_its_code() -> None:
    assert (
        str(ended(0x97, "quota_exceeded", BROKER)) == "the broker ended the connection: quota_exceeded (0x97)"
    )


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert where(Destination("cloud", "fd00::1", 1883, "gw", None)) == "[fd00::1]:1883"
