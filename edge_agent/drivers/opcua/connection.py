"""How an OPC UA connection is configured: where it leads, how it is secured, who we are there."""

import re
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from edge_agent.config.login import credentials
from edge_agent.config.section import Section
from edge_agent.config.settings import (
    Connection,
    Home,
    Login,
    OpcUaConnection,
    Security,
    UserCertificate,
)
from edge_agent.config.syntax import existing_file, host_port, quoted
from edge_agent.drivers.opcua.keys import ConnectionKeys, OpcUaUserKeys, SecurityKeys
from edge_agent.drivers.opcua.place import BROKEN, host_of, loopback
from edge_agent.errors import DeviceError

PORT = 4840
"""The port registered for OPC UA."""


def connection(name: str, section: Section) -> OpcUaConnection | None:
    """One session; None with mistakes."""
    keys = section.check(ConnectionKeys)
    if keys is None:
        return None
    errors = len(_errors(section))
    security = _security(section.inside("security"))
    login = _login(section, keys.user)
    made = OpcUaConnection(name, "", login, keys.timeout, security, keys.insecure)
    try:
        made = replace(made, endpoint=endpoint(keys.endpoint))
    except ValueError as error:
        section.error(str(error), "endpoint")
    if len(_errors(section)) > errors:
        return None
    _check_login(section, made)
    return made if len(_errors(section)) == errors else None


def at_home(made: Connection, section: Section, home: Home) -> Connection:
    """The connection of an agent; doubts one whose server nobody has trusted yet."""
    made = replace(cast("OpcUaConnection", made), home=home)
    if made.security is None or made.security.written:
        return made
    try:
        trusted = _pki(home.pki).trusted(made.name)
    except DeviceError as error:
        section.warning(f"cannot say whether its server is trusted: {error.detail}", "security")
        return made
    if trusted is None:
        advice = f"show it to the agent once: edge-agent trust {made.name}"
        section.warning(f"no certificate of this server is trusted yet; {advice}", "security")
    else:
        _check_end(section, trusted, "security")
    return made


def endpoint(text: str) -> str:
    """The URL with its port. Raises ValueError, in words."""
    match = re.fullmatch(r"opc\.tcp://([^/@?#]+)(/[^?#]*)?", text)
    if match is None:
        raise ValueError(f"{quoted(text)} is not an endpoint; write for example opc.tcp://10.3.7.12:{PORT}")
    host, port = host_port(match[1], PORT)
    return f"opc.tcp://{f'[{host}]' if ':' in host else host}:{port}{match[2] or ''}"


def _errors(section: Section) -> list[object]:
    return [each for each in section.document.problems if each.severity == "error"]


def _security(section: Section) -> Security | None:
    """What is written; None for no security, and with mistakes, which are noted."""
    value = section.value
    policy = value.get("policy") if isinstance(value, dict) else None
    if isinstance(policy, str) and policy in BROKEN:
        section.error(f"{policy} is not used: {BROKEN[policy]}; write Basic256Sha256", "policy")
        return None
    keys = section.check(SecurityKeys)
    if keys is None:
        return None
    if keys.policy == "None":
        _check_none(section, keys)
        return None
    if keys.mode == "none":
        section.error(f"mode: none leaves {keys.policy} without effect; write sign_and_encrypt", "mode")
        return None
    files, pins = _trust(section, keys.trust or [])
    return Security(keys.policy, keys.mode, files, pins)


def _check_none(section: Section, keys: SecurityKeys) -> None:
    section.warning("nothing is signed or encrypted: anyone on the way can read and change it")
    if keys.mode != "none":
        section.error(f"policy: None cannot {keys.mode.replace('_', ' ')}; write mode: none", "mode")
    if keys.trust is not None:
        section.error_at_key("'trust' has no effect with policy: None; leave it out", "trust")


def _trust(section: Section, trust: list[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Files and fingerprints; what is wrong with one is noted at it."""
    files: list[Path] = []
    pins: list[str] = []
    for index, entry in enumerate(trust):
        judging = import_module("edge_agent.drivers.opcua.certificate")
        try:
            if judging.looks_pinned(entry):
                pins.append(judging.pinned(entry))
            else:
                file = existing_file(entry, section.origin)
                _check_end(section, _module().certificate_of(file), "trust", index)
                files.append(file)
        except ValueError as error:
            section.error(str(error), "trust", index)
        except DeviceError as error:
            section.error(error.detail, "trust", index)
    return tuple(files), tuple(pins)


def _check_end(section: Section, certificate: Any, *at: str | int) -> None:  # noqa: ANN401 - loaded late
    """Doubt a server's certificate that is not valid, or ends soon."""
    judging = import_module("edge_agent.drivers.opcua.certificate")
    # The same clock as at the next connect.
    now_s = time.time()
    if now_s > certificate.not_after_s:
        section.warning(f"the certificate ended on {judging.day(certificate.not_after_s)}: {REPLACE}", *at)
    elif judging.ends_soon(certificate, now_s):
        section.warning(f"the certificate ends on {judging.day(certificate.not_after_s)}: {REPLACE}", *at)


REPLACE = "make a new one on the server, then trust it"


def _login(section: Section, user: OpcUaUserKeys | None) -> Login | UserCertificate | None:
    if user is None:
        return None
    given = {key for key in ("name", "password", "cert", "key") if section.inside("user", key).present}
    if user.cert is not None and user.key is not None and given == {"cert", "key"}:
        return _user_certificate(section, user.cert, user.key)
    if user.name is not None and user.password is not None and given == {"name", "password"}:
        return credentials(section, user.name, user.password)
    for key, other in (("name", "password"), ("cert", "key")):
        if key in given and other not in given:
            section.error_at_key(f"missing key '{other}'", "user")
            return None
    message = "a user is a name with a password, or a cert with its key"
    section.error_at_key(message, "user")
    return None


def _user_certificate(section: Section, cert: Path, key: Path) -> UserCertificate:
    """The two files; what is wrong with one is noted at it."""
    for name, load, file in (("cert", _module().certificate_of, cert), ("key", _module().key_of, key)):
        try:
            load(file)
        except DeviceError as error:
            section.error(error.detail, "user", name)
    return UserCertificate(cert, key)


def _check_login(section: Section, made: OpcUaConnection) -> None:
    """Note a password that would be read on the way, and words that have no effect."""
    has_password = isinstance(made.login, Login)
    encrypted = made.security is not None and made.security.mode == "sign_and_encrypt"
    if isinstance(made.login, UserCertificate) and made.security is None:
        section.error_at_key("a user's certificate needs a secured channel; write a policy", "user")
    if made.insecure and (not has_password or encrypted):
        why = "an encrypted channel" if encrypted else "no password"
        section.error_at_key(f"'insecure' has no effect with {why}; leave it out", "insecure")
    elif has_password and made.security is None and not made.insecure and not loopback(made.endpoint):
        advice = "write a policy, or insecure: true beside the user when that is wanted"
        section.error_at_key(
            f"the password would go to {host_of(made.endpoint)} for others to read; {advice}", "user"
        )


def _module() -> Any:  # noqa: ANN401 - what it needs is loaded where a connection is secured only
    return import_module("edge_agent.drivers.opcua.pki")


def _pki(folder: Path) -> Any:  # noqa: ANN401 - as above
    return _module().Pki(folder)
