"""What a certificate says, and what is to be thought of it: no file, no network, no clock.

Times are seconds since 1970 UTC.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, get_args

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

DAY_S = 86400.0
EARLY_S = 300.0
"""By so much the clock of a server that has just made its certificate may be ahead of ours."""
SHORTEST_KEY = 2048
"""Bits of an RSA key: the least that all three policies take (OPC UA Part 7)."""
SOON_S = 30 * DAY_S
"""That a certificate ends is told so long before: a month is enough to get at a server in a plant."""

_SHORT = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in DER with what it says; `key_bits` is 0 for a key that is not RSA."""

    der: bytes
    subject: str
    issuer: str
    not_before_s: float
    not_after_s: float
    uris: tuple[str, ...]
    hosts: tuple[str, ...]
    key_bits: int

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, as it is written in a file: sha256:AB12..."""
        return fingerprint(self.der)

    @property
    def validity(self) -> str:
        """From when until when, for people."""
        return f"{day(self.not_before_s)} to {day(self.not_after_s)}"

    @property
    def words(self) -> str:
        """Who it is, in one line."""
        return f"{self.subject}, {self.fingerprint}, valid {self.validity}"


def parsed(data: bytes) -> Certificate:
    """The certificate in a file, DER or PEM, or the first of a chain. Raises ValueError for anything else."""
    try:
        found = (
            x509.load_pem_x509_certificate(data)
            if b"-----BEGIN" in data
            else x509.load_der_x509_certificate(_first(data))
        )
        return _read(found)
    except ValueError as error:
        raise ValueError("is no certificate, neither DER nor PEM") from error


def fingerprint(der: bytes) -> str:
    """The SHA-256 of a certificate."""
    return f"sha256:{hashlib.sha256(der).hexdigest().upper()}"


def pinned(text: str) -> str:
    """A fingerprint as we write it, however it was written. Raises ValueError, in words."""
    digits = re.sub(r"[\s:]", "", re.sub("(?i)^sha-?(1|256):", "", text)).upper()
    if re.fullmatch("[0-9A-F]{40}", digits):
        raise ValueError(f"that is a SHA-1 thumbprint; {_FINGERPRINT}, which edge-agent endpoints shows")
    if re.fullmatch("[0-9A-F]{64}", digits) is None:
        raise ValueError(_FINGERPRINT)
    return f"sha256:{digits}"


_FINGERPRINT = "a fingerprint is sha256: and 64 hexadecimal digits"


def looks_pinned(text: str) -> bool:
    """Whether a text is meant as a fingerprint, rightly written or not, and as no file."""
    return re.match(r"(?i)sha-?\d*:|([0-9a-f]{2}[\s:]?){20,}$", text) is not None


def day(time_s: float) -> str:
    """A day, for people; UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")


# --- the server's -------------------------------------------------------------------------------

Fault = Literal["unknown", "changed", "expired", "early", "weak"]
FAULTS: tuple[Fault, ...] = get_args(Fault)


def fault(shown: Certificate, trusted: Collection[str], now_s: float, *, known: bool = False) -> Fault | None:
    """Why a server that shows this certificate is refused; None when nothing speaks against it.

    `trusted` are fingerprints; `known` says that one of them is what this server has shown before.
    """
    if shown.fingerprint not in trusted:
        return "changed" if known else "unknown"
    if now_s > shown.not_after_s:
        return "expired"
    if now_s < shown.not_before_s - EARLY_S:
        return "early"
    return "weak" if shown.key_bits < SHORTEST_KEY else None


def doubts(shown: Certificate, application_uri: str, host: str) -> list[str]:
    """What is odd about the certificate of a server that is trusted by its very fingerprint.

    None of it can be an attack, for which the private key would be needed; so it is told, not refused.
    """
    found = []
    if application_uri not in shown.uris:
        found.append(f"it is for {' or '.join(shown.uris) or 'no application'}, not for {application_uri}")
    if host.lower() not in (name.lower() for name in shown.hosts):
        found.append(f"it is for {' or '.join(shown.hosts) or 'no host'}, not for {host}")
    return found


# --- our own ------------------------------------------------------------------------------------

VALID_S = 365 * DAY_S
KEY_VALID_S = 3650 * DAY_S
RENEW_S = 60 * DAY_S
"""Before its end a new certificate is made; until then servers may go on with the old one."""


def renewal_due(own: Certificate | None, application_uri: str, now_s: float) -> bool:
    """Whether a new certificate is to be made: there is none, it ends soon, or we are called otherwise."""
    return own is None or own.not_after_s - now_s < RENEW_S or application_uri not in own.uris


def key_is_old(made_s: float, now_s: float) -> bool:
    """Whether a private key has served its time."""
    return now_s - made_s > KEY_VALID_S


def ends_soon(certificate: Certificate, now_s: float) -> bool:
    """Whether somebody has to be told that a certificate ends."""
    return certificate.not_after_s - now_s < SOON_S


# --- reading ------------------------------------------------------------------------------------


def _first(data: bytes) -> bytes:
    """The first certificate of a chain: a SEQUENCE whose length has two bytes."""
    return data[: int.from_bytes(data[2:4], "big") + 4] if data[:2] == b"\x30\x82" else data


def _read(found: x509.Certificate) -> Certificate:
    uris, hosts = _names(found)
    return Certificate(
        found.public_bytes(Encoding.DER),
        _name(found.subject),
        _name(found.issuer),
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
        uris,
        hosts,
        _key_bits(found),
    )


def _key_bits(found: x509.Certificate) -> int:
    try:
        key = found.public_key()
    except UnsupportedAlgorithm:
        return 0
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0


def _names(found: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return (), ()  # names that cannot be read are a doubt, as names that do not match
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    addresses = [
        str(each)
        for each in names.get_values_for_type(x509.IPAddress)
        if isinstance(each, IPv4Address | IPv6Address)
    ]
    return tuple(uris), (*names.get_values_for_type(x509.DNSName), *addresses)


def _name(name: x509.Name) -> str:
    """A name as people write it; what a server may have put in there cannot be a command to a terminal."""
    parts = (f"{_SHORT.get(each.oid._name, each.oid._name)}={_text(each.value)}" for each in name)  # noqa: SLF001
    return ", ".join(parts) or "nobody"


def _text(value: str | bytes) -> str:
    text = value if isinstance(value, str) else value.hex()
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
