"""A plant of node-opcua behind a relay: it fails as the simulated PLC does. What it is stands in plant.js."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

from edge_agent.config.settings import Tag
from edge_agent.sim.faults import Faults
from edge_agent.sim.relay import Relay
from edge_agent.sim.signals import TICK_NS
from tests.peers.node_server import MODULES, PROGRAM

PLANT = PROGRAM.with_name("plant.js")
ANSWER_S = 30.0  # a loaded machine needs some seconds for its start


class NodePlant:
    """Tags of one namespace as nodes of node-opcua; they are numbers of at most 32 bits.

    `folder` takes its certificate. Silence, refuse, frozen and slow are the link's and count at once;
    `missing`, `limits`, `sessions`, `clock_s`, `no_history`, `late_nodes` and `namespaces` from the next
    restart on.
    """

    def __init__(self, tags: Sequence[Tag], folder: Path) -> None:
        self.faults = Faults()
        self.tick_ns = TICK_NS
        self._tags = tags
        self._folder = folder
        self._relay = Relay("127.0.0.1", 0)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def endpoint(self) -> str:
        """The URL clients connect to."""
        return f"opc.tcp://127.0.0.1:{self._relay.port}"

    async def __aenter__(self) -> Self:
        await self._relay.bind()
        await self._start()
        await self._relay.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._relay.close()
        await self._stop()

    async def switch(self, faults: Faults) -> None:
        """Fail like this from now on, or from the next restart on."""
        before, self.faults = self.faults, faults
        await self._relay.switch(faults)
        if faults.refuse and not before.refuse:
            await self._relay.refuse()
        if before.refuse and not faults.refuse:
            await self._relay.listen()

    async def cut(self) -> None:
        """Cut every TCP connection; the server waits for its clients to come back."""
        self._relay.cut()

    async def restart(self) -> None:
        """End the process and start another, which the same port leads to."""
        await self._relay.refuse()
        await self._stop()
        await self._start()
        if not self.faults.refuse:
            await self._relay.listen()

    async def count(self) -> tuple[int, int]:
        """The sessions and subscriptions that there are."""
        found = await self._told("count")
        return found["sessions"], found["subscriptions"]

    async def stand(self) -> None:
        """Let all values stand still."""
        await self._told("stand")

    async def step(self) -> None:
        """Change all values once."""
        await self._told("step")

    async def _told(self, command: str) -> dict[str, Any]:
        process = cast("asyncio.subprocess.Process", self._process)
        assert process.stdin is not None
        process.stdin.write(f"{command}\n".encode())
        return await self._answer(process)

    async def _answer(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        async with asyncio.timeout(ANSWER_S):
            async for line in process.stdout:
                if line.startswith(b"> "):
                    answer: dict[str, Any] = json.loads(line[2:])
                    assert "error" not in answer, answer
                    return answer
        raise RuntimeError(f"{PLANT.name} ended: {(self._folder / 'plant.log').read_text()[-2000:]}")

    async def _start(self) -> None:
        settings = os.environ | {"NODE_PATH": str(MODULES), "HOME": str(self._folder)}
        command = ["node", str(PLANT), str(self._folder), json.dumps(self._options())]
        pipe = asyncio.subprocess.PIPE
        with (self._folder / "plant.log").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=errors, env=settings
            )
        self._relay.to = (await self._answer(self._process))["port"]

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()  # its sign to end
        await process.wait()

    def _options(self) -> dict[str, object]:
        faults = self.faults
        limits, late = faults.limits, faults.late_nodes
        most = {name: getattr(limits, name) for name in ("read", "items", "browse", "translate", "register")}
        names = [tag.name for tag in self._tags]
        return {
            "uri": self._tags[0].opcua.namespace,
            "nodes": {tag.name: tag.opcua.type for tag in self._tags},
            "tick_ms": self.tick_ns // 1_000_000,
            "before": faults.namespaces,
            "missing": sorted(faults.missing),
            "limits": {**{name: each for name, each in most.items() if each}, "told": limits.told},
            "sessions": faults.sessions,
            "ahead_s": faults.clock_s,
            "history": not faults.no_history,
            **({"late_s": late.seconds, "late": sorted(late.tags) or names} if late else {}),
        }
