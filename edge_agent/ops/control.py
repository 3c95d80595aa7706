"""The control socket: one JSON line asks, one JSON line answers.

Only this machine, only the agent's group. Whoever asks is answered in a task of his own: a slow device keeps
nobody else waiting.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.errors import EdgeAgentError

LONGEST_LINE = 65536
"""Bytes of a request."""
ANSWER_S = 5.0
"""For a line to come in, for one to go out, and for an answer that nobody has to wait for."""


class NoAgent(EdgeAgentError):  # noqa: N818 - as the other failures of ours are named
    """Nobody listens at the control socket."""


@dataclass(frozen=True, slots=True)
class Answering:
    """How one kind of request is answered: `answer` gets the request and has `within_s` for it.

    It may raise EdgeAgentError, whose words then are the answer.
    """

    answer: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    within_s: float = ANSWER_S


def socket_path(state: Path) -> Path:
    """Where the socket of an agent with this state folder lies.

    Systemd's run-time folder when it gives one.
    """
    return (runtime_folder() or state) / "control.sock"


def runtime_folder() -> Path | None:
    """Systemd's folder for what lives as long as the machine is up, which is no disk; None without one."""
    runtime = os.environ.get("RUNTIME_DIRECTORY")
    return Path(runtime) if runtime else None


@asynccontextmanager
async def serve(path: Path, answers: Mapping[str, Answering]) -> AsyncIterator[None]:
    """Answer on the socket for as long as the context lasts. A socket left by a killed agent is replaced."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await _line(reader)
            answer = await _answer(line, answers)
            async with asyncio.timeout(ANSWER_S):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError):
            pass  # whoever asked has gone, or never asked
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(talk(reader, writer), name="control")
        talks.add(task)
        task.add_done_callback(talks.discard)

    with ExitStack() as stack:
        # The socket is made with the rights it shall have, not opened up and then closed.
        before = os.umask(0o117)
        try:
            _remove(path)
            short = stack.enter_context(_reachable(path))
            server = await asyncio.start_unix_server(connected, short, limit=LONGEST_LINE)
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
                for task in talks:
                    task.cancel()


def ask(path: Path, what: str, *, within_s: float = ANSWER_S, **arguments: object) -> Mapping[str, Any]:
    """Ask a running agent that has `within_s` for the answer.

    Raises NoAgent when none listens there, and EdgeAgentError when one does but gives no answer, or refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
            talk.settimeout(within_s + ANSWER_S)
            with _reachable(path) as short:
                talk.connect(short)
            talk.sendall(json.dumps({"do": what, **arguments}).encode() + b"\n")
            with talk.makefile("rb") as lines:
                answer: Mapping[str, Any] = json.loads(lines.readline())
    except (FileNotFoundError, ConnectionRefusedError) as error:
        msg = f"no agent answers at {path}; is it running?"
        raise NoAgent(msg) from error
    except PermissionError as error:
        msg = f"{path} is closed to this user; ask as the user of the agent or as one of its group"
        raise EdgeAgentError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"the agent at {path} gives no answer"
        raise EdgeAgentError(msg) from error
    if "error" in answer:
        raise EdgeAgentError(str(answer["error"]))
    return answer


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


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """The line that asks; None when it is longer than a request may be."""
    try:
        return await reader.readline()
    except ValueError:
        return None


async def _answer(line: bytes | None, answers: Mapping[str, Answering]) -> Mapping[str, Any]:
    if line is None:
        return {"error": f"a request has {LONGEST_LINE} bytes at most"}
    try:
        request = json.loads(line)
        what = request["do"]
    except (ValueError, KeyError, TypeError):
        return {"error": 'ask with a line like {"do": "status"}'}
    asked = answers.get(what) if isinstance(what, str) else None
    if asked is None:
        return {"error": f"unknown request; known are {', '.join(answers)}"}
    try:
        async with asyncio.timeout(asked.within_s):
            return await asked.answer(request)
    except TimeoutError:
        return {"error": f"no answer to {what} within {asked.within_s:g} s"}
    except EdgeAgentError as error:
        return {"error": str(error)}
