"""Watch the plant on a terminal: look at the scene, ask the agent, draw; several times a second."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_agent.demo import plant
from edge_agent.demo.scene import Scene
from edge_agent.demo.screen import Books, BufferLine, LinkLine, Snapshot, frame, span
from edge_agent.demo.terminal import Terminal
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control

FRAME_S = 0.2
ASK_S = 1.0
"""The agent is asked, and the books are counted, no more often than this."""

NO_KEYS = (("Ctrl-C ends", "(no keys: the input is not a terminal)"),)

Status = Mapping[str, Any]


async def watch(scene: Scene, terminal: Terminal) -> None:
    """Draw until cancelled; at once when something happens."""
    path = control.socket_path(plant.state_of(scene.folder))
    asked: asyncio.Task[Status | None] | None = None
    status, books, ask_at = None, counted(scene), 0.0
    agent = scene.process
    try:
        while True:
            if asked is not None and asked.done():
                status = asked.result()
                asked = None
            if scene.process is not agent:  # what the one before said holds no more
                agent, status = scene.process, None
            if asked is None and time.monotonic() >= ask_at:
                ask_at = time.monotonic() + ASK_S
                asked, books = asyncio.create_task(_ask(path)), counted(scene)
            now = snapshot(scene, status, books, time.time())
            if not terminal.takes_keys:
                now = replace(now, keys=NO_KEYS)
            terminal.show(frame(now, *terminal.size))
            await _news(scene)
    finally:
        if asked is not None:
            asked.cancel()


async def _news(scene: Scene) -> None:
    """Wait for a fault, or until the next frame is due."""
    try:
        async with asyncio.timeout(FRAME_S):
            await scene.news.wait()
    except TimeoutError:
        return
    scene.news.clear()


async def _ask(path: Path) -> Status | None:
    try:
        return await asyncio.to_thread(control.ask, path, "status")
    except EdgeAgentError:
        return None


def counted(scene: Scene) -> Books:
    """The verdict so far."""
    verdict = scene.verdict
    return Books(
        verdict.delivered,
        verdict.values,
        verdict.duplicates,
        tuple(map(_gap, verdict.audit.gaps)),
        len(verdict.missing()),
        len(verdict.wrong),
    )


def _gap(gap: Mapping[str, Any]) -> str:
    """A gap in words: its reason, and of whom unless it is of the whole gateway."""
    return gap["reason"] if gap["d"] is None else f"{gap['reason']} {gap['d']}/{gap['g']}"


def snapshot(scene: Scene, status: Status | None, books: Books, now: float) -> Snapshot:
    """What the screen shows of the scene. `status` is the agent's last answer, `now` UTC in s."""
    destination = None if status is None else status["destinations"][plant.DESTINATION]
    return Snapshot(
        f"edge-agent demo, {scene.broker}",
        scene.running_s,
        _agent(scene, status),
        scene.cloud.online,
        tuple(scene.cloud.devices(now)),
        LinkLine(
            None if scene.cut_at is None else time.monotonic() - scene.cut_at,
            destination is not None and destination["connected"],
            "it does not answer" if destination is None else destination["why"],
        ),
        None if destination is None else _waiting(destination, now),
        books,
        tuple((_time_of_day(at), told) for at, told in scene.events),
        _keys(scene),
    )


def _time_of_day(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def _keys(scene: Scene) -> Sequence[tuple[str, str]]:
    cut = "b cut" if scene.cut_at is None else "b restore"
    return (cut, "the broker link"), (f"p {scene.next_plc}", ""), ("k kill -9", "the agent"), ("q quit", "")


def _agent(scene: Scene, status: Status | None) -> str:
    if scene.ending:
        return "ending, last messages are on their way"
    if scene.process is not None and scene.process.returncode is not None:
        return f"agent DEAD, exit code {scene.process.returncode}"
    if status is None:
        return "agent starting, no answer yet"
    return f"agent up {span(status['up_s'])}"


def _waiting(destination: Mapping[str, Any], now: float) -> BufferLine:
    oldest = destination["oldest"]
    oldest_s = None if oldest is None else max(0.0, now - oldest / 1000)
    return BufferLine(destination["waiting"], destination["more"], oldest_s)
