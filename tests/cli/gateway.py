"""A gateway of simulated PLCs for commands that ask devices, and the commands as a user calls them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_agent import cli
from edge_agent.config.shelf import shipped_profiles
from edge_agent.demo.programs import free_port


def config(folder: Path, plcs: Mapping[str, int], more: str = "") -> Path:
    """The file of a gateway with a meter for each name, at these ports, and a broker that is not there."""
    connections = "\n".join(
        f'  {name}: {{modbus: {{tcp: "127.0.0.1:{port}", timeout: 200ms}}}}' for name, port in plcs.items()
    )
    devices = "\n".join(f"  {name}: {{profile: eastron/sdm630-v2@1, connection: {name}}}" for name in plcs)
    path = folder / "agent.yaml"
    path.write_text(
        "schema: edge-agent/gateway/1\n"
        "gateway: {id: gw17}\n"
        f"connections:\n{connections}\n"
        f"devices:\n{devices}\n"
        f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{free_port()}"}}}}}}\n'
        f"buffer: {{path: ./state/buffer}}\n{more}"
    )
    return path


def claim_vendor(folder: Path, vendor: str) -> None:
    """From now on the profile of the meters beside a file claims that this is their vendor."""
    own = folder / "profiles" / "eastron"
    own.mkdir(parents=True)
    text = (shipped_profiles() / "eastron" / "sdm630-v2.yaml").read_text()
    (own / "sdm630-v2.yaml").write_text(f"{text}identify: [{{object: vendor, equals: {vendor}}}]\n")


def add_device(path: Path, name: str, connection: str) -> None:
    """One more meter in a file, as somebody would write it while the agent runs."""
    entry = f"  {name}: {{profile: eastron/sdm630-v2@1, connection: {connection}}}\n"
    path.write_text(path.read_text().replace("\ndevices:\n", f"\ndevices:\n{entry}"))


class Terminal:
    """Where commands are typed; `out` and `err` are what the last one said."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self.out = ""
        self.err = ""

    async def type(self, *words: str) -> int:
        """Run a command beside what else runs here; gives its exit code."""
        self._captured.readouterr()
        code = await asyncio.to_thread(cli.main, words)
        self.out, self.err = self._captured.readouterr()
        return code
