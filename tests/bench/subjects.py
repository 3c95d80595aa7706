"""The two that are measured: how each is built, configured and started."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.scenario import Scenario

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARIES = ("libmodbus", "libmosquitto", "sqlite3")


@dataclass(frozen=True, slots=True)
class Subject:
    """A program under measurement; `command` prepares `folder` and gives the command line.

    Its arguments: the scenario, the folder, the broker's port, a port per device, the seconds it may live.
    """

    name: str
    command: Callable[[Scenario, Path, int, Sequence[int], int], list[str]]


def agent_command(
    scenario: Scenario, folder: Path, broker: int, devices: Sequence[int], _seconds: int
) -> list[str]:
    """Start the agent of this checkout on a configuration that leaves all but addresses at its default."""
    profile = folder / "profiles" / "bench" / "float100.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text(_profile(scenario))
    config = folder / "agent.yaml"
    config.write_text(_gateway(scenario, broker, devices))
    return [sys.executable, "-m", "edge_agent", "run", "--config", str(config)]


def compiled(folder: Path) -> tuple[list[str], Subject | None]:
    """Build what can be built here: the command of the simulator, and the C loop or None."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return [sys.executable, "-m", "tests.bench.simulator"], None
    simulator = folder / "simulator"
    _build(compiler, "simulator.c", simulator, [])
    flags = _flags()
    if flags is None:
        return [str(simulator)], None
    loop = folder / "straight_loop"
    _build(compiler, "straight_loop.c", loop, flags)

    def command(
        scenario: Scenario, here: Path, broker: int, devices: Sequence[int], seconds: int
    ) -> list[str]:
        interval_ms = str(round(scenario.interval_s * 1000))
        fixed = [str(broker), interval_ms, str(scenario.tags), str(seconds), str(here / "outbox.db")]
        return [str(loop), *fixed, *map(str, devices)]

    return [str(simulator)], Subject("C loop", command)


def variables() -> dict[str, str]:
    """The environment of the subjects: this checkout is what Python imports."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def _build(compiler: str, source: str, program: Path, flags: list[str]) -> None:
    base = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra"]
    subprocess.run([*base, "-o", str(program), str(HERE / source), *flags], check=True, timeout=60)


def _flags() -> list[str] | None:
    """What the compiler needs for the C loop's libraries, or None where one is not at hand."""
    if shutil.which("pkg-config") is None:
        return None
    asked = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *LIBRARIES], capture_output=True, text=True, timeout=10
    )
    return asked.stdout.split() if asked.returncode == 0 else None


def server(scenario: Scenario, simulator: list[str], folder: Path, seconds: int) -> list[str]:
    """The command of the simulated devices of a scenario; `simulator` is that of Modbus devices."""
    log = str(folder / "requests.log")
    if scenario.protocol == "opcua":
        return [sys.executable, "-m", "tests.bench.opcua_server", str(scenario.tags), str(seconds), log]
    return [*simulator, str(scenario.devices), str(seconds), log]


def _profile(scenario: Scenario) -> str:
    if scenario.protocol == "opcua":
        return _opcua_profile(scenario)
    tags = "".join(f"  tag_{tag:03}: {{address: {2 * tag}}}\n" for tag in range(scenario.tags))
    return (
        "schema: edge-agent/profile/1\n"
        "id: bench/float100\n"
        "version: 1.0.0\n"
        "title: Float32 values in holding registers, for measurements\n"
        "protocol: modbus\n"
        "defaults: {table: holding, type: float32, group: fast}\n"
        f"groups:\n  fast: {{interval: {scenario.interval_s:g}s}}\n"
        f"tags:\n{tags}"
    )


def _opcua_profile(scenario: Scenario) -> str:
    tags = "".join(f'  tag_{tag:04}: {{node: "plc:s=Tag{tag}"}}\n' for tag in range(scenario.tags))
    times = f"publishing: {scenario.interval_s * 1000:g}ms, sampling: {scenario.interval_s * 1000:g}ms"
    return (
        "schema: edge-agent/profile/1\n"
        "id: bench/float100\n"
        "version: 1.0.0\n"
        "title: Floats of a server, for measurements\n"
        "protocol: opcua\n"
        'namespaces: {plc: "urn:bench"}\n'
        "defaults: {type: Float, group: fast}\n"
        f"groups:\n  fast: {{{times}}}\n"
        f"tags:\n{tags}"
    )


def _connection(scenario: Scenario, port: int) -> str:
    if scenario.protocol == "opcua":
        return (
            f'{{opcua: {{endpoint: "opc.tcp://127.0.0.1:{port}", security: {{policy: None, mode: none}}}}}}'
        )
    return f'{{modbus: {{tcp: "127.0.0.1:{port}"}}}}'


def _gateway(scenario: Scenario, broker: int, devices: Sequence[int]) -> str:
    connections = "".join(
        f"  plc{index:04}: {_connection(scenario, port)}\n" for index, port in enumerate(devices)
    )
    unit = "" if scenario.protocol == "opcua" else ", unit: 1"
    entries = "".join(
        f"  plc{index:04}: {{profile: bench/float100@1, connection: plc{index:04}{unit}}}\n"
        for index in range(len(devices))
    )
    return (
        "schema: edge-agent/gateway/1\n"
        "gateway: {id: bench}\n"
        f"connections:\n{connections}"
        f"devices:\n{entries}"
        f'destinations:\n  cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{broker}"}}}}\n'
        "buffer: {path: ./buffer}\n"
    )


AGENT = Subject("agent", agent_command)
