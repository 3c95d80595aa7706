"""Read one group of a device for ever: when it is due, once, and hand over what came."""

import asyncio
from dataclasses import dataclass, field, replace

from edge_agent.core.cadence import Cadence
from edge_agent.core.counters import Counters
from edge_agent.core.model import Scan, Schema
from edge_agent.errors import DeviceError
from edge_agent.flow.health import Health, trouble, unanswered
from edge_agent.flow.intake import Intake
from edge_agent.ports import Clock, Poller


@dataclass(frozen=True, slots=True)
class Polling:
    """What polling one group takes. `life` is the buffer id that its losses belong to.

    `counters` are judged here and not by the device: what a person reads in between is no reading of theirs.
    """

    poller: Poller
    schema: Schema
    cadence: Cadence
    intake: Intake
    health: Health
    clock: Clock
    life: str
    counters: Counters = field(default_factory=lambda: Counters(()))


async def poll(polling: Polling) -> None:
    """Poll until cancelled.

    A device that does not answer is bad quality; a due time it cost us otherwise is a gap.
    """
    loop = asyncio.get_running_loop()
    last_ns: int | None = None
    while True:
        due, missed = polling.cadence.next(loop.time())
        await asyncio.sleep(due - loop.time())
        began_ns = polling.clock()
        scan, answered = await _read(polling, began_ns)
        polling.health.refuse(polling.poller.refused)
        if missed and answered and last_ns is not None:
            polling.intake.overrun(polling.life, last_ns, scan.time_ns, missed)
        # A reading that had to wait has the time of its answer; the due times it cost lie before that.
        last_ns = min(began_ns, scan.time_ns) if answered else None


async def _read(polling: Polling, began_ns: int) -> tuple[Scan, bool]:
    schema = polling.schema
    try:
        scan = await polling.poller.read(schema.group)
    except DeviceError as error:
        came_back = polling.health.note(schema.group, "down", str(error))
        # Unknown since it was asked, not since the last repetition was given up.
        scan = unanswered(schema, error, began_ns)
        polling.intake.take(scan, came_back=came_back)
        return scan, False
    if polling.counters:
        now_s = asyncio.get_running_loop().time()
        scan = replace(scan, quality=polling.counters.judged(scan.values, scan.quality, now_s))
    worst = trouble(scan.quality or ())
    came_back = polling.health.note(schema.group, "failing" if worst else "ok", worst)
    polling.intake.take(scan, came_back=came_back)
    return scan, True
