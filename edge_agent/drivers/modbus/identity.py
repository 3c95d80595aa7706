"""Reading a device's identification: function 43, MEI type 14 (Modbus Application Protocol 1.1b3, 6.21)."""

from collections.abc import Iterator

from edge_agent.drivers.identity import named

FUNCTION = 43
REQUEST = bytes((FUNCTION, 14, 1, 0))
"""The basic objects, from the first: vendor's name, product's code, revision."""

_BASIC = range(3)
_HEAD = 7  # function, MEI type, kind of access, conformity, more follows, next object, number of objects


def identity(pdu: bytes) -> str:
    """What an answer to `REQUEST` says, in words; empty when it says nothing that can be read."""
    found = dict(_objects(pdu))
    return named(found.get(number, b"").decode("utf-8", "replace") for number in _BASIC)


def _objects(pdu: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects of an answer that are there in full."""
    at = _HEAD
    while at + 2 <= len(pdu) and at + 2 + pdu[at + 1] <= len(pdu):
        behind = at + 2 + pdu[at + 1]
        yield pdu[at], pdu[at + 2 : behind]
        at = behind
