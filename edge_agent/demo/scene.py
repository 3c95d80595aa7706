"""The running plant, and the faults that can be made in it."""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.buffer.inspect import inspect
from edge_agent.demo import plant, programs
from edge_agent.demo.cable import Cable
from edge_agent.demo.cloud import Cloud
from edge_agent.demo.plant import Plc, Simulated
from edge_agent.demo.verdict import Verdict
from edge_agent.sim.faults import Faults

Say = Callable[[str], None]

KEPT_EVENTS = 20


@dataclass(slots=True)
class Scene:
    """What is going on.

    `broker` names the broker and its MQTT version, `began` is monotonic. Faults may come in any order.
    """

    plcs: Sequence[tuple[Simulated, Plc]]
    broker: str
    cable: Cable
    folder: Path
    config: Path
    verdict: Verdict
    say: Say
    began: float
    cloud: Cloud = field(default_factory=Cloud)
    process: asyncio.subprocess.Process | None = None
    first_value_s: float | None = None
    ending: bool = False
    cut_at: float | None = None
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _presses: int = 0

    @property
    def running_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def line(self) -> str:
        """The books so far, in one line."""
        link = "cut" if self.cable.pulled else "up"
        verdict = self.verdict
        return (
            f"{self.running_s:4.0f} s  link {link:<3}  delivered {verdict.delivered:5d} scans"
            f" {verdict.values:6d} values  duplicates {verdict.duplicates}  missing {len(verdict.missing())}"
            f"  wrong {len(verdict.wrong)}  gaps {len(verdict.audit.gaps)}"
        )

    def arrived(self, topic: str, document: Any) -> None:  # noqa: ANN401 - JSON of a broker
        """A message has reached the receiver."""
        self.cloud.arrived(topic, document, time.time())
        if topic.endswith("/_agent/gap"):
            self.verdict.gap(document)
        elif "/_agent/" not in topic:
            if self.first_value_s is None:
                self.first_value_s = round(self.running_s, 2)
            self.verdict.data(document)

    # The agent

    async def start_agent(self) -> None:
        """Start the agent; it must not run."""
        self.process = await programs.agent(self.config, self.folder / "agent.log")

    async def end(self) -> None:
        """Stop the agent in order; the demo is over."""
        self.ending = True
        self.news.set()
        await self.end_agent(signal.SIGTERM)

    async def end_agent(self, number: signal.Signals) -> None:
        """Send the agent a signal and wait until it is gone."""
        if self.process is not None:
            await programs.end(self.process, number)

    def look(self) -> None:
        """Whatever the log holds now has to arrive, or to be named. The agent must not run."""
        contents = inspect(plant.buffer_of(self.folder), plant.DESTINATION)
        if contents is not None:
            following = {name: stream.next for name, stream in contents.state.streams.items()}
            self.verdict.durable(contents.records, following, contents.state.life)
            self.verdict.left(contents.records)

    # The faults

    async def kill(self) -> None:
        """Kill the agent, see what it had made durable, start it again."""
        self._tell("the agent is killed with -9 and started again")
        await self.end_agent(signal.SIGKILL)
        self.look()
        await self.start_agent()

    async def pull_cable(self) -> None:
        """Pull the cable to the broker, if it is in."""
        if self.cut_at is None:
            self._tell("the cable to the broker is pulled")
            self.cable.pull()
            self.cut_at = time.monotonic()

    async def plug_cable(self) -> None:
        """Plug the cable to the broker in again, if it is out."""
        if self.cut_at is not None:
            self._tell("the cable to the broker is plugged in again")
            self.cable.plug()
            self.cut_at = None

    async def turn_cable(self) -> None:
        """Pull the cable, or plug it in again."""
        await (self.pull_cable() if self.cut_at is None else self.plug_cable())

    @property
    def next_plc(self) -> str:
        """What `turn_plc` will do, in words."""
        device, _, stops = self._next()
        return f"{'stop' if stops else 'start'} {device.name}"

    async def turn_plc(self) -> None:
        """Stop a PLC, or start it again: first one device, then the next."""
        device, plc, stops = self._next()
        self._presses += 1
        self._tell(f"the PLC of {device.name} is {'stopped' if stops else 'started again'}")
        await plc.switch(device.stopped if stops else Faults())

    def _next(self) -> tuple[Simulated, Plc, bool]:
        at, started = divmod(self._presses, 2)
        return (*self.plcs[at % len(self.plcs)], not started)

    def _tell(self, fault: str) -> None:
        self.events.append((time.time(), fault))
        self.news.set()
        self.say(f"fault: {fault}")


Fault = Callable[[Scene], Awaitable[None]]

FAULTS: Mapping[str, Fault] = {"b": Scene.turn_cable, "p": Scene.turn_plc, "k": Scene.kill}
"""What a key does."""
QUIT = "q"
