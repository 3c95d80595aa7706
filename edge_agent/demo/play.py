"""Run the plant: start everything, let things go wrong on purpose, and count at the receiver.

In a timed run the cable to the broker is pulled for `CUT_S` and the agent is killed with -9 once, both away
from the ends, so that there is something before, between and after. Keys make the same faults at any time.
"""

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.config.settings import Profile
from edge_agent.demo import plant, programs
from edge_agent.demo.cable import Cable
from edge_agent.demo.plant import Simulated
from edge_agent.demo.receiver import Receiver
from edge_agent.demo.scene import FAULTS, QUIT, Fault, Say, Scene
from edge_agent.demo.verdict import Verdict
from edge_agent.sim.truth import Truth

CUT_S = 5.0
CUT_AT, KILL_AT = 0.25, 0.65
"""Shares of a timed run."""
SETTLE_S = 2.0
"""After the agent has ended, the broker still has messages on their way to the receiver."""

Watch = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Course:
    """How the demo goes: for so many seconds with faults, or until the key `q`; `say` tells what happens.

    `broker` is the one to be started, None for the first that is installed. `keys` are of FAULTS, or `q`.
    `watch`, if any, looks at the scene until it is cancelled.
    """

    seconds: float | None
    broker: str | None
    say: Say
    keys: "asyncio.Queue[str]"
    watch: Watch | None = None


async def play(devices: Sequence[tuple[Simulated, Profile]], course: Course) -> Mapping[str, Any]:
    """Run a plant of these devices; gives the verdict.

    Raises EdgeAgentError when the broker does not come up.
    """
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-agent-demo-")))
        lines = await _lines(stack, folder, [each for each, _ in devices])
        plcs = []
        for each, profile in devices:
            _, end = lines.get(each.name, (None, None))
            plcs.append((each, await stack.enter_async_context(each.plc(profile.tags, end))))
        port, broker, version = await stack.enter_async_context(programs.broker(folder, course.broker))
        cable = await stack.enter_async_context(Cable(port))
        kinds = [each for each, _ in devices]
        ours = {name: end for name, (end, _) in lines.items()}
        ports = {each.name: plc.port for each, plc in plcs}
        scene = Scene(
            plcs,
            f"{broker} (MQTT {version})",
            cable,
            folder,
            plant.write(folder, kinds, plant.Addresses(ports, cable.port, version, ours)),
            Verdict(plant.GATEWAY, {e.name: Truth(p.tags) for e, p in devices}, plant.intervals_s(kinds)),
            course.say,
            began,
        )
        receiver = Receiver(port, version, scene.arrived)
        await receiver.start()
        stack.callback(receiver.stop)
        names = ", ".join(f"{each.name} (serial)" if each.name in lines else each.name for each in kinds)
        course.say(f"plant: {names}, the agent, broker {scene.broker}, in {folder}")
        async with _watched(scene, course):
            await scene.start_agent()
            try:
                await _act(scene, course)
                await scene.end()
            finally:
                await scene.end_agent(signal.SIGKILL)
            return await _settle(scene)


async def _lines(
    stack: AsyncExitStack, folder: Path, devices: Sequence[Simulated]
) -> Mapping[str, tuple[Path, Path]]:
    """The serial lines of those devices that are behind one, where socat is there to play them."""
    program = programs.socat()
    if program is None:
        return {}
    return {
        each.name: await stack.enter_async_context(programs.line(program, folder, each.name))
        for each in devices
        if each.serial
    }


@asynccontextmanager
async def _watched(scene: Scene, course: Course) -> AsyncIterator[None]:
    """Somebody watches; when he cannot any more, the demo ends in order and says why."""
    if course.watch is None:
        yield
        return
    watching = asyncio.ensure_future(course.watch(scene))
    watching.add_done_callback(lambda _: course.keys.put_nowait(QUIT))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait((watching,))
    if not watching.cancelled():
        watching.result()


async def _act(scene: Scene, course: Course) -> None:
    """Play the part of fate, and of whoever presses keys."""
    seconds = course.seconds
    script = [] if seconds is None else _script(seconds)
    while seconds is None or scene.running_s < seconds:
        full_s = int(scene.running_s) + 1.0
        until_s = min(full_s, script[0][0]) if script else full_s
        try:
            async with asyncio.timeout(max(0.0, until_s - scene.running_s)):
                key = await course.keys.get()
        except TimeoutError:
            if scene.running_s >= full_s:
                course.say(scene.line())
            while script and scene.running_s >= script[0][0]:
                await script.pop(0)[1](scene)
            continue
        if key == QUIT:
            return
        await FAULTS[key](scene)


def _script(seconds: float) -> list[tuple[float, Fault]]:
    """The faults of a timed run, and when they come."""
    cut_s = CUT_AT * seconds
    plug_s = cut_s + min(CUT_S, seconds / 4)
    return [(cut_s, Scene.pull_cable), (plug_s, Scene.plug_cable), (KILL_AT * seconds, Scene.kill)]


async def _settle(scene: Scene) -> Mapping[str, Any]:
    scene.look()
    until = time.monotonic() + SETTLE_S
    while scene.verdict.missing() and time.monotonic() < until:  # noqa: ASYNC110 - it happens at the broker
        await asyncio.sleep(0.05)
    summary = {**scene.verdict.summary(), "seconds_to_first_value": scene.first_value_s}
    if summary["missing"] or summary["wrong"]:
        summary["details"] = [*scene.verdict.missing()[:10], *scene.verdict.wrong[:10]]
        summary["agent_log"] = (scene.folder / "agent.log").read_text()[-4000:]
    return summary
