import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.cli import simulate

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


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    return simulate.run(parser.parse_args(words))


def _command(profiles: Path) -> list[str]:
    words = ["simulate", "acme/pump@1", "--profiles", str(profiles), "--port", "0", "--json"]
    return [sys.executable, "-m", "edge_agent", *words]


def _ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(READ)
        return client.recv(300)
