"""A server of node-opcua, which is not asyncua: what a machine may show. All of it stands in server.js."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parent / "node_opcua" / "server.js"
MODULES = Path(__file__).parents[2] / "build" / "node_opcua" / "node_modules"


def missing() -> str | None:
    """What this machine lacks to run it, in words; None for nothing."""
    if shutil.which("node") is None:
        return "node is not installed"
    return None if MODULES.is_dir() else "node-opcua is brought by ./dev test --ci"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve on a port of 127.0.0.1; gives the endpoint. `folder` takes its certificate."""
    command = ["node", str(PROGRAM), str(folder)]
    pipe = subprocess.PIPE
    settings = os.environ | {"NODE_PATH": str(MODULES), "HOME": str(folder)}
    with (
        (folder / "stderr").open("w+") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=settings) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        port = next((line.split()[1] for line in process.stdout if line.startswith("port ")), None)
        if port is None:
            errors.seek(0)
            raise RuntimeError(f"{PROGRAM.name}: {errors.read()}")
        try:
            yield f"opc.tcp://127.0.0.1:{port}"
        finally:
            process.stdin.close()  # its sign to end
