"""The certificate of a simulated server, made at its start; nothing of it is the agent's own code."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        """The certificate as it goes over the wire."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """Its SHA-256 as people compare it."""
        return f"sha256:{self.certificate.fingerprint(hashes.SHA256()).hex().upper()}"


def made(
    application_uri: str,
    *,
    host: str = "localhost",
    from_day: int = -1,
    to_day: int = 365,
    bits: int = 2048,
) -> Made:
    """A certificate of a server, signed by itself, valid between two days counted from now."""
    key = _key(bits)
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated PLC")])
    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    others = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    usage = x509.KeyUsage(**dict.fromkeys(uses, True), **dict.fromkeys(others, False))
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(application_uri), x509.DNSName(host)])
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=from_day))
        .not_valid_after(now + timedelta(days=to_day))
        .add_extension(names, critical=False)
        .add_extension(usage, critical=True)
        .add_extension(purposes, critical=False)
    )
    return Made(builder.sign(key, hashes.SHA256()), key)


@cache
def _key(bits: int) -> rsa.RSAPrivateKey:
    """One key for all simulated servers of a process: nobody attacks them, and it takes a moment to make."""
    return rsa.generate_private_key(65537, bits)
