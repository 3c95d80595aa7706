"""Follow one group whose server tells the news: take it in, and say what is stored."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan, Schema
from edge_agent.errors import DeviceError
from edge_agent.flow.health import Health, trouble, unanswered
from edge_agent.flow.intake import Intake, Reports
from edge_agent.ports import Clock, News, Subscriber

RETRY_S = 1.0
"""Between two attempts; the driver decides which of them goes to the network."""
QUIET_NS = 60_000_000_000
"""A loss within a minute of one of the same kind is the same trouble.

A queue that is too short runs over at each publishing.
"""

log = structlog.get_logger("device")


class Follows(Reports, Protocol):
    """What is known of a stream whose source tells the news."""

    @property
    def quality(self) -> Sequence[str]:
        """The present quality of each column; nothing of events."""
        ...

    def confirm(self, now_ns: int) -> Scan | None:
        """The device lives and has no news: a full scan when one is due."""
        ...


@dataclass(slots=True)
class Following:
    """What following one group takes. `mark` is the last one stored, `life` what its losses belong to.

    `store_mark` makes a mark durable behind all that was stored before. `known_ns` is the time up to which
    the device has told everything, `lossy_ns` when something was lost last, by reason.
    """

    subscriber: Subscriber
    schema: Schema
    follower: Follows
    intake: Intake
    health: Health
    clock: Clock
    life: str
    store_mark: Callable[[Mark], Awaitable[None]]
    mark: Mark | None = None
    known_ns: int | None = None
    lossy_ns: dict[str, int] = field(default_factory=dict)


async def follow(following: Following) -> None:
    """Follow until cancelled.

    A server that does not answer is bad quality; what it had to say and could not keep is a gap.
    """
    if following.mark is not None:
        following.known_ns = following.mark.time_ns
    while True:
        try:
            async with aclosing(following.subscriber.changes(following.mark)) as changes:
                async for news in changes:
                    if news.filled:
                        _fill(following, news)
                    else:
                        _take(following, news)
        except DeviceError as error:
            following.health.note(following.schema.group, "down", str(error))
            if not following.schema.events:  # of events nothing is unknown but whether there are any
                following.intake.take(unanswered(following.schema, error, following.clock()))
        await asyncio.sleep(RETRY_S)


def _take(following: Following, news: News) -> None:
    intake, now_ns = following.intake, following.clock()
    if news.loss:
        start_ns, end_ns = _between(following.known_ns, news, now_ns)
        intake.lost(following.life, news.loss, start_ns, end_ns)
        _tell(following, news.loss, None if start_ns is None else end_ns - start_ns, now_ns)
    if news.complete:
        intake.renew()
    for scan in news.scans:
        intake.take(scan)
    if news.scans or following.schema.events:
        worst = news.refused or trouble(following.follower.quality)
        following.health.note(following.schema.group, "failing" if worst else "ok", worst)
    elif not news.loss:
        full = following.follower.confirm(now_ns)
        if full is not None:
            intake.store(full)
    following.known_ns = _known(following.known_ns, news, now_ns)
    if news.mark is not None:
        following.mark = news.mark
        stored = asyncio.ensure_future(following.store_mark(news.mark))
        stored.add_done_callback(partial(_stored, following.subscriber, news.mark))


def _tell(following: Following, reason: str, length_ns: int | None, now_ns: int) -> None:
    """One event for a loss, and none for those that follow it closely; the gaps name each."""
    before_ns, following.lossy_ns[reason] = following.lossy_ns.get(reason), now_ns
    if before_ns is None or now_ns - before_ns > QUIET_NS:
        device, group = following.schema.stream
        within_s = None if length_ns is None else round(length_ns / 1e9, 1)
        log.error("news lost", device=device, group=group, reason=reason, within_s=within_s)


def _known(before_ns: int | None, news: News, now_ns: int) -> int:
    """Up to when everything is known behind this news."""
    if news.known_ns is not None:
        return news.known_ns
    if news.complete or not (news.scans or news.loss):
        # The server may still hold samples from before it was read, or heard of, and lose them.
        return now_ns if before_ns is None else before_ns
    times = [scan.time_ns for scan in news.scans]
    return max(times, default=now_ns if news.until_ns is None else news.until_ns)


def _fill(following: Following, news: News) -> None:
    for scan in news.scans:
        following.intake.fill(scan)


def _between(known_ns: int | None, news: News, now_ns: int) -> tuple[int | None, int]:
    """From when to when something is lost; wider rather than none where the clocks do not agree."""
    until_ns = news.until_ns
    if until_ns is None:
        until_ns = min((scan.time_ns for scan in news.scans), default=now_ns)
    if known_ns is None:
        return None, until_ns
    return min(known_ns, until_ns), max(known_ns, until_ns)


def _stored(subscriber: Subscriber, mark: Mark, stored: "asyncio.Future[None]") -> None:
    # What could not be stored is named as lost by now: either way the server need not keep it.
    if not stored.cancelled():
        stored.exception()
        subscriber.stored(mark)
