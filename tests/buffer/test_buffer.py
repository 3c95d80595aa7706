"""The buffer on the loop: what is durable when, and what becomes of a disk that refuses."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from edge_agent.buffer.buffer import Buffer
from edge_agent.buffer.inspect import inspect
from edge_agent.config.settings import BufferSettings
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.record import Record
from edge_agent.errors import NotStored, StorageError
from edge_agent.ports import Chunk
from tests.buffer.conftest import schema

S = 1_000_000_000
OF = schema()


def scan(n: int, *, of: Schema = OF) -> Scan:
    return Scan(of, n * S, tuple(float(n) for _ in of.columns))


@asynccontextmanager
async def opened(folder: Path, *, commit_s: float = 0.01, retry_s: float = 0.05) -> AsyncIterator[Buffer]:
    lives = iter(f"{n:016x}" for n in range(1, 100))
    settings = BufferSettings(
        folder, max_bytes=1 << 20, segment_bytes=8192, commit_s=commit_s, retry_s=retry_s
    )
    async with Buffer.open(
        settings, ("cloud",), machine="m1", new_life=lambda: next(lives), clock=lambda: S
    ) as buffer:
        yield buffer


async def everything(buffer: Buffer) -> Chunk:
    gaps: list[tuple[int, Gap]] = []
    records: list[Record] = []
    while True:
        chunk = await buffer.read("cloud", 1 << 20)
        gaps += chunk.gaps
        records += chunk.records
        if chunk.is_all:
            return Chunk(gaps, records, is_all=True)


class Disk:
    """The disk of the world: counts syncs, and refuses on demand."""

    def __init__(self) -> None:
        self.syncs = 0
        self.refuses = False
        self._sync = os.fdatasync

    def fdatasync(self, descriptor: int) -> None:
        if self.refuses:
            raise OSError(errno.EIO, "Input/output error")
        self.syncs += 1
        self._sync(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(os, "fdatasync", made.fdatasync)
    return made


async def test_append_resolves_when_the_group_it_belongs_to_is_synced(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as buffer:
        stored = [buffer.append(scan(n)) for n in range(1, 51)]
        assert disk.syncs == 0
        await asyncio.gather(*stored)

        assert disk.syncs == 1
        chunk = await everything(buffer)
        assert [each.n for each in chunk.records] == list(range(1, 51))


async def test_full_group_does_not_wait_for_its_time(tmp_path: Path) -> None:
    async with opened(tmp_path, commit_s=600.0) as buffer:
        wide = schema(columns=400)
        stored = [buffer.append(scan(n, of=wide)) for n in range(1, 45)]  # 1600 bytes each, 64 KiB together

        async with asyncio.timeout(10):
            await stored[0]


async def test_flush_makes_durable_what_was_appended(tmp_path: Path) -> None:
    async with opened(tmp_path, commit_s=600.0) as buffer:
        buffer.append(scan(1))
        await buffer.flush()

        assert len((await everything(buffer)).records) == 1


async def test_acknowledgement_reaches_the_disk_also_without_new_data(tmp_path: Path) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        (record,) = (await everything(buffer)).records
        buffer.acknowledge("cloud", Cursor(record.end))

        async with asyncio.timeout(10):
            while _waits(tmp_path):  # noqa: ASYNC110 - it happens on the disk
                await asyncio.sleep(0.05)


def _waits(folder: Path) -> bool:
    contents = inspect(folder, "cloud")
    return contents is None or bool(contents.records)


async def test_reader_is_told_of_news(tmp_path: Path) -> None:
    async with opened(tmp_path) as buffer:
        told = asyncio.Event()
        assert buffer.start("cloud", told.set).done == {}
        buffer.append(scan(1))

        async with asyncio.timeout(10):
            await told.wait()


async def test_second_agent_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(StorageError, match=f"in use by another agent \\(process {os.getpid()}\\)"):
            async with opened(tmp_path):
                pass


async def test_folder_that_cannot_be_one_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(StorageError, match="cannot be used: Not a directory"):
        async with opened(tmp_path / "file" / "buffer"):
            pass


async def test_orderly_end_goes_on_counting(tmp_path: Path) -> None:
    async with opened(tmp_path) as buffer:
        buffer.append(scan(1))
        life = buffer.life

    async with opened(tmp_path) as buffer:
        await buffer.append(scan(2))
        chunk = await everything(buffer)

    assert [(each.life, each.n) for each in chunk.records] == [(life, 1), (life, 2)]
    assert buffer.stats.previous_life is None


async def test_disk_that_refuses_costs_named_numbers_and_nothing_else(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        disk.refuses = True
        with pytest.raises(NotStored):
            await buffer.append(scan(2))
        with pytest.raises(NotStored):
            await buffer.append(scan(3))
        assert buffer.stats.failing
        disk.refuses = False
        await stored_again(buffer, lambda: scan(4))
        assert not buffer.stats.failing
        chunk = await everything(buffer)

    read = [each.n for each in chunk.records]
    (gap,) = [gap for _, gap in chunk.gaps if gap.reason == "not_stored:disk"]
    assert (gap.first, gap.device, gap.life) == (2, "press", buffer.life)
    assert gap.last is not None
    assert read[0] == 1
    assert read[1] == gap.last + 1
    assert {gap.reason for _, gap in chunk.gaps} == {"not_stored:disk"}


async def stored_again(buffer: Buffer, make: Callable[[], Scan]) -> None:
    """Append until the disk takes it."""
    async with asyncio.timeout(10):
        while True:
            try:
                await buffer.append(make())
            except NotStored:
                await asyncio.sleep(0.02)
            else:
                return


async def test_scan_that_fits_no_segment_is_named(tmp_path: Path) -> None:
    text = Schema("press", "fast", (Column("note", "s"),), b"{}", "44136fa3")
    async with opened(tmp_path) as buffer:
        buffer.append(Scan(text, S, ("x" * 6000,)))
        await buffer.append(Scan(text, 2 * S, ("short",)))
        chunk = await everything(buffer)

    assert [each.n for each in chunk.records] == [2]
    assert [(gap.reason, gap.first, gap.last) for _, gap in chunk.gaps] == [("not_stored:disk", 1, 1)]


async def test_loss_without_numbers_is_told(tmp_path: Path) -> None:
    lost = Gap("b1", "press", "fast", "overrun", None, None, 1, 2, 3)
    async with opened(tmp_path) as buffer:
        buffer.lose(lost)
        await buffer.flush()

        assert [gap for _, gap in (await everything(buffer)).gaps] == [lost]


async def test_bug_in_the_log_is_not_kept_quiet(tmp_path: Path) -> None:
    async with opened(tmp_path) as buffer:
        watch = asyncio.create_task(buffer.watch())
        broken = Schema("press", "fast", (Column("c", "f"),), cast("bytes", None), "00000000")
        buffer.append(Scan(broken, S, (1.0,)))

        with pytest.raises(TypeError):
            async with asyncio.timeout(10):
                await watch
