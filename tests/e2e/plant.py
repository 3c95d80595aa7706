"""A small plant for tests of the whole: simulated PLCs, and an agent as a process of its own."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Tag
from edge_agent.config.shelf import shipped_profiles
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.opcua_security import Security

GATEWAY = "gw17"
SOON_S = 20.0  # what is waited for comes within a second or two; a loaded machine needs longer
PROFILES = {"meter": "eastron/sdm630-v2", "io": "edge-agent/io-demo", "press": "siemens/s7-1500-press"}
"""A device that reports every scan, one that reports changes, and one that tells its news by itself."""
GROUPS = {
    "meter": "{fast: {interval: 100ms}, energy: {interval: 500ms}}",
    "io": "{io: {interval: 200ms}, fast: {interval: 200ms}, slow: {interval: 1s}}",
    "press": "{fast: {publishing: 200ms, keepalive: 1s, queue: 300},"
    " process: {publishing: 300ms, keepalive: 1s, queue: 300}, slow: {interval: 500ms}}",
}


@cache
def tags(device: str) -> Sequence[Tag]:
    """All tags of the profile of one of our devices."""
    profile, problems = load_profile(shipped_profiles() / f"{PROFILES[device]}.yaml", kinds())
    assert profile is not None, problems
    return profile.tags


@dataclass
class Agent:
    """`python -m edge_agent run` in a folder of its own, started and ended as often as a test likes.

    `broker` and `plcs` are ports; `mqtt`, `destination` and `buffer` are more keys of these sections.
    `press` is the security of the connection to the press, as it is written.
    """

    folder: Path
    broker: int
    plcs: Mapping[str, int]
    mqtt: str = ""
    destination: str = ""
    buffer: str = ""
    press: str = "{policy: None, mode: none}"
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def config(self) -> Path:
        """Its agent.yaml, once it has been started."""
        return self.folder / "agent.yaml"

    @property
    def segments(self) -> Path:
        """The folder of its log."""
        return self.folder / "state" / "buffer" / "data"

    def start(self) -> None:
        """Start; returns at once."""
        self.config.write_text(self._config())
        with self._told.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge_agent", "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )

    async def stop(self) -> int:
        """End it with SIGTERM; gives its exit code."""
        assert self.process is not None
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, SOON_S)

    def kill(self) -> None:
        """End it with SIGKILL, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def events(self, event: str) -> list[dict[str, Any]]:
        """What all runs told of this event."""
        lines = self._told.read_text().splitlines() if self._told.exists() else []
        found: list[dict[str, Any]] = [json.loads(line[3:]) for line in lines if line.startswith("<")]
        return [each for each in found if each["event"] == event]

    async def tells(self, event: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait until this event has been told so often, over all runs."""
        await until(lambda: len(self.events(event)) >= times, f"{times} times {event!r}")
        return self.events(event)

    @property
    def _told(self) -> Path:
        return self.folder / "agent.log"

    def _config(self) -> str:
        lines = ["schema: edge-agent/gateway/1", f"gateway: {{id: {GATEWAY}, labels: {{site: wolfsburg}}}}"]
        lines.append("connections:")
        lines += [f"  {name}: {_connection(name, at, self.press)}" for name, at in self.plcs.items()]
        lines.append("devices:")
        lines += [
            f"  {name}: {{profile: {PROFILES[name]}@1, connection: {name}, groups: {GROUPS[name]}}}"
            for name in self.plcs
        ]
        mqtt = f'url: "mqtt://127.0.0.1:{self.broker}", keepalive: 5s{self.mqtt}'
        lines.append("destinations:")
        lines.append(
            f"  cloud: {{mqtt: {{{mqtt}}}, payload: {{batch: {{max_age: 100ms}}}}{self.destination}}}"
        )
        lines.append(f"buffer: {{path: ./state/buffer, commit: 50ms{self.buffer}}}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Plant:
    """PLCs by device, and the agent that reads them."""

    plcs: Mapping[str, ModbusPlc | OpcUaPlc]
    agent: Agent

    @property
    def press(self) -> OpcUaPlc:
        """The one that is an OPC UA server."""
        plc = self.plcs["press"]
        assert isinstance(plc, OpcUaPlc)
        return plc


@asynccontextmanager
async def plant(
    folder: Path, broker: int, *devices: str, security: Security | None = None, **more: str
) -> AsyncIterator[Plant]:
    """PLCs that run and an agent that does not yet; it is killed at the end. `more` is for the Agent.

    With `security` the press is secured so, and the connection to it encrypted.
    """
    if security is not None:
        more.setdefault("press", "{policy: Basic256Sha256, mode: sign_and_encrypt}")
    async with AsyncExitStack() as stack:
        plcs: dict[str, ModbusPlc | OpcUaPlc] = {}
        for name in devices or ("meter",):
            plcs[name] = await stack.enter_async_context(_plc(name, security))
        agent = Agent(folder, broker, {name: plc.port for name, plc in plcs.items()}, **more)
        stack.callback(agent.kill)
        yield Plant(plcs, agent)


def _plc(name: str, security: Security | None) -> ModbusPlc | OpcUaPlc:
    return OpcUaPlc(tags(name), security=security) if name == "press" else ModbusPlc(tags(name))


def _connection(name: str, port: int, security: str) -> str:
    if name == "press":
        endpoint = f'"opc.tcp://127.0.0.1:{port}"'
        return f"{{opcua: {{endpoint: {endpoint}, security: {security}, timeout: 2s}}}}"
    return f'{{modbus: {{tcp: "127.0.0.1:{port}", timeout: 300ms}}}}'


async def until(condition: Callable[[], bool], what: str, timeout_s: float = SOON_S) -> None:
    """Wait for something that tells nobody when it happens. Raises AssertionError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.02)
