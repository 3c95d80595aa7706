"""What a refusal during the handshake means: which side refused, and what to do where."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_agent.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Shown:
    """What we have shown a server: our certificate and its file, empty without one, and how we log in."""

    fingerprint: str = ""
    file: str = ""
    application_uri: str = ""
    login: str = "no login"

    @property
    def accept(self) -> str:
        """What makes a server trust us."""
        return f"accept its certificate {self.fingerprint} on the server; the file is {self.file}"


DISTRUST = frozenset({"BadSecurityChecksFailed", "BadCertificateUntrusted"})
"""Reasons that mean, as a rule, that the server does not trust our certificate."""

_CHECKS = "the server refuses the channel; as a rule it does not trust this gateway: {accept}"
_UNTRUSTED = "the server does not trust this gateway: {accept}"
_OTHER_CERTIFICATE = "the server does not take the certificate of this gateway ({reason}): {accept}"
_TIME = "the server finds this gateway's certificate not valid now: is the clock of the server right?"
_POLICY = "the server refuses this security: see edge-agent endpoints for what it has, and write that"
_LOGIN = "the server does not take {login}: see edge-agent endpoints for what it takes"
_DENIED = "the server refuses {login}: is it right, may this user connect?"
_FULL = "the server has no session left: end others there, or raise its limit"

WORDS: Mapping[str, str] = {
    "BadSecurityChecksFailed": _CHECKS,
    "BadCertificateUntrusted": _UNTRUSTED,
    "BadCertificateInvalid": _OTHER_CERTIFICATE,
    "BadCertificateUseNotAllowed": _OTHER_CERTIFICATE,
    "BadCertificatePolicyCheckFailed": _OTHER_CERTIFICATE,
    "BadCertificateChainIncomplete": _OTHER_CERTIFICATE,
    "BadCertificateHostNameInvalid": _OTHER_CERTIFICATE,
    "BadCertificateIssuerRevocationUnknown": _OTHER_CERTIFICATE,
    "BadCertificateRevocationUnknown": _OTHER_CERTIFICATE,
    "BadCertificateRevoked": "the server has revoked the certificate of this gateway: {accept}",
    "BadCertificateUriInvalid": "the server does not take the name {uri} of this gateway: {accept}",
    "BadCertificateTimeInvalid": _TIME,
    "BadCertificateIssuerTimeInvalid": _TIME,
    "BadSecurityPolicyRejected": _POLICY,
    "BadSecurityModeRejected": _POLICY,
    "BadSecurityModeInsufficient": _POLICY,
    "BadIdentityTokenRejected": _LOGIN,
    "BadIdentityTokenInvalid": _LOGIN,
    "BadUserAccessDenied": _DENIED,
    "BadUserSignatureInvalid": _DENIED,
    "BadTooManySessions": _FULL,
    "BadMaxConnectionsReached": _FULL,
    "BadTcpEndpointUrlInvalid": "the server does not know itself by this endpoint: see edge-agent endpoints",
    "BadServerUriInvalid": "the server does not know itself by this endpoint: see edge-agent endpoints",
}
"""By the name of the status code; {accept}, {uri}, {login} and {reason} are filled in."""


def explained(error: DeviceError, shown: Shown) -> DeviceError:
    """A failure of the handshake, with what to do about it where that is known."""
    words = WORDS.get(error.reason)
    if words is None or error.detail:
        return error
    if not shown.fingerprint and "{accept}" in words:
        words = "the server refuses a channel without security: see edge-agent endpoints for what it has"
    said = words.format(
        accept=shown.accept, uri=shown.application_uri, login=shown.login, reason=error.reason
    )
    return DeviceError(error.reason, said)


def silent_refusal(error: DeviceError, shown: Shown) -> DeviceError:
    """A channel that the server ended without a word; many do so with a certificate that they do not know."""
    if error.reason != "disconnected" or not shown.fingerprint:
        return error
    said = f"the server closes without a word; perhaps it does not trust this gateway: {shown.accept}"
    return DeviceError("BadSecurityChecksFailed", said)
