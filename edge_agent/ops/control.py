"""The control socket: one JSON line asks, one JSON line answers.

Only this machine, only the agent's group.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from edge_agent.errors import EdgeAgentError

LONGEST_LINE = 65536
ANSWER_S = 5.0

Answer = Callable[[], Mapping[str, Any]]


def socket_path(state: Path) -> Path:
    """Where the socket of an agent with this state folder lies.

    Systemd's run-time folder when it gives one.
    """
    runtime = os.environ.get("RUNTIME_DIRECTORY")
    return (Path(runtime) if runtime else state) / "control.sock"


@asynccontextmanager
async def serve(path: Path, answers: Mapping[str, Answer]) -> AsyncIterator[None]:
    """Answer on the socket for as long as the context lasts. A socket left by a killed agent is replaced."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await reader.readline()
                writer.write(json.dumps(_answer(line, answers)).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError):
            pass  # whoever asked has gone, or never asked
        finally:
            writer.close()

    with ExitStack() as stack:
        # The socket is made with the rights it shall have, not opened up and then closed.
        before = os.umask(0o117)
        try:
            _remove(path)
            short = stack.enter_context(_reachable(path))
            server = await asyncio.start_unix_server(talk, short, limit=LONGEST_LINE)
        except OSError as error:
            msg = f"the control socket {path} cannot be made: {error.strerror or error}"
            raise EdgeAgentError(msg) from error
        finally:
            os.umask(before)
        async with server:
            try:
                yield
            finally:
                _remove(path)


def ask(path: Path, what: str) -> Mapping[str, Any]:
    """Ask a running agent. Raises EdgeAgentError when none answers there."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
            talk.settimeout(ANSWER_S)
            with _reachable(path) as short:
                talk.connect(short)
            talk.sendall(json.dumps({"do": what}).encode() + b"\n")
            with talk.makefile("rb") as lines:
                answer: Mapping[str, Any] = json.loads(lines.readline())
                return answer
    except (OSError, ValueError) as error:
        msg = f"no agent answers at {path}"
        raise EdgeAgentError(msg) from error


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name of the socket that fits into 107 bytes (unix(7)), however deep its folder lies."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _answer(line: bytes, answers: Mapping[str, Answer]) -> Mapping[str, Any]:
    try:
        what = json.loads(line)["do"]
    except (ValueError, KeyError, TypeError):
        return {"error": 'ask with a line like {"do": "status"}'}
    answer = answers.get(what) if isinstance(what, str) else None
    if answer is None:
        return {"error": f"unknown request; known are {', '.join(answers)}"}
    return answer()
