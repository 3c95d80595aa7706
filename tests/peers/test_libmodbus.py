"""The server of libmodbus holds what its description says, for a client that is not ours either."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers import socat
from tests.peers.libmodbus import Libmodbus
from tests.peers.mbpoll import mbpoll

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed"),
]
both_ways = pytest.mark.parametrize("way", ["tcp", "rtu"])


@both_ways
async def test_every_table_holds_its_pattern(libmodbus: Libmodbus, tmp_path: Path, way: str) -> None:
    with served(libmodbus, tmp_path, way) as where:
        assert await mbpoll(where, "-r", "7", "-c", "2", "-t", "4:hex") == {7: "0x1007", 8: "0x1008"}
        assert await mbpoll(where, "-r", "999", "-c", "1", "-t", "3:hex") == {999: "0x23E7"}
        assert await mbpoll(where, "-r", "3", "-c", "4", "-t", "0") == {3: "1", 4: "0", 5: "0", 6: "1"}
        assert await mbpoll(where, "-r", "3", "-c", "2", "-t", "1") == {3: "1", 4: "0"}


@both_ways
async def test_what_is_written_stays(libmodbus: Libmodbus, tmp_path: Path, way: str) -> None:
    with served(libmodbus, tmp_path, way) as where:
        await mbpoll(where, "-r", "5", "-t", "4:hex", write=["0x1234", "0x5678"])
        await mbpoll(where, "-r", "4", "-t", "0", write=["1"])

        assert await mbpoll(where, "-r", "5", "-c", "2", "-t", "4:hex") == {5: "0x1234", 6: "0x5678"}
        assert await mbpoll(where, "-r", "4", "-c", "1", "-t", "0") == {4: "1"}


@both_ways
async def test_beyond_its_tables_it_refuses(libmodbus: Libmodbus, tmp_path: Path, way: str) -> None:
    with (
        served(libmodbus, tmp_path, way) as where,
        pytest.raises(AssertionError, match="Illegal data address"),
    ):
        await mbpoll(where, "-r", "1000", "-c", "1", "-t", "4:hex")


def test_a_serial_port_that_is_not_there_is_told(libmodbus: Libmodbus) -> None:
    with pytest.raises(RuntimeError, match="No such file"), libmodbus.on_line(Path("/nowhere/tty")):
        pass


@contextmanager
def served(libmodbus: Libmodbus, folder: Path, way: str) -> Iterator[list[str]]:
    """The server; gives the words with which mbpoll finds it."""
    if way == "tcp":
        with libmodbus.on_tcp() as port:
            yield ["-m", "tcp", "-p", str(port), "127.0.0.1"]
        return
    with socat.line(folder) as (near, far), libmodbus.on_line(far, 19200):
        yield ["-m", "rtu", "-b", "19200", "-P", "none", str(near)]
