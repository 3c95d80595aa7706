"""Runs one subject against a fresh simulator, broker and receiver, and reads its figures from outside."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from tests.bench.requests import requests_in
from tests.bench.scenario import Figures, Received, Scenario
from tests.bench.subjects import Subject, server, variables

SETTLE_S = 60  # seconds the helpers live beyond warm-up and window: starting, counting, stopping
STOP_S = 20.0  # an orderly stop of the agent takes 7 s at most: 2 for devices, 5 for the last PUBACKs


class NoFigures(Exception):  # noqa: N818 - a statement: this run gave none
    """A run that cannot count: a program did not start or ended early; the text has its last words."""


def measure(
    subject: Subject, scenario: Scenario, simulator: list[str], *, warm_s: float, seconds: float
) -> Figures:
    """Let a subject run for `warm_s`, then take its figures over `seconds`. Raises NoFigures."""
    life_s = round(warm_s + seconds) + SETTLE_S
    with TemporaryDirectory(prefix="edge-agent-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        log = folder / "requests.log"
        broker = _start_broker(stack, folder)
        command = server(scenario, simulator, folder, life_s)
        plcs = stack.enter_context(_program(command, folder, "simulator"))
        devices = [int(port) for port in _line(plcs, folder, "simulator").split()]
        receiver = stack.enter_context(
            _program([sys.executable, "-m", "tests.bench.receiver", str(broker)], folder, "receiver")
        )
        _line(receiver, folder, "receiver")
        command = subject.command(scenario, folder, broker, devices, life_s)
        program = stack.enter_context(_program(command, folder, "subject"))

        time.sleep(warm_s)
        start_ns, cpu_before_s = time.monotonic_ns(), _cpu_s(program.pid)
        time.sleep(seconds)
        cpu_s = _cpu_s(program.pid) - cpu_before_s
        end_ns = time.monotonic_ns()
        peak_rss_mb = _peak_rss_mb(program.pid)

        if program.poll() is not None:
            raise NoFigures(f"{subject.name} ended early\n{_last_words(folder, 'subject')}")
        _say(receiver, f"{start_ns} {end_ns}\n")
        received = Received(**json.loads(_line(receiver, folder, "receiver")))
        if not received.values:
            raise NoFigures(f"{subject.name} delivered no value\n{_last_words(folder, 'subject')}")
        _stop(program)
        _stop(plcs)
        requests = requests_in(log, start_ns, end_ns, scenario.interval_s)
        return Figures(subject.name, (end_ns - start_ns) / 1e9, cpu_s, peak_rss_mb, received, requests)


def _cpu_s(pid: int) -> float:
    """CPU time of a process and its children, of all threads, past ones too, to the nanosecond.

    The clock id is what clock_getcpuclockid(3) makes of a process id on Linux; /proc/PID/stat tells the same
    time in steps of 10 ms, which is too coarse for a subject that uses 1 % of a core.
    """
    return sum(time.clock_gettime((~each << 3) | 2) for each in _family(pid))


def _peak_rss_mb(pid: int) -> float:
    """Highest resident memory since start, of a process and its children, in MB of 10^6 bytes."""
    lines = [line for each in _family(pid) for line in Path(f"/proc/{each}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def _family(pid: int) -> list[int]:
    """A process and all below it; empty when it has ended."""
    family = [pid]
    try:
        for each in family:
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                family += [int(child) for child in children.read_text().split()]
        time.clock_gettime((~pid << 3) | 2)
    except (OSError, ProcessLookupError):
        return []
    return family


@contextmanager
def _program(command: list[str], folder: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Start a program with its stderr in a file; it is stopped on the way out."""
    with (folder / f"{name}.log").open("w") as log:
        program = subprocess.Popen(
            command,
            cwd=folder,
            env=variables(),
            stdin=subprocess.PIPE,
            stdout=log if name == "subject" else subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with program:
            try:
                yield program
            finally:
                _stop(program)


def _stop(program: subprocess.Popen[str]) -> None:
    """Ask a program to end; after STOP_S it is killed."""
    program.terminate()
    try:
        program.wait(STOP_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _start_broker(stack: ExitStack, folder: Path) -> int:
    """Start Mosquitto on a free port of this machine; gives the port once it answers."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    mosquitto = shutil.which("mosquitto", path=path)
    if mosquitto is None:
        raise NoFigures("mosquitto is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    # No limits: the broker shall neither hold back the subject nor drop what the receiver has not taken yet.
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n"
    )
    stack.enter_context(_program([mosquitto, "-c", str(config)], folder, "broker"))
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return port
    raise NoFigures(f"mosquitto does not listen\n{_last_words(folder, 'broker')}")


def _line(program: subprocess.Popen[str], folder: Path, name: str) -> str:
    """The next line that a helper prints; each of them ends by itself, so this does not wait for ever."""
    line = _pipe(program.stdout).readline()
    if not line:
        raise NoFigures(f"the {name} ended\n{_last_words(folder, name)}")
    return line


def _say(program: subprocess.Popen[str], line: str) -> None:
    pipe = _pipe(program.stdin)
    pipe.write(line)
    pipe.flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise NoFigures("a program was started without a pipe")
    return pipe


def _last_words(folder: Path, name: str) -> str:
    return (folder / f"{name}.log").read_text()[-2000:]
