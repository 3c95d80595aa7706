"""The programs beside us that the demo starts: a broker and the agent.

Each is ended by its own process id.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from edge_agent.errors import EdgeAgentError

READY_S = 15.0
ENDED_S = 15.0
NULL = asyncio.subprocess.DEVNULL
"""Keys are for the demo, not for what it starts."""

MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
"""
AMQTT = """\
listeners: {{default: {{type: tcp, bind: "127.0.0.1:{port}"}}}}
plugins: {{amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}}}
"""


def free_port() -> int:
    """A TCP port on loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@asynccontextmanager
async def broker(folder: Path, wanted: str | None = None) -> AsyncIterator[tuple[int, str, str]]:
    """A broker on loopback: its port, its name, the version of MQTT it speaks.

    Mosquitto if installed, else amqtt.

    Raises EdgeAgentError when neither is there, or when it does not come up.
    """
    port = free_port()
    command, name, version = _broker_command(folder, port, wanted)
    process = await asyncio.create_subprocess_exec(*command, stdin=NULL, stdout=NULL, stderr=NULL)
    try:
        await _accepts(port, name, process)
        yield port, name, version
    finally:
        await end(process, signal.SIGTERM)


def socat() -> str | None:
    """The program that joins two pseudo terminals to a serial line, where it is installed."""
    return shutil.which("socat")


@asynccontextmanager
async def line(program: str, folder: Path, name: str) -> AsyncIterator[tuple[Path, Path]]:
    """A serial line by `program` (socat); gives the names of its two ends.

    Raises EdgeAgentError when it does not come up.
    """
    ends = folder / f"{name}-agent", folder / f"{name}-device"
    command = [program, *(f"pty,rawer,link={end}" for end in ends)]
    process = await asyncio.create_subprocess_exec(*command, stdin=NULL, stdout=NULL, stderr=NULL)
    try:
        async with asyncio.timeout(READY_S):
            while not all(end.exists() for end in ends):
                if process.returncode is not None:
                    raise EdgeAgentError("socat cannot make a serial line of two pseudo terminals here")
                await asyncio.sleep(0.01)
        yield ends
    finally:
        await end(process, signal.SIGTERM)


async def agent(config: Path, log: Path) -> asyncio.subprocess.Process:
    """Start an agent; its events go to the end of `log`."""
    with log.open("ab") as events:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "edge_agent", "run", "--config", str(config)),
            stdin=NULL,
            stdout=events,
            stderr=events,
        )


async def end(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal and wait until the process is gone; a deaf one is killed."""
    if process.returncode is not None:
        return
    os.kill(process.pid, number)
    try:
        async with asyncio.timeout(ENDED_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _broker_command(folder: Path, port: int, wanted: str | None) -> tuple[list[str], str, str]:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    mosquitto = shutil.which("mosquitto", path=path)
    if mosquitto is not None and wanted != "amqtt":
        config = folder / "mosquitto.conf"
        config.write_text(MOSQUITTO.format(port=port))
        return [mosquitto, "-c", str(config)], "mosquitto", "5"
    if wanted != "mosquitto" and find_spec("amqtt") is not None:
        config = folder / "amqtt.yaml"
        config.write_text(AMQTT.format(port=port))
        return [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(config)], "amqtt", "3.1.1"
    msg = "the demo needs a broker: install mosquitto (apt install mosquitto) or amqtt (pip install amqtt)"
    raise EdgeAgentError(msg)


async def _accepts(port: int, name: str, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(READY_S):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return
    except TimeoutError:
        pass
    msg = f"{name} did not come up on port {port}"
    raise EdgeAgentError(msg)
