"""`edge-agent call`, and `write` over OPC UA, as a user calls them, with and without a running agent."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from asyncua import ua

from edge_agent.config.profile import load_profile
from edge_agent.demo.programs import free_port
from edge_agent.drivers.kinds import kinds
from edge_agent.ops import control
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.opcua_methods import Argument, SimulatedMethod, done, refused
from tests.cli.gateway import Terminal
from tests.cli.test_write import Tty, answering, left
from tests.e2e.plant import until

PROFILE = """\
schema: edge-agent/profile/1
id: acme/mill
version: 1.0.0
protocol: opcua
title: A mill
namespaces: {plc: "urn:acme:mill"}
groups: {fast: {publishing: 200ms}}
defaults: {group: fast}
tags:
  speed:   {node: plc:s=speed, type: Double, unit: /min, access: rw, valid: [0, 3000]}
  mode:    {node: plc:s=mode, type: Int32, access: rw, enum: {0: "off", 1: auto}}
  strokes: {node: plc:s=strokes, type: UInt32}
methods:
  start: {object: plc:s=Mill, method: plc:s=Mill.start}
  stop:  {object: plc:s=Mill, method: plc:s=Mill.stop}
  drill: {object: plc:s=Mill, method: plc:s=Mill.drill}
"""
INPUTS = (Argument("speed", "Double"), Argument("recipe", "String"))
SIGNATURE = "start(speed: Double, recipe: String) -> (job: UInt32)"


async def test_a_method_is_called_and_its_results_are_shown(tmp_path: Path, terminal: Terminal) -> None:
    async with mill(tmp_path) as its:
        words = ("call", "mill-1.start", "1200", "recipe 7", "--yes", "--config", its.config)

        assert await terminal.type(*words) == 0
        assert terminal.out.startswith("mill-1.start: Good, ")
        assert terminal.out.endswith(" ms\n  job = 4711\n")
        assert its.started == [(1200.0, "recipe 7")]

        assert await terminal.type(*words, "--json") == 0
        told = json.loads(terminal.out)
        assert told | {"took_ms": 0} == {
            "device": "mill-1",
            "method": "start",
            "done": "yes",
            "outputs": {"job": 4711},
            "status": "Good",
            "quality": "good",
            "took_ms": 0,
            "why": "",
            "misused": False,
        }


async def test_a_running_agent_calls_and_writes_over_its_own_session(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with mill(tmp_path) as its:
        with running(its):
            await until(lambda: its.answers(tmp_path), "a session")

            assert await terminal.type("call", "mill-1.start", "1", "x", "--yes", "--config", its.config) == 0
            assert terminal.out.endswith("job = 4711\n")
            assert await terminal.type("write", "mill-1.mode", "auto", "--yes", "--config", its.config) == 0
            assert terminal.out.startswith("mill-1.mode is 1 (auto), good; as Int32, ")
            assert await terminal.type("call", "mill-1.start", "1", "--yes", "--config", its.config) == 2
            assert f"it takes 2 arguments, not 1; it is {SIGNATURE}" in terminal.err
            assert await terminal.type("call", "mill-1.stop", "--yes", "--config", its.config) == 1
            assert its.started == [(1.0, "x")]
            assert its.sessions == 1


async def test_a_value_is_written_without_an_agent(tmp_path: Path, terminal: Terminal) -> None:
    async with mill(tmp_path) as its:
        assert await terminal.type("write", "mill-1.speed", "12.5", "--yes", "--config", its.config) == 0
        assert terminal.out.startswith("mill-1.speed is 12.5 /min, good; as Double, ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("write", "mill-1.speed", "5000"), "speed: 5000 is outside of what is valid: 0 to 3000"),
        (("write", "mill-1.strokes", "1"), "its profile does not say access: rw"),
        (("call", "mill-1.starts"), "mill-1 has no method 'starts' - did you mean 'start'?"),
        (("call", "mill-2.start"), "there is no device 'mill-2' - did you mean 'mill-1'?"),
        (("call", "mill-1"), "'mill-1' names no method; write DEVICE.METHOD"),
    ],
)
async def test_what_is_not_in_the_profile_is_neither_written_nor_called(
    tmp_path: Path, terminal: Terminal, words: tuple[str, ...], told: str
) -> None:
    path = gateway(tmp_path, free_port())

    assert await terminal.type(*words, "--yes", "--config", str(path)) == 2
    assert told in terminal.err


async def test_a_profile_without_methods_says_where_to_write_them(tmp_path: Path, terminal: Terminal) -> None:
    path = gateway(tmp_path, free_port(), PROFILE.partition("methods:")[0])

    assert await terminal.type("call", "mill-1.start", "--yes", "--config", str(path)) == 2
    assert "its profile acme/mill lists none; write under methods: what may be called" in terminal.err


async def test_arguments_that_do_not_fit_are_told_with_the_signature(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with mill(tmp_path) as its:
        words = ("call", "mill-1.start", "speed=fast", "recipe=x", "--yes", "--config", its.config)

        assert await terminal.type(*words) == 2
        assert f"mill-1.start: not called: speed: 'fast' is not a number; it is {SIGNATURE}" in terminal.err
        assert its.started == []


async def test_what_the_server_refuses_is_told_with_what_to_do(tmp_path: Path, terminal: Terminal) -> None:
    async with mill(tmp_path) as its:
        assert await terminal.type("call", "mill-1.stop", "--yes", "--config", its.config) == 1
        assert terminal.out.startswith("mill-1.stop: not carried out: opc.tcp://127.0.0.1:")
        assert "the machine does not take it in the state it is in (BadInvalidState)" in terminal.out
        assert await terminal.type("call", "mill-1.drill", "--yes", "--config", its.config) == 1
        assert "the server has no such node: is the profile for this machine" in terminal.out


async def test_a_server_that_is_off_is_unreachable_and_nothing_was_called(
    tmp_path: Path, terminal: Terminal
) -> None:
    path = gateway(tmp_path, free_port())

    assert await terminal.type("call", "mill-1.stop", "--yes", "--config", str(path)) == 3
    assert "mill-1.stop: not carried out: connection refused by opc.tcp://127.0.0.1:" in terminal.out


async def test_no_answer_in_time_leaves_it_open_and_says_so(tmp_path: Path, terminal: Terminal) -> None:
    async with mill(tmp_path) as its:
        its.cuts = True

        assert await terminal.type("call", "mill-1.start", "1", "x", "--yes", "--config", its.config) == 3
        assert "it may have been carried out: look at the machine before you repeat it" in terminal.out
        assert its.started == [(1.0, "x")]


async def test_nothing_is_called_when_nobody_can_agree(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = gateway(tmp_path, free_port())
    (tmp_path / "nobody").touch()
    with (tmp_path / "nobody").open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert await terminal.type("call", "mill-1.stop", "--config", str(path)) == 2

    assert "add --yes" in terminal.err


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
async def test_who_sits_there_is_asked_before(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr("builtins.input", answering(asked, answer))
    async with mill(tmp_path) as its:
        assert await terminal.type("call", "mill-1.start", "1", "x", "--config", its.config) == code

        place = its.plc.endpoint
        assert asked == [f"call mill-1.start(1, x) at {place}? It may start a machine. [y/N] "]
        assert bool(its.started) is (code == 0)


async def test_who_leaves_at_the_question_has_called_nothing(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr("builtins.input", left)
    path = gateway(tmp_path, free_port())

    assert await terminal.type("call", "mill-1.stop", "--config", str(path)) == 1
    assert "nothing was called" in terminal.err


@pytest.mark.parametrize("within", ["0", "soon", "9999"])
async def test_a_time_that_is_none_is_told(terminal: Terminal, within: str) -> None:
    with pytest.raises(SystemExit):
        await terminal.type("call", "a.b", "--within", within)


# --- helpers ------------------------------------------------------------------------------


class Mill:
    """A simulated mill, and what was done to it; with `cuts` it cuts the link before it answers a start."""

    def __init__(self, folder: Path) -> None:
        self.started: list[tuple[object, ...]] = []
        self.cuts = False
        self._folder = folder
        self.config = str(gateway(folder, 1))
        profile, problems = load_profile(folder / "profiles" / "acme" / "mill.yaml", kinds())
        assert profile is not None, problems
        self.plc = OpcUaPlc(profile.tags)
        self.plc.methods = [
            SimulatedMethod("Mill", "start", self._start, INPUTS, [Argument("job", "UInt32")]),
            SimulatedMethod("Mill", "stop", self._stop),
        ]

    @property
    def sessions(self) -> int:
        """Sessions that a running agent has opened so far."""
        told = control.ask(control.socket_path(self._folder / "state"), "status")
        return int(told["connections"]["plc"]["opened"])

    def answers(self, folder: Path) -> bool:
        """Whether an agent runs and is connected."""
        try:
            told = control.ask(control.socket_path(folder / "state"), "status")
        except (control.NoAgent, FileNotFoundError):
            return False
        return bool(told["connections"]["plc"]["connected"])

    async def _start(self, *arguments: ua.Variant) -> ua.CallMethodResult:
        self.started.append(tuple(each.Value for each in arguments))
        if self.cuts:
            await self.plc.cut()
        return done(ua.Variant(4711, ua.VariantType.UInt32))

    async def _stop(self) -> ua.CallMethodResult:
        return refused(ua.StatusCodes.BadInvalidState)


@asynccontextmanager
async def mill(folder: Path) -> AsyncIterator[Mill]:
    its = Mill(folder)
    async with its.plc as plc:
        gateway(folder, plc.port)
        yield its


def gateway(folder: Path, port: int, profile: str = PROFILE) -> Path:
    own = folder / "profiles" / "acme"
    own.mkdir(parents=True, exist_ok=True)
    (own / "mill.yaml").write_text(profile)
    path = folder / "agent.yaml"
    path.write_text(
        "schema: edge-agent/gateway/1\ngateway: {id: gw17}\n"
        "connections:\n"
        f'  plc: {{opcua: {{endpoint: "opc.tcp://127.0.0.1:{port}",'
        " security: {policy: None, mode: none}}}\n"
        "devices: {mill-1: {profile: acme/mill@1, connection: plc}}\n"
        f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{free_port()}"}}}}}}\n'
        "buffer: {path: ./state/buffer}\n"
    )
    return path


@contextmanager
def running(its: Mill) -> Iterator[None]:
    command = [sys.executable, "-m", "edge_agent", "run", "--config", its.config]
    log = Path(its.config).with_suffix(".log")
    with log.open("wb") as told, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=told) as agent:
        try:
            yield
        finally:
            agent.terminate()
