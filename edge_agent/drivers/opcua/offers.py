"""What a server offers: its endpoints, asked over a channel that nobody has to trust.

Nothing of it is sure: anyone on the way may have changed it. It says which certificate is worth judging, and
what to tell a person; the handshake then shows whether the server has the key.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from asyncua import Client, ua

from edge_agent.drivers.opcua.certificate import Certificate, parsed
from edge_agent.drivers.opcua.session import asked, let_go
from edge_agent.errors import DeviceError

CHANNEL_MS = 60_000
"""Of the channel for one question: a server that does not notice its end shall not keep it for an hour."""

OfferedMode = Literal["none", "sign", "sign_and_encrypt"]
MODES: dict[ua.MessageSecurityMode, OfferedMode] = {
    ua.MessageSecurityMode.None_: "none",
    ua.MessageSecurityMode.Sign: "sign",
    ua.MessageSecurityMode.SignAndEncrypt: "sign_and_encrypt",
}
LOGINS = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "password",
    ua.UserTokenType.Certificate: "certificate",
    ua.UserTokenType.IssuedToken: "token",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One endpoint. `policy` is its name alone; `certificate` None where it shows none that can be read."""

    url: str
    policy: str
    mode: OfferedMode
    logins: tuple[str, ...]
    certificate: Certificate | None
    application: str
    application_uri: str

    @property
    def words(self) -> str:
        """Policy and mode."""
        return f"{self.policy} {self.mode}"


async def offers(url: str, timeout_s: float) -> list[Offer]:
    """All endpoints of a server that speak this protocol. Raises DeviceError."""
    client = Client(url, timeout=timeout_s)
    client.secure_channel_timeout = CHANNEL_MS
    try:
        for step in (client.connect_socket, client.send_hello, client.open_secure_channel):
            await asked(step(), timeout_s)
        described = await asked(client.get_endpoints(), timeout_s)
        with suppress(DeviceError):  # it has been asked; that it does not say goodbye is all the same
            await asked(client.close_secure_channel(), timeout_s)
    finally:
        let_go(client)
    found = [_offer(each) for each in described or () if each.SecurityMode in MODES and _is_tcp(each)]
    if not found:
        raise DeviceError("wrong_answer", "the server lists no endpoint")
    return found


def unfit(offered: Sequence[Offer], policy: str, mode: str) -> DeviceError:
    """Why none of these will do."""
    there = ", ".join(dict.fromkeys(each.words for each in offered))
    way_out = "switch it on there, or write another"
    if mode == "none":  # that is nothing to be switched on
        way_out = "edge-agent endpoints says what to write into agent.yaml"
    words = f"the server has no endpoint with {policy} {mode}; it has: {there}; {way_out}"
    return DeviceError("BadSecurityPolicyRejected", words)


def _is_tcp(described: ua.EndpointDescription) -> bool:
    return str(described.EndpointUrl or "").startswith("opc.tcp")


def _offer(described: ua.EndpointDescription) -> Offer:
    application = described.Server
    name = application.ApplicationName.Text if application.ApplicationName else None
    logins = (LOGINS.get(each.TokenType, "") for each in described.UserIdentityTokens or ())
    return Offer(
        str(described.EndpointUrl),
        _printable(str(described.SecurityPolicyUri or "").rpartition("#")[2]),
        MODES[described.SecurityMode],
        tuple(dict.fromkeys(each for each in logins if each)),
        _certificate(described.ServerCertificate),
        _printable(str(name or "")),
        _printable(str(application.ApplicationUri or "")),
    )


def _certificate(der: bytes | None) -> Certificate | None:
    try:
        return parsed(der) if der else None
    except ValueError:
        return None


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
