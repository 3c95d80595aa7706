"""The channel and the login of a session: whom we trust, what we show, and what is sent of a password.

asyncua fetches the certificate of a server in the clear and then trusts it; it takes the first kind of token
that fits, and sends a password in the clear when the server asks for it. So the certificate is judged here
before the channel is opened with it, and the token is chosen here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from edge_agent.config.settings import Login, OpcUaConnection, Policy, Security, UserCertificate
from edge_agent.drivers.opcua.certificate import Certificate, Fault, day, fault
from edge_agent.drivers.opcua.offers import LOGINS, Offer, offers, unfit
from edge_agent.drivers.opcua.pki import Own, Pki, certificate_of, key_of
from edge_agent.drivers.opcua.place import BROKEN, loopback
from edge_agent.drivers.opcua.refusal import Shown
from edge_agent.errors import DeviceError

POLICIES: Mapping[Policy, type[security_policies.SecurityPolicy]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES = {"sign": ua.MessageSecurityMode.Sign, "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt}
NO_POLICY = security_policies.SecurityPolicyNone.URI

REASONS: Mapping[Fault, str] = {
    "unknown": "BadCertificateUntrusted",
    "changed": "BadCertificateUntrusted",
    "expired": "BadCertificateTimeInvalid",
    "early": "BadCertificateTimeInvalid",
    "weak": "BadCertificatePolicyCheckFailed",
}


@dataclass(frozen=True, slots=True)
class Agreed:
    """The two sides of a channel: what the server has to show, under which name, and what we can show."""

    security: Security
    server: Certificate
    application_uri: str
    own: Own


async def agreed(connection: OpcUaConnection, security: Security, now_s: float) -> Agreed:
    """Ask a server what it offers and judge its certificate. Raises DeviceError with what to do."""
    offered = await offers(connection.endpoint, connection.timeout_s)
    fitting = [each for each in offered if (each.policy, each.mode) == (security.policy, security.mode)]
    if not fitting:
        raise unfit(offered, security.policy, security.mode)
    # Files are read, and once a year a key or a certificate is made.
    return await asyncio.to_thread(_agreed, connection, security, fitting, now_s)


def _agreed(
    connection: OpcUaConnection, security: Security, fitting: Sequence[Offer], now_s: float
) -> Agreed:
    home = connection.home
    pki = Pki(home.pki)
    offer, server = _judged(connection, security, pki, fitting, now_s)
    own = pki.own(home.application_uri, home.host, now_s)
    return Agreed(security, server, offer.application_uri, own)


def _judged(
    connection: OpcUaConnection, security: Security, pki: Pki, fitting: Sequence[Offer], now_s: float
) -> tuple[Offer, Certificate]:
    shown = [(each, each.certificate) for each in fitting if each.certificate is not None]
    if not shown:
        raise DeviceError("BadCertificateInvalid", "the server shows no certificate that can be read")
    trusted = _trusted(connection.name, security, pki)
    for offer, certificate in shown:
        if fault(certificate, trusted, now_s) is None:
            return offer, certificate
    certificate = shown[0][1]
    why = fault(certificate, trusted, now_s, known=bool(trusted))
    assert why is not None  # noqa: S101 - else it would have been returned
    with suppress(DeviceError):  # a disk that is full makes nobody trusted
        pki.reject(connection.name, certificate)
    raise DeviceError(REASONS[why], _words(why, certificate, trusted, connection.name, now_s, security))


def _trusted(connection: str, security: Security, pki: Pki) -> list[str]:
    """The fingerprints that count for a connection."""
    if security.written:
        return [*security.pins, *(certificate_of(file).fingerprint for file in security.certificates)]
    stored = pki.trusted(connection)
    return [] if stored is None else [stored.fingerprint]


def _words(
    why: Fault, shown: Certificate, trusted: Sequence[str], connection: str, now_s: float, security: Security
) -> str:
    """Why the certificate of a server is refused, and what to type."""
    way_out = "write its fingerprint under trust" if security.written else f"edge-agent trust {connection}"
    what = "the server's certificate"
    if why == "unknown":
        return f"{what} is not trusted yet: {shown.words}; if that is the server: {way_out}"
    if why == "changed":
        was = " or ".join(trusted)
        return f"{what} is another one: was {was}, is {shown.words}; if it was renewed: {way_out}"
    if why == "expired":
        return f"{what} ended on {day(shown.not_after_s)}: make a new one there, then {way_out}"
    if why == "early":
        clock = f"the clock of this gateway says {day(now_s)}: is it right?"
        return f"{what} is valid from {day(shown.not_before_s)} on, and {clock}"
    key = f"has {shown.key_bits} bits only" if shown.key_bits else "is not RSA"
    return f"the key of {what} {key}: make one with RSA and 2048 bits there, then {way_out}"


def secure(client: Client, agreement: Agreed, certificate: Certificate) -> None:
    """Prepare a client for the channel, with one of our certificates."""
    security, own = agreement.security, agreement.own
    policy = POLICIES[security.policy](
        x509.load_der_x509_certificate(agreement.server.der),
        x509.load_der_x509_certificate(certificate.der),
        own.key,
        MODES[security.mode],
    )
    # Typed as the policy it begins with.
    setattr(client, "security_policy", policy)  # noqa: B010
    client.uaclient.set_security(policy)


def shown_of(connection: OpcUaConnection, agreement: Agreed | None, certificate: Certificate | None) -> Shown:
    """What words about a refusal need to know."""
    login = {Login: "user and password", UserCertificate: "the user's certificate"}.get(
        type(connection.login), "clients without a login"
    )
    if agreement is None or certificate is None:
        return Shown(login=login)
    own = agreement.own
    return Shown(certificate.fingerprint, str(own.file), connection.home.application_uri, login)


# --- the login ------------------------------------------------------------------------------------


async def activate(
    client: Client, connection: OpcUaConnection, created: ua.CreateSessionResult
) -> ua.ActivateSessionResult:
    """Log in to a session that has been created. Raises DeviceError before a password could be read."""
    policy = client.security_policy
    endpoint = Client.find_endpoint(created.ServerEndpoints, policy.Mode, policy.URI)
    return await log_in(client, connection, endpoint.UserIdentityTokens)


async def log_in(
    client: Client, connection: OpcUaConnection, tokens: list[ua.UserTokenPolicy]
) -> ua.ActivateSessionResult:
    """Activate the session of a client on its channel, with one of the logins that the client has.

    Raises DeviceError before a password could be read.
    """
    login = connection.login
    if login is None:
        _choose(tokens, ua.UserTokenType.Anonymous)
        return await client.activate_session()
    if isinstance(login, UserCertificate):
        _choose(tokens, ua.UserTokenType.Certificate)
        certificate, key = await asyncio.to_thread(_user_files, login)
        client.user_private_key = key
        return await client.activate_session(certificate=certificate)
    _check_password(client, connection, _choose(tokens, ua.UserTokenType.UserName))
    return await client.activate_session(login.user, login.password)


def _user_files(login: UserCertificate) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    return x509.load_der_x509_certificate(certificate_of(login.cert).der), key_of(login.key)


def _choose(tokens: list[ua.UserTokenPolicy], kind: ua.UserTokenType) -> str:
    """Leave the best token of a kind in a list, which the client then takes; gives its policy's URI."""
    if not tokens:
        return ""  # a server that lists nothing is shown what we have, as the channel protects it
    fitting = sorted((each for each in tokens if each.TokenType == kind), key=_rank)
    if not fitting:
        raise DeviceError("BadIdentityTokenRejected", _other_logins(tokens, kind))
    tokens[:] = fitting[:1]
    return str(fitting[0].SecurityPolicyUri or "")


def _rank(token: ua.UserTokenPolicy) -> int:
    """The least is the best: what says how it is encrypted, then what goes as the channel does."""
    name = _policy(str(token.SecurityPolicyUri or ""))
    return 0 if name in POLICIES else 1 if not name else 2 if name == "None" else 3


def _policy(uri: str) -> str:
    return uri.rpartition("#")[2]


def _other_logins(tokens: Sequence[ua.UserTokenPolicy], kind: ua.UserTokenType) -> str:
    takes = " or ".join(dict.fromkeys(LOGINS.get(each.TokenType, "") for each in tokens)) or "nothing"
    if kind == ua.UserTokenType.Anonymous:
        return (
            f"the server lets nobody in without a login; it takes: {takes}; write user: beside the endpoint"
        )
    return f"the server takes no {LOGINS[kind]} here; it takes: {takes}"


def _check_password(client: Client, connection: OpcUaConnection, token_policy: str) -> None:
    """Raises DeviceError when others could read the password, and nobody has written that they may."""
    channel = client.security_policy
    uri = token_policy or channel.URI
    encrypts = uri != NO_POLICY and _policy(uri) not in BROKEN
    if uri != NO_POLICY and not channel.peer_certificate:
        raise DeviceError(
            "BadCertificateInvalid", "the server wants the password encrypted, and shows no certificate"
        )
    if channel.Mode == ua.MessageSecurityMode.SignAndEncrypt or connection.insecure:
        return
    if loopback(connection.endpoint) or (encrypts and connection.security is not None):
        return
    how = f"encrypted with {_policy(uri)} only" if uri != NO_POLICY else "in the clear"
    advice = "write mode: sign_and_encrypt, or insecure: true beside the user when that is wanted"
    raise DeviceError("BadSecurityModeInsufficient", f"the server wants the password {how}; {advice}")
