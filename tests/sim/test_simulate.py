import argparse
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from edge_agent.cli import simulate
from edge_agent.config.settings import NodeLimits, Profile, Tag
from edge_agent.core.nodes import Node

PROFILE = """\
schema: edge-agent/profile/1
id: acme/pump
version: 1.2.0
protocol: modbus
title: Acme pump
defaults: {table: holding, type: uint32, group: fast}
groups: {fast: {interval: 1s}}
tags:
  speed: {address: 0}
  flow: {address: 2}
"""
FORCE = Tag("force", "fast", "Float", Node("force", "urn:acme", "s=GVL.force", "Float"))
PRESS = Profile("acme/press", "1.0.0", "", "opcua", "Acme press", {}, (FORCE,), NodeLimits())
READ = bytes.fromhex("00010000000601 0300000002")


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    folder = tmp_path / "profiles"
    (folder / "acme").mkdir(parents=True)
    (folder / "acme" / "pump.yaml").write_text(PROFILE, "utf-8")
    return folder


@pytest.fixture
def stdin() -> Iterator[int]:
    """The write end of what stands in for standard input."""
    saved = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield writing
    os.close(writing)
    os.dup2(saved, 0)
    os.close(saved)


def test_a_profile_is_played_from_its_file(
    profiles: Path, stdin: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(stdin, b"quit\n")

    assert _run(str(profiles / "acme" / "pump.yaml"), "--port", "0", "--units", "1,7") == 0

    out = capsys.readouterr().out
    assert out.startswith("simulating acme/pump@1.2.0 on 127.0.0.1 port ")
    assert out.endswith(", units 1, 7\n")


@pytest.mark.parametrize("wanted", ["acme/pump@1", "acme/pump@1.2", "acme/pump@1.2.0"])
def test_a_profile_is_found_by_its_id(
    profiles: Path, stdin: int, capsys: pytest.CaptureFixture[str], wanted: str
) -> None:
    os.write(stdin, b"quit\n")

    assert _run(wanted, "--profiles", str(profiles), "--port", "0", "--json") == 0

    about = json.loads(capsys.readouterr().out)
    assert about == {"host": "127.0.0.1", "port": about["port"], "units": [1], "profile": "acme/pump@1.2.0"}


@pytest.mark.parametrize("wanted", ["acme/pump", "acme/pump@2", "acme/fan@1", "/nowhere/pump.yaml", "pump"])
def test_an_unknown_profile_is_named(profiles: Path, capsys: pytest.CaptureFixture[str], wanted: str) -> None:
    assert _run(wanted, "--profiles", str(profiles)) == 1
    err = capsys.readouterr().err
    assert wanted.partition("@")[0] in err
    assert err.endswith("(and no file has this name)\n")


def test_the_problems_of_a_profile_are_shown(profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = profiles / "acme" / "pump.yaml"
    path.write_text(PROFILE.replace("address: 2", "addr: 2"), "utf-8")

    assert _run(str(path)) == 1
    assert "pump.yaml:10" in capsys.readouterr().err


def test_a_port_in_use_is_said_in_one_line(profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert _run("acme/pump@1", "--profiles", str(profiles), "--port", str(port)) == 3

    said = f"cannot listen on 127.0.0.1 port {port}: it is in use; choose another with --port"
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::", "plc.example"])
def test_an_address_open_to_others_comes_with_a_warning(host: str) -> None:
    about = simulate.Announced(host, 5020, (1,), "acme/pump@1.2.0")
    warning = "warning: anybody who reaches this address can read"

    assert simulate.announcement(about, as_json=False).endswith(f"({warning})")
    assert json.loads(simulate.announcement(about, as_json=True))["warning"] == warning


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_an_address_of_this_machine_alone_comes_without(host: str) -> None:
    about = simulate.Announced(host, 5020, (1,), "acme/pump@1.2.0")

    assert "warning" not in simulate.announcement(about, as_json=False)
    assert "warning" not in simulate.announcement(about, as_json=True)


def test_a_wrong_command_is_answered_and_the_next_one_obeyed(
    profiles: Path, stdin: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(stdin, b"burn on\n\nrefuse on\nrefuse off\nqu")
    os.write(stdin, b"it\n")

    assert _run("acme/pump@1", "--profiles", str(profiles), "--port", "0") == 0
    assert capsys.readouterr().err.startswith("cannot do 'burn on'; known are: silence on|off")


@pytest.mark.parametrize(
    "words", [["--units", "1,x"], ["--units", "256"], ["--slow", "200"], ["--port", "high"]]
)
def test_a_wrong_argument_is_a_mistake_of_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        _run("acme/pump@1", *words)

    assert stopped.value.code == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_on_after_the_end_of_stdin_until_a_signal(profiles: Path, number: signal.Signals) -> None:
    with subprocess.Popen(_command(profiles), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]

            assert _ask(port)[:9] == bytes.fromhex("00010000000701 0304")

            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_commands_switch_faults_while_it_runs(profiles: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(_command(profiles), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            port = json.loads(process.stdout.readline())["port"]

            # A word it does not know comes back on stderr: then the commands before it are done.
            process.stdin.write(b"exception 6\nnow\n")
            process.stderr.readline()
            refused = _ask(port)
            process.stdin.write(b"exception off\nnow\n")
            process.stderr.readline()
            answered = _ask(port)
            process.stdin.write(b"quit\n")

            assert refused == bytes.fromhex("00010000000301 8306")
            assert answered[:9] == bytes.fromhex("00010000000701 0304")
            assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.fixture
def quiet() -> Iterator[None]:
    """The command silences a library for its process; the next test has one of its own."""
    library = logging.getLogger("asyncua")
    level = library.level
    yield
    library.setLevel(level)


@pytest.mark.usefixtures("quiet")
def test_a_profile_of_opcua_is_played_at_an_endpoint(stdin: int, capfd: pytest.CaptureFixture[str]) -> None:
    os.write(stdin, b"bad force\nmissing force\ncut\nrestart\nfrozen on\nbad off\nquit\n")

    assert simulate.play(PRESS, _args("acme/press@1", "--port", "0")) == 0

    out, err = capfd.readouterr()
    assert re.fullmatch(r"simulating acme/press@1\.0\.0 at opc\.tcp://127\.0\.0\.1:\d+\n", out)
    assert err == ""


@pytest.mark.usefixtures("quiet")
def test_what_a_plc_of_opcua_cannot_do_is_said(stdin: int, capfd: pytest.CaptureFixture[str]) -> None:
    os.write(stdin, b"exception 2\nbad speed\nquit\n")

    assert simulate.play(PRESS, _args("acme/press@1", "--port", "0", "--json")) == 0

    out, err = capfd.readouterr()
    about = json.loads(out)
    port = about["port"]
    assert about == {
        "host": "127.0.0.1",
        "port": port,
        "endpoint": f"opc.tcp://127.0.0.1:{port}",
        "profile": "acme/press@1.0.0",
    }
    known = (
        "silence on|off, refuse on|off, slow 200ms|off, frozen on|off, missing TAG,TAG|off, bad TAG,TAG|off"
    )
    assert err.splitlines() == [
        f"cannot do 'exception 2'; known are: {known}, cut, restart, quit",
        "no such tag: speed; there are: force",
    ]


def test_each_protocol_has_its_port(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # whoever has it, it is in use
            stack.enter_context(socket.create_server(("127.0.0.1", 4840)))

        assert simulate.play(PRESS, _args("acme/press@1")) == 3

    assert capsys.readouterr().err.startswith("cannot listen on 127.0.0.1 port 4840: it is in use")


def test_an_opcua_server_has_no_units(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.play(PRESS, _args("acme/press@1", "--units", "1")) == 1

    assert capsys.readouterr().err == "acme/press: an OPC UA server has no units; leave --units out\n"


def test_a_modbus_plc_costs_no_opcua_library() -> None:
    script = "import sys, edge_agent.cli.simulate; sys.exit('asyncua' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def _args(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    return parser.parse_args(words)


def _run(*words: str) -> int:
    return simulate.run(_args(*words))


def _command(profiles: Path) -> list[str]:
    words = ["simulate", "acme/pump@1", "--profiles", str(profiles), "--port", "0", "--json"]
    return [sys.executable, "-m", "edge_agent", *words]


def _ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(READ)
        return client.recv(300)
