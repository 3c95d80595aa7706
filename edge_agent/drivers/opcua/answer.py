"""What a server says of one node, without the objects that a library makes of it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from asyncua import ua

ARRAY = 0x80
"""Added to the kind of an array (OPC UA Part 6, 5.2.2.16)."""
OVERFLOW = 0x480
"""Bits of a status code: the queue of this item overflowed in the server (OPC UA Part 4, 7.39.1)."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEYOND_NS = 2**63 - 1
"""Times before 1970 and beyond are none: OPC UA says so as 1601 or 9999 (Part 6, 5.2.2.5)."""


class Answer(NamedTuple):
    """A value of a node, its kind, its status code and its times.

    `kind` is the number of the variant's type, 0 where there is no value. `value` is as asyncua has it. Times
    in ns UTC, None where there is none.
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
    return Answer(variant.VariantType.value | (ARRAY if variant.is_array else 0), variant.Value)


def ns_of(time: datetime | None) -> int | None:
    """UTC in ns, to the microsecond as the library has it; None for what is no time."""
    if time is None:
        return None
    past = time - EPOCH
    ns = ((past.days * 86400 + past.seconds) * 1_000_000 + past.microseconds) * 1000
    return ns if 0 <= ns <= BEYOND_NS else None
