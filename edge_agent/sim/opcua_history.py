"""The past of a simulated server, computed: what its tags held at every tick of the last ten minutes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from asyncua import ua

KEPT_NS = 600_000_000_000
"""How far back the past can be read, in ns."""
PAGE = 1000
"""Values of one node that come in one answer at most."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_1601 = datetime(1601, 1, 1, tzinfo=UTC)  # how a time that nobody has given arrives


@dataclass(frozen=True, slots=True)
class Past:
    """What can be read: every node by its id with its value at a tick, ticks counted since 1970.

    `tick_ns` is how long a tick lasts, `now_ns` the present, and `ahead_ns` how far the times that clients
    give and get are ahead of it. At most `page` values of a node come in one answer. Without `there` nothing
    has been kept.
    """

    nodes: Mapping[ua.NodeId, Callable[[int], ua.DataValue]]
    tick_ns: int
    now_ns: int
    ahead_ns: int = 0
    page: int = PAGE
    there: bool = True

    def read(self, asked: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """The answer to a request for raw values, one result a node."""
        details = asked.HistoryReadDetails
        if asked.ReleaseContinuationPoints:
            return [ua.HistoryReadResult() for _ in asked.NodesToRead]
        if not isinstance(details, ua.ReadRawModifiedDetails) or details.IsReadModified:
            return [_refused(ua.StatusCodes.BadHistoryOperationUnsupported) for _ in asked.NodesToRead]
        return [self._of_node(details, node) for node in asked.NodesToRead]

    def _of_node(
        self, details: ua.ReadRawModifiedDetails, node: ua.HistoryReadValueId
    ) -> ua.HistoryReadResult:
        value = self.nodes.get(node.NodeId)
        ticks, bounded = self._ticks(details)
        if value is None:
            return _refused(ua.StatusCodes.BadNodeIdUnknown)
        if not self.there:
            return _refused(ua.StatusCodes.BadHistoryOperationUnsupported)
        if ticks is None:
            return _refused(ua.StatusCodes.BadHistoryOperationInvalid)
        if node.ContinuationPoint:
            try:
                ticks = range(int(node.ContinuationPoint), ticks.stop, ticks.step)
            except ValueError:
                return _refused(ua.StatusCodes.BadContinuationPointInvalid)
        most = min(details.NumValuesPerNode or self.page, self.page)
        result = ua.HistoryReadResult()
        result.HistoryData = ua.HistoryData(DataValues=[value(tick) for tick in ticks[:most]])
        if not ticks:
            result.StatusCode = ua.StatusCode(ua.UInt32(ua.StatusCodes.GoodNoData))
        if len(ticks) > most and (bounded or most < (details.NumValuesPerNode or most + 1)):
            result.ContinuationPoint = str(ticks[most]).encode()
        return result

    def _ticks(self, details: ua.ReadRawModifiedDetails) -> tuple[range | None, bool]:
        """The ticks from one time to before the other, in their order; whether both were given.

        With ReturnBounds also the next ones outside. Without a start backwards from the end. None without
        any time.
        """
        start_ns, end_ns = self._time_ns(details.StartTime), self._time_ns(details.EndTime)
        first, last = _up(self.now_ns - KEPT_NS, self.tick_ns), self.now_ns // self.tick_ns
        wider = int(bool(details.ReturnBounds))
        if start_ns is None and end_ns is None:
            return None, False
        if start_ns is None:
            return range(min(last, (end_ns or 0) // self.tick_ns), first - 1, -1), False
        if end_ns is None:
            return range(max(first, _up(start_ns, self.tick_ns)), last + 1), False
        if end_ns < start_ns:
            high = (_up if wider else _down)(start_ns, self.tick_ns)
            low = _down(end_ns, self.tick_ns) + 1 - wider
            return range(min(last, high), max(first, low) - 1, -1), True
        low = (_down if wider else _up)(start_ns, self.tick_ns)
        high = _up(end_ns, self.tick_ns) - 1 + wider
        return range(max(first, low), min(last, high) + 1), True

    def _time_ns(self, time: datetime | None) -> int | None:
        """A time of a client as the simulator has it; None for one that is not given."""
        if time is None or time.replace(tzinfo=UTC) <= EPOCH_1601:
            return None
        return round((time.replace(tzinfo=UTC) - EPOCH).total_seconds() * 1e6) * 1000 - self.ahead_ns


def _up(time_ns: int, tick_ns: int) -> int:
    return -(-time_ns // tick_ns)


def _down(time_ns: int, tick_ns: int) -> int:
    return time_ns // tick_ns


def _refused(code: int) -> ua.HistoryReadResult:
    result = ua.HistoryReadResult()
    result.StatusCode = ua.StatusCode(ua.UInt32(code))
    return result
