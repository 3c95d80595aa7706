import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from structlog.testing import capture_logs

from edge_agent.drivers.opcua.certificate import DAY_S, Certificate, parsed
from edge_agent.drivers.opcua.pki import Own, Pki, certificate_of, key_of
from edge_agent.errors import DeviceError

NOW = 1_790_000_000.0  # 2026-09-21
URI = "urn:gw17:edge-agent"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pki with a key and a certificate made at NOW; not to be changed."""
    folder = tmp_path_factory.mktemp("state") / "pki"
    Pki(folder).own(URI, "box17", NOW)
    return folder


@pytest.fixture
def pki(tmp_path: Path, made: Path) -> Path:
    """A copy of it."""
    folder = tmp_path / "pki"
    (folder / "own").mkdir(parents=True)
    for name in ("key.pem", "cert.der"):
        (folder / "own" / name).write_bytes((made / "own" / name).read_bytes())
    (folder / "own" / "key.pem").chmod(0o600)
    os.utime(folder / "own" / "key.pem", (NOW, NOW))
    return folder


def own(folder: Path, now_s: float = NOW, uri: str = URI) -> Own:
    return Pki(folder).own(uri, "box17", now_s)


def test_key_is_for_its_owner_alone(made: Path) -> None:
    assert stat.S_IMODE((made / "own" / "key.pem").stat().st_mode) == 0o600
    assert [each.name for each in sorted((made / "own").iterdir())] == ["cert.der", "key.pem"]


def test_certificate_says_what_servers_look_for(made: Path) -> None:
    found = x509.load_der_x509_certificate((made / "own" / "cert.der").read_bytes())
    told = certificate_of(made / "own" / "cert.der")

    extensions = found.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert usage.value.key_encipherment
    assert usage.value.data_encipherment
    assert set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    }
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert (told.subject, told.issuer) == ("CN=edge_agent gw17", "CN=edge_agent gw17")
    assert (told.uris, told.hosts, told.key_bits) == ((URI,), ("box17",), 3072)
    assert (told.not_before_s, told.not_after_s) == (NOW - DAY_S, NOW + 365 * DAY_S)


def test_pem_and_der_are_the_same_certificate(made: Path) -> None:
    der = (made / "own" / "cert.der").read_bytes()
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)

    assert parsed(b"a comment\n" + pem) == parsed(der) == parsed(der + der)


def test_certificate_and_key_stay_as_long_as_they_are_good(pki: Path) -> None:
    first, later = own(pki), own(pki, NOW + 300 * DAY_S)

    assert first.certificate == later.certificate
    assert later.before is None


def test_certificate_is_renewed_with_the_same_key_and_the_one_before_is_kept_until_its_end(pki: Path) -> None:
    first = own(pki)
    with capture_logs() as events:
        renewed = own(pki, NOW + 306 * DAY_S)

    assert renewed.certificate != first.certificate
    assert renewed.certificate.not_after_s == NOW + (306 + 365) * DAY_S
    assert renewed.key.private_numbers() == first.key.private_numbers()
    assert renewed.before == first.certificate
    assert [each["event"] for each in events] == ["own certificate renewed"]
    assert own(pki, NOW + 366 * DAY_S).before is None


def test_gateway_with_another_name_gets_another_certificate(pki: Path) -> None:
    renamed = own(pki, uri="urn:gw18:edge-agent")

    assert renamed.certificate.uris == ("urn:gw18:edge-agent",)
    assert renamed.before is None


@pytest.mark.slow  # a key of 3072 bits takes a second
def test_key_is_renewed_after_ten_years(pki: Path) -> None:
    first, later = own(pki), own(pki, NOW + 3651 * DAY_S)

    assert later.key.private_numbers() != first.key.private_numbers()
    assert later.before is None


def test_key_that_others_can_read_is_closed_and_told(pki: Path) -> None:
    key = pki / "own" / "key.pem"
    key.chmod(0o644)

    with capture_logs() as events:
        own(pki)

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [each["event"] for each in events] == ["private key was open to others"]


def test_damaged_key_is_named_without_its_text_and_stays(pki: Path) -> None:
    key = pki / "own" / "key.pem"
    spoilt = key.read_text().replace("\n", "\nx", 3)
    key.write_text(spoilt)
    os.utime(key, (NOW, NOW))

    with pytest.raises(DeviceError) as raised:
        own(pki)

    assert raised.value.detail == f"{key} is no PEM file of an open key"
    assert raised.value.__cause__ is None
    assert key.read_text() == spoilt


def test_many_at_once_make_one_certificate(pki: Path) -> None:
    (pki / "own" / "cert.der").unlink()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: own(pki).certificate, range(8)))

    assert len(set(found)) == 1


def test_what_is_trusted_takes_the_place_of_what_was_refused(pki: Path, made: Path) -> None:
    shown: Certificate = certificate_of(made / "own" / "cert.der")
    Pki(pki).reject("press12", shown)
    assert certificate_of(pki / "rejected" / "press12.der") == shown
    assert Pki(pki).trusted("press12") is None

    file = Pki(pki).trust("press12", shown)

    assert file == pki / "trusted" / "press12.der"
    assert Pki(pki).trusted("press12") == shown
    assert list((pki / "rejected").iterdir()) == []


def test_what_root_makes_belongs_to_whom_the_state_folder_belongs(tmp_path: Path, made: Path) -> None:
    owner = 4711 if os.geteuid() == 0 else os.geteuid()
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, owner, -1)

    file = Pki(state / "pki").trust("press12", certificate_of(made / "own" / "cert.der"))

    assert {each.stat().st_uid for each in (file, file.parent, state / "pki")} == {owner}


def test_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    with pytest.raises(
        DeviceError, match=r"BadConfigurationError: .*/state.*: (not a directory|file exists)"
    ):
        Pki(tmp_path / "state" / "pki").own(URI, "box17", NOW)


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "none.pem"
    curve = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "curve.pem").write_bytes(
        curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(DeviceError, match="is no RSA key"):
        key_of(tmp_path / "curve.pem")
    with pytest.raises(DeviceError, match="no such file"):
        key_of(file)
    file.write_text("nothing")
    with pytest.raises(DeviceError, match="is no PEM file of an open key"):
        key_of(file)
    with pytest.raises(DeviceError, match="is no certificate"):
        certificate_of(file)
