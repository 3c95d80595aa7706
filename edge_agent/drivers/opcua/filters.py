"""Deadbands of a subscription: the server's filter where a profile trusts it, else our own.

A server compares with the last value that it queued. That is the last one reported as soon as every value
that it tells is: so ours is off for what it filters until its first value has come, and from then on both say
the same. Ours stays on for servers that take a filter and do not apply it.
"""

from collections.abc import Iterable, Sequence

from asyncua import ua

from edge_agent.config.settings import Tag
from edge_agent.drivers.opcua.columns import Columns
from edge_agent.drivers.opcua.meanings import Meanings

REFUSED = frozenset(
    {
        "BadFilterNotAllowed",
        "BadMonitoredItemFilterInvalid",
        "BadMonitoredItemFilterUnsupported",
        "BadDeadbandFilterInvalid",
    }
)
"""What a server says to a filter that it does not take (OPC UA Part 4, 5.13.2.4)."""


class Filters:
    """Of the items of one group; handles are positions among what is asked for.

    `waits` says that values are waited for which the server has not told yet.
    """

    def __init__(self, tags: Sequence[Tag], columns: Columns, meanings: Meanings, *, allowed: bool) -> None:
        self._tags = tags
        self._columns = columns
        self._meanings = meanings
        self._allowed = allowed
        self._refused: set[int] = set()
        self._unheard: set[int] = set()

    @property
    def waits(self) -> bool:
        """Whether some items have not told their first value."""
        return bool(self._unheard)

    def filter_of(self, handle: int) -> ua.DataChangeFilter | None:
        """The filter to ask for; None for an item that needs none, or whose filter was refused."""
        asked = self._columns.asked[handle]
        if not self._allowed or handle in self._refused or asked.structure:
            return None
        tag = self._tags[asked.columns[0]]
        if tag.percent and asked.columns[0] in self._meanings.ranges:
            return _filter(ua.DeadbandType.Percent, tag.percent)
        return _filter(ua.DeadbandType.Absolute, tag.deadband) if tag.deadband else None

    def made(self, handle: int) -> None:
        """An item is there, with its filter."""
        if self.filter_of(handle) is not None:
            self._unheard.add(handle)
            self.thin()

    def refused(self, handle: int, reason: str) -> bool:
        """Whether an item was refused for its filter, and may be made without it."""
        if reason not in REFUSED or self.filter_of(handle) is None:
            return False
        self._refused.add(handle)
        return True

    def heard(self, handles: Iterable[int]) -> None:
        """Items have told a value."""
        self._unheard -= set(handles)
        if not self._unheard:
            self.thin()

    def thin(self) -> None:
        """Have columns reported by what is to be done here."""
        off = dict.fromkeys((self._columns.asked[i].columns[0] for i in self._unheard), 0.0)
        self._columns.thin({**self._meanings.deadbands, **off})

    def begin(self) -> None:
        """A subscription is made anew: nothing of it has been heard."""
        self._unheard = set()
        self.thin()

    def taken_over(self) -> None:
        """A subscription goes on that compares with values which nobody knows any more."""
        self._unheard = {i for i in range(len(self._columns.asked)) if self.filter_of(i) is not None}
        self.thin()


def _filter(kind: ua.DeadbandType, value: float) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(
        Trigger=ua.DataChangeTrigger.StatusValue, DeadbandType=ua.UInt32(kind), DeadbandValue=value
    )
