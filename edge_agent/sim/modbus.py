"""A simulated PLC on Modbus: units that show one profile, at a place, with faults.

Framing, transports, units and faults are modules of their own; here they come together.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random as Dice
from types import TracebackType
from typing import Literal, Protocol, Self

from edge_agent.config.settings import Tag
from edge_agent.ports import Clock
from edge_agent.sim.datagrams import Datagrams
from edge_agent.sim.faults import Faults, Random
from edge_agent.sim.framing import Frame
from edge_agent.sim.image import NO_SUCH_UNIT, Image, refusal
from edge_agent.sim.line import Answering
from edge_agent.sim.listener import Listener
from edge_agent.sim.places import Place, Serial, Tcp, Udp
from edge_agent.sim.serial_port import SerialPort
from edge_agent.sim.spoil import DRAWN, Sending, drawn, possible, refused, spoiled
from edge_agent.sim.unit import Unit

BROADCAST = 0  # every unit of a serial line does it, and none answers

Others = Literal["refuse", "ignore"]


class Transport(Protocol):
    """How a PLC is reached."""

    port: int

    @property
    def lines(self) -> int:
        """How many are connected."""
        ...

    async def open(self) -> None:
        """Answer from now on. OSError when the place cannot be had."""
        ...

    async def refuse(self) -> None:
        """Let nobody in, and end every connection. OSError when the place was lost on the way."""
        ...

    async def close(self) -> None:
        """Give the place away. Raises what went wrong there."""
        ...


class ModbusPlc:
    """Units that all show the tags of one profile; its place is open inside the context only.

    `tags` are all tags of the profile in its order; `at` is a free port of loopback unless given. Requests
    to a unit that is not in `units` are refused with exception 11, as a gateway does it, or with
    `others="ignore"` not answered, as nobody does on a serial line; by itself mode tcp refuses, rtu and ascii
    ignore. `clock` gives UTC in ns. ValueError for tags or a place that cannot be simulated; entering raises
    OSError when the place cannot be had.

    `faults` are those of all units but those in `own`, which have theirs. `requests` counts what was heard,
    `injected` the faults that struck, by kind. `gone` is set when its serial port has ended by itself.
    """

    def __init__(
        self,
        tags: Sequence[Tag],
        *,
        at: Place | None = None,
        units: Sequence[int] = (1,),
        others: Others | None = None,
        clock: Clock = time.time_ns,
    ) -> None:
        place = at or Tcp()
        image = Image(tags)
        self.place = place
        self.units = tuple(units)
        self.requests = 0
        self.injected: Counter[str] = Counter()
        self.faults = Faults()
        self.own: dict[int, Faults] = {}
        self.gone = asyncio.Event()
        self._units = {unit: Unit(unit, image, clock) for unit in units}
        self._others = others or ("refuse" if place.mode == "tcp" else "ignore")
        self._possible = possible(place.mode, datagrams=isinstance(place, Udp))
        self._dice: dict[Random, Dice] = {}
        self._switched = asyncio.Event()
        self._transport = _transport(place, self, self.gone)

    @property
    def port(self) -> int:
        """Where it listens; 0 of a serial port."""
        return self._transport.port

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return self._transport.lines

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    async def switch(self, faults: Faults, unit: int | None = None) -> None:
        """Fail like this from now on, all units or one; `Faults()` is sound again.

        What is told to all holds for every unit, also for those that were told something of their own. What
        is late leaves now when its unit is late no more. ValueError, with words for the user, for faults that
        are not possible here; OSError when the place was lost meanwhile.
        """
        self._refuse_impossible(faults, unit)
        before = self.faults
        if unit is None:
            self.faults, self.own = faults, {}
        else:
            self.own[unit] = faults
        used = {each.random for each in (self.faults, *self.own.values())}
        self._dice = {random: dice for random, dice in self._dice.items() if random in used}
        self._switched.set()
        self._switched = asyncio.Event()
        if self.faults.refuse and not before.refuse:
            await self._transport.refuse()
        if before.refuse and not self.faults.refuse:
            await self._transport.open()

    def faults_of(self, unit: int) -> Faults:
        """What goes wrong with a unit."""
        return self.own.get(unit, self.faults)

    def forget(self, unit: int | None = None) -> None:
        """Show the simulated signals again where something was written, in all units or in one.

        ValueError, with words for the user, for a unit that is not here.
        """
        if unit is not None:
            self._refuse_stranger(unit)
        for each in self._units if unit is None else [unit]:
            self._units[each].forget()

    def respond(self, request: Frame) -> Sending | None:
        """What leaves because of a request; None for nothing."""
        self.requests += 1
        unit = self._units.get(request.unit)
        if unit is None and self._others == "ignore":
            if request.unit == BROADCAST:
                for each in self._units.values():
                    each.answer(request.pdu)
            return None
        faults = self._faults_now(request)
        refusing = refused(request.pdu, faults)
        if refusing is not None:
            self.injected[refusing[0]] += 1
            pdu = refusal(request.pdu[0], refusing[1])
        else:
            pdu = refusal(request.pdu[0], NO_SUCH_UNIT) if unit is None else unit.answer(request.pdu)
        outcome = spoiled(request, pdu, faults, self.place.mode)
        self.injected.update(outcome.struck)
        return outcome.sending

    async def linger(self, unit: int, late_s: float) -> None:
        """Come back after so many seconds, or when the answers of the unit are late no more."""
        with suppress(TimeoutError):  # the end of the time is one of the two
            async with asyncio.timeout(late_s):
                while self.faults_of(unit).late:
                    await self._switched.wait()

    def _faults_now(self, request: Frame) -> Faults:
        """What strikes this request; it is one of the next ones that find the unit busy."""
        faults = self.faults_of(request.unit)
        if faults.busy:
            left = replace(faults, busy=faults.busy - 1)
            if request.unit in self.own:
                self.own[request.unit] = left
            else:
                self.faults = left
        if faults.random is None:
            return faults
        if faults.random not in self._dice:
            self._dice[faults.random] = Dice(faults.random.seed)  # noqa: S311 - to be had again, not secret
        return drawn(faults.random, self._dice[faults.random], self._possible, request.pdu) or faults

    def _refuse_impossible(self, faults: Faults, unit: int | None) -> None:
        left_out = faults.random.without if faults.random else frozenset()
        strange = [kind for kind in faults.kinds if kind not in self._possible]
        strange += sorted(left_out - set(DRAWN))
        if strange:
            raise ValueError(
                f"not possible in mode {self.place.mode}: {_words(strange)};"
                f" possible are: {_words(self._possible)}"
            )
        if unit is not None:
            self._refuse_stranger(unit)
            if faults.refuse:
                raise ValueError("refuse is for all units: nobody listens; one unit alone can be in silence")

    def _refuse_stranger(self, unit: int) -> None:
        if unit not in self._units:
            raise ValueError(f"no unit {unit}; there are: {', '.join(map(str, self.units))}")


def _words(kinds: Collection[str]) -> str:
    """Kinds of faults as they are written in commands."""
    return ", ".join(kinds).replace("_", "-")


def _transport(place: Place, plc: Answering, gone: asyncio.Event) -> Transport:
    if isinstance(place, Serial):
        return SerialPort(place, plc, gone)
    return Datagrams(place, plc) if isinstance(place, Udp) else Listener(place, plc)
