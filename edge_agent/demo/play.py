"""Run the plant: start everything, let things go wrong on purpose, and count at the receiver.

In a timed run the cable to the broker is pulled for `CUT_S` and the agent is killed with -9 once, both away
from the ends, so that there is something before, between and after.
"""

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.buffer.inspect import inspect
from edge_agent.config.settings import Profile
from edge_agent.demo import plant, programs
from edge_agent.demo.cable import Cable
from edge_agent.demo.receiver import Receiver
from edge_agent.demo.verdict import Verdict
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.truth import Truth

CUT_S = 5.0
CUT_AT, KILL_AT = 0.25, 0.65
"""Shares of a timed run."""
SETTLE_S = 2.0
"""After the agent has ended, the broker still has messages on their way to the receiver."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Scene:
    """What is going on; the line per second shows it."""

    verdict: Verdict
    cable: Cable
    folder: Path
    began: float
    first_value_s: float | None = None

    def line(self) -> str:
        """The books so far, in one line."""
        link = "cut" if self.cable.pulled else "up"
        verdict = self.verdict
        return (
            f"{time.monotonic() - self.began:4.0f} s  link {link:<3}  delivered {verdict.delivered:5d} scans"
            f" {verdict.values:6d} values  duplicates {verdict.duplicates}  missing {len(verdict.missing())}"
            f"  wrong {len(verdict.wrong)}  gaps {len(verdict.audit.gaps)}"
        )


@dataclass(frozen=True, slots=True)
class Course:
    """How the demo goes: for so many seconds with faults, or until `stop`; `say` tells what happens.

    `broker` is the one to be started, None for the first that is installed.
    """

    seconds: float | None
    broker: str | None
    say: Say
    stop: asyncio.Event


async def play(profiles: Mapping[str, Profile], course: Course) -> Mapping[str, Any]:
    """Run the plant; gives the verdict.

    `profiles` are those of plant.PROFILES by device. Raises EdgeAgentError when the broker does not come up.
    """
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-agent-demo-")))
        plcs = {name: await stack.enter_async_context(ModbusPlc(p.tags)) for name, p in profiles.items()}
        port, broker, version = await stack.enter_async_context(programs.broker(folder, course.broker))
        cable = await stack.enter_async_context(Cable(port))
        truths = {name: Truth(profile.tags) for name, profile in profiles.items()}
        scene = Scene(Verdict(plant.GATEWAY, truths, plant.INTERVALS_S), cable, folder, began)
        receiver = Receiver(port, version, lambda topic, document: _arrived(scene, topic, document))
        await receiver.start()
        stack.callback(receiver.stop)
        config = plant.write(
            folder, plant.Addresses(plcs["meter-1"].port, plcs["io-1"].port, cable.port, version)
        )
        course.say(
            f"plant: meter-1 and io-1 on Modbus TCP, the agent, broker {broker} (MQTT {version}), in {folder}"
        )
        process = await programs.agent(config, folder / "agent.log")
        try:
            process = await _act(scene, process, config, course)
            await programs.end(process, signal.SIGTERM)
        finally:
            await programs.end(process, signal.SIGKILL)
        return await _settle(scene)


def _arrived(scene: Scene, topic: str, document: Any) -> None:  # noqa: ANN401 - JSON of a broker
    if topic.endswith("/_agent/gap"):
        scene.verdict.gap(document)
    elif "/_agent/" not in topic:
        if scene.first_value_s is None:
            scene.first_value_s = round(time.monotonic() - scene.began, 2)
        scene.verdict.data(document)


async def _act(
    scene: Scene, process: asyncio.subprocess.Process, config: Path, course: Course
) -> asyncio.subprocess.Process:
    """Play the part of fate; gives the agent that runs at the end."""
    seconds, say, stop = course.seconds, course.say, course.stop
    cut_s = 0.0 if seconds is None else min(CUT_S, seconds / 4)
    script: list[tuple[float, str]] = []
    if seconds is not None:
        script = [(CUT_AT * seconds, "cut"), (CUT_AT * seconds + cut_s, "plug"), (KILL_AT * seconds, "kill")]
    while not stop.is_set() and (seconds is None or time.monotonic() - scene.began < seconds):
        try:
            async with asyncio.timeout(1.0 - (time.monotonic() - scene.began) % 1.0):
                await stop.wait()
        except TimeoutError:
            say(scene.line())
        while script and time.monotonic() - scene.began >= script[0][0]:
            what = script.pop(0)[1]
            if what == "kill":
                process = await _kill(scene, process, config, say)
            else:
                say(f"fault: the cable to the broker is {'pulled' if what == 'cut' else 'plugged in again'}")
                scene.cable.pull() if what == "cut" else scene.cable.plug()
    return process


async def _kill(
    scene: Scene, process: asyncio.subprocess.Process, config: Path, say: Say
) -> asyncio.subprocess.Process:
    """Kill the agent, see what it had made durable, start it again."""
    say("fault: the agent is killed with -9 and started again")
    process.kill()
    await process.wait()
    _look(scene)
    return await programs.agent(config, scene.folder / "agent.log")


def _look(scene: Scene) -> None:
    """Whatever the log holds now has to arrive, or to be named."""
    contents = inspect(plant.buffer_of(scene.folder), "cloud")
    if contents is not None:
        following = {name: stream.next for name, stream in contents.state.streams.items()}
        scene.verdict.durable(contents.records, following, contents.state.life)
        scene.verdict.left(contents.records)


async def _settle(scene: Scene) -> Mapping[str, Any]:
    _look(scene)
    until = time.monotonic() + SETTLE_S
    while scene.verdict.missing() and time.monotonic() < until:  # noqa: ASYNC110 - it happens at the broker
        await asyncio.sleep(0.05)
    summary = {**scene.verdict.summary(), "seconds_to_first_value": scene.first_value_s}
    if summary["missing"] or summary["wrong"]:
        summary["details"] = [*scene.verdict.missing()[:10], *scene.verdict.wrong[:10]]
        summary["agent_log"] = (scene.folder / "agent.log").read_text()[-4000:]
    return summary
