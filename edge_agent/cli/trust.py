"""`edge-agent trust`: have a person look at the certificate of a server, and keep it."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.cli import asking
from edge_agent.cli.advice import unreached
from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, USAGE, Ended
from edge_agent.cli.configured import add_config, gateway_of
from edge_agent.config.hints import hint
from edge_agent.config.settings import Gateway, OpcUaConnection, Security
from edge_agent.drivers.opcua.connection import REPLACE
from edge_agent.errors import DeviceError

if TYPE_CHECKING:
    from edge_agent.drivers.opcua.certificate import Certificate
    from edge_agent.drivers.opcua.offers import Offer

EPILOG = """\
The certificate that the server of a device shows is fetched and shown here.
Compare its fingerprint with the one that the server itself shows (its display,
its engineering tool), then say yes. It is kept in the agent's state folder; a
running agent uses it at its next attempt, half a minute later at most.

  edge-agent trust press-12
  edge-agent trust press-12 --fingerprint sha256:AB12...   only if it is this one
  edge-agent trust press-12 --yes                          without looking

exit codes: 0 it is trusted, 1 it is not, 2 no such device, or nothing to trust
            there, 3 no answer
"""

AGREE = "compare the fingerprint with the server's own, then add --fingerprint or --yes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `trust`."""
    parser.add_argument("device", metavar="DEVICE", help="a device, or a connection, of the configuration")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--yes", action="store_true", help="trust whatever the server shows now")
    given.add_argument("--fingerprint", metavar="sha256:...", help="trust it only if it has this one")
    add_config(parser, "the configuration that has the device")
    parser.add_argument("--json", action="store_true", help="one JSON object; asks nothing")
    parser.epilog = EPILOG


@dataclass(frozen=True, slots=True)
class _Found:
    """What a server shows for a connection, and what was trusted before."""

    connection: OpcUaConnection
    shown: "Certificate"
    before: "Certificate | None"

    @property
    def is_known(self) -> bool:
        return self.before == self.shown


def run(args: argparse.Namespace) -> int:
    """Fetch, show, ask, keep."""
    # The library is loaded when there is something to ask.
    from edge_agent.drivers.opcua.pki import Pki  # noqa: PLC0415

    connection, security = _connection(gateway_of(args.config), args.device)
    pin = _pin(args.fingerprint)
    pki = Pki(connection.home.pki)
    shown = _shown(connection, security)
    try:
        found = _Found(connection, shown, pki.trusted(connection.name))
        if not args.json:
            print("\n".join(_lines(found)))
        why = _against(found, pin)
        agreed = not why and (found.is_known or pin is not None or _agreed(args))
        file = pki.trust(connection.name, shown) if agreed else None
    except DeviceError as error:
        raise Ended(f"{error.detail}; type it as root, or as the agent's user", PROBLEM) from error
    if args.json:
        print(json.dumps(_document(found, file, why)))
    elif file is not None:
        print(f"trusted: {file}; a running agent connects within half a minute")
    if file is None:
        raise Ended(why or f"nothing was stored; {AGREE}", PROBLEM)
    return OK


def _connection(gateway: Gateway, name: str) -> tuple[OpcUaConnection, Security]:
    """The secured connection that is meant. Raises Ended where there is nothing to trust."""
    device = gateway.devices.get(name)
    meant = name if device is None else device.connection
    connection = gateway.connections.get(meant)
    if connection is None:
        raise Ended(f"there is no device '{name}'{hint(name, list(gateway.devices))}", USAGE)
    if not isinstance(connection, OpcUaConnection):
        raise Ended(f"{name} does not speak OPC UA: its connection '{meant}' shows no certificate", USAGE)
    security = connection.security
    if security is None:
        way_out = f"see edge-agent endpoints {connection.endpoint}"
        raise Ended(f"connection '{meant}' has policy: None, no certificate counts there; {way_out}", USAGE)
    if security.written:
        way_out = "write the file or fingerprint there, or take trust: out"
        raise Ended(f"connection '{meant}' says itself under trust: what counts; {way_out}", USAGE)
    return connection, security


def _pin(text: str | None) -> str | None:
    from edge_agent.drivers.opcua.certificate import pinned  # noqa: PLC0415 - as in run

    try:
        return None if text is None else pinned(text)
    except ValueError as error:
        raise Ended(str(error), USAGE) from error


def _shown(connection: OpcUaConnection, security: Security) -> "Certificate":
    """What the server shows at the endpoint that is configured. Raises Ended."""
    from edge_agent.drivers.opcua.offers import offers, unfit  # noqa: PLC0415 - as in run

    try:
        offered: Sequence[Offer] = asking.quietly(offers(connection.endpoint, connection.timeout_s))
    except DeviceError as error:
        raise Ended(unreached(connection.endpoint, error), UNREACHABLE) from error
    fitting = [each for each in offered if (each.policy, each.mode) == (security.policy, security.mode)]
    if not fitting:
        raise Ended(unfit(offered, security.policy, security.mode).detail, PROBLEM)
    for each in fitting:
        if each.certificate is not None:
            return each.certificate
    raise Ended("the server shows no certificate that can be read", PROBLEM)


def _against(found: _Found, pin: str | None) -> str:
    """Why it is not to be trusted; empty when nothing speaks against it."""
    from edge_agent.drivers.opcua.certificate import fault  # noqa: PLC0415 - as in run

    shown = found.shown
    if pin is not None and pin != shown.fingerprint:
        return f"the server shows {shown.fingerprint}, not {pin}; nothing was stored"
    why = fault(shown, {shown.fingerprint}, time.time())
    if why == "expired":
        return f"this certificate has ended, the agent would refuse it: {REPLACE}"
    if why == "weak":
        return "its key is too short, or not RSA, the agent would refuse it: make one of 2048 bits there"
    return ""


def _agreed(args: argparse.Namespace) -> bool:
    if args.yes or args.json:
        return bool(args.yes)
    if not sys.stdin.isatty():
        raise Ended(f"nobody is there to agree; {AGREE}", USAGE)
    answer = input("is this what the server itself shows? trust it? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def _lines(found: _Found) -> Iterator[str]:
    shown = found.shown
    issuer = "itself" if shown.issuer == shown.subject else shown.issuer
    yield f"{found.connection.endpoint} shows"
    yield f"  subject      {shown.subject}"
    yield f"  issued by    {issuer}"
    yield f"  valid        {shown.validity}"
    yield f"  application  {', '.join(shown.uris) or '-'}"
    yield f"  hosts        {', '.join(shown.hosts) or '-'}"
    yield f"  {shown.fingerprint}"
    if found.is_known:
        yield "it is trusted already"
    elif found.before is not None:
        yield "another one has been trusted so far:"
        yield f"  {found.before.subject}, valid {found.before.validity}"
        yield f"  {found.before.fingerprint}"


def _document(found: _Found, file: Path | None, why: str) -> dict[str, object]:
    shown = found.shown
    return {
        "connection": found.connection.name,
        "endpoint": found.connection.endpoint,
        "subject": shown.subject,
        "issuer": shown.issuer,
        "fingerprint": shown.fingerprint,
        "from": round(shown.not_before_s * 1000),
        "until": round(shown.not_after_s * 1000),
        "applications": shown.uris,
        "hosts": shown.hosts,
        "before": None if found.before is None else found.before.fingerprint,
        "trusted": file is not None,
        "file": None if file is None else str(file),
        "why": why,
    }
