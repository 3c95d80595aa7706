"""One line to a simulated Modbus PLC: a connection, a serial port, or the datagrams of one client."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from edge_agent.sim.framing import Frame
from edge_agent.sim.spoil import Sending

WAITING = 64  # answers that may be late on one line; with more, no further request is read


class Answering(Protocol):
    """What a line needs of the PLC."""

    def respond(self, request: Frame) -> Sending | None:
        """The answer to a request; None for none."""
        ...

    async def linger(self, unit: int, late_s: float) -> None:
        """Come back after so many seconds, or when the answers of the unit are late no more."""
        ...


class Line:
    """Lets answers out. A unit answers one request after the other; units do not wait for each other.

    `send` takes the bytes of an answer, or of a piece of one; `reset` ends the line in the middle of one.
    """

    def __init__(self, plc: Answering, send: Callable[[bytes], None], reset: Callable[[], None]) -> None:
        self._plc = plc
        self._send = send
        self._reset = reset
        self._waiting: dict[int, deque[Sending]] = {}
        self._units: set[asyncio.Task[None]] = set()
        self._whole = asyncio.Lock()  # no answer begins in the middle of another
        self._left = asyncio.Event()

    def take(self, request: Frame) -> None:
        """Answer a request, now or later."""
        sending = self._plc.respond(request)
        if sending is None:
            return
        waiting = self._waiting.get(request.unit)
        if waiting is not None:
            waiting.append(sending)
        elif sending.plain and not self._whole.locked():
            self._send(sending.pieces[0])
        else:
            self._waiting[request.unit] = deque([sending])
            task = asyncio.get_running_loop().create_task(self._let_out(request.unit))
            self._units.add(task)
            task.add_done_callback(self._ended)

    @property
    def full(self) -> bool:
        """Whether no further request should be read."""
        return sum(map(len, self._waiting.values())) >= WAITING

    @property
    def idle(self) -> bool:
        """Whether nothing is left to send."""
        return not self._units

    async def room(self) -> None:
        """Come back when a further request may be read."""
        while self.full:
            self._left.clear()
            await self._left.wait()

    async def close(self) -> None:
        """Forget what has not left. Raises what went wrong here."""
        units = tuple(self._units)
        for task in units:
            task.cancel()
        for outcome in await asyncio.gather(*units, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _let_out(self, unit: int) -> None:
        """Send what a unit has to say, in its order."""
        waiting = self._waiting[unit]
        try:
            while waiting:
                await self._send_one(unit, waiting[0])
                waiting.popleft()
                self._left.set()
        finally:
            del self._waiting[unit]

    async def _send_one(self, unit: int, sending: Sending) -> None:
        if sending.late_s:
            await self._plc.linger(unit, sending.late_s)
        async with self._whole:
            for at, piece in enumerate(sending.pieces):
                if at:
                    await asyncio.sleep(sending.pause_s)
                self._send(piece)
            if sending.reset:
                self._reset()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # One that failed stays, so that closing the line raises what went wrong in it.
        if task.cancelled() or task.exception() is None:
            self._units.discard(task)
