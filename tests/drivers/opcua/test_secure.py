"""Sessions over secured channels with a simulated server: who trusts whom, and what is said when not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.connection import MessageChunk
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from structlog.testing import capture_logs

from edge_agent.config.settings import (
    Device,
    Group,
    Home,
    Login,
    Mode,
    NodeLimits,
    OpcUaConnection,
    Policy,
    Profile,
    Security,
    Tag,
    UserCertificate,
)
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.certificate import DAY_S, parsed
from edge_agent.drivers.opcua.driver import OpcUaDevice
from edge_agent.drivers.opcua.pki import Pki, certificate_of
from edge_agent.drivers.opcua.wire import SessionWire
from edge_agent.errors import DeviceError
from edge_agent.sim import opcua_security as simulated
from edge_agent.sim.certificates import made
from edge_agent.sim.opcua import OpcUaPlc

TAGS = (Tag("force", "fast", "UInt32", Node("force", "urn:acme", "s=force", "UInt32")),)
GROUP = Group("fast", 1.0, timestamp="source", mode="read")
ENCRYPTED = Security("Basic256Sha256", "sign_and_encrypt")
SIGNED = Security("Basic256Sha256", "sign")
USERS = {"edge": "geheim-4711"}


@asynccontextmanager
async def wired(
    plc: OpcUaPlc, home: Home, security: Security | None = ENCRYPTED, **more: Any
) -> AsyncIterator[SessionWire]:
    """A wire to a server; `now_s` moves its clock."""
    shift_ns = round(more.pop("shift_s", 0.0) * 1e9)
    endpoint = more.pop("endpoint", plc.endpoint)
    connection = OpcUaConnection("press12", endpoint, timeout_s=2.0, security=security, home=home, **more)
    wire = SessionWire(connection, uniform=lambda low, _: low, clock=lambda: time.time_ns() + shift_ns)
    try:
        yield wire
    finally:
        await wire.close()


async def value(wire: SessionWire) -> object:
    """What the one tag of the server is. Raises DeviceError."""
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": GROUP}, TAGS, NodeLimits())
    device = Device("press", profile, "press12", 1, {"fast": GROUP}, TAGS)
    await wire.open()
    scan = await OpcUaDevice(wire, device, b"{}", time.time_ns).read("fast")
    return scan.values[0]


async def refusal(
    plc: OpcUaPlc, home: Home, security: Security | None = ENCRYPTED, **more: Any
) -> DeviceError:
    """Why no session can be had."""
    async with wired(plc, home, security, **more) as wire:
        with pytest.raises(DeviceError) as raised:
            await wire.open()
    return raised.value


def trust(home: Home, security: simulated.Security) -> None:
    """Trust the server as `edge-agent trust` does."""
    Pki(home.pki).trust("press12", parsed(security.certificate.der))


def own(home: Home) -> str:
    return certificate_of(home.pki / "own" / "cert.der").fingerprint


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
async def test_values_arrive_with_every_policy_and_mode(policy: Policy, mode: Mode, home: Home) -> None:
    security = simulated.Security(trusted=[own(home)])
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc, wired(plc, home, Security(policy, mode)) as wire:
        assert isinstance(await value(wire), int)
        certificates = wire.statistics()["certificates"]

    assert isinstance(certificates, dict)
    assert certificates["server"]["fingerprint"] == security.certificate.fingerprint
    assert certificates["own"]["fingerprint"] == own(home)
    assert certificates["own"]["ends_soon"] is False


# --- whom we trust --------------------------------------------------------------------------------


async def test_server_is_refused_until_it_is_trusted_and_then_used_without_a_restart(home: Home) -> None:
    security = simulated.Security()
    async with OpcUaPlc(TAGS, security=security) as plc, wired(plc, home) as wire:
        with pytest.raises(DeviceError) as refused:
            await wire.open()
        kept = certificate_of(home.pki / "rejected" / "press12.der")
        trust(home, security)
        came = await value(wire)

    assert refused.value.reason == "BadCertificateUntrusted"
    assert refused.value.detail == (
        f"the server's certificate is not trusted yet: CN=simulated PLC, {security.certificate.fingerprint}, "
        f"valid {kept.validity}; if that is the server: edge-agent trust press12"
    )
    assert kept.fingerprint == security.certificate.fingerprint
    assert isinstance(came, int)
    assert not (home.pki / "rejected" / "press12.der").exists()


async def test_nothing_of_ours_is_shown_to_a_server_that_is_not_trusted(home: Home) -> None:
    async with OpcUaPlc(TAGS, security=simulated.Security()) as plc:
        await refusal(plc, replace(home, pki=home.pki / "new"))

    assert not (home.pki / "new" / "own").exists()


async def test_wait_for_the_next_attempt_has_the_reason_of_the_last_one(home: Home) -> None:
    async with OpcUaPlc(TAGS, security=simulated.Security()) as plc, wired(plc, home) as wire:
        with pytest.raises(DeviceError) as first:
            await wire.session()
        with pytest.raises(DeviceError) as second:
            await wire.session()

    assert (second.value.reason, second.value.detail) == (first.value.reason, first.value.detail)


async def test_server_that_shows_another_certificate_is_refused_with_both(home: Home) -> None:
    security = simulated.Security()
    trust(home, security)
    before = security.certificate.fingerprint
    security.certificate = made(simulated.URI)
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home)

    assert refused.reason == "BadCertificateUntrusted"
    assert refused.detail.startswith(
        f"the server's certificate is another one: was {before}, is CN=simulated PLC, "
        f"{security.certificate.fingerprint}, valid "
    )
    assert refused.detail.endswith("; if it was renewed: edge-agent trust press12")


@pytest.mark.parametrize("how", ["pin", "der", "pem"])
async def test_what_is_written_under_trust_counts_alone(how: str, home: Home, tmp_path: Path) -> None:
    security = simulated.Security()
    certificate = security.certificate
    file = tmp_path / "press"
    file.write_bytes(certificate.der if how == "der" else certificate.certificate.public_bytes(Encoding.PEM))
    written = replace(ENCRYPTED, pins=(certificate.fingerprint,), certificates=())
    if how != "pin":
        written = replace(ENCRYPTED, certificates=(file,))
    async with OpcUaPlc(TAGS, security=security) as plc:
        async with wired(plc, home, written) as wire:
            assert isinstance(await value(wire), int)
        trust(home, security)
        refused = await refusal(plc, home, replace(ENCRYPTED, pins=("sha256:" + "AB" * 32,)))

    assert refused.detail.endswith("; if it was renewed: write its fingerprint under trust")


async def test_file_under_trust_is_read_again_at_each_connect(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "press.der"
    file.write_bytes(made("urn:another").der)
    security = simulated.Security()
    async with (
        OpcUaPlc(TAGS, security=security) as plc,
        wired(plc, home, replace(ENCRYPTED, certificates=(file,))) as wire,
    ):
        with pytest.raises(DeviceError, match="is another one"):
            await wire.open()
        file.write_bytes(security.certificate.der)
        assert isinstance(await value(wire), int)
        file.unlink()
        await wire.close()
        with pytest.raises(DeviceError, match=r"BadConfigurationError: .*press\.der: no such file"):
            await wire.open()


async def test_server_whose_certificate_has_ended_is_refused_though_it_is_trusted(home: Home) -> None:
    security = simulated.Security(certificate=made(simulated.URI, from_day=-9, to_day=-2))
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home)

    assert refused.reason == "BadCertificateTimeInvalid"
    assert refused.detail.startswith("the server's certificate ended on 20")
    assert refused.detail.endswith(": make a new one there, then edge-agent trust press12")


async def test_certificate_that_begins_tomorrow_asks_for_the_clock(home: Home) -> None:
    security = simulated.Security(certificate=made(simulated.URI, from_day=2))
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home)

    assert refused.reason == "BadCertificateTimeInvalid"
    assert "the clock of this gateway says 20" in refused.detail
    assert refused.detail.endswith(": is it right?")


async def test_key_that_is_too_short_is_refused(home: Home) -> None:
    security = simulated.Security(certificate=made(simulated.URI, bits=1024))
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home)

    assert refused.reason == "BadCertificatePolicyCheckFailed"
    assert "has 1024 bits only" in refused.detail


async def test_names_that_do_not_match_are_told_once_and_refuse_nothing(home: Home) -> None:
    security = simulated.Security(certificate=made("urn:another", host="plc7"))
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc, wired(plc, home) as wire:
        with capture_logs() as events:
            await wire.open()
            await wire.close()
            await wire.open()

    assert [each["why"] for each in events if each["event"] == "server certificate is odd"] == [
        "it is for urn:another, not for urn:edge-agent:simulated-plc",
        "it is for plc7, not for 127.0.0.1",
    ]


async def test_server_that_has_not_the_key_of_its_certificate_gets_no_session(home: Home) -> None:
    security = simulated.Security()
    thief = made(simulated.URI, bits=3072)
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        assert plc._server is not None
        for policy in plc._server.bserver._policies:  # type: ignore[union-attr]  # it runs
            policy._policy.private_key = thief.key
        refused = await refusal(plc, home)

    assert refused.silent or refused.reason == "BadSecurityChecksFailed"


# --- who trusts us --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refuses", "reason", "begins"),
    [
        (
            "channel",
            "BadSecurityChecksFailed",
            "the server refuses the channel; as a rule it does not trust this gateway: ",
        ),
        ("session", "BadCertificateUntrusted", "the server does not trust this gateway: "),
    ],
)
async def test_server_that_does_not_trust_us_is_told_with_what_to_accept(
    refuses: Any, reason: str, begins: str, home: Home
) -> None:
    security = simulated.Security(trusted=[], refuses=refuses)
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc, wired(plc, home) as wire:
        with pytest.raises(DeviceError) as refused:
            await wire.open()
        security.trusted = [own(home)]
        came = await value(wire)

    assert refused.value.reason == reason
    assert refused.value.detail == (
        f"{begins}accept its certificate {own(home)} on the server; the file is {home.pki}/own/cert.der"
    )
    assert isinstance(came, int)


async def test_server_that_knows_the_certificate_before_only_gets_it_until_it_ends(home: Home) -> None:
    before = own(home)
    security = simulated.Security(trusted=[before])
    security.certificate = made(simulated.URI, to_day=800)
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        with capture_logs() as events:
            async with wired(plc, home, shift_s=310 * DAY_S) as wire:
                await wire.open()
                shown = wire.statistics()["certificates"]
        refused = await refusal(plc, home, shift_s=366 * DAY_S)

    assert own(home) != before
    assert isinstance(shown, dict)
    assert shown["own"]["fingerprint"] == before
    told = {each["event"]: each for each in events if each["log_level"] == "warning"}
    assert told["own certificate renewed"]["fingerprint"] == own(home)
    assert told["server takes the old certificate only"]["fingerprint"] == own(home)
    assert refused.reason == "BadSecurityChecksFailed"
    assert own(home) in refused.detail


async def test_end_of_a_certificate_is_told_once(home: Home) -> None:
    security = simulated.Security(certificate=made(simulated.URI, to_day=20))
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc, wired(plc, home) as wire:
        with capture_logs() as events:
            await wire.open()
            await wire.close()
            await wire.open()
            certificates = wire.statistics()["certificates"]

    ends = [each for each in events if each["event"] == "certificate ends"]
    assert [(each["connection"], each["whose"]) for each in ends] == [("press12", "server")]
    assert isinstance(certificates, dict)
    assert certificates["server"]["ends_soon"] is True


async def test_endpoint_that_is_not_there_is_told_with_those_that_are(home: Home) -> None:
    security = simulated.Security(policies=(ua.SecurityPolicyType.Basic256Sha256_Sign,), open=True)
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home)

    assert refused.reason == "BadSecurityPolicyRejected"
    assert refused.detail == (
        "the server has no endpoint with Basic256Sha256 sign_and_encrypt; it has: None none, "
        "Basic256Sha256 sign; switch it on there, or write another"
    )


async def test_server_without_an_open_endpoint_says_what_it_has_to_who_asks_in_the_open(home: Home) -> None:
    security = simulated.Security(policies=(ua.SecurityPolicyType.Basic256Sha256_Sign,))
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home, None)

    assert refused.reason == "BadSecurityPolicyRejected"
    assert refused.detail == (
        "the server has no endpoint with None none; it has: Basic256Sha256 sign; "
        "edge-agent endpoints says what to write into agent.yaml"
    )


# --- logins ---------------------------------------------------------------------------------------


async def test_user_with_the_right_password_is_let_in(home: Home) -> None:
    security = simulated.Security(logins=["password"], users=USERS)
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        for mode in (ENCRYPTED, SIGNED):
            async with wired(plc, home, mode, login=Login("edge", USERS["edge"])) as wire:
                assert isinstance(await value(wire), int)


async def test_wrong_password_is_refused_and_appears_nowhere(home: Home) -> None:
    security = simulated.Security(logins=["password"], users=USERS)
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        with capture_logs() as events:
            refused = await refusal(plc, home, login=Login("edge", "falsch-0815"))

    assert refused.reason == "BadUserAccessDenied"
    assert refused.detail == "the server refuses user and password: is it right, may this user connect?"
    assert "falsch" not in repr((refused, refused.__cause__, events))


async def test_client_without_a_login_is_told_what_the_server_takes(home: Home) -> None:
    security = simulated.Security(logins=["password", "certificate"], users=USERS)
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home)

    assert refused.reason == "BadIdentityTokenRejected"
    assert refused.detail == (
        "the server lets nobody in without a login; it takes: certificate or password; "
        "write user: beside the endpoint"
    )


async def test_login_that_the_server_does_not_take_is_told(home: Home) -> None:
    security = simulated.Security()
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        refused = await refusal(plc, home, login=Login("edge", USERS["edge"]))

    assert (refused.reason, refused.detail) == (
        "BadIdentityTokenRejected",
        "the server takes no password here; it takes: anonymous",
    )


async def test_user_may_show_a_certificate(home: Home, tmp_path: Path) -> None:
    user, stranger = made("urn:user"), made("urn:stranger")
    key = user.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "user.der").write_bytes(user.der)
    (tmp_path / "stranger.der").write_bytes(stranger.der)
    security = simulated.Security(logins=["certificate"], user_certificates=[user.fingerprint])
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc:
        login = UserCertificate(tmp_path / "user.der", tmp_path / "key.pem")
        async with wired(plc, home, login=login) as wire:
            assert isinstance(await value(wire), int)
        refused = await refusal(plc, home, login=replace(login, cert=tmp_path / "stranger.der"))

    assert refused.reason == "BadUserAccessDenied"
    assert refused.detail.startswith("the server refuses the user's certificate: ")


class Wire:
    """What our side sends, before it is encrypted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bodies: list[bytes] = []
        original = MessageChunk.to_binary

        def to_binary(chunk: MessageChunk) -> bytes:
            self.bodies.append(chunk.Body)
            return original(chunk)

        monkeypatch.setattr(MessageChunk, "to_binary", to_binary)

    def carries(self, text: str) -> bool:
        """Whether anybody on the way, or a server, could read this."""
        return text.encode() in b"".join(self.bodies)


async def test_signed_channel_carries_a_password_encrypted_only(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    security = simulated.Security(logins=["password"], users=USERS)
    trust(home, security)
    sent = Wire(monkeypatch)
    async with (
        OpcUaPlc(TAGS, security=security) as plc,
        wired(plc, home, SIGNED, login=Login("edge", USERS["edge"])) as wire,
    ):
        await wire.open()

    assert sent.carries("edge_agent")
    assert not sent.carries(USERS["edge"])


@pytest.mark.parametrize("mode", [None, SIGNED])
async def test_password_that_a_server_wants_in_the_clear_is_kept_but_on_purpose(
    mode: Security | None, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    security = simulated.Security(logins=["password"], users=USERS, open=True)
    trust(home, security)
    sent = Wire(monkeypatch)
    async with OpcUaPlc(TAGS, host="0.0.0.0", security=security) as plc:
        assert plc._core is not None
        for offered in plc._core.endpoints:
            for token in offered.UserIdentityTokens:
                token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"
        login, there = Login("edge", USERS["edge"]), f"opc.tcp://0.0.0.0:{plc.port}"
        refused = await refusal(plc, home, mode, login=login, endpoint=there)
        assert not sent.carries(USERS["edge"])
        async with wired(plc, home, mode, login=login, endpoint=there, insecure=True) as wire:
            await wire.open()

    assert refused.reason == "BadSecurityModeInsufficient"
    assert refused.detail == (
        "the server wants the password in the clear; write mode: sign_and_encrypt, "
        "or insecure: true beside the user when that is wanted"
    )
    assert sent.carries(USERS["edge"])


# --- as long as it lasts --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
async def test_channel_is_renewed_and_values_go_on(mode: Mode, home: Home) -> None:
    security = simulated.Security()
    trust(home, security)
    async with (
        OpcUaPlc(TAGS, security=security) as plc,
        wired(plc, home, Security("Basic256Sha256", mode)) as wire,
    ):
        first = await wire.session()
        for _ in range(3):
            await first.ask(first._client.open_secure_channel(renew=True))
            first._client.uaclient.revolve_security_token()
            assert isinstance(await value(wire), int)
        assert await wire.session() is first


async def test_session_comes_back_after_a_cut_and_a_restart(home: Home) -> None:
    security = simulated.Security()
    trust(home, security)
    async with OpcUaPlc(TAGS, security=security) as plc, wired(plc, home) as wire:
        first = await wire.session()
        await plc.restart()
        while first.open:
            await asyncio.sleep(0)
            await asyncio.gather(first.identity(), return_exceptions=True)
        assert isinstance(await value(wire), int)

    assert wire.statistics()["opened"] == 2
