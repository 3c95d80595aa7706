"""Ask a device what it is: once when it has first answered, and whenever it is back after being down."""

import asyncio

from edge_agent.core.claims import Identified
from edge_agent.flow.health import Health
from edge_agent.ports import Identifying

LONGEST_S = 60.0
"""For all of it, behind every poll. A wire that has no spare moment for so long is left alone."""


async def identify(device: Identifying, health: Health) -> None:
    """Enter what a device says into its health, until cancelled."""
    while True:
        await health.appeared()
        health.identify(await _told(device))


async def _told(device: Identifying) -> Identified:
    try:
        async with asyncio.timeout(LONGEST_S):
            return await device.identify(claimed=True)
    except TimeoutError:
        return Identified()
