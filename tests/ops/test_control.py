import asyncio
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control
from edge_agent.ops.control import Answering, NoAgent


async def asked(path: Path, what: str, **arguments: Any) -> object:
    return await asyncio.to_thread(partial(control.ask, path, what, **arguments))


async def well(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"b": 1, **{name: request[name] for name in request if name != "do"}}


async def never(_request: Mapping[str, Any]) -> Mapping[str, Any]:
    return await asyncio.Event().wait() and {}


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[None]:
    """Where root is asked for nothing: as another user, before a folder that is closed to everybody."""
    tmp_path.chmod(0)
    before = os.geteuid()
    os.seteuid(before or 65534)
    yield
    os.seteuid(before)
    tmp_path.chmod(0o700)


STATUS = {"status": Answering(well)}


async def test_running_agent_answers_on_a_socket_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async with control.serve(path, STATUS):
        assert await asked(path, "status") == {"b": 1}
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(EdgeAgentError, match="known are status"):
            await asked(path, "sing")
    assert not path.exists()


async def test_request_brings_its_arguments(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async with control.serve(path, STATUS):
        assert await asked(path, "status", device="d", tags=["a"]) == {"b": 1, "device": "d", "tags": ["a"]}


async def test_slow_answer_keeps_nobody_else_waiting_and_ends_at_its_own_deadline(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async with control.serve(path, {**STATUS, "read": Answering(never, 0.2)}):
        slow = asyncio.create_task(asked(path, "read"))

        assert await asked(path, "status") == {"b": 1}
        assert not slow.done()
        with pytest.raises(EdgeAgentError, match=r"no answer to read within 0\.2 s"):
            await slow


async def test_refusal_is_told_in_its_words(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async def refuse(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise EdgeAgentError("not on Sundays")

    async with control.serve(path, {"read": Answering(refuse)}):
        with pytest.raises(EdgeAgentError, match="not on Sundays"):
            await asked(path, "read")


async def test_end_of_the_agent_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    path, begun = tmp_path / "control.sock", asyncio.Event()

    async def hang(request: Mapping[str, Any]) -> Mapping[str, Any]:
        begun.set()
        return await never(request)

    async with control.serve(path, {"read": Answering(hang)}):
        slow = asyncio.create_task(asked(path, "read"))
        await begun.wait()

    with pytest.raises(EdgeAgentError, match="gives no answer"):
        await slow


async def test_request_that_is_too_long_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async with control.serve(path, STATUS):
        with pytest.raises(EdgeAgentError, match="65536 bytes at most"):
            await asked(path, "status", tags=["x" * 70_000])


async def test_socket_that_a_killed_agent_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))

    async with control.serve(path, STATUS):
        assert await asked(path, "status") == {"b": 1}


async def test_folder_may_lie_deeper_than_a_socket_name_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    path = folder / "control.sock"

    async with control.serve(path, STATUS):
        assert await asked(path, "status") == {"b": 1}


@pytest.mark.parametrize("line", [b"rubbish\n", b"[]\n", b'{"do": 5}\n', b"x" * 100_000 + b"\n", b""])
async def test_rubbish_harms_nobody(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "control.sock"

    async with control.serve(path, STATUS):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        if not line:
            writer.close()
        await reader.read()
        writer.close()
        assert await asked(path, "status") == {"b": 1}


def test_nobody_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(NoAgent, match="no agent answers at"):
        control.ask(tmp_path / "control.sock", "status")
    with pytest.raises(NoAgent, match="no agent answers at"):
        control.ask(tmp_path / "nowhere" / "control.sock", "status")


@pytest.mark.usefixtures("as_nobody")
def test_socket_of_somebody_else_is_not_taken_for_an_agent_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(EdgeAgentError, match="closed to this user"):
        control.ask(tmp_path / "control.sock", "status")


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
