"""What a server has recorded of the nodes of a group -> scans of the time in which nobody was told."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC

import structlog
from asyncua import ua

from edge_agent.core.model import Scan
from edge_agent.drivers.opcua.answer import Answer, answer_of
from edge_agent.drivers.opcua.columns import Columns
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.values import BAD, name
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock

VALUES_PER_CALL = 10_000
"""Values of all nodes that one answer may bring: 300 kB of numbers with their times."""
NODES_PER_CALL = 100
MOST_CALLS = 10_000
"""For one filling: a server that never comes to an end shall not be asked for ever."""

log = structlog.get_logger("opcua")


class Recorded:
    """What a server has recorded between two times (UTC in ns).

    `nodes` are what is asked for, by handle; `around` are the times of the samples that columns have had by
    another way, before and behind. `whole` says afterwards that nothing of it is missing, as far as can be
    told: that a history which was said to be there has what is known to lie in it. One that is written late,
    or not at all, has not.
    """

    def __init__(
        self,
        session: Session,
        nodes: Sequence[tuple[int, ua.NodeId]],
        columns: Columns,
        span: tuple[int, int],
        around: tuple[Mapping[int, int], Mapping[int, int]],
        clock: Clock,
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._columns = columns
        self._start_ns, self._end_ns = span
        self._clock = clock
        self._had, known = around
        self._known = {i: at for i, at in known.items() if self._start_ns < at <= self._end_ns}
        self._newest: dict[int, int] = {}
        self._calls = 0
        self.whole = False

    async def scans(self) -> AsyncGenerator[list[Scan], None]:
        """The scans of one answer after the other, each in the order of their times.

        Raises DeviceError when the session ends.
        """
        most = min(NODES_PER_CALL, self._session.bears.history.most)
        try:
            for at in range(0, len(self._nodes), most):
                async for scans in self._of(self._nodes[at : at + most]):
                    yield scans
        except DeviceError as error:
            if not self._session.open:
                raise
            log.warning("history refused", why=error.reason)
            return
        self.whole = all(self._newest.get(i, 0) >= at for i, at in self._known.items())

    async def _of(self, nodes: Sequence[tuple[int, ua.NodeId]]) -> AsyncGenerator[list[Scan], None]:
        details = ua.ReadRawModifiedDetails()
        details.IsReadModified = False
        # Wider by the rounding; what is outside is left out here.
        details.StartTime, details.EndTime = _utc(self._start_ns - 1000), _utc(self._end_ns + 1000)
        details.NumValuesPerNode = ua.Counter(max(100, VALUES_PER_CALL // len(nodes)))
        details.ReturnBounds = False
        waiting: list[tuple[int, ua.NodeId, bytes | None]] = [(i, node, None) for i, node in nodes]
        while waiting:
            self._calls += 1
            if self._calls > MOST_CALLS:
                raise DeviceError("wrong_answer", "a history without an end")
            parameters = ua.HistoryReadParameters()
            parameters.HistoryReadDetails = details
            parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
            parameters.ReleaseContinuationPoints = False
            parameters.NodesToRead = [
                ua.HistoryReadValueId(
                    NodeId=node, IndexRange=self._columns.asked[i].place.range or None, ContinuationPoint=more
                )
                for i, node, more in waiting
            ]
            results = await self._session.history(parameters)
            items: list[tuple[int, Answer]] = []
            for (i, _, _), result in zip(waiting, results, strict=True):
                if result.StatusCode.value >> 30 >= BAD:
                    raise DeviceError(name(result.StatusCode.value))
                data = result.HistoryData
                values = data.DataValues if isinstance(data, ua.HistoryData) else None
                items += [(i, answer_of(value)) for value in values or ()]
            yield self._scans(items)
            waiting = [
                (i, node, result.ContinuationPoint)
                for (i, node, _), result in zip(waiting, results, strict=True)
                if result.ContinuationPoint
            ]

    def _scans(self, items: Sequence[tuple[int, Answer]]) -> list[Scan]:
        """Samples of one time in one scan; what is recorded without a time says nothing."""
        now_ns = self._clock()
        by_time: dict[int, list[tuple[int, Answer]]] = {}
        for i, answer in items:
            time_ns, of = answer.source_ns, self._columns.asked[i].columns
            if time_ns is None or not self._start_ns <= time_ns <= self._end_ns:
                continue
            for column in of:
                self._newest[column] = max(time_ns, self._newest.get(column, 0))
            # Where it is not known what was told, once more is better than not at all.
            if any(time_ns > self._had.get(column, 0) for column in of):
                by_time.setdefault(time_ns, []).append((i, answer))
        return [
            replace(scan, filled=True)
            for time_ns in sorted(by_time)
            for scan in self._columns.news(by_time[time_ns], now_ns)
        ]


def _utc(time_ns: int) -> ua.DateTime:
    return ua.DateTime.fromtimestamp(time_ns / 1e9, UTC).replace(tzinfo=None)
