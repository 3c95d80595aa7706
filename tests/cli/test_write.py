"""`edge-agent write` as a user calls it, with and without a running agent."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.demo.programs import free_port
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from tests.cli.gateway import Terminal, config
from tests.e2e.plant import plant, tags

WRITABLE = """\
schema: edge-agent/profile/1
id: acme/io
version: 1.0.0
extends: edge-agent/io-demo@1
tags:
  alarms: {access: rw}
  serial: {access: rw}
"""


def io(folder: Path, port: int) -> Path:
    """A gateway with one device of everything."""
    path = config(folder, {"io-1": port})
    path.write_text(path.read_text().replace("eastron/sdm630-v2", "edge-agent/io-demo"))
    return path


async def test_a_value_is_written_and_shown(tmp_path: Path, terminal: Terminal) -> None:
    async with ModbusPlc(tags("io")) as plc:
        path = io(tmp_path, plc.port)

        assert await terminal.type("write", "io-1.lamp", "on", "--yes", "--config", str(path)) == 0
        assert terminal.out.startswith("io-1.lamp is true, good; function 5, ")

        code = await terminal.type("write", "io-1.lamp", "off", "--yes", "--json", "--config", str(path))
        told = json.loads(terminal.out)
        assert code == 0
        assert told | {"took_ms": 0} == {
            "device": "io-1",
            "column": "lamp",
            "ok": True,
            "value": False,
            "quality": "good",
            "how": "function 5",
            "took_ms": 0,
            "why": "",
        }


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("io-1.lamb", "on", "io-1 has no tag 'lamb' - did you mean 'lamp'?"),
        ("io-2.lamp", "on", "there is no device 'io-2' - did you mean 'io-1'?"),
        ("lamp", "on", "'lamp' names no tag; write DEVICE.TAG, for example io-1.lamp"),
        ("io-1.temperature", "20", "temperature cannot be written: its profile does not say access: rw"),
        ("io-1.energy", "5", "energy cannot be written: its profile does not say access: rw"),
        ("io-1.lamp", "maybe", "lamp: "),
    ],
)
async def test_what_cannot_be_written_is_told_and_nobody_is_asked(
    tmp_path: Path, terminal: Terminal, where: str, value: str, words: str
) -> None:
    async with ModbusPlc(tags("io")) as plc:
        path = io(tmp_path, plc.port)

        assert await terminal.type("write", where, value, "--yes", "--config", str(path)) == 2

        assert words in terminal.err
        assert plc.requests == 0


async def test_nothing_is_written_when_nobody_can_agree(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ModbusPlc(tags("io")) as plc:
        path = io(tmp_path, plc.port)
        (tmp_path / "nobody").touch()
        with (tmp_path / "nobody").open() as nobody:
            monkeypatch.setattr("sys.stdin", nobody)
            assert await terminal.type("write", "io-1.lamp", "on", "--config", str(path)) == 2

        assert "add --yes" in terminal.err
        assert plc.requests == 0


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("yes", 0), ("n", 1), ("", 1)])
async def test_who_sits_there_is_asked_before(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr("builtins.input", answering(asked, answer))
    async with ModbusPlc(tags("io")) as plc:
        path = io(tmp_path, plc.port)

        assert await terminal.type("write", "io-1.lamp", "on", "--config", str(path)) == code

        assert asked == [f"write io-1.lamp = on to 127.0.0.1:{plc.port}? [y/N] "]
        assert (plc.requests > 0) is (code == 0)


async def test_who_leaves_at_the_question_has_written_nothing(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr("builtins.input", left)
    path = io(tmp_path, free_port())

    assert await terminal.type("write", "io-1.lamp", "on", "--config", str(path)) == 1
    assert "nothing was written" in terminal.err


async def test_flags_are_shown_by_their_texts_and_a_text_that_is_empty_as_such(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with ModbusPlc(tags("io")) as plc:
        path = io(tmp_path, plc.port)
        profile = tmp_path / "profiles" / "acme" / "io.yaml"
        profile.parent.mkdir(parents=True)
        profile.write_text(WRITABLE)
        path.write_text(path.read_text().replace("edge-agent/io-demo@1", "acme/io@1"))

        assert await terminal.type("write", "io-1.alarms", "estop, none", "--yes", "--config", str(path)) == 2
        await terminal.type("write", "io-1.alarms", "estop,overtemp", "--yes", "--config", str(path))
        assert terminal.out.startswith("io-1.alarms is 2147483649 (overtemp, estop), good; ")
        await terminal.type("write", "io-1.serial", "", "--yes", "--config", str(path))
        assert terminal.out.startswith("io-1.serial is empty, good; ")


async def test_a_device_that_refuses_is_a_problem(tmp_path: Path, terminal: Terminal) -> None:
    async with ModbusPlc(tags("io")) as plc:
        await plc.switch(Faults(exception=4))
        path = io(tmp_path, plc.port)

        assert await terminal.type("write", "io-1.lamp", "on", "--yes", "--config", str(path)) == 1
        assert terminal.out.startswith("io-1.lamp: not written: exception:4 from 127.0.0.1:")
        assert "it reports a fault of its own" in terminal.out


async def test_a_device_that_is_off_is_unreachable(tmp_path: Path, terminal: Terminal) -> None:
    path = io(tmp_path, free_port())

    assert await terminal.type("write", "io-1.lamp", "on", "--yes", "--config", str(path)) == 3
    assert "not written: connection refused by 127.0.0.1:" in terminal.out


async def test_a_silent_device_is_unreachable_and_the_write_is_in_doubt(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with ModbusPlc(tags("io")) as plc:
        await plc.switch(Faults(silence=True))
        path = io(tmp_path, plc.port)
        words = ("write", "io-1.lamp", "on", "--yes", "--within", "0", "--config", str(path))

        assert await terminal.type(*words) == 3
        doubt = "nobody knows whether it was written"
        assert terminal.out.startswith(f"io-1.lamp: timeout; {doubt}; function 5, ")


async def test_a_running_agent_writes_over_its_own_connection(tmp_path: Path, terminal: Terminal) -> None:
    async with plant(tmp_path, free_port(), "io") as site:
        site.agent.start()
        await site.agent.tells("device answers")
        path = tmp_path / "agent.yaml"
        plc = site.plcs["io"]
        assert isinstance(plc, ModbusPlc)

        assert await terminal.type("write", "io.pump", "on", "--yes", "--config", str(path)) == 0

        assert terminal.out.startswith("io.pump is true, good; function 5, ")
        assert plc.connections == 1


@pytest.mark.parametrize("within", ["-1", "soon", "99"])
async def test_a_time_that_is_none_is_told(terminal: Terminal, within: str) -> None:
    with pytest.raises(SystemExit):
        await terminal.type("write", "a.b", "1", "--within", within)


class Tty:
    """A standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


def left(_question: str) -> str:
    raise EOFError


def answering(asked: list[str], answer: str) -> Callable[[str], str]:
    def ask(question: str) -> str:
        asked.append(question)
        return answer

    return ask
