"""The words for what goes wrong on the way to a broker: foreign errors become LinkLost here, nowhere else."""

import socket
import ssl
from datetime import UTC, datetime
from functools import singledispatch
from pathlib import Path

from edge_agent.config.settings import Destination
from edge_agent.errors import LinkLost, Refused

# Verification results of OpenSSL (x509_vfy.h) that a plant operator can act on.
NOT_YET_VALID, EXPIRED, WRONG_NAME, WRONG_ADDRESS = 9, 10, 62, 64

# What OpenSSL says, in parts of its reason codes, when the bytes that came back are not TLS.
NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "UNEXPECTED_EOF",
    "EOF_OCCURRED",
    "PACKET_LENGTH",
    "RECORD_LAYER",
)


def where(destination: Destination) -> str:
    """The address as people write it: host:port, IPv6 in brackets."""
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    return f"{host}:{destination.port}"


def lost(error: Exception, destination: Destination, *, file: Path | None = None) -> LinkLost:
    """The LinkLost for an error of sockets, TLS or files; `file` is the certificate or key being loaded."""
    if isinstance(error, OSError) and error.filename is not None:
        detail = f"{error.filename}: {error.strerror}"
    elif file is not None:
        detail = f"{file}: not a usable PEM file ({_reason(error)})"
    else:
        detail = _words(error, destination)
    told = LinkLost(detail)
    told.__cause__ = error
    return told


def ended(code: int, name: str, destination: Destination) -> LinkLost:
    """The LinkLost for a DISCONNECT of the broker; its cause is a Refused with the code."""
    detail = f"the broker ended the connection: {name} (0x{code:02X})"
    if code == 0x8E:
        detail += f"; another client uses the id {destination.client_id!r}"
    told = LinkLost(detail)
    told.__cause__ = Refused(code, name)
    return told


@singledispatch
def _words(error: Exception, destination: Destination) -> str:
    return f"{where(destination)}: {getattr(error, 'strerror', None) or error}"


@_words.register
def _(_: TimeoutError, destination: Destination) -> str:
    return f"no answer from {where(destination)}"


@_words.register
def _(_: ConnectionRefusedError, destination: Destination) -> str:
    return f"connection refused by {where(destination)}"


@_words.register
def _(_: ConnectionError, destination: Destination) -> str:
    return f"connection closed by {where(destination)}"


@_words.register
def _(error: socket.gaierror, destination: Destination) -> str:
    detail = f"host name {destination.host!r} is not known"
    return f"{detail}: no name server answers" if error.errno == socket.EAI_AGAIN else detail


@_words.register
def _(error: ssl.SSLCertVerificationError, destination: Destination) -> str:
    says, clock = error.verify_message, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    if error.verify_code in {WRONG_NAME, WRONG_ADDRESS}:
        return f"certificate of the broker is not valid for {destination.host!r} ({says})"
    if error.verify_code == EXPIRED:
        return f"certificate of the broker has expired; this gateway's clock says {clock}"
    if error.verify_code == NOT_YET_VALID:
        return f"certificate of the broker is not valid yet; this gateway's clock says {clock}"
    ca = destination.tls.ca if destination.tls is not None else None
    return f"certificate of the broker is not trusted by {ca or 'the system authorities'} ({says})"


@_words.register
def _(error: ssl.SSLError, destination: Destination) -> str:
    reason, at = getattr(error, "reason", None) or "", where(destination)
    if "ALERT" not in reason and any(part in reason for part in NOT_TLS):
        return f"TLS: the other side, {at}, does not speak TLS"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return f"TLS: {at} refused us ({_reason(error)}); does it ask for a client certificate?"
    return f"TLS: {at}: {_reason(error)}"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else str(error)
