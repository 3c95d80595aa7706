"""Where a connection leads and what is not spoken there: for those who run, without how it is configured."""

import ipaddress
from collections.abc import Mapping

BROKEN: Mapping[str, str] = {
    "Basic256": "it relies on SHA-1 and has been withdrawn (OPC UA 1.04)",
    "Basic128Rsa15": "it relies on SHA-1 and on RSA 1.5, and has been withdrawn (OPC UA 1.04)",
}
"""Policies that servers may still offer, and why they are not used."""


def host_of(url: str) -> str:
    """The host of an endpoint."""
    place = url.removeprefix("opc.tcp://").partition("/")[0]
    return place.rpartition(":")[0].strip("[]")


def loopback(url: str) -> bool:
    """Whether an endpoint is on this machine, so that nobody listens on the way."""
    host = host_of(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
