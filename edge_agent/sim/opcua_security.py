"""How a simulated OPC UA server is secured: its endpoints and whom it lets in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from asyncua import Server, ua
from asyncua.crypto import security_policies
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyFactory
from asyncua.server.internal_server import InternalServer
from asyncua.server.user_managers import UserManager
from asyncua.ua.uaerrors import BadRequestTooLarge
from typing_extensions import override

from edge_agent.sim.certificates import Made, made

URI = "urn:edge-agent:simulated-plc"

ALL = (
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
)

TOKENS: Mapping[str, type] = {
    "anonymous": ua.AnonymousIdentityToken,
    "password": ua.UserNameIdentityToken,
    "certificate": ua.X509IdentityToken,
}


@dataclass
class Security:
    """What a simulated server offers and wants; changes count for the next connection or start.

    `users` are passwords by name, `user_certificates` fingerprints of users' certificates; `logins` are the
    kinds that are offered. `trusted` are fingerprints of clients' certificates, None for any; `refuses` says
    when another one is told: as it opens a channel, as with most servers, or as it makes a session.
    """

    certificate: Made = field(default_factory=lambda: made(URI))
    policies: Sequence[ua.SecurityPolicyType] = ALL
    open: bool = False
    logins: Sequence[Literal["anonymous", "password", "certificate"]] = ("anonymous",)
    users: Mapping[str, str] = field(default_factory=dict)
    user_certificates: Sequence[str] = ()
    trusted: Sequence[str] | None = None
    refuses: Literal["channel", "session"] = "channel"

    def takes(self, der: bytes) -> bool:
        """Whether a client with this certificate may come in."""
        return self.trusted is None or _fingerprint(der) in self.trusted


class Users(UserManager):
    """Who may come in: asyncua asks it for each session."""

    def __init__(self, security: Security) -> None:
        self._security = security

    @override
    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """The user with these; None for nobody."""
        security = self._security
        user = User(role=UserRole.User)
        if username is not None:
            return user if security.users.get(username) == password else None
        if "anonymous" in security.logins:
            return user
        return user if certificate and _fingerprint(certificate) in security.user_certificates else None


class Refused(BadRequestTooLarge):
    """asyncua sends the code of this kind of error before it closes, and of no other."""

    code = ua.StatusCodes.BadSecurityChecksFailed


class Guarded:
    """A policy for those clients only whose certificate is trusted."""

    def __init__(self, policy: SecurityPolicyFactory, security: Security) -> None:
        self._policy = policy
        self._security = security

    def matches(self, uri: str, mode: ua.MessageSecurityMode | None = None) -> bool:
        """Whether it is the one a client asks for."""
        return bool(self._policy.matches(uri, mode))

    def create(self, peer_certificate: bytes | None) -> object:
        """The policy of one channel. Raises Refused."""
        refuses = self._security.refuses == "channel"
        if refuses and peer_certificate and not self._security.takes(peer_certificate):
            raise Refused
        return self._policy.create(peer_certificate)


def prepare(server: Server, core: InternalServer, security: Security | None) -> None:
    """Set up a server that has not been started."""
    if security is None:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        return
    core.certificate = security.certificate.certificate
    core.private_key = security.certificate.key
    core.user_manager = Users(security)
    core.certificate_validator = _validator(security)
    open_ = [ua.SecurityPolicyType.NoSecurity] if security.open else []
    server.set_security_policy([*open_, *security.policies])
    server.set_identity_tokens([TOKENS[each] for each in security.logins])


def guard(server: Server, security: Security | None) -> None:
    """Let a server that has been started look at its clients' certificates."""
    if security is None or server.bserver is None:
        return
    wanted = [security_policies.SECURITY_POLICY_TYPE_MAP[each][:2] for each in security.policies]
    secured = security.certificate
    policies = [
        Guarded(SecurityPolicyFactory(policy, mode, secured.certificate, secured.key), security)
        for policy, mode in wanted
    ]
    if security.open:
        policies.append(
            Guarded(
                SecurityPolicyFactory(security_policies.SecurityPolicyNone, ua.MessageSecurityMode.None_),
                security,
            )
        )
    server.bserver.set_policies(policies)


def _validator(security: Security) -> Any:  # noqa: ANN401 - a hook of asyncua
    async def validate(certificate: Any, _application: ua.ApplicationDescription) -> None:  # noqa: ANN401
        der = security_policies.uacrypto.der_from_x509(certificate)
        if security.refuses == "session" and not security.takes(der):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted)

    return validate


def _fingerprint(der: bytes) -> str:
    return f"sha256:{sha256(der).hexdigest().upper()}"
