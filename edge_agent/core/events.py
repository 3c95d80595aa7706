"""What an event source of a profile is, what its records look like, and what of them is reported: all."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.core.model import Column, Scan, bad
from edge_agent.core.nodes import STORES, BuiltIn, Spot, Step

OF_ALL = (
    Column("id", "s"),
    Column("type", "s"),
    Column("severity", "H"),
    Column("source", "s"),
    Column("message", "s"),
)
"""The first columns of every event; those of its source's own fields follow."""

ABSENT = bad("absent")
"""The quality of a field that an event does not have: it is left out, and nothing is wrong with it."""

SERVER = Spot("", "i=2253")
"""The Server object, which hands on the events of all its address space (OPC UA Part 5, 6.3.3)."""


@dataclass(frozen=True, slots=True)
class EventField:
    """A field of events: `path` are the browse names that lead to it.

    Without a path it is the node of the condition itself. `owner` is the type of events that has it, in
    namespace 0.
    """

    name: str
    path: tuple[Step, ...]
    type: BuiltIn
    owner: str = "i=2041"

    @property
    def column(self) -> Column:
        """Its column in a record."""
        return Column(self.name, STORES.get(self.type, "s"))


@dataclass(frozen=True, slots=True)
class EventSource:
    """Which events of a server are wanted, and what of them beside what all have.

    Those of one of `types` (any, when there is none) or a type below it, from `severity` (1 to 1000) on
    (0: also those of servers that say 0), that `node` tells.
    """

    node: Spot = SERVER
    types: tuple[Spot, ...] = ()
    severity: int = 0
    fields: tuple[EventField, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of its records."""
        return (*OF_ALL, *(field.column for field in self.fields))


def _standard(name: str, path: str, type_: BuiltIn, owner: str) -> EventField:
    return EventField(name, tuple(Step("", each) for each in path.split("/") if each), type_, owner)


CONDITION = (
    _standard("condition_id", "", "NodeId", "i=2782"),
    _standard("condition_name", "ConditionName", "String", "i=2782"),
    _standard("branch_id", "BranchId", "NodeId", "i=2782"),
    _standard("active", "ActiveState/Id", "Boolean", "i=2915"),
    _standard("acked", "AckedState/Id", "Boolean", "i=2881"),
    _standard("retain", "Retain", "Boolean", "i=2782"),
)
"""What tells one state of an alarm from another (OPC UA Part 9, 5.5.2, 5.7.2, 5.8.2)."""


class Everything:
    """What is reported of an event stream: each event, once, as it came. It has no state to be repeated."""

    quality: Sequence[str] = ()

    def renew(self) -> None:
        """Nothing is told again: what holds is refreshed by its source."""

    def report(self, scan: Scan) -> Scan:
        """The event."""
        return scan

    def confirm(self, now_ns: int) -> Scan | None:
        """Nothing: the source lives, and no event says so."""
        del now_ns
        return None
