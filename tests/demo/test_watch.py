"""The live screen in front of a running plant, on a terminal that the test reads."""

import asyncio
import os
import pty
import signal

import pytest

from edge_agent import cli
from edge_agent.cli.simulate import profile_of
from edge_agent.demo import plant
from edge_agent.demo.play import Course, play
from edge_agent.demo.scene import Scene
from edge_agent.demo.terminal import Terminal
from edge_agent.demo.watch import watch

WAIT_S = 30.0


def unsaid(_line: str) -> None:
    """Nobody listens."""


class Eye:
    """Reads what is written to a terminal, on the loop."""

    def __init__(self, far: int) -> None:
        self._far = far
        self._seen = ""
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(far, self._read)

    def _read(self) -> None:
        self._seen += os.read(self._far, 65536).decode()
        self._more.set()

    async def sees(self, *words: str) -> None:
        """Wait until one frame or the next says each of these anew."""
        self._seen = ""
        try:
            async with asyncio.timeout(WAIT_S):
                while not all(each in self._seen for each in words):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            pytest.fail(f"{words} did not come: {self._seen[-2000:]}")


@pytest.mark.timeout(120)
async def test_screen_tells_how_agent_link_and_buffer_are() -> None:
    far, near = pty.openpty()
    eye, keys, scenes = Eye(far), asyncio.Queue[str](), list[Scene]()

    with Terminal(near, near, keys.put_nowait, colours=False) as terminal:

        async def look(scene: Scene) -> None:
            scenes.append(scene)
            await watch(scene, terminal)

        async def press() -> None:
            await eye.sees("agent starting, no answer yet", "it does not answer")
            await eye.sees("agent up", "link up", "missing 0  wrong 0  all accounted for")
            keys.put_nowait("b")
            await eye.sees("CUT for", "records wait, the oldest", "b restore")
            keys.put_nowait("k")
            await eye.sees("agent starting", "not known")
            await eye.sees("agent up", "records wait, the oldest")
            await scenes[0].end_agent(signal.SIGKILL)
            await eye.sees("agent DEAD, exit code -9")
            keys.put_nowait("b")
            keys.put_nowait("k")
            await eye.sees("cable in, the agent is not connected")
            await eye.sees("link up", "restart:unclean")  # a busy machine may lose samples meanwhile
            keys.put_nowait("q")
            await eye.sees("ending")

        async with asyncio.TaskGroup() as group:
            group.create_task(press())
            devices = [(each, profile_of(each.profile, None)) for each in plant.DEVICES]
            verdict = await play(devices, Course(None, None, unsaid, keys, look))

    asyncio.get_running_loop().remove_reader(far)
    os.close(near)
    os.close(far)
    assert (verdict["missing"], verdict["wrong"]) == (0, 0), verdict


def test_time_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--for", "soon"]) == 2
    assert "--for" in capsys.readouterr().err
