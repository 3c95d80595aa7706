import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent import cli
from edge_agent.demo.programs import free_port

EMPTY = "schema: edge-agent/gateway/1\ngateway: {id: gw17}\nbuffer: {path: ./state/buffer}\n"


def edge_agent(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", *args], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """The configuration of an agent that runs, with a broker that is not there."""
    config = tmp_path / "agent.yaml"
    config.write_text(
        EMPTY + f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{free_port()}"}}}}}}\n'
    )
    with subprocess.Popen([sys.executable, "-m", "edge_agent", "run", "--config", str(config)]) as process:
        while process.poll() is None and not (tmp_path / "state" / "control.sock").exists():
            pass
        yield config
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_help_fits_a_terminal_and_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])

    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) > 5
    assert max(len(line) for line in text.splitlines()) <= 100


def test_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["sing"])

    assert stop.value.code == 2
    assert "invalid choice: 'sing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["read", "press", "--config", "a.yaml", "a", "b"], "cannot use a b; options stand behind all else"),
        (["endpoints", "plc", "--config", "a.yaml"], "cannot use --config a.yaml"),
    ],
)
def test_what_cannot_be_placed_is_told_with_the_usage_of_its_command(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)

    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.startswith(f"usage: edge-agent {argv[0]} ")
    assert err.endswith(f"edge-agent {argv[0]}: error: {words}\n")


def test_run_with_mistakes_says_them_and_ends_with_the_code_of_a_bad_configuration(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(EMPTY + "devises: {}\n")

    run = edge_agent("run", "--config", str(config))

    assert run.returncode == 78
    assert "unknown key 'devises' - did you mean 'devices'?" in run.stderr
    assert "Traceback" not in run.stderr


def test_run_without_a_file_says_so(tmp_path: Path) -> None:
    run = edge_agent("run", "--config", str(tmp_path / "none.yaml"))

    assert (run.returncode, "no such file" in run.stderr) == (78, True)


def test_status_of_a_running_agent_shows_what_is_not_well(running: Path) -> None:
    table = edge_agent("status", "--config", str(running))
    whole = edge_agent("status", "--config", str(running), "--json")

    assert table.returncode == whole.returncode == 1
    assert "gw17" in table.stdout
    assert "down" in table.stdout
    answer = json.loads(whole.stdout)
    assert answer["destinations"]["cloud"]["connected"] is False
    assert answer["devices"] == {}


def test_second_agent_on_the_same_buffer_is_refused_in_words(running: Path) -> None:
    second = edge_agent("run", "--config", str(running))

    assert second.returncode == 1
    assert "is in use by another agent (process " in second.stderr


def test_status_without_an_agent_is_unreachable(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(EMPTY)

    assert edge_agent("status", "--config", str(config)).returncode == 3
    assert edge_agent("status", "--config", str(tmp_path / "none.yaml")).returncode == 2
    config.write_text("gateway: 5\n")
    assert edge_agent("status", "--config", str(config)).returncode == 1


def test_demo_with_a_time_without_unit_is_wrong_usage() -> None:
    run = edge_agent("demo", "--for", "20")

    assert (run.returncode, "has no unit" in run.stderr) == (2, True)


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("edge_agent.cli", ("pymodbus", "paho", "pydantic", "yaml", "asyncua")),
        ("edge_agent.cli.run", ("pymodbus", "pydantic", "yaml", "asyncua", "cryptography")),
        ("edge_agent.drivers.opcua.driver", ("pydantic", "yaml", "pymodbus", "serial")),
        ("edge_agent.drivers.modbus.driver", ("pydantic", "yaml", "asyncua", "cryptography", "serial")),
        ("edge_agent.drivers.opcua.settings", ("asyncua", "cryptography")),
    ],
)
def test_what_is_not_needed_is_not_imported(module: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([name for name in {without!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert run.stdout.strip() == "[]"
