"""A serial line without a wire: two pseudo-terminals that socat joins."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def ends(folder: Path) -> tuple[Path, Path]:
    """The names of both ends of the line of a folder, whether it is there or not."""
    return folder / "line-a", folder / "line-b"


@contextmanager
def line(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The two ends of a line, as paths in a folder. Whoever opens them may close and open them again."""
    program = shutil.which("socat")
    if program is None:
        raise RuntimeError("this test needs socat: apt-get install socat")
    both = ends(folder)
    command = [program, "-d", "-d", *(f"pty,rawer,link={end}" for end in both)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = []
            for told in process.stderr:
                said.append(told)
                if "starting data transfer loop" in told:
                    break
            else:
                raise RuntimeError(f"socat did not start:\n{''.join(said)}")
            yield both
        finally:
            process.terminate()
