"""What a session leaves behind when its link is lost: what it takes to go on with it on another channel.

A server keeps a session without a channel until its timeout, with its subscriptions and all they have queued
(OPC UA Part 4, 6.7). Who opens another one each time leaves them piling up, and small servers have room for a
few only. For the agent that was killed it lies in a folder that is no disk; without one the session ends by
its timeout.
"""

import base64
import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import structlog
from asyncua import Client, ua

LONGEST_BYTES = 64 * 1024
"""A certificate with its chain, and little beside it."""

log = structlog.get_logger("opcua")


@dataclass(frozen=True, slots=True)
class Left:
    """A session without a channel.

    `token` names it, `nonce` is what the server wants signed next, `logins` are the logins it takes: kind,
    id, policy. `shown` is the fingerprint of the certificate with which it was made, the only one with which
    it can be taken up again; empty without security. `silent` says that its subscriptions told nothing.
    """

    token: str
    nonce: str
    logins: tuple[tuple[int, str, str], ...]
    server_certificate: str = ""
    shown: str = ""
    silent: bool = False

    @classmethod
    def of(cls, client: Client, *, shown: str) -> Self:
        """What it takes to go on with the session of a client."""
        # The library keeps these for its own way of reconnecting, which loses what comes meanwhile.
        nonce, logins = getattr(client, "_server_nonce"), getattr(client, "_policy_ids")  # noqa: B009
        return cls(
            client.uaclient.session.authentication_token.to_string(),
            _text(nonce),
            tuple(
                (int(each.TokenType), each.PolicyId or "", each.SecurityPolicyUri or "") for each in logins
            ),
            _text(client.security_policy.peer_certificate),
            shown,
        )

    def put_into(self, client: Client) -> list[ua.UserTokenPolicy]:
        """Make it the session of a client that has a channel; gives the logins it takes."""
        logins = [
            ua.UserTokenPolicy(PolicyId=id_, TokenType=ua.UserTokenType(kind), SecurityPolicyUri=uri or None)
            for kind, id_, uri in self.logins
        ]
        client.uaclient.session.restore_authentication_token(ua.NodeId.from_string(self.token))
        setattr(client, "_server_nonce", _bytes(self.nonce))  # noqa: B010 - as above
        setattr(client, "_policy_ids", logins)  # noqa: B010
        policy: Any = client.security_policy
        policy.peer_certificate = policy.peer_certificate or _bytes(self.server_certificate)
        return logins


def take_out(client: Client) -> None:
    """Make a client forget its session."""
    client.uaclient.session.reset_authentication_token()
    setattr(client, "_server_nonce", None)  # noqa: B010 - as above


class Shelf:
    """Where the session of one connection lies for the next life of this agent.

    `folder` has to be one that is not on a disk and nobody else reads, as systemd's run-time folder is: what
    lies there is as good as a login where nothing is secured. None: nowhere. A file that cannot be had is as
    good as none.
    """

    def __init__(self, folder: Path | None, *of: str) -> None:
        digest = hashlib.sha256("\n".join(of).encode()).hexdigest()[:16]
        self._file = None if folder is None else folder / f"opcua-{digest}.session"

    def take(self) -> Left | None:
        """What lies there, and no more does: it serves once."""
        if self._file is None:
            return None
        try:
            left = _left(json.loads(_read(self._file)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, ua.UaError):
            left = None
        self.clear()
        return left

    def put(self, left: Left) -> None:
        """Lay it there, for our user only."""
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        try:
            new.unlink(missing_ok=True)
            # One that lies there meanwhile is somebody else's, who could read it.
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(asdict(left), file)
            new.replace(self._file)
        except OSError as error:
            log.warning("session not kept for the next start", why=str(error))

    def clear(self) -> None:
        """Nothing lies there any more."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()


def _read(file: Path) -> bytes:
    """What is in a file of ours. Raises OSError, PermissionError for what is not ours or is no file."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as opened:
        facts = os.fstat(handle)
        if facts.st_uid != os.geteuid() or not stat.S_ISREG(facts.st_mode):
            raise PermissionError("not a file of ours")
        return opened.read(LONGEST_BYTES)


def _left(fields: Any) -> Left:  # noqa: ANN401 - whatever lies there
    """What it takes to go on. Raises whatever comes of fields that are none."""
    logins = tuple((int(kind), str(id_), str(uri)) for kind, id_, uri in fields["logins"])
    left = Left(**{**fields, "logins": logins})
    ua.NodeId.from_string(left.token)
    for kind, _, _ in logins:
        ua.UserTokenType(kind)
    for text in (left.nonce, left.server_certificate):
        base64.b64decode(text, validate=True)
    return left


def _text(given: bytes | None) -> str:
    return base64.b64encode(given or b"").decode()


def _bytes(text: str) -> bytes | None:
    return base64.b64decode(text) or None
