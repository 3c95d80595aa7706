"""The folder with the agent's certificates: its own, those of servers it trusts, and those it has refused.

    own/key.pem          the private key, for the agent's user alone
    own/cert.der         its certificate, to be accepted on servers
    own/before.der       the one before, for servers that have not accepted the new one yet
    trusted/NAME.der     what the server of a connection has to show
    rejected/NAME.der    what it has shown instead, the last one

Every file comes into being whole or not at all, and belongs to the owner of the state folder, also when root
has made it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from re import fullmatch

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_agent.drivers.opcua.certificate import (
    DAY_S,
    VALID_S,
    Certificate,
    key_is_old,
    parsed,
    renewal_due,
)
from edge_agent.errors import DeviceError

KEY_BITS = 3072
"""A key that is used until 2036: 2048 bits are advised until 2030 (NIST SP 800-57), policies allow 4096."""
LONGEST_COMMON_NAME = 64
"""Letters of a common name (RFC 5280, ub-common-name)."""

log = structlog.get_logger("opcua")


@dataclass(frozen=True, slots=True)
class Own:
    """What we show a server: our certificate, our key, and the certificate before as long as it is valid."""

    certificate: Certificate
    key: rsa.RSAPrivateKey
    before: Certificate | None
    file: Path


class Pki:
    """The folder `pki` of a state folder. Whatever it cannot read or write is a DeviceError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def own_file(self) -> Path:
        """The certificate that servers have to accept."""
        return self._folder / "own" / "cert.der"

    def trusted_file(self, connection: str) -> Path:
        """Where the certificate of a connection's server lies."""
        return self._folder / "trusted" / f"{connection}.der"

    def trusted(self, connection: str) -> Certificate | None:
        """What the server of a connection has to show; None when nobody has said so."""
        return _certificate(self.trusted_file(connection))

    def trust(self, connection: str, certificate: Certificate) -> Path:
        """From now on trust the server of a connection that shows this; gives the file."""
        file = self.trusted_file(connection)
        with _usable(file):
            self._write(file, certificate.der)
            with suppress(FileNotFoundError):
                (self._folder / "rejected" / file.name).unlink()
        return file

    def reject(self, connection: str, certificate: Certificate) -> None:
        """Keep what a server has shown in vain; one for a connection, so that nobody can fill the disk."""
        file = self._folder / "rejected" / f"{connection}.der"
        with _usable(file):
            if not file.is_file() or file.read_bytes() != certificate.der:
                self._write(file, certificate.der)

    def own(self, application_uri: str, host: str, now_s: float) -> Own:
        """Our key and certificate, made or renewed if need be; takes seconds then."""
        key_file = self._folder / "own" / "key.pem"
        with _usable(key_file):
            self._make_folder(key_file.parent)
            with _alone(key_file.parent):
                key = self._key(key_file, now_s)
                return self._own(key, application_uri, host, now_s)

    def _own(self, key: rsa.RSAPrivateKey, application_uri: str, host: str, now_s: float) -> Own:
        file, before_file = self.own_file, self._folder / "own" / "before.der"
        present = _certificate(file)
        if present is not None and not _belongs(present, key):
            present = None
        if present is None or renewal_due(present, application_uri, now_s):
            if present is not None:
                self._write(before_file, present.der)
            made = parsed(_made(key, application_uri, host, now_s))
            self._write(file, made.der)
            log.warning(
                "own certificate made" if present is None else "own certificate renewed",
                fingerprint=made.fingerprint,
                until=made.validity,
                file=str(file),
                advice="servers have to accept it",
            )
            present = made
        before = _certificate(before_file)
        if before is not None and (now_s > before.not_after_s or not _belongs(before, key)):
            before = None
        if before is not None and application_uri not in before.uris:
            before = None
        return Own(present, key, before, file)

    def _key(self, file: Path, now_s: float) -> rsa.RSAPrivateKey:
        if file.is_file():
            status = file.stat()
            if not key_is_old(status.st_mtime, now_s):
                if status.st_mode & 0o077:
                    file.chmod(0o600)
                    log.warning("private key was open to others", file=str(file))
                return _loaded(file)
        key = rsa.generate_private_key(65537, KEY_BITS)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._write(file, pem, 0o600)
        return key

    def _write(self, file: Path, data: bytes, mode: int = 0o644) -> None:
        self._make_folder(file.parent)
        half = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as written:
            os.fchmod(descriptor, mode)
            written.write(data)
            written.flush()
            os.fsync(descriptor)
        self._give(half)
        half.replace(file)

    def _make_folder(self, folder: Path) -> None:
        for each in (self._folder.parent, self._folder, folder):
            if not each.is_dir():
                each.mkdir(mode=0o755, parents=True, exist_ok=True)
                self._give(each)

    def _give(self, made: Path) -> None:
        """Let it belong to whom the state folder belongs."""
        state = self._folder.parent
        if os.geteuid() == 0 and made != state:
            owner = state.stat()
            os.chown(made, owner.st_uid, owner.st_gid)


@contextmanager
def _usable(file: Path) -> Iterator[None]:
    """What the disk refuses, in words."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename or file}: {(error.strerror or str(error)).lower()}"
        raise DeviceError("BadConfigurationError", what) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time, of all processes and threads: two that make a key would each have half of it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def certificate_of(file: Path) -> Certificate:
    """The certificate in a file. Raises DeviceError."""
    with _usable(file):
        data = file.read_bytes()
    try:
        return parsed(data)
    except ValueError as error:
        raise DeviceError("BadConfigurationError", f"{file} {error}") from error


def key_of(file: Path) -> rsa.RSAPrivateKey:
    """The RSA key in a PEM file. Raises DeviceError."""
    with _usable(file):
        return _loaded(file)


def _certificate(file: Path) -> Certificate | None:
    with _usable(file):
        return certificate_of(file) if file.is_file() else None


def _loaded(file: Path) -> rsa.RSAPrivateKey:
    try:
        # What the library says of a key that it cannot read could show some of it.
        key = load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DeviceError("BadConfigurationError", f"{file} is no PEM file of an open key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise DeviceError("BadConfigurationError", f"{file} is no RSA key")
    return key


def _belongs(certificate: Certificate, key: rsa.RSAPrivateKey) -> bool:
    return x509.load_der_x509_certificate(certificate.der).public_key() == key.public_key()


def _made(key: rsa.RSAPrivateKey, application_uri: str, host: str, now_s: float) -> bytes:
    """A certificate as OPC UA wants it of an application (Part 6, 6.2.2), signed by itself."""
    common = f"edge_agent {application_uri.removeprefix('urn:').removesuffix(':edge-agent')}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:LONGEST_COMMON_NAME])])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri)]
    if fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", host):
        names.append(x509.DNSName(host))
    # A server whose clock is a day behind ours takes it all the same.
    start = datetime.fromtimestamp(now_s - DAY_S, UTC)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign"),
        True,
    ) | dict.fromkeys(("key_agreement", "crl_sign", "encipher_only", "decipher_only"), False)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(seconds=VALID_S + DAY_S))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            critical=False,
        )
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
