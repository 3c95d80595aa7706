# ruff: noqa: E501 - a table of mistakes is read one per line
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge_agent.config.problems import Problem
from edge_agent.config.section import Section
from edge_agent.config.settings import Home, Login, OpcUaConnection, Security, UserCertificate
from edge_agent.config.syntax import Origin, Surroundings
from edge_agent.config.yaml_nodes import read
from edge_agent.drivers.opcua.certificate import parsed
from edge_agent.drivers.opcua.connection import at_home, connection
from edge_agent.drivers.opcua.pki import Pki
from edge_agent.drivers.opcua.place import host_of, loopback
from edge_agent.sim.certificates import made

SECURE = "policy: Basic256Sha256, mode: sign_and_encrypt"
PIN = "sha256:" + "AB" * 32
PRESS = made("urn:press")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where agent.yaml lies, with certificates beside it."""
    (tmp_path / "press.der").write_bytes(PRESS.der)
    (tmp_path / "press.pem").write_bytes(PRESS.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "old.der").write_bytes(made("urn:old", from_day=-9, to_day=-2).der)
    (tmp_path / "soon.der").write_bytes(made("urn:soon", to_day=20).der)
    (tmp_path / "empty.der").write_bytes(b"")
    key = PRESS.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    return tmp_path


def section(text: str, folder: Path) -> Section:
    document = read(f"plc: {text}".encode(), folder / "agent.yaml")
    origin = Origin(folder, Surroundings({"PLC": "geheim"}, "box"))
    return Section(document, origin, ("plc",))


def loaded(text: str, folder: Path) -> tuple[OpcUaConnection | None, list[Problem]]:
    at = section(f'{{endpoint: "opc.tcp://10.3.7.12", {text}}}', folder)
    return connection("plc", at), at.document.problems


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
def test_three_policies_can_sign_and_encrypt(policy: str, mode: str, folder: Path) -> None:
    made, problems = loaded(f"security: {{policy: {policy}, mode: {mode}}}", folder)

    assert made is not None
    assert made.security == Security(policy, mode)  # type: ignore[arg-type]  # rows of a table
    assert problems == []


def test_trust_is_files_and_fingerprints(folder: Path) -> None:
    pin = ":".join(["ab"] * 32)
    made, problems = loaded(f'security: {{{SECURE}, trust: [press.der, "sha256:{pin}", press.pem]}}', folder)

    assert made is not None
    assert made.security == Security(
        "Basic256Sha256", "sign_and_encrypt", (folder / "press.der", folder / "press.pem"), (PIN,)
    )
    assert problems == []


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("security: {policy: Basic256Sha265, mode: sign}", "Basic256Sha265", "unknown policy 'Basic256Sha265' - did you mean 'Basic256Sha256'?"),
        ("security: {policy: Basic256, mode: sign}", "Basic256,", "Basic256 is not used: it relies on SHA-1 and has been withdrawn (OPC UA 1.04); write Basic256Sha256"),
        ("security: {policy: Basic128Rsa15, mode: sign}", "Basic128", "Basic128Rsa15 is not used: it relies on SHA-1 and on RSA 1.5, and has been withdrawn (OPC UA 1.04); write Basic256Sha256"),
        ("security: {policy: Basic256Sha256, mode: none}", "none", "mode: none leaves Basic256Sha256 without effect; write sign_and_encrypt"),
        ("security: {policy: Basic256Sha256}", "security", "missing key 'mode'"),
        ("security: {policy: Basic256Sha256, mode: encrypt}", "encrypt", "unknown mode 'encrypt' - did you mean 'sign_and_encrypt'?"),
        ("security: {policy: None, mode: sign}", "sign}", "policy: None cannot sign; write mode: none"),
        ("security: {policy: None, mode: none, trust: [press.der]}", "trust", "'trust' has no effect with policy: None; leave it out"),
        (f"security: {{{SECURE}, trust: []}}", "trust", "too few entries: at least 1"),
        (f"security: {{{SECURE}, trust: [\"sha256:AB\"]}}", '"sha256', "a fingerprint is sha256: and 64 hexadecimal digits"),
        (f"security: {{{SECURE}, trust: [\"{'AB' * 31}\"]}}", '"ABAB', "a fingerprint is sha256: and 64 hexadecimal digits"),
        (f"security: {{{SECURE}, trust: [\"{'AB' * 20}\"]}}", '"ABAB', "that is a SHA-1 thumbprint; a fingerprint is sha256: and 64 hexadecimal digits, which edge-agent endpoints shows"),
        (f"security: {{{SECURE}, trust: [\"sha1:{'AB' * 20}\"]}}", '"sha1', "that is a SHA-1 thumbprint; a fingerprint is sha256: and 64 hexadecimal digits, which edge-agent endpoints shows"),
        (f"security: {{{SECURE}}}, user: {{name: edge}}", "user", "missing key 'password'"),
        (f"security: {{{SECURE}}}, user: {{cert: press.der}}", "user", "missing key 'key'"),
        (f"security: {{{SECURE}}}, user: {{password: \"${{env:PLC}}\"}}", "user", "a user is a name with a password, or a cert with its key"),
        (f"security: {{{SECURE}}}, user: {{name: edge, password: \"${{env:PLC}}\", cert: press.der, key: key.pem}}", "user", "a user is a name with a password, or a cert with its key"),
        ("security: {policy: None, mode: none}, user: {cert: press.der, key: key.pem}", "user", "a user's certificate needs a secured channel; write a policy"),
        ("security: {policy: None, mode: none}, user: {name: edge, password: \"${env:PLC}\"}", "user", "the password would go to 10.3.7.12 for others to read; write a policy, or insecure: true beside the user when that is wanted"),
        (f"security: {{{SECURE}}}, user: {{name: edge, password: \"${{env:PLC}}\"}}, insecure: true", "insecure", "'insecure' has no effect with an encrypted channel; leave it out"),
        ("security: {policy: None, mode: none}, insecure: true", "insecure", "'insecure' has no effect with no password; leave it out"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with(text: str, at: str, message: str, folder: Path) -> None:
    made, problems = loaded(text, folder)

    errors = [problem for problem in problems if problem.severity == "error"]
    assert made is None
    assert [problem.message for problem in errors] == [message]
    assert f'plc: {{endpoint: "opc.tcp://10.3.7.12", {text}}}'[errors[0].column - 1 :].startswith(at)


@pytest.mark.parametrize(
    ("trust", "message"),
    [
        ("none.der", "{}/none.der is not a file that can be read"),
        ("empty.der", "{}/empty.der is no certificate, neither DER nor PEM"),
        ("key.pem", "{}/key.pem is no certificate, neither DER nor PEM"),
    ],
)
def test_file_that_is_no_certificate_is_refused(trust: str, message: str, folder: Path) -> None:
    made, problems = loaded(f"security: {{{SECURE}, trust: [press.der, {trust}]}}", folder)

    assert made is None
    assert [problem.message for problem in problems] == [message.format(folder)]


@pytest.mark.parametrize(
    ("trust", "begins"), [("old.der", "the certificate ended on "), ("soon.der", "the certificate ends on ")]
)
def test_certificate_that_has_ended_or_ends_soon_is_doubted(trust: str, begins: str, folder: Path) -> None:
    made, problems = loaded(f"security: {{{SECURE}, trust: [{trust}]}}", folder)

    assert made is not None
    assert [problem.severity for problem in problems] == ["warning"]
    assert problems[0].message.startswith(begins)
    assert problems[0].message.endswith(": make a new one on the server, then trust it")


def test_user_may_be_a_certificate(folder: Path) -> None:
    made, problems = loaded(f"security: {{{SECURE}}}, user: {{cert: press.pem, key: key.pem}}", folder)

    assert made is not None
    assert made.login == UserCertificate(folder / "press.pem", folder / "key.pem")
    assert problems == []


def test_key_of_a_user_that_is_none_is_refused(folder: Path) -> None:
    made, problems = loaded(f"security: {{{SECURE}}}, user: {{cert: press.pem, key: press.pem}}", folder)

    assert made is None
    assert [each.message for each in problems] == [f"{folder}/press.pem is no PEM file of an open key"]


@pytest.mark.parametrize("security", [SECURE, "policy: Aes256_Sha256_RsaPss, mode: sign"])
def test_password_may_go_to_a_server_that_is_known(security: str, folder: Path) -> None:
    text = f'security: {{{security}}}, user: {{name: edge, password: "${{env:PLC}}"}}'

    made, problems = loaded(text, folder)

    assert made is not None
    assert made.login == Login("edge", "geheim")
    assert "geheim" not in repr(made)
    assert problems == []


def test_password_may_be_sent_in_the_clear_on_purpose(folder: Path) -> None:
    text = 'security: {policy: None, mode: none}, user: {name: edge, password: "${env:PLC}"}, insecure: true'

    made, problems = loaded(text, folder)

    assert made is not None
    assert made.insecure
    assert [each.severity for each in problems] == ["warning"]


@pytest.mark.parametrize(
    ("url", "host", "here"),
    [
        ("opc.tcp://10.3.7.12:4840/a:b", "10.3.7.12", False),
        ("opc.tcp://[::1]:4840", "::1", True),
        ("opc.tcp://127.0.0.2:4840", "127.0.0.2", True),
        ("opc.tcp://localhost:4840", "localhost", True),
        ("opc.tcp://plc7:4840/", "plc7", False),
    ],
)
def test_host_of_an_endpoint_is_known(url: str, host: str, here: bool) -> None:
    assert (host_of(url), loopback(url)) == (host, here)


# --- what is trusted already ----------------------------------------------------------------------


def homed(text: str, folder: Path) -> list[str]:
    """What is said when the state folder is looked at."""
    at = section(f'{{endpoint: "opc.tcp://10.3.7.12", security: {{{text}}}}}', folder)
    made = connection("press12", at)
    assert made is not None
    home = Home("urn:gw17:edge-agent", "box", folder / "pki")
    placed = at_home(made, at, home)
    assert isinstance(placed, OpcUaConnection)
    assert placed.home == home
    return [each.message for each in at.document.problems]


def test_server_that_nobody_trusts_yet_is_doubted_with_what_to_type(folder: Path) -> None:
    assert homed(SECURE, folder) == [
        "no certificate of this server is trusted yet; show it to the agent once: edge-agent trust press12"
    ]


def test_server_that_is_trusted_or_written_is_not_doubted(folder: Path) -> None:
    assert homed(f"{SECURE}, trust: [press.der]", folder) == []
    Pki(folder / "pki").trust("press12", parsed(PRESS.der))

    assert homed(SECURE, folder) == []


def test_what_cannot_be_read_is_said(folder: Path) -> None:
    (folder / "pki" / "trusted").mkdir(parents=True)
    (folder / "pki" / "trusted" / "press12.der").write_text("nothing")

    (said,) = homed(SECURE, folder)

    assert said.startswith("cannot say whether its server is trusted: ")
    assert said.endswith("press12.der is no certificate, neither DER nor PEM")
