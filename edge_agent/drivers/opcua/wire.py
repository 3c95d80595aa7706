"""One connection to a server, shared by the devices behind it: one session, opened again when it is lost."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from edge_agent.config.settings import OpcUaConnection
from edge_agent.drivers.gate import Gate
from edge_agent.drivers.opcua.left import Shelf
from edge_agent.drivers.opcua.opening import Way, opened
from edge_agent.drivers.opcua.server_clock import ServerClock
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.watch import Watch
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock

LAST_WAIT_S = 2.0
"""For a session that is just being opened, when nobody wants it any more."""


class SessionWire:
    """The session of a connection. `uniform(a, b)` gives a random number in [a, b], `clock` UTC in ns.

    A session whose link is lost is taken up again on the next one; so is what an earlier life of the agent
    has left on the `shelf`.
    """

    def __init__(
        self,
        connection: OpcUaConnection,
        *,
        uniform: Callable[[float, float], float],
        clock: Clock = time.time_ns,
        shelf: Shelf | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._watch = Watch(connection.name, clock)
        self._gate = Gate(connection.name, uniform)
        self._opening: asyncio.Task[Session] | None = None
        self._shelf = shelf or Shelf(None)
        self._server_clock = ServerClock(connection.name, clock)
        self._way: Way | None = None
        self._session: Session | None = None
        self._opened = 0
        self._told: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    async def session(self) -> Session:
        """The live session, opened if there is none.

        Raises DeviceError; at once while the next attempt to connect has to wait.
        """
        if self._session is not None and self._session.open:
            return self._session
        if self._opening is None or self._opening.done():
            self._opening = asyncio.get_running_loop().create_task(self._open(), name="opcua opening")
            self._opening.add_done_callback(_had)
        # Whoever waits may give up; half an opening would leave a session at the server.
        return await asyncio.shield(self._opening)

    async def _open(self) -> Session:
        held_s = await self._let_go()
        self._gate.check()
        way = self._way = self._way or Way(self._server_clock, self._shelf.take())
        try:
            session, secured = await opened(self._connection, self._clock, way)
        except DeviceError as error:
            self._gate.failed(error, held_s)
            self._failures[error.reason] += 1
            raise
        self._session = session
        self._opened += 1
        if (left := session.left) is not None:
            self._shelf.put(left)
        self._gate.opened(held_s)
        self._watch.opened(secured)
        if secured is not None:
            session.start(self._watch.repeat())
        return session

    async def open(self) -> None:
        """Connect if need be, however long the next attempt would have to wait. Raises DeviceError."""
        self._gate.open()
        await self.session()

    @property
    def clock_offset_s(self) -> float | None:
        """How far the server's clock is ahead of ours; None while it has not said what time it is."""
        return self._server_clock.offset_s

    def statistics(self) -> dict[str, object]:
        """Sessions so far, why some could not be had, what the present one has under way; certificates."""
        live = self._session if self._session is not None and self._session.open else None
        told = Counter() if live is None else live.told
        return {
            "certificates": self._watch.document(),
            "clock_offset_s": self.clock_offset_s,
            "connected": live is not None,
            "failures": dict(sorted(self._failures.items())),
            "opened": self._opened,
            "subscription_events": dict(sorted((self._told + told).items())),
            "subscriptions": 0 if live is None else live.subscriptions,
            "unstored": 0 if live is None else live.unstored,
            "why": self._gate.why,
        }

    async def close(self) -> None:
        """End the session in order, also one that is just being opened."""
        if self._opening is not None and not self._opening.done():
            if self._way is not None and self._way.is_made:
                await asyncio.wait([self._opening], timeout=LAST_WAIT_S)
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self._let_go()
        self._shelf.clear()

    async def _let_go(self) -> float:
        """Close what is left of a session; gives how long it had held, in seconds."""
        before, self._session = self._session, None
        if before is None:
            return 0.0
        if self._way is not None and not before.open:
            self._way.left = before.left
        await before.close()
        self._told += before.told
        return asyncio.get_running_loop().time() - before.began_at


def _had(opening: "asyncio.Task[Session]") -> None:
    # Who waited for it may have gone.
    if not opening.cancelled():
        opening.exception()


@asynccontextmanager
async def connect(connection: OpcUaConnection, runtime: Path | None = None) -> AsyncIterator[SessionWire]:
    """The wire of a connection for as long as its devices are in use; its session opens when it is needed."""
    secured = "" if connection.security is None else connection.security.policy
    shelf = Shelf(runtime, connection.name, connection.endpoint, secured, repr(connection.login))
    wire = SessionWire(connection, uniform=random.uniform, shelf=shelf)
    try:
        yield wire
    finally:
        await wire.close()
