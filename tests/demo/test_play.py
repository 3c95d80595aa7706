"""The whole plant under faults in any order, as somebody at the keys would make them."""

import asyncio
import fcntl
import os
import pty
import random
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cli.simulate import profile_of
from edge_agent.config.gateway import load
from edge_agent.demo import plant
from edge_agent.demo.play import Course, play
from edge_agent.demo.scene import Scene
from edge_agent.drivers.kinds import kinds

DEVICES = [(each, profile_of(each.profile, None)) for each in plant.DEVICES]
WAIT_S = 30.0


def unsaid(_line: str) -> None:
    """Nobody listens."""


def test_configuration_of_any_plant_has_no_mistakes(tmp_path: Path) -> None:
    devices = [each for each, _ in DEVICES]
    devices.append(replace(devices[1], name="io-2", steady={}))
    ports = {each.name: 5020 + i for i, each in enumerate(devices)}

    path = plant.write(tmp_path, devices, plant.Addresses(ports, 1883, "5"))

    loaded = load(path, kinds())
    assert [each.severity for each in loaded.problems] == ["warning"]  # of a server without security
    assert loaded.gateway is not None
    assert list(loaded.gateway.devices) == ["meter-1", "io-1", "press-1", "io-2"]
    assert loaded.gateway.devices["io-2"].connection == "plc-io-2"
    assert loaded.gateway.devices["meter-1"].groups["fast"].interval_s == 0.5


async def pressed(presses: str, pause_s: list[float], *, rest_s: float = 1.0) -> dict[str, Any]:
    """The verdict after these keys, each after its pause, and a rest without any."""
    keys: asyncio.Queue[str] = asyncio.Queue()

    async def press() -> None:
        for key, pause in zip(presses, pause_s, strict=True):
            await asyncio.sleep(pause)
            keys.put_nowait(key)
        await asyncio.sleep(rest_s)
        keys.put_nowait("q")

    async with asyncio.TaskGroup() as group:
        group.create_task(press())
        verdict = await play(DEVICES, Course(None, None, unsaid, keys))
    return dict(verdict)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "presses",
    [
        "bkkb",  # killed twice while the cable is out
        "pbkpb",  # a PLC stops and starts again, and the agent is killed, while the cable is out
    ],
)
async def test_nothing_is_missing_after_faults_that_overlap(presses: str) -> None:
    verdict = await pressed(presses, [2.0, *[0.7] * (len(presses) - 1)])

    assert (verdict["missing"], verdict["wrong"]) == (0, 0), verdict


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_missing_whatever_keys_are_pressed(seed: int) -> None:
    chance = random.Random(seed)
    presses = "".join(chance.choices("bpk", weights=(3, 4, 2), k=20))
    presses += "b" * (presses.count("b") % 2)  # in the end the cable is in

    verdict = await pressed(presses, [chance.uniform(0.05, 1.8) for _ in presses], rest_s=5.0)

    assert (verdict["missing"], verdict["wrong"]) == (0, 0), (presses, verdict)
    assert verdict["delivered"] > 10


async def test_demo_ends_in_order_when_nobody_can_watch_any_more() -> None:
    async def fail(scene: Scene) -> None:
        assert scene.line().startswith("   0 s  link up ")
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await play(DEVICES, Course(None, None, unsaid, asyncio.Queue(), fail))


# On a terminal


class Desk:
    """The demo on a terminal of 80 x 24, and what it has written there so far."""

    def __init__(self, *args: str, keyboard: bool = True, variables: dict[str, str] | None = None) -> None:
        self.far, self.near = pty.openpty()
        fcntl.ioctl(self.near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.near)
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "demo", *args],
            stdin=self.near if keyboard else subprocess.DEVNULL,
            stdout=self.near,
            stderr=self.near,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm"} | (variables or {}),
        )

    def until(self, words: str) -> None:
        """Read until the words have come."""
        end = time.monotonic() + WAIT_S
        while words not in self.seen:
            assert time.monotonic() < end, (words, self.seen[-3000:])
            self.seen += os.read(self.far, 65536).decode()

    def press(self, key: str, words: str) -> None:
        """Press a key and wait for what the screen says of it."""
        self.seen = ""
        os.write(self.far, key.encode())
        self.until(words)

    def ended(self) -> int:
        """The exit code, once the verdict stands on the normal screen."""
        self.until("all accounted for\r\n")
        return self.process.wait(WAIT_S)


@contextmanager
def desk(*args: str, **settings: Any) -> Iterator[Desk]:
    sat = Desk(*args, **settings)
    with sat.process:
        try:
            yield sat
        finally:
            if sat.process.poll() is None:
                sat.process.terminate()
            os.close(sat.near)
            os.close(sat.far)


@pytest.mark.timeout(120)
def test_screen_shows_each_fault_and_leaves_the_verdict_on_the_terminal_as_it_was() -> None:
    with desk() as sat:
        sat.until("current_l1")
        sat.until("io-1 ")
        sat.press("b", "the cable to the broker is pulled")
        sat.until("was good")
        sat.press("k", "the agent is killed with -9 and started again")
        sat.until("agent starting")
        sat.press("b", "plugged in again")
        sat.press("p", "the PLC of meter-1 is stopped")
        sat.until("p start meter-1")
        sat.until("bad:timeout")  # it is behind a serial line, where nobody hangs up
        sat.press("\x1a", "\x1b[?1049l")  # nobody could put it to the front again: it goes on
        sat.until("\x1b[?1049h")
        sat.press("\x1b[B", "missing 0")
        sat.press("p", "the PLC of meter-1 is started again")
        sat.until("p stop io-1")
        sat.press("q", "\x1b[?1049l")

        assert sat.ended() == 0
        assert termios.tcgetattr(sat.near) == sat.before
        screen, _, rest = sat.seen.partition("\x1b[?1049l")
        assert "ending" in screen
        assert "missing: 0   wrong: 0   all accounted for" in rest


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_terminal_is_given_back_at_a_signal_and_colours_can_be_off(number: signal.Signals) -> None:
    with desk(keyboard=False, variables={"NO_COLOR": "1"}) as sat:
        sat.until("meter-1 ok")
        assert "Ctrl-C ends" in sat.seen
        assert "\x1b[1;36m" not in sat.seen
        sat.process.send_signal(number)

        assert sat.ended() == 0
        assert sat.seen.count("\x1b[?1049l") == 1
        assert termios.tcgetattr(sat.near) == sat.before


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("args", "variables"), [(["--plain"], {}), ([], {"TERM": "dumb"})])
def test_plain_terminal_gets_a_line_per_second(args: list[str], variables: dict[str, str]) -> None:
    with desk("--for", "3s", *args, variables=variables) as sat:
        assert sat.ended() == 0
        assert "\x1b[" not in sat.seen
        assert "fault: the cable to the broker is pulled" in sat.seen
        assert "link up   delivered" in sat.seen
