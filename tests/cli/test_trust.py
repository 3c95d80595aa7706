"""`edge-agent endpoints` and `edge-agent trust`: from a server nobody knows to values, in three commands."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from edge_agent.cli.endpoints import advised
from edge_agent.demo.programs import free_port
from edge_agent.drivers.opcua.offers import Offer
from edge_agent.drivers.opcua.pki import certificate_of
from edge_agent.sim.certificates import made
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.opcua_security import URI, Security
from tests.cli.gateway import Terminal
from tests.cli.gateway import config as meters
from tests.e2e.plant import tags

SECURE = "{policy: Basic256Sha256, mode: sign_and_encrypt}"
PRESS = tags("press")


def config(folder: Path, port: int, security: str = SECURE) -> Path:
    """The file of a gateway with a press behind an OPC UA server."""
    path = folder / "agent.yaml"
    path.write_text(
        "schema: edge-agent/gateway/1\n"
        "gateway: {id: gw17}\n"
        f'connections: {{plc: {{opcua: {{endpoint: "opc.tcp://127.0.0.1:{port}", security: {security}}}}}}}\n'
        "devices: {press-12: {profile: siemens/s7-1500-press@1, connection: plc}}\n"
        f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{free_port()}"}}}}}}\n'
        "buffer: {path: ./state/buffer}\n"
    )
    return path


def stored(folder: Path) -> Path:
    return folder / "state" / "pki" / "trusted" / "plc.der"


async def test_three_commands_lead_from_an_unknown_server_to_its_values(
    tmp_path: Path, terminal: Terminal
) -> None:
    security = Security()
    shown = security.certificate.fingerprint
    async with OpcUaPlc(PRESS, security=security) as plc:
        assert await terminal.type("endpoints", f"127.0.0.1:{plc.port}") == 0
        written = terminal.out.split("write into agent.yaml:\n")[1].splitlines()
        path = config(tmp_path, plc.port, written[4].partition(": ")[2])
        assert await terminal.type("read", "press-12", "--config", str(path)) == 3
        refusal = terminal.err
        assert await terminal.type("trust", "press-12", "--fingerprint", shown, "--config", str(path)) == 0
        trusted = terminal.out
        assert await terminal.type("read", "press-12", "--config", str(path)) == 0
        assert await terminal.type("check", str(path)) == 0

    assert written == [
        "connections:",
        "  plc:",
        "    opcua:",
        f'      endpoint: "opc.tcp://127.0.0.1:{plc.port}"',
        "      security: {policy: Aes256_Sha256_RsaPss, mode: sign_and_encrypt}",
        "then compare the fingerprint with the server's own, and: edge-agent trust plc",
    ]
    assert f"the server's certificate is not trusted yet: CN=simulated PLC, {shown}, valid " in refusal
    assert refusal.endswith("if that is the server: edge-agent trust plc\n")
    assert f"  {shown}\n" in trusted
    assert trusted.endswith(f"trusted: {stored(tmp_path)}; a running agent connects within half a minute\n")
    assert "is trusted yet" not in terminal.out


async def test_endpoints_are_a_table_of_80_columns_or_json(terminal: Terminal) -> None:
    security = Security(open=True, logins=["anonymous", "password", "certificate"])
    security.policies = (*security.policies, ua.SecurityPolicyType.Basic256_Sign)
    async with OpcUaPlc(PRESS, security=security) as plc:
        assert await terminal.type("endpoints", plc.endpoint) == 0
        shown = terminal.out.splitlines()
        assert await terminal.type("endpoints", plc.endpoint, "--json") == 0
        told = json.loads(terminal.out)

    assert shown[0] == "simulated PLC (urn:edge-agent:simulated-plc)"
    assert shown[2] == f"  {security.certificate.fingerprint}"
    assert shown[4] == "POLICY                 MODE              LOGINS"
    assert shown[5].split(maxsplit=2) == ["None", "none", "anonymous, certificate, password  open"]
    assert shown[12].endswith("  old")
    assert shown[13:15] == [
        "  open: anyone on the way can read and change everything",
        "  old: withdrawn because it can be broken; the agent does not use it",
    ]
    assert max(map(len, shown)) <= 80
    assert told["endpoints"][1]["policy"] == "Basic256Sha256"
    assert told["endpoints"][1]["certificate"]["fingerprint"] == security.certificate.fingerprint
    assert told["write"]["keys"][1] == "security: {policy: Aes256_Sha256_RsaPss, mode: sign_and_encrypt}"


def offer(policy: str, mode: Any, logins: Sequence[str] = ("anonymous",)) -> Offer:
    from edge_agent.drivers.opcua.certificate import parsed

    return Offer("opc.tcp://a:1", policy, mode, tuple(logins), parsed(made("urn:a").der), "a", "urn:a")


@pytest.mark.parametrize(
    ("offered", "keys", "why"),
    [
        (
            [
                offer("Aes256_Sha256_RsaPss", "sign"),
                offer("Basic256Sha256", "sign_and_encrypt", ["password"]),
            ],
            (
                "security: {policy: Basic256Sha256, mode: sign_and_encrypt}",
                'user: {name: NAME, password: "${cred:NAME}"}',
            ),
            "",
        ),
        (
            [offer("Aes128_Sha256_RsaOaep", "sign", ["certificate"])],
            ("security: {policy: Aes128_Sha256_RsaOaep, mode: sign}", "user: {cert: FILE, key: FILE}"),
            "",
        ),
        (
            [offer("None", "none")],
            ("security: {policy: None, mode: none}",),
            "it offers no security: switch it on there; else, on purpose",
        ),
        (
            [offer("None", "none"), offer("Basic256", "sign")],
            ("security: {policy: None, mode: none}",),
            "it has policies only that are not used any more: switch it on there; else, on purpose",
        ),
    ],
)
def test_safest_endpoint_is_advised(offered: Sequence[Offer], keys: tuple[str, ...], why: str) -> None:
    advice = advised("opc.tcp://a:1", offered)

    assert advice.keys == ('endpoint: "opc.tcp://a:1"', *keys)
    assert advice.why == why


async def test_what_is_no_endpoint_or_does_not_answer_is_told(terminal: Terminal) -> None:
    assert await terminal.type("endpoints", "https://plc7") == 2
    port = free_port()

    assert await terminal.type("endpoints", f"opc.tcp://127.0.0.1:{port}") == 3
    assert terminal.err == (
        f"edge-agent: connection refused by opc.tcp://127.0.0.1:{port}: is it on, is the port right?\n"
    )


async def test_certificate_with_another_fingerprint_is_not_stored(tmp_path: Path, terminal: Terminal) -> None:
    security = Security()
    async with OpcUaPlc(PRESS, security=security) as plc:
        path, pin = str(config(tmp_path, plc.port)), "sha256:" + "ab" * 32
        assert await terminal.type("trust", "press-12", "--fingerprint", pin, "--config", path) == 1
        why = terminal.err
        assert await terminal.type("trust", "press-12", "--fingerprint", "sha256:ab", "--config", path) == 2

    assert why == (
        f"edge-agent: the server shows {security.certificate.fingerprint}, "
        f"not sha256:{'AB' * 32}; nothing was stored\n"
    )
    assert not stored(tmp_path).exists()


async def test_certificate_that_has_ended_is_not_stored(tmp_path: Path, terminal: Terminal) -> None:
    async with OpcUaPlc(PRESS, security=Security(made(URI, from_day=-9, to_day=-2))) as plc:
        path = str(config(tmp_path, plc.port))
        assert await terminal.type("trust", "plc", "--yes", "--config", path) == 1

    assert "this certificate has ended, the agent would refuse it" in terminal.err
    assert not stored(tmp_path).exists()


async def test_changed_certificate_is_shown_with_the_one_before(tmp_path: Path, terminal: Terminal) -> None:
    security = Security()
    async with OpcUaPlc(PRESS, security=security) as plc:
        path = str(config(tmp_path, plc.port))
        assert await terminal.type("trust", "press-12", "--yes", "--config", path) == 0
        assert await terminal.type("trust", "press-12", "--config", path) == 0
        again, before = terminal.out, security.certificate.fingerprint
        security.certificate = made(URI)
        await plc.restart()
        assert await terminal.type("trust", "press-12", "--yes", "--config", path) == 0

    assert "it is trusted already\n" in again
    assert "another one has been trusted so far:\n" in terminal.out
    assert f"  {before}\n" in terminal.out
    assert certificate_of(stored(tmp_path)).fingerprint == security.certificate.fingerprint


async def test_json_asks_nothing_and_stores_nothing_unless_told(tmp_path: Path, terminal: Terminal) -> None:
    security = Security()
    async with OpcUaPlc(PRESS, security=security) as plc:
        path = str(config(tmp_path, plc.port))
        assert await terminal.type("trust", "press-12", "--json", "--config", path) == 1
        looked = json.loads(terminal.out)
        assert await terminal.type("trust", "press-12", "--json", "--yes", "--config", path) == 0
        kept = json.loads(terminal.out)

    assert (looked["trusted"], looked["fingerprint"]) == (False, security.certificate.fingerprint)
    assert (kept["trusted"], kept["file"]) == (True, str(stored(tmp_path)))


@pytest.mark.parametrize(("said", "code"), [("y", 0), ("", 1)])
async def test_person_is_asked(
    said: str, code: int, tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answered(question: str) -> str:
        asked.append(question)
        return said

    monkeypatch.setattr("builtins.input", answered)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    async with OpcUaPlc(PRESS, security=Security()) as plc:
        path = str(config(tmp_path, plc.port))

        assert await terminal.type("trust", "press-12", "--config", path) == code

    assert asked == ["is this what the server itself shows? trust it? [y/N] "]
    assert stored(tmp_path).exists() is (said == "y")


async def test_nobody_there_is_wrong_usage(tmp_path: Path, terminal: Terminal) -> None:
    async with OpcUaPlc(PRESS, security=Security()) as plc:
        path = str(config(tmp_path, plc.port))

        assert await terminal.type("trust", "press-12", "--config", path) == 2

    assert "nobody is there to agree; compare the fingerprint with the server's own" in terminal.err


@pytest.mark.parametrize(
    ("security", "name", "code", "words"),
    [
        ("{policy: None, mode: none}", "press-12", 2, "has policy: None, no certificate counts there"),
        (
            SECURE.replace("}", f', trust: ["sha256:{"AB" * 32}"]}}'),
            "press-12",
            2,
            "says itself under trust: what counts",
        ),
        (SECURE, "press-13", 2, "there is no device 'press-13' - did you mean 'press-12'?"),
        (SECURE, "press-12", 3, "connection refused by opc.tcp://127.0.0.1:"),
    ],
)
async def test_where_nothing_can_be_trusted_it_is_said(
    security: str, name: str, code: int, words: str, tmp_path: Path, terminal: Terminal
) -> None:
    path = config(tmp_path, free_port(), security)

    assert await terminal.type("trust", name, "--yes", "--config", str(path)) == code

    assert words in terminal.err


async def test_device_that_speaks_modbus_has_nothing_to_trust(tmp_path: Path, terminal: Terminal) -> None:
    path = meters(tmp_path, {"meter": 1})

    assert await terminal.type("trust", "meter", "--config", str(path)) == 2

    assert "meter does not speak OPC UA: its connection 'meter' shows no certificate" in terminal.err


async def test_endpoint_that_is_not_there_is_told(tmp_path: Path, terminal: Terminal) -> None:
    async with OpcUaPlc(PRESS) as plc:
        path = str(config(tmp_path, plc.port))

        assert await terminal.type("trust", "press-12", "--yes", "--config", path) == 1

    assert (
        "the server has no endpoint with Basic256Sha256 sign_and_encrypt; it has: None none" in terminal.err
    )
