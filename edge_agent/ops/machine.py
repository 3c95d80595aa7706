"""Who this machine is, so that a copied disk is noticed."""

import uuid
from pathlib import Path

PLACES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
MULTICAST = 1 << 40
"""The bit that uuid.getnode sets in an address it made up for want of a real one (RFC 9562, 6.10)."""


def machine_name() -> str:
    """A name of this machine that a copy of its disk on another machine does not have.

    Empty when there is none.
    """
    for place in PLACES:
        try:
            name = place.read_text().strip()
        except OSError:
            continue
        if name and name != "uninitialized":
            return name
    node = uuid.getnode()
    return "" if node & MULTICAST else f"{node:012x}"
