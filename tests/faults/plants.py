"""The two servers that faults are tried on, with the same values and the same ways to fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from edge_agent.config.settings import Tag
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.signals import TICK_NS
from tests.peers import node_server
from tests.peers.node_plant import NodePlant

T = TypeVar("T")

SERVERS = ("simulator", "node-opcua")
"""asyncua's, mended, in this process; and another stack in a process of its own."""


class Plant(Protocol):
    """A server that fails on demand."""

    faults: Faults

    @property
    def endpoint(self) -> str:
        """The URL clients connect to."""
        ...

    async def switch(self, faults: Faults) -> None:
        """Fail like this from now on."""
        ...

    async def cut(self) -> None:
        """Cut every TCP connection."""
        ...

    async def restart(self) -> None:
        """Go and come back without sessions and subscriptions."""
        ...

    async def count(self) -> tuple[int, int]:
        """The sessions and subscriptions that there are."""
        ...

    async def stand(self) -> None:
        """Let all values stand still."""
        ...

    async def step(self) -> None:
        """Change all values once."""
        ...


class SimulatedPlant(OpcUaPlc):
    """The simulated PLC, whose clock can be stopped."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        super().__init__(tags, clock=self._time_ns)
        self._stands_ns: int | None = None

    async def count(self) -> tuple[int, int]:
        """The sessions and subscriptions that there are."""
        return self.sessions, self.subscriptions

    async def stand(self) -> None:
        """Let all values stand still, in the middle of a tick."""
        now = time.time_ns()
        self._stands_ns = now - now % self.tick_ns + self.tick_ns // 2
        await self.show()

    async def step(self) -> None:
        """Change all values once."""
        assert self._stands_ns is not None
        self._stands_ns += self.tick_ns
        await self.show()

    def _time_ns(self) -> int:
        return time.time_ns() if self._stands_ns is None else self._stands_ns


async def on_each(work: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """What work gives at each of the servers; at all of them at once, for what takes long."""
    results = await asyncio.gather(*(work(server) for server in SERVERS))
    return dict(zip(SERVERS, results, strict=True))


@asynccontextmanager
async def plant(
    server: str, tags: Sequence[Tag], folder: Path, *, tick_ns: int = TICK_NS, faults: Faults | None = None
) -> AsyncIterator[Plant]:
    """A server that shows these tags, with these faults from the start. `folder` takes a certificate.

    Without faults it is sound but for its past, which it does not keep.
    """
    made: SimulatedPlant | NodePlant
    if server == "simulator":
        made = SimulatedPlant(tags)
    else:
        why = node_server.missing()
        if why:
            pytest.skip(why)
        made = NodePlant(tags, folder)
    made.tick_ns = tick_ns
    made.faults = Faults(no_history=True) if faults is None else faults
    async with made:
        yield made
