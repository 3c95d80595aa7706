"""Keep things running: the world's failures are waited out, our own are shown and started again.

The only place that catches every exception; everywhere else what we did not expect rises.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from edge_agent.core.backoff import Backoff
from edge_agent.errors import EdgeAgentError

log = structlog.get_logger("supervise")


async def supervise(name: str, run: Callable[[], Awaitable[None]], backoff: Backoff) -> None:
    """Run again and again until it returns by itself or is cancelled, with the waits of `backoff` between."""
    loop = asyncio.get_running_loop()
    failing = False
    while True:
        began = loop.time()
        try:
            await run()
        except EdgeAgentError as error:
            if not failing:
                log.warning("stopped, will be started again", what=name, why=str(error))
            failing = True
        except Exception:
            log.exception("bug: started again", what=name)
        else:
            return
        held_s = loop.time() - began
        failing = failing and held_s < backoff.stable_s
        await asyncio.sleep(backoff.after(held_s))
