from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from edge_agent.drivers.opcua.certificate import (
    DAY_S,
    Certificate,
    doubts,
    ends_soon,
    fault,
    fingerprint,
    key_is_old,
    parsed,
    pinned,
    renewal_due,
)

NOW = 1_790_000_000.0
URI = "urn:acme:press"
SAN = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
SHOWN = Certificate(
    b"der", "CN=press", "CN=press", NOW - DAY_S, NOW + 100 * DAY_S, (URI,), ("PLC7", "10.3.7.12"), 2048
)


def test_certificate_that_is_trusted_and_valid_has_no_fault() -> None:
    assert fault(SHOWN, {SHOWN.fingerprint}, NOW) is None


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (replace(SHOWN, not_after_s=NOW - 1), "expired"),
        (replace(SHOWN, not_before_s=NOW + 299), None),
        (replace(SHOWN, not_before_s=NOW + 301), "early"),
        (replace(SHOWN, key_bits=1024), "weak"),
        (replace(SHOWN, key_bits=0), "weak"),
    ],
)
def test_certificate_that_is_trusted_can_have_faults_of_its_own(shown: Certificate, expected: str) -> None:
    assert fault(shown, {shown.fingerprint}, NOW) == expected


@pytest.mark.parametrize(("known", "expected"), [(False, "unknown"), (True, "changed")])
def test_certificate_that_nobody_trusts_is_refused_before_all(known: bool, expected: str) -> None:
    assert fault(replace(SHOWN, not_after_s=0.0), {"sha256:00"}, NOW, known=known) == expected


def test_names_that_do_not_match_are_doubts() -> None:
    assert doubts(SHOWN, URI, "plc7") == []
    assert doubts(SHOWN, URI, "10.3.7.12") == []
    assert doubts(SHOWN, "urn:other", "10.3.7.13") == [
        "it is for urn:acme:press, not for urn:other",
        "it is for PLC7 or 10.3.7.12, not for 10.3.7.13",
    ]
    assert doubts(replace(SHOWN, uris=(), hosts=()), URI, "plc7") == [
        "it is for no application, not for urn:acme:press",
        "it is for no host, not for plc7",
    ]


@pytest.mark.parametrize("written", ["sha256:" + "ab" * 32, ":".join(["AB"] * 32), "SHA-256: " + "Ab" * 32])
def test_fingerprint_may_be_written_with_colons_and_small_letters(written: str) -> None:
    assert pinned(written) == "sha256:" + "AB" * 32


@pytest.mark.parametrize("written", ["", "sha256:", "sha256:AB12", "sha256:" + "XY" * 32, "AB" * 33])
def test_what_is_no_fingerprint_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="a fingerprint is sha256: and 64 hexadecimal digits"):
        pinned(written)


def test_fingerprint_is_the_sha256_of_the_whole() -> None:
    # printf '' | sha256sum
    assert fingerprint(b"") == "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"


@pytest.mark.parametrize(
    ("left_days", "uri", "due"), [(61, URI, False), (59, URI, True), (-1, URI, True), (300, "urn:new", True)]
)
def test_own_certificate_is_renewed_60_days_before_its_end_or_under_another_name(
    left_days: int, uri: str, due: bool
) -> None:
    assert renewal_due(replace(SHOWN, not_after_s=NOW + left_days * DAY_S), uri, NOW) is due


def test_own_certificate_that_is_not_there_is_due() -> None:
    assert renewal_due(None, URI, NOW)


def test_key_serves_for_ten_years() -> None:
    assert not key_is_old(NOW, NOW + 3649 * DAY_S)
    assert key_is_old(NOW, NOW + 3651 * DAY_S)


@pytest.mark.parametrize(("left_days", "soon"), [(31, False), (29, True), (-1, True)])
def test_end_of_a_certificate_is_told_30_days_ahead(left_days: int, soon: bool) -> None:
    assert ends_soon(replace(SHOWN, not_after_s=NOW + left_days * DAY_S), NOW) is soon


@pytest.mark.parametrize(
    "data", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"\x30\x82\x00"]
)
def test_file_that_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="is no certificate, neither DER nor PEM"):
        parsed(data)


def test_names_that_cannot_be_read_are_none() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "press\x1b[31m")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .add_extension(x509.UnrecognizedExtension(SAN, b"nothing"), critical=False)
    )

    found = parsed(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))

    assert (found.uris, found.hosts, found.key_bits) == ((), (), 0)
    assert (found.subject, found.issuer) == ("CN=press\N{REPLACEMENT CHARACTER}[31m", "nobody")
    assert found.validity == "2026-01-01 to 2027-01-01"
