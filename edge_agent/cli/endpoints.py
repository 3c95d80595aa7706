"""`edge-agent endpoints`: what an OPC UA server offers, and what to write to use the best of it."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.cli import asking
from edge_agent.cli.advice import unreached
from edge_agent.cli.codes import OK, UNREACHABLE, USAGE, Ended
from edge_agent.cli.table import table
from edge_agent.drivers.opcua.connection import endpoint
from edge_agent.drivers.opcua.place import BROKEN, host_of
from edge_agent.errors import DeviceError

if TYPE_CHECKING:
    from edge_agent.drivers.opcua.offers import Offer

WITHIN_S = 10.0
BEST = ("Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep")
"""Policies, the strongest first."""

REMARKS = {
    "open": "anyone on the way can read and change everything",
    "old": "withdrawn because it can be broken; the agent does not use it",
    "bare": "shows no certificate that can be read",
}
"""What a person should know of an endpoint; the words fit into 80 columns."""

EPILOG = """\
Nothing is trusted and nothing is sent but the question. The server is asked in
the clear, so anyone on the way may have changed the answer: compare the
fingerprint with the one that the server itself shows, in its own tool.

  edge-agent endpoints opc.tcp://10.3.7.12:4840

Then write the lines it gives into agent.yaml, and: edge-agent trust DEVICE

exit codes: 0 the server answered, 2 not an endpoint, 3 no answer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `endpoints`."""
    parser.add_argument("url", metavar="URL", help="opc.tcp://host:port; 4840 unless a port is written")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Ask once and print."""
    # The library is loaded when there is something to ask.
    from edge_agent.drivers.opcua.offers import offers  # noqa: PLC0415

    try:
        url = endpoint(args.url if "://" in args.url else f"opc.tcp://{args.url}")
    except ValueError as error:
        raise Ended(str(error), USAGE) from error
    try:
        offered = asking.quietly(offers(url, WITHIN_S))
    except DeviceError as error:
        raise Ended(unreached(url, error), UNREACHABLE) from error
    print(json.dumps(document(url, offered)) if args.json else "\n".join(lines(url, offered)))
    return OK


@dataclass(frozen=True, slots=True)
class Advice:
    """What to write: the keys below `opcua`, and why when it is not the best."""

    keys: tuple[str, ...]
    why: str = ""


def advised(url: str, offered: Sequence["Offer"]) -> Advice:
    """What to write for the safest endpoint that a server has."""
    usable = [each for each in offered if each.policy in BEST and each.certificate is not None]
    if not usable:
        weak = any(each.policy in BROKEN for each in offered)
        why = "it has policies only that are not used any more" if weak else "it offers no security"
        return Advice(_keys(url, "None", "none", ()), f"{why}: switch it on there; else, on purpose")
    # Encrypted before signed, then the strongest policy.
    best = min(usable, key=lambda each: (each.mode != "sign_and_encrypt", BEST.index(each.policy)))
    return Advice(_keys(url, best.policy, best.mode, best.logins))


def _keys(url: str, policy: str, mode: str, logins: Sequence[str]) -> tuple[str, ...]:
    keys = [f'endpoint: "{url}"', f"security: {{policy: {policy}, mode: {mode}}}"]
    if logins and "anonymous" not in logins:
        login = 'name: NAME, password: "${cred:NAME}"' if "password" in logins else "cert: FILE, key: FILE"
        keys.append(f"user: {{{login}}}")
    return tuple(keys)


def document(url: str, offered: Sequence["Offer"]) -> dict[str, object]:
    """What a server offers, as JSON has it; times in ms UTC."""
    advice = advised(url, offered)
    return {
        "endpoint": url,
        "application": offered[0].application,
        "application_uri": offered[0].application_uri,
        "endpoints": [
            {
                "url": each.url,
                "policy": each.policy,
                "mode": each.mode,
                "logins": each.logins,
                "certificate": None
                if each.certificate is None
                else {
                    "subject": each.certificate.subject,
                    "issuer": each.certificate.issuer,
                    "fingerprint": each.certificate.fingerprint,
                    "from": round(each.certificate.not_before_s * 1000),
                    "until": round(each.certificate.not_after_s * 1000),
                },
            }
            for each in offered
        ],
        "write": {"keys": advice.keys, "why": advice.why},
    }


def lines(url: str, offered: Sequence["Offer"]) -> Iterator[str]:
    """What a person is shown."""
    yield f"{offered[0].application or 'a server'} ({offered[0].application_uri})"
    certificates = list(dict.fromkeys(each.certificate for each in offered if each.certificate))
    for each in certificates:
        yield f"shows {each.subject}, valid {each.validity}"
        yield f"  {each.fingerprint}"
    yield ""
    yield from table(
        ("POLICY", "MODE", "LOGINS", ""),
        [(each.policy, each.mode, ", ".join(each.logins), _remark(each)) for each in offered],
    )
    yield from (f"  {each}: {REMARKS[each]}" for each in dict.fromkeys(map(_remark, offered)) if each)
    advice = advised(url, offered)
    yield ""
    yield f"{advice.why + ', ' if advice.why else ''}write into agent.yaml:"
    yield "connections:"
    yield f"  {_name(url)}:"
    yield "    opcua:"
    yield from (f"      {key}" for key in advice.keys)
    if not advice.why:
        yield f"then compare the fingerprint with the server's own, and: edge-agent trust {_name(url)}"


def _remark(offer: "Offer") -> str:
    if offer.policy in BROKEN:
        return "old"
    if offer.mode == "none":
        return "open"
    return "" if offer.certificate is not None else "bare"


def _name(url: str) -> str:
    """A name for the connection, to begin with: that of its host, or `plc` for an address."""
    host = host_of(url)
    return host if host[:1].isalpha() and host.replace("-", "").isalnum() and host != "localhost" else "plc"
