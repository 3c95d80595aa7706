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
from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import Client, ua

from edge_agent.cli import simulate
from edge_agent.cli.codes import Ended
from edge_agent.cli.played import Where, announcement, played
from edge_agent.config.settings import Group, NodeLimits, Profile, Tag
from edge_agent.core.events import EventSource
from edge_agent.core.nodes import Node, Spot

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
    assert about == {
        "transport": "tcp",
        "mode": "tcp",
        "host": "127.0.0.1",
        "port": about["port"],
        "units": [1],
        "profile": "acme/pump@1.2.0",
    }


@pytest.mark.parametrize("wanted", ["acme/pump", "acme/pump@2", "acme/fan@1", "/nowhere/pump.yaml", "pump"])
def test_an_unknown_profile_is_named(profiles: Path, capsys: pytest.CaptureFixture[str], wanted: str) -> None:
    assert _run(wanted, "--profiles", str(profiles)) == 1
    err = capsys.readouterr().err
    assert wanted.partition("@")[0] in err
    assert err.endswith("(no file has this name; --profiles DIR names a folder of yours)\n")


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
    where = Where("on it", {"host": host}, host)
    warning = "warning: anybody who reaches this address can read"

    said = announcement("acme/pump@1.2.0", where, as_json=False)
    assert said == f"simulating acme/pump@1.2.0 on it ({warning})"
    assert json.loads(announcement("acme/pump@1.2.0", where, as_json=True))["warning"] == warning


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_an_address_of_this_machine_alone_comes_without(host: str) -> None:
    where = Where("on it", {"host": host}, host)

    assert "warning" not in announcement("acme/pump@1.2.0", where, as_json=False)
    assert "warning" not in announcement("acme/pump@1.2.0", where, as_json=True)


def test_a_wrong_command_is_answered_and_the_next_one_obeyed(
    profiles: Path, stdin: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(stdin, b"burn on\n\nrefuse on\nrefuse off\nqu")
    os.write(stdin, b"it\n")

    assert _run("acme/pump@1", "--profiles", str(profiles), "--port", "0") == 0
    assert capsys.readouterr().err.startswith("cannot do 'burn on'; known are: silence on|off")


@pytest.mark.parametrize(
    "words",
    [
        ["--units", "1,x"],
        ["--units", "256"],
        ["--units", "5-1"],
        ["--slow", "200"],
        ["--port", "high"],
        ["--mode", "usb"],
        ["--parity", "space"],
        ["--stopbits", "3"],
    ],
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
def test_a_secured_plc_tells_its_fingerprint(stdin: int, capfd: pytest.CaptureFixture[str]) -> None:
    os.write(stdin, b"quit\n")

    assert simulate.play(PRESS, _args("acme/press@1", "--port", "0", "--secure", "--json")) == 0

    assert re.fullmatch("sha256:[0-9A-F]{64}", json.loads(capfd.readouterr().out)["fingerprint"])


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("more", "counted"),
    [([], "0 sessions, 0 subscriptions"), (["--json"], '{"sessions": 0, "subscriptions": 0}')],
)
def test_what_clients_have_at_a_plc_of_opcua_is_counted(
    more: list[str], counted: str, stdin: int, capfd: pytest.CaptureFixture[str]
) -> None:
    os.write(stdin, b"forget\ndrop\ncount\nquit\n")

    assert simulate.play(PRESS, _args("acme/press@1", "--port", "0", *more)) == 0

    out, err = capfd.readouterr()
    assert out.splitlines()[1:] == [counted]
    assert err == ""


@pytest.mark.usefixtures("quiet")
def test_events_happen_when_they_are_told_to(stdin: int, capfd: pytest.CaptureFixture[str]) -> None:
    source = EventSource(Spot("", "i=2253"))
    group = Group("alarms", 1.0, mode="events", lane="alarm", events=source)
    press = replace(PRESS, groups={**PRESS.groups, "alarms": group})
    os.write(stdin, b"events 5\nevents\nquit\n")

    assert simulate.play(press, _args("acme/press@1", "--port", "0")) == 0

    assert capfd.readouterr().err == "cannot do 'events'; write events 5\n"


def test_a_user_has_a_name_and_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _args("acme/press@1", "--user", "edge")

    assert "'edge' is no user; write it like edge:secret" in capsys.readouterr().err


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("more", [[], ["--secure"]])
async def test_with_a_user_nobody_else_is_let_in(more: list[str]) -> None:
    args = _args("acme/press@1", "--port", "0", "--user", "edge:secret", *more)
    plc = played(PRESS, args).plc
    async with plc:
        endpoint = f"opc.tcp://127.0.0.1:{plc.port}"
        offered = await Client(endpoint).connect_and_get_server_endpoints()

    tokens = {token.TokenType for each in offered for token in each.UserIdentityTokens}
    assert tokens == {ua.UserTokenType.UserName}
    assert {each.SecurityMode == ua.MessageSecurityMode.None_ for each in offered} == {not more}


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
        "silence on|off, refuse on|off, slow 200ms|off, frozen on|off, missing TAG,TAG|off, bad TAG,TAG|off, "
        "limits 10|off, sessions 2|off, publish 2|off, clock +3600s|off, no-history on|off, page 100|off, "
        "late 8s TAG,TAG|off, namespaces URI,URI|off"
    )
    assert err.splitlines() == [
        f"cannot do 'exception 2'; known are: {known}, cut, restart, forget, drop, count, quit",
        "no such tag: speed; there are: force",
    ]


def test_each_protocol_has_its_port(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # whoever has it, it is in use
            stack.enter_context(socket.create_server(("127.0.0.1", 4840)))

        assert simulate.play(PRESS, _args("acme/press@1")) == 3

    assert capsys.readouterr().err.startswith("cannot listen on 127.0.0.1 port 4840: it is in use")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--units", "1"], "acme/press is played by an OPC UA server: leave --units out"),
        (["--mode", "rtu", "--udp"], "acme/press is played by an OPC UA server: leave --mode, --udp out"),
    ],
)
def test_an_opcua_server_takes_nothing_of_modbus(words: list[str], why: str) -> None:
    with pytest.raises(Ended, match=why) as end:
        simulate.play(PRESS, _args("acme/press@1", *words))

    assert end.value.code == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ["--serial", "/dev/ttyS0", "--port", "502"],
            "--port: with --serial there is neither network nor port",
        ),
        (["--secure"], "--secure: Modbus has no certificates"),
        (["--user", "a:b"], "--user: Modbus has no users"),
        (["--serial", "/dev/ttyS0", "--udp"], "--udp: with --serial there is neither network nor port"),
        (
            ["--serial", "/dev/ttyS0", "--mode", "tcp"],
            "a serial port carries rtu or ascii: leave --mode tcp out",
        ),
        (["--baudrate", "9600"], "--baudrate: only a serial port has these: say --serial PATH"),
        (["--udp", "--parity", "odd"], "--parity: only a serial port has these: say --serial PATH"),
        (["--udp", "--mode", "rtu"], "datagrams carry mode tcp only: leave --mode rtu or --udp out"),
    ],
)
def test_arguments_that_contradict_each_other_are_wrong_usage(
    profiles: Path, words: list[str], why: str
) -> None:
    with pytest.raises(Ended, match=re.escape(why)) as end:
        _run("acme/pump@1", "--profiles", str(profiles), *words)

    assert end.value.code == 2


@pytest.mark.parametrize(
    ("words", "about", "said"),
    [
        (["--udp"], {"transport": "udp", "mode": "tcp"}, "on 127.0.0.1 port PORT (tcp over udp), units 1"),
        (
            ["--mode", "rtu", "--units", "3,5-6"],
            {"transport": "tcp", "mode": "rtu", "units": [3, 5, 6]},
            "on 127.0.0.1 port PORT (rtu over tcp), units 3, 5, 6",
        ),
    ],
)
def test_where_a_plc_is_tells_transport_and_framing(
    profiles: Path,
    stdin: int,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    about: dict[str, object],
    said: str,
) -> None:
    told = []
    for more in ([], ["--json"]):
        os.write(stdin, b"quit\n")
        assert _run("acme/pump@1", "--profiles", str(profiles), "--port", "0", *words, *more) == 0
        told.append(capsys.readouterr().out)

    expected = {"host": "127.0.0.1", "units": [1], "profile": "acme/pump@1.2.0"} | about
    facts = json.loads(told[1])
    assert facts == expected | {"port": facts["port"]}
    assert re.sub(r"port \d+", "port PORT", told[0]) == f"simulating acme/pump@1.2.0 {said}\n"


@pytest.mark.parametrize(
    ("words", "mode", "place"),
    [
        ([], "rtu", "(rtu, 9600 bit/s)"),
        (["--mode", "ascii", "--baudrate", "19200", "--stopbits", "2"], "ascii", "(ascii, 19200 bit/s)"),
    ],
)
def test_a_plc_is_played_on_a_serial_port(
    profiles: Path, stdin: int, capsys: pytest.CaptureFixture[str], words: list[str], mode: str, place: str
) -> None:
    near, far = os.openpty()
    path = os.ttyname(far)
    told = []
    for more in ([], ["--json"]):
        os.write(stdin, b"quit\n")
        assert _run("acme/pump@1", "--profiles", str(profiles), "--serial", path, *words, *more) == 0
        told.append(capsys.readouterr().out)
    os.close(near)
    os.close(far)

    assert told[0] == f"simulating acme/pump@1.2.0 on {path} {place}, units 1\n"
    assert json.loads(told[1]) == {
        "transport": "serial",
        "path": path,
        "mode": mode,
        "units": [1],
        "profile": "acme/pump@1.2.0",
    }


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nowhere/tty", "there is no such port; is the adapter plugged in, does socat run?"),
        ("/dev/null", "this is no serial port"),
    ],
)
def test_a_serial_port_that_cannot_be_had_is_said_in_one_line(
    profiles: Path, capsys: pytest.CaptureFixture[str], path: str, why: str
) -> None:
    assert _run("acme/pump@1", "--profiles", str(profiles), "--serial", path) == 3

    assert capsys.readouterr().err == f"{path}: {why}\n"


def test_a_speed_that_does_not_exist_is_said(profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--serial", "/dev/null", "--baudrate", "12345"]

    assert _run("acme/pump@1", "--profiles", str(profiles), *words) == 1
    assert capsys.readouterr().err == "12345 is no speed of a serial port; 9600 and 19200 are usual\n"


def test_it_ends_when_its_serial_port_has_gone(profiles: Path) -> None:
    near, far = os.openpty()
    words = ["--profiles", str(profiles), "--serial", os.ttyname(far)]
    command = [sys.executable, "-m", "edge_agent", "simulate", "acme/pump@1", *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            path = os.ttyname(far)
            os.close(near)

            assert process.wait(10) == 3
            assert process.stderr.read().decode() == f"{path}: the serial port has gone\n"
        finally:
            process.kill()
            os.close(far)


@pytest.mark.parametrize(
    ("more", "counted"),
    [
        ([], "1 requests; faults: exception 1\n"),
        (["--json"], '{"requests": 1, "injected": {"exception": 1}}\n'),
    ],
)
def test_what_was_injected_is_counted_when_asked_and_at_the_end(
    profiles: Path, more: list[str], counted: str
) -> None:
    words = ["simulate", "acme/pump@1", "--profiles", str(profiles), "--port", "0", *more]
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "edge_agent", *words]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            port = int(re.findall(r"port\W+(\d+)", process.stdout.readline())[0])
            process.stdin.write("count\nunit 1 exception 4\ncount\n")
            before = process.stdout.readline(), process.stdout.readline()
            _ask(port)
            process.stdin.write("count\nquit\n")

            assert "0" in before[0]
            assert before[0] == before[1]
            assert process.stdout.readline() == process.stdout.readline() == counted
            assert process.wait(10) == 0
        finally:
            process.kill()


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
