"""The buffer on the loop: what is durable when, and what becomes of a disk that refuses."""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest

from edge_agent.buffer.buffer import Buffer, owner
from edge_agent.buffer.inspect import inspect
from edge_agent.config.settings import BufferSettings
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.record import Record
from edge_agent.errors import NotStored, StorageError
from edge_agent.ports import Chunk
from tests.buffer.conftest import mark, schema

S = 1_000_000_000
OF = schema()


def scan(n: int, *, of: Schema = OF) -> Scan:
    return Scan(of, n * S, tuple(float(n) for _ in of.columns))


@asynccontextmanager
async def opened(folder: Path, *, commit_s: float = 0.01, retry_s: float = 0.05) -> AsyncIterator[Buffer]:
    settings = BufferSettings(
        folder, max_bytes=1 << 20, segment_bytes=8192, commit_s=commit_s, retry_s=retry_s
    )
    async with Buffer.open(
        settings, ("cloud",), machine="m1", new_life=lambda: secrets.token_hex(8), clock=lambda: S
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
    """The disk of the world: counts syncs, and refuses on demand what a group commit asks of it."""

    def __init__(self) -> None:
        self.syncs = 0
        self.refused: dict[str, int] = {}
        self._calls: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in WRITES}

    def refuse(self, *names: str, error: int = errno.EIO) -> None:
        """From now on these calls fail."""
        self.refused = dict.fromkeys(names, error)

    def call(self, name: str, *arguments: Any) -> Any:
        if name in self.refused:
            raise OSError(self.refused[name], os.strerror(self.refused[name]))
        self.syncs += name == "fdatasync"
        return self._calls[name](*arguments)


WRITES = ("pwrite", "fdatasync", "posix_fallocate")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    for name in WRITES:
        monkeypatch.setattr(os, name, partial(made.call, name))
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
    with pytest.raises(StorageError, match="is not a folder"):
        async with opened(tmp_path / "file"):
            pass


async def test_folder_that_may_not_be_written_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)  # the kernel's answer, which root would not get

    with pytest.raises(StorageError, match=f"{tmp_path} cannot be used: Permission denied"):
        async with opened(tmp_path):
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


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
async def test_disk_that_refuses_costs_named_numbers_and_nothing_else(
    tmp_path: Path, disk: Disk, call: str
) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        disk.refuse(call)
        with pytest.raises(NotStored):
            await buffer.append(scan(2))
        with pytest.raises(NotStored):
            await buffer.append(scan(3))
        assert buffer.stats.failing
        disk.refuse()
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


async def test_full_disk_costs_only_what_did_not_fit_any_more(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        disk.refuse("posix_fallocate", error=errno.ENOSPC)
        with pytest.raises(NotStored, match="No space left on device"):
            await asyncio.gather(
                *[buffer.append(scan(n)) for n in range(2, 301)]
            )  # two segments would hold them
        disk.refuse()
        await stored_again(buffer, lambda: scan(301))
        life, last = buffer.life, buffer.stats.appended

    async with opened(tmp_path) as again:
        chunk = await everything(again)

    ((first, end),) = named(chunk, "not_stored:disk")
    assert 100 < first < 250
    assert numbers(chunk) == [n for n in range(1, last + 1) if not first <= n <= end]
    assert again.life == life


async def test_group_that_a_disk_took_without_being_sure_is_not_found_again(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        disk.refuse("fdatasync")  # after the bytes went to the file
        with pytest.raises(NotStored):
            await buffer.append(scan(2))
        disk.refuse()
        await stored_again(buffer, lambda: scan(3))
        last = buffer.stats.appended

    async with opened(tmp_path) as again:
        chunk = await everything(again)

    ((first, end),) = named(chunk, "not_stored:disk")
    assert numbers(chunk) == [n for n in range(1, last + 1) if not first <= n <= end]


async def test_numbers_that_nothing_on_disk_has_used_do_not_leave_before_their_gap_is_durable(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path, retry_s=0.01) as buffer:
        await buffer.append(scan(1))
        await everything(buffer)
        disk.refuse("fdatasync")
        for n in range(2, 7):
            with pytest.raises(NotStored):
                await buffer.append(scan(n))
            assert (await buffer.read("cloud", 1)).gaps == []
        disk.refuse()
        await stored_again(buffer, lambda: scan(7))
        chunk = await everything(buffer)
        last = buffer.stats.appended

    ((first, end),) = named(chunk, "not_stored:disk")
    assert first == 2
    assert numbers(chunk) == list(range(end + 1, last + 1))
    assert named(chunk, "unreadable") == []


async def test_disk_works_again_only_when_something_was_written_to_it(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path, retry_s=0.01) as buffer:
        await buffer.append(scan(1))
        disk.refuse("posix_fallocate", "fdatasync")
        with pytest.raises(NotStored):
            await buffer.append(scan(2))
        for _ in range(3):
            await buffer.flush()
            assert buffer.stats.failing
        disk.refuse()

        async with asyncio.timeout(10):
            while buffer.stats.failing:
                await buffer.flush()
        assert named(await everything(buffer), "not_stored:disk") == [(2, 2)]


async def test_disk_that_refuses_to_the_end_leaves_a_log_that_says_so_at_the_next_start(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        life = buffer.life
        disk.refuse("pwrite")
        buffer.append(scan(2))
    disk.refuse()

    async with opened(tmp_path) as again:
        chunk = await everything(again)

    assert numbers(chunk) == [1]
    assert [(gap.reason, gap.life) for _, gap in chunk.gaps] == [("restart:unclean", life)]
    assert again.life != life


async def test_disk_that_works_again_at_the_end_takes_what_is_to_be_named(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path, retry_s=600.0) as buffer:
        await buffer.append(scan(1))
        life = buffer.life
        disk.refuse("pwrite")
        with pytest.raises(NotStored):
            await buffer.append(scan(2))
        with pytest.raises(NotStored):
            await buffer.append(scan(3))
        disk.refuse()

    async with opened(tmp_path) as again:
        await again.append(scan(4))
        chunk = await everything(again)

    assert named(chunk, "not_stored:disk") == [(2, 3)]
    assert numbers(chunk) == [1, 4]
    assert again.life == life


async def test_cursor_that_cannot_be_written_with_a_group_is_in_the_next_segment(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        (record,) = (await everything(buffer)).records
        disk.refuse("fdatasync")
        buffer.acknowledge("cloud", Cursor(record.end))
        with pytest.raises(NotStored):
            await buffer.append(scan(2))
        disk.refuse()
        await stored_again(buffer, lambda: scan(3))

    async with opened(tmp_path) as again:
        assert 1 not in numbers(await everything(again))


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


def numbers(chunk: Chunk) -> list[int]:
    return [each.n for each in chunk.records]


def named(chunk: Chunk, reason: str) -> list[tuple[int, int]]:
    return [(gap.first or 0, gap.last or 0) for _, gap in chunk.gaps if gap.reason == reason]


async def test_scan_that_fits_no_segment_is_named_and_its_number_is_not_used_again(tmp_path: Path) -> None:
    text = Schema("press", "fast", (Column("note", "s"),), b"{}", "44136fa3")
    async with opened(tmp_path) as buffer:
        stored = buffer.append(Scan(text, S, ("short",)))
        with pytest.raises(NotStored, match="larger than half a segment"):
            await buffer.append(Scan(text, 2 * S, ("x" * 6000,)))
        await stored

    async with opened(tmp_path) as again:
        await again.append(Scan(text, 3 * S, ("short",)))
        chunk = await everything(again)

    assert again.life == buffer.life
    assert numbers(chunk) == [1, 3]
    assert named(chunk, "not_stored:disk") == [(2, 2)]


async def test_mark_resolves_when_it_is_durable_and_is_there_at_the_next_start(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path) as buffer:
        assert buffer.marks == {}
        scans = buffer.append(scan(1))
        marked = buffer.mark(OF.stream, mark(1))
        assert disk.syncs == 0
        await asyncio.gather(scans, marked)
        assert disk.syncs == 1
        await buffer.mark(OF.stream, mark(2))  # a notification that had nothing to report
        assert disk.syncs == 2

    async with opened(tmp_path) as again:
        assert again.marks == {OF.stream: mark(2)}
        assert numbers(await everything(again)) == [1]


async def test_mark_of_what_could_not_be_stored_is_refused_with_it(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        await buffer.mark(OF.stream, mark(1))
        disk.refuse("pwrite")
        lost = buffer.append(scan(2))
        with pytest.raises(NotStored):
            await buffer.mark(OF.stream, mark(2))
        with pytest.raises(NotStored):
            await lost
        disk.refuse()
        await stored_again(buffer, lambda: scan(3))
        await buffer.mark(OF.stream, mark(3))
        chunk, last = await everything(buffer), buffer.stats.appended

    ((first, end),) = named(chunk, "not_stored:disk")
    assert numbers(chunk) == [1, *range(end + 1, last + 1)]
    assert first == 2
    async with opened(tmp_path) as again:
        assert again.marks == {OF.stream: mark(3)}


async def test_mark_is_never_ahead_of_scans_that_the_disk_did_not_take_and_nobody_named(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path) as buffer:
        await buffer.append(scan(1))
        await buffer.mark(OF.stream, mark(1))
        disk.refuse("pwrite")
        buffer.append(scan(2))
        buffer.mark(OF.stream, mark(2))
    disk.refuse()

    async with opened(tmp_path) as again:
        chunk = await everything(again)

    assert again.marks == {OF.stream: mark(1)}
    assert numbers(chunk) == [1]
    assert [gap.reason for _, gap in chunk.gaps] == ["restart:unclean"]


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


async def test_owner_is_the_process_that_has_it_open_and_looking_disturbs_nobody(tmp_path: Path) -> None:
    never = owner(tmp_path)
    async with opened(tmp_path):
        during = owner(tmp_path)

    assert (never, during, owner(tmp_path)) == (None, str(os.getpid()), None)
    async with opened(tmp_path):
        pass


@pytest.mark.parametrize("loop", ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])])
def test_more_than_a_group_holds_is_taken_on_every_loop(tmp_path: Path, loop: str) -> None:
    text = Schema("press", "fast", (Column("note", "s"),), b"{}", "44136fa3")

    async def fill() -> None:
        settings = BufferSettings(tmp_path, max_bytes=8 << 20, segment_bytes=1 << 20, commit_bytes=1000)
        async with Buffer.open(
            settings, ("cloud",), machine="m1", new_life=lambda: secrets.token_hex(8), clock=lambda: S
        ) as buffer:
            # The second one finds a commit that is due at once.
            await asyncio.gather(*[buffer.append(Scan(text, n * S, ("x" * 2000,))) for n in range(1, 4)])
            assert numbers(await everything(buffer)) == [1, 2, 3]

    with asyncio.Runner(loop_factory=import_module(loop).new_event_loop) as runner:
        runner.run(fill())
