"""A server of libmodbus: what a Modbus device says that is neither ours nor pymodbus.

Each table has the addresses 0 to 999. Holding register a holds 0x1000 + a, input register a 0x2000 + a; coil
a is on when 3 divides a, discrete input a when a is odd. What is written stays until it ends. Over TCP it
answers for every unit, on a serial line as unit 1.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("libmodbus_server.c")


def missing() -> str | None:
    """What this machine lacks to build it, in words; None for nothing."""
    if shutil.which("gcc") is None or shutil.which("pkg-config") is None:
        return "there is no gcc or no pkg-config"
    if subprocess.run(["pkg-config", "--exists", "libmodbus"]).returncode:
        return "libmodbus-dev is not installed"
    return None


class Libmodbus:
    """The server as a program, built into a folder. RuntimeError when it cannot be."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "libmodbus_server"
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libmodbus"], check=True, capture_output=True, text=True
        ).stdout.split()
        strict = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror")
        built = subprocess.run(
            ["gcc", *strict, str(SOURCE), "-o", str(self._program), *flags], capture_output=True, text=True
        )
        if built.returncode:
            raise RuntimeError(f"{SOURCE.name} could not be built:\n{built.stderr}")

    @contextmanager
    def on_tcp(self) -> Iterator[int]:
        """Serve on a port of 127.0.0.1; gives the port."""
        with self._running("tcp") as port:
            yield port

    @contextmanager
    def on_line(self, path: Path, baudrate: int = 9600, parity: str = "N") -> Iterator[None]:
        """Serve as unit 1 on a serial port; parity is N, E or O."""
        with self._running("rtu", str(path), str(baudrate), parity):
            yield

    @contextmanager
    def _running(self, *words: str) -> Iterator[int]:
        command = [str(self._program), *words]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            said = process.stdout.readline()
            if not said:
                raise RuntimeError(f"{' '.join(words)}: {process.stderr.read()}")
            try:
                yield int(said)
            finally:
                process.stdin.close()  # its sign to end
