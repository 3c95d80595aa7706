"""What a server says of one node, without the objects that a library makes of it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

ARRAY = 0x80
"""Added to the kind of an array (OPC UA Part 6, 5.2.2.16)."""
STRUCTURE = ua.VariantType.ExtensionObject.value
REASON = 0x100
"""The kind of what is no value because of us; the value is the reason then."""
SEMANTICS, SHAPE = 0x4000, 0x8000
"""Bits of a status code: what the value means has changed, or what its type is (OPC UA Part 4, 7.39.1)."""
OVERFLOW = 0x480
"""Bits of a status code: the queue of this item overflowed in the server (OPC UA Part 4, 7.39.1)."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEYOND_NS = 2**63 - 1
"""Times before 1970 and beyond are none: OPC UA says so as 1601 or 9999 (Part 6, 5.2.2.5)."""


class Body(NamedTuple):
    """A structure as it was sent: the node that says how it is encoded, and its bytes, None in XML."""

    encoding: ua.NodeId
    data: bytes | None


class Answer(NamedTuple):
    """A value of a node, its kind, its status code and its times.

    `kind` is the number of the variant's type, 0 where there is no value. `value` is as asyncua has it, but
    of structures a Body. Times in ns UTC, None where there is none.
    """

    kind: int
    value: Any
    status: int = 0
    source_ns: int | None = None
    server_ns: int | None = None

    @property
    def overflowed(self) -> bool:
        """Whether the server dropped samples of this item before this one."""
        return self.status & OVERFLOW == OVERFLOW


def answer_of(data: ua.DataValue) -> Answer:
    """The answer in an object of the library."""
    status = data.StatusCode
    return of_variant(data.Value)._replace(
        status=0 if status is None else status.value,
        source_ns=ns_of(data.SourceTimestamp),
        server_ns=ns_of(data.ServerTimestamp),
    )


def of_variant(variant: ua.Variant | None) -> Answer:
    """A value without more, as in the fields of an event."""
    if variant is None or variant.VariantType is None:
        return Answer(0, None)
    kind, value = variant.VariantType.value, variant.Value
    return Answer(kind | (ARRAY if variant.is_array else 0), _bodies(value) if kind == STRUCTURE else value)


def _bodies(value: Any) -> Any:  # noqa: ANN401 - structures of the library, or lists of them
    if isinstance(value, list):
        return [_bodies(each) for each in value]
    if value is None or isinstance(value, Body):
        return value
    if not isinstance(value, ua.ExtensionObject):
        # One of the standard, which the library has taken apart.
        known = ua.typeid_by_extension_objects
        encoding = next((known[each] for each in type(value).__mro__ if each in known), ua.NodeId())
        return Body(plain_id(encoding), struct_to_binary(value))
    return None if value.TypeId.is_null() else Body(plain_id(value.TypeId), value.Body)


def plain_id(node: ua.NodeId) -> ua.NodeId:
    """A node id that is the same for all ways to encode it."""
    return ua.NodeId(node.Identifier, node.NamespaceIndex)


def ns_of(time: datetime | None) -> int | None:
    """UTC in ns, to the microsecond as the library has it; None for what is no time."""
    if time is None:
        return None
    past = time - EPOCH
    ns = ((past.days * 86400 + past.seconds) * 1_000_000 + past.microseconds) * 1000
    return ns if 0 <= ns <= BEYOND_NS else None
