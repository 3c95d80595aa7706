"""Load a configuration in a child process: what loading needs in memory is gone when it is done.

The child is forked before anything heavy is imported, loads, and hands back the frozen settings and the
problems as text. On a gateway with 512 MB the agent runs for years and loads once.
"""

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config.settings import Gateway
from edge_agent.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of loading: the gateway unless there was an error, and the problems ready to print."""

    gateway: Gateway | None
    problems: str


def load_apart(path: Path) -> Verdict:
    """Load agent.yaml in a child process.

    Call it before any thread is started. Raises ConfigError when it dies.
    """
    data = in_child(lambda: pickle.dumps(_load(path)))
    verdict = pickle.loads(data) if data else None  # noqa: S301 - our own child wrote it
    if not isinstance(verdict, Verdict):
        msg = f"{path}: loading it ended without a result"
        raise ConfigError(msg)
    return verdict


def in_child(job: Callable[[], bytes]) -> bytes:
    """What a job gives when it runs in a forked child; empty when the child died. Its errors go to stderr."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of the parent may run in here: no handlers, no buffers flushed twice.
        code = 1
        try:
            with os.fdopen(writing, "wb") as result:
                result.write(job())
            code = 0
        finally:
            if code:
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        data = result.read()
    os.waitpid(child, 0)
    return data


def _load(path: Path) -> Verdict:
    from edge_agent.config.gateway import load  # noqa: PLC0415 - the point of this module
    from edge_agent.config.problems import render  # noqa: PLC0415 - as above
    from edge_agent.drivers.kinds import kinds  # noqa: PLC0415 - as above

    loaded = load(path, kinds())
    return Verdict(loaded.gateway, render(loaded.problems) if loaded.problems else "")
