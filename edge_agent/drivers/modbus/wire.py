"""One connection shared by the devices behind it: who may ask when, and when it is opened again."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog

from edge_agent.config.settings import ModbusConnection
from edge_agent.core.breaker import Breaker, Share
from edge_agent.drivers.gate import Gate
from edge_agent.drivers.modbus.client import ModbusClient, Question
from edge_agent.drivers.modbus.requests import on_line_s
from edge_agent.drivers.modbus.statistics import Statistics
from edge_agent.drivers.modbus.turns import Turns, Urgency
from edge_agent.errors import DeviceError

BUSY = ("exception:5", "exception:6")
"""The unit took the request and needs time, or is busy: it is asked again after a pause."""
BUSY_PAUSES_S = (0.1, 0.2, 0.4)
MISSED = ("timeout", "exception:10", "exception:11")
"""Nothing came of the unit; for the last two a gateway says so."""
UNSURE = ("timeout", "short_answer", "wrong_answer")
"""What a disturbed line makes of a request or of its answer."""

PATIENCE_S = 5.0
"""How long a probe waits for a gap between polls that is long enough for it."""
GONE_S = 1.0
"""A poll that is overdue by so much is not expected any more: its device has been removed."""
FADE = 0.999
"""By how much the slowest answer is forgotten with each one: a thousand later it counts a third."""

log = structlog.get_logger("connection")


@dataclass(frozen=True, slots=True)
class Pace:
    """How a device is asked: how long its answer may take, and the pause before it is asked."""

    timeout_s: float
    turnaround_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came, when its request went out and when it came in (time of the loop, s)."""

    data: bytes
    sent: float
    received: float


class NotSent(DeviceError):  # noqa: N818 - as the other failures of ours are named
    """The request did not go out: there is no connection, or it was somebody else's for too long."""


class HungUp(DeviceError):  # noqa: N818 - the same
    """The connection ended while a unit was being asked: perhaps because it is silent."""


class Wire:
    """One request at a time (`max_in_flight` of them), commands before polls before probes.

    A connection that was closed is opened again by the next request. A unit that is silent is left alone but
    for probes, so that it costs the others little. `uniform(a, b)` gives a random number in [a, b].
    """

    def __init__(self, connection: ModbusConnection, *, uniform: Callable[[float, float], float]) -> None:
        self.statistics = Statistics()
        self.connection = connection
        self._uniform = uniform
        self._client = ModbusClient(connection, self._late)
        self._turns = Turns(connection.max_in_flight)
        self._opening = asyncio.Lock()
        self._commands = asyncio.Lock()
        self._gate = Gate(connection.name, uniform)
        self._breakers: dict[int, Breaker] = {}
        self._share = Share()
        self._expected: dict[tuple[int, str], float] = {}
        self._slowest_s = math.inf
        self._last_end = -math.inf
        self._ended = False

    @property
    def why(self) -> str:
        """Why the connection cannot be opened; empty when it can."""
        return self._gate.why

    @property
    def connected(self) -> bool:
        """There is a connection just now."""
        return self._client.connected

    @property
    def breakers(self) -> Mapping[int, Breaker]:
        """The state of every unit that was asked for."""
        return self._breakers

    def pace(self, timeout_s: float | None, turnaround_s: float | None) -> Pace:
        """How a device is asked that has its own timeout or turnaround, or None for those of the wire."""
        own = self.connection
        return Pace(
            own.timeout_s if timeout_s is None else timeout_s,
            own.turnaround_s if turnaround_s is None else turnaround_s,
        )

    async def open(self) -> None:
        """Connect if need be, now, however long the next attempt would have to wait. Raises DeviceError.

        Silent units may be asked again at once: whoever calls has perhaps just switched one on.
        """
        self._renew()
        self._share.renew()
        await self._turns.take(Urgency.COMMAND)
        try:
            async with self._opening:
                if not self._client.connected:
                    self._gate.open()
                    await self._open()
        finally:
            self._turns.give_back()

    def expect(self, unit: int, group: str, within_s: float) -> None:
        """A group is read now, and will be again after this time: no probe shall be under way then."""
        self._expected[unit, group] = asyncio.get_running_loop().time() + within_s

    async def ask(self, unit: int, question: Question, pace: Pace, urgency: Urgency = Urgency.POLL) -> Answer:
        """Ask a unit.

        Raises DeviceError; `disconnected` at once while the next attempt to connect has to wait, `unit_open`
        while the unit is left alone.
        """
        breaker = self._breaker(unit)
        if breaker.open and urgency is not Urgency.COMMAND:
            return await self._probe(unit, question, pace)
        tries = 0
        while True:
            try:
                answer = await self._transact(unit, question, pace, urgency)
            except DeviceError as error:
                pause_s = self._pause(error, tries, breaker) if urgency is Urgency.POLL else None
                if pause_s is None:
                    if urgency is not Urgency.PROBE:  # what is asked by the way says nothing of the polls
                        self._note(unit, error)
                    raise
                await asyncio.sleep(pause_s)
                tries += 1
            else:
                self._answered(unit)
                return answer

    @asynccontextmanager
    async def command(
        self, unit: int, pace: Pace, within_s: float
    ) -> AsyncIterator[Callable[[Question], Awaitable[Answer]]]:
        """The wire for a command of several requests: before all polls, and with none in between.

        Gives what asks the unit; it repeats nothing, and asks a silent unit too. Raises DeviceError, which is
        NotSent when the wire was not to be had within that time, or there is no connection.
        """

        async def ask(question: Question) -> Answer:
            try:
                try:
                    await self._get_ready(pace)
                except DeviceError as error:
                    raise NotSent(error.reason, error.detail) from error
                answer = await self._exchange(unit, question, pace.timeout_s)
            except DeviceError as error:
                self._note(unit, error)
                raise
            self._answered(unit)
            return answer

        self._breaker(unit)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(max(within_s, pace.timeout_s)):
                    await stack.enter_async_context(self._commands)
                    await self._turns.take(Urgency.COMMAND)
            except TimeoutError:
                raise NotSent("timeout", "the connection was busy for too long; nothing was sent") from None
            stack.callback(self._turns.give_back)
            yield ask

    def close(self) -> None:
        """Close the connection for good: whoever still asks is not answered."""
        self._ended = True
        self._client.close()

    def _pause(self, error: DeviceError, tries: int, breaker: Breaker) -> float | None:
        """How long to wait before a request is repeated; None when it is not."""
        if error.reason in BUSY and tries < len(BUSY_PAUSES_S):
            return BUSY_PAUSES_S[tries]
        if error.reason in UNSURE and tries < self.connection.retries and not breaker.misses:
            return 0.0
        return None

    # One request

    async def _transact(
        self, unit: int, question: Question, pace: Pace, urgency: Urgency, timeout_s: float | None = None
    ) -> Answer:
        await self._turns.take(urgency)
        try:
            breaker = self._breaker(unit)
            if breaker.open and urgency is Urgency.POLL and timeout_s is None:  # since it began to wait
                raise _left_alone(breaker)
            await self._get_ready(pace)
            return await self._exchange(unit, question, timeout_s or pace.timeout_s)
        finally:
            self._turns.give_back()

    async def _exchange(self, unit: int, question: Question, timeout_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        began, exactly = loop.time(), time.perf_counter()
        try:
            heard = await self._client.ask(unit, question, timeout_s)
        except DeviceError as error:
            self.statistics.failed(error.reason)
            if error.reason == "disconnected":
                raise HungUp(error.reason, error.detail) from error
            raise
        finally:
            self._last_end = received = loop.time()
            self.statistics.busy(began, received)
        took_s = received - heard.sent
        # uvloop's clock stands still within a turn and knows whole milliseconds only: many take less.
        exactly_s = time.perf_counter() - exactly - (heard.sent - began)
        self.statistics.answered(max(0.0, exactly_s - on_line_s(self.connection, question.size)))
        self._slowest_s = took_s if math.isinf(self._slowest_s) else max(took_s, self._slowest_s * FADE)
        return Answer(heard.pdu, heard.sent, received)

    async def _get_ready(self, pace: Pace) -> None:
        """See that there is a connection, and that it has had its pause."""
        if not self._client.connected:
            async with self._opening:
                if not self._client.connected:
                    await self._open()
        if pace.turnaround_s:
            wait_s = self._last_end + pace.turnaround_s - asyncio.get_running_loop().time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)

    # Units that do not answer

    def _breaker(self, unit: int) -> Breaker:
        breaker = self._breakers.get(unit)
        if breaker is None:
            breaker = self._breakers[unit] = Breaker(self._uniform)
        return breaker

    def _answered(self, unit: int) -> None:
        if self._breakers[unit].answered():
            log.info("unit back", connection=self.connection.name, unit=unit)

    def _note(self, unit: int, error: DeviceError) -> None:
        """A request has failed for good."""
        breaker = self._breakers[unit]
        if error.reason in MISSED or isinstance(error, HungUp):
            if breaker.missed(asyncio.get_running_loop().time(), alone=self._alone):
                log.warning("unit silent", connection=self.connection.name, unit=unit, why=str(error))
        elif error.reason.startswith("exception:"):
            self._answered(unit)

    @property
    def _alone(self) -> bool:
        """Whether nobody else is behind this wire."""
        return len(self._breakers) == 1

    async def _probe(self, unit: int, question: Question, pace: Pace) -> Answer:
        """One request to a unit that has been silent, when its time has come and the wire has room for it."""
        breaker, loop = self._breakers[unit], asyncio.get_running_loop()
        if not (self._alone or self._share.free(loop.time())) or not breaker.probe(loop.time()):
            raise _left_alone(breaker)
        known = not self._alone and math.isfinite(self._slowest_s)
        timeout_s = breaker.timeout(self._slowest_s, pace.timeout_s) if known else pace.timeout_s
        with _given_back(breaker, self._share):
            found = self._alone or await self._gap(timeout_s)
            self.statistics.probes += 1
            began = loop.time()
            # Behind all polls, unless those leave no gap: then it would wait for ever.
            urgency = Urgency.PROBE if found else Urgency.POLL
            try:
                answer = await self._transact(unit, question, pace, urgency, timeout_s)
            except DeviceError as error:
                if error.reason.startswith("exception:") and error.reason not in MISSED:
                    self._answered(unit)
                elif isinstance(error, HungUp) or error.reason != "disconnected":
                    breaker.missed(loop.time(), alone=self._alone)
                    self._share.spent(loop.time(), min(loop.time() - began, timeout_s))
                raise
        self._answered(unit)
        return answer

    async def _gap(self, needed_s: float) -> bool:
        """Wait until no poll is expected for so long; when there is no such gap, not for ever: False."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while (now := loop.time()) < until:
            due = min(self._due(now), default=math.inf)
            if self._turns.idle and due - now >= needed_s:
                return True
            await asyncio.sleep(min(max(due - now, 0.0) + needed_s / 4, until - now))
        return False

    def _due(self, now: float) -> Iterator[float]:
        """When the units that answer are polled next."""
        for (unit, _), at in self._expected.items():
            if at > now - GONE_S and not self._breakers[unit].open:
                yield at

    def _late(self, unit: int) -> None:
        self.statistics.late += 1
        if unit in self._breakers:
            self._breakers[unit].heard()

    def _renew(self) -> None:
        for breaker in self._breakers.values():
            breaker.renew()

    # The connection

    async def _open(self) -> None:
        # A connection that had answered is opened again at once, as often as the device ends it. One that was
        # taken and never answered is no better than none: the next attempt has to wait.
        held_s = math.inf if self._client.proven else 0.0
        if not held_s:
            self._gate.check()
        try:
            await self._connect()
        except DeviceError as error:
            self._gate.failed(error, held_s)
            raise
        self._gate.opened(held_s)
        if not held_s:  # a gateway that hangs up whenever a unit is silent would have it probed all the time
            self._renew()
            self._share.renew()
        if self.connection.connect_delay_s:
            await asyncio.sleep(self.connection.connect_delay_s)

    async def _connect(self) -> None:
        # Whoever reads on behalf of a person may still be at it when the device is no longer polled.
        if not self._ended:
            await self._client.connect()
            self.statistics.opened += 1
        if self._ended:
            self._client.close()
            raise DeviceError("disconnected", "no longer in use")


@asynccontextmanager
async def connect(connection: ModbusConnection) -> AsyncIterator[Wire]:
    """The wire of a connection for as long as its devices are polled.

    It opens with the first request.
    """
    wire = Wire(connection, uniform=random.uniform)
    try:
        yield wire
    finally:
        wire.close()


@contextmanager
def _given_back(breaker: Breaker, share: Share) -> Iterator[None]:
    """A probe that was granted is granted to nobody else until it has ended, however it ends."""
    share.take()
    try:
        yield
    finally:
        share.give_back()
        breaker.forgo()


def _left_alone(breaker: Breaker) -> DeviceError:
    return DeviceError("unit_open", f"silent {breaker.misses} times, so that it is asked now and then only")
