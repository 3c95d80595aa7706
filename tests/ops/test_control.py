import asyncio
import socket
import stat
from pathlib import Path

import pytest

from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control


async def asked(path: Path, what: str) -> object:
    return await asyncio.to_thread(control.ask, path, what)


async def test_running_agent_answers_on_a_socket_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async with control.serve(path, {"status": lambda: {"all": "well"}}):
        assert await asked(path, "status") == {"all": "well"}
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert "known are status" in str(await asked(path, "sing"))
    assert not path.exists()


async def test_socket_that_a_killed_agent_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))

    async with control.serve(path, {"status": lambda: {"b": 1}}):
        assert await asked(path, "status") == {"b": 1}


async def test_folder_may_lie_deeper_than_a_socket_name_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    path = folder / "control.sock"

    async with control.serve(path, {"status": lambda: {"b": 1}}):
        assert await asked(path, "status") == {"b": 1}


@pytest.mark.parametrize("line", [b"rubbish\n", b"[]\n", b'{"do": 5}\n', b"x" * 100_000 + b"\n", b""])
async def test_rubbish_harms_nobody(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "control.sock"

    async with control.serve(path, {"status": lambda: {"b": 1}}):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        if not line:
            writer.close()
        await reader.read()
        writer.close()
        assert await asked(path, "status") == {"b": 1}


def test_nobody_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(EdgeAgentError, match="no agent answers at"):
        control.ask(tmp_path / "control.sock", "status")
    with pytest.raises(EdgeAgentError, match="no agent answers at"):
        control.ask(tmp_path / "nowhere" / "control.sock", "status")


async def test_socket_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300)

    with pytest.raises(EdgeAgentError, match="cannot be made"):
        async with control.serve(path, {}):
            pass


def test_socket_lies_where_systemd_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert control.socket_path(tmp_path) == tmp_path / "control.sock"

    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/edge-agent")
    assert control.socket_path(tmp_path) == Path("/run/edge-agent/control.sock")
