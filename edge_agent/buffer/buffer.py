"""The buffer as the rest of the agent sees it: appends that resolve when durable, reads, acknowledgements.

Everything that touches files happens in one thread, one job after the other; the loop never waits for a disk.
Scans are numbered here, on the loop, and written by group commit: `commit_s` after the first of a group or
when `commit_bytes` wait. While the disk cannot be written nothing is refused: what cannot be stored keeps its
numbers and becomes a gap, and a new segment is tried every `retry_s`.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from edge_agent.buffer.log import Entry, Marked, SegmentLog
from edge_agent.buffer.recovery import recover
from edge_agent.config.settings import BufferSettings
from edge_agent.core import record
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap, merged
from edge_agent.core.mark import Mark
from edge_agent.core.model import Scan
from edge_agent.core.window import Position
from edge_agent.errors import NotStored, StorageError
from edge_agent.ports import Chunk

CURSOR_S = 1.0
"""Acknowledgements reach the disk this late at most: what may be sent twice after a power cut."""
NOT_STORED = "not_stored:disk"

T = TypeVar("T")
log = structlog.get_logger("buffer")


@dataclass(frozen=True, slots=True)
class Stats:
    """The log in numbers. `stored_bytes` on disk, `evicted` segments; `failing` while the disk refuses."""

    life: str
    previous_life: str | None
    stored_bytes: int
    segments: int
    evicted: int
    appended: int
    failing: bool


class Buffer:
    """The log of one agent. Use `Buffer.open`. `marks` are those of the streams as the log was found."""

    def __init__(
        self, settings: BufferSettings, files: SegmentLog, thread: ThreadPoolExecutor, machine: str
    ) -> None:
        self._settings = settings
        self._log = files
        self._thread = thread
        self._machine = machine
        self._loop = asyncio.get_running_loop()
        self._next = {name: stream.next for name, stream in files.state.streams.items()}
        self.marks: Mapping[tuple[str, str], Mark] = dict(files.state.marks)
        self._entries: list[Entry | Marked] = []
        self._size = 0
        self._gaps: list[Gap] = []
        self._acks: dict[str, tuple[Cursor, list[int]]] = {}
        self._group: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.Handle | None = None
        self._due_at = 0.0
        self._flushing: asyncio.Task[None] | None = None
        self._cursors_at = self._loop.time()
        self._retry_at = 0.0
        self._unstored: dict[tuple[str | None, str | None, str | None], Gap] = {}
        self._failing = False
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._news: dict[str, Callable[[], None]] = {}
        self._appended = 0

    @staticmethod
    @asynccontextmanager
    async def open(
        settings: BufferSettings,
        destinations: Iterable[str],
        *,
        machine: str,
        new_life: Callable[[], str],
        clock: Callable[[], int],
    ) -> AsyncIterator["Buffer"]:
        """Recover the log and go on with it; leaving the context ends it in order.

        Raises StorageError when the folder cannot be used, or is in use by another agent.
        """
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="buffer")
        try:
            lock, files = await loop.run_in_executor(
                thread, _open, settings, tuple(destinations), machine, new_life, clock
            )
        except BaseException:
            thread.shutdown(wait=False)
            raise
        buffer = Buffer(settings, files, thread, machine)
        try:
            yield buffer
        finally:
            try:
                await buffer._close()
            finally:
                os.close(lock)
                thread.shutdown()

    @property
    def life(self) -> str:
        """The buffer id: with device, group and number it names a scan for ever."""
        return self._log.state.life

    @property
    def stats(self) -> Stats:
        """The log in numbers, as of now."""
        files = self._log
        return Stats(
            self.life,
            files.state.previous_life,
            files.size_bytes,
            len(files.segments),
            files.evicted,
            self._appended,
            self._failing,
        )

    def append(self, scan: Scan) -> Awaitable[None]:
        """Number a scan and store it. Resolves when it is durable; raises NotStored when a gap stands for it.

        All scans of one group commit share the awaitable; whoever needs no answer may drop it.
        """
        name = scan.schema.stream
        n = self._next.get(name, 1)
        self._next[name] = n + 1
        payload = record.encode(scan)
        # Ages, quotas and gaps go by agent time.
        entry = Entry(scan.schema, n, scan.time_ns + scan.lag_ns, payload)
        self._appended += 1
        if len(payload) > self._settings.segment_bytes // 2:
            return self._refuse(entry)
        self._entries.append(entry)
        self._size += len(payload)
        self._schedule(0.0 if self._size >= self._settings.commit_bytes else self._settings.commit_s)
        return self._group

    def mark(self, stream: tuple[str, str], mark: Mark) -> Awaitable[None]:
        """Store that all notifications up to a mark have been appended; resolves and raises as `append`."""
        self._entries.append(Marked(stream, mark))
        self._schedule(self._settings.commit_s)
        return self._group

    def lose(self, gap: Gap) -> None:
        """Record a loss that has no numbers: what never became scans."""
        self._gaps.append(gap)
        self._schedule(self._settings.commit_s)

    def start(self, destination: str, news: Callable[[], None]) -> Cursor:
        """Where a destination stands.

        `news` is called on the loop whenever there may be more to read for it.
        """
        self._news[destination] = news
        return self._log.state.cursors[destination]

    @property
    def oldest(self) -> Position:
        """Nothing before this place is in the log any more."""
        segments = tuple(self._log.segments)  # the thread may take one away meanwhile
        return (segments[0].generation, 0) if segments else (0, 0)

    async def watch(self) -> None:
        """Runs for as long as the buffer works as designed; raises what broke it."""
        await self._failure

    async def flush(self) -> None:
        """Make durable now what was appended."""
        self._schedule(0.0)
        await asyncio.wait((self._group,))

    async def read(self, destination: str, limit: int) -> Chunk:
        """What comes next for a destination, durable all of it.

        Whole segments until there are `limit` bytes.
        """
        gaps, records, is_all = await self._run(self._log.read, destination, limit)
        return Chunk(gaps, records, is_all)

    def acknowledge(self, destination: str, cursor: Cursor, gaps: Iterable[int] = ()) -> None:
        """All before the cursor, and the gaps of these ids, have been taken by the destination."""
        gone = self._acks[destination][1] if destination in self._acks else []
        self._acks[destination] = (cursor, [*gone, *gaps])
        self._schedule(CURSOR_S)

    def _refuse(self, entry: Entry) -> "asyncio.Future[None]":
        size = len(entry.payload)
        log.error("scan is larger than half a segment: it is named as lost", bytes=size, n=entry.n)
        self._name_unstored(entry)
        self._schedule(self._settings.commit_s)
        refused: asyncio.Future[None] = self._loop.create_future()
        refused.set_exception(NotStored(f"a scan of {size} bytes is larger than half a segment"))
        refused.exception()  # whoever dropped the awaitable is told by the gap
        return refused

    def _schedule(self, delay_s: float) -> None:
        when = self._loop.time() + delay_s
        if self._timer is not None:
            if self._due_at <= when:
                return
            self._timer.cancel()
        # The handle is not asked when it is due: that of uvloop does not know it where there is no delay.
        self._timer, self._due_at = self._loop.call_at(when, self._due), when

    def _due(self) -> None:
        self._timer = None
        if self._flushing is None:
            self._flushing = self._loop.create_task(self._flush(), name="buffer commit")
            self._flushing.add_done_callback(self._flushed)
        else:
            self._schedule(self._settings.commit_s / 4)

    def _flushed(self, task: "asyncio.Task[None]") -> None:
        self._flushing = None
        if not task.cancelled() and task.exception() is not None and not self._failure.done():
            self._failure.set_exception(task.exception() or RuntimeError())

    async def _flush(self) -> None:
        """One group commit.

        What has come together since the last one becomes durable, or is named as lost.
        """
        group, self._group = self._group, self._loop.create_future()
        entries, self._entries, self._size = self._entries, [], 0
        now = self._loop.time()
        failed = None
        if self._failing and now < self._retry_at:
            failed = NotStored(
                f"{self._settings.path} cannot be written; it is tried every {self._settings.retry_s:g} s"
            )
        else:
            gaps = [*self._unstored.values(), *self._gaps]
            acks = self._due_acks(now, idle=not entries)
            self._unstored, self._gaps = {}, []
            try:
                await self._run(self._write, entries, gaps, acks)
            except OSError as error:
                self._retry_at = now + self._settings.retry_s
                self._gaps = gaps + self._gaps
                failed = NotStored(f"{self._settings.path}: {error.strerror or error}")
        self._settle(group, entries, failed)
        if self._failing or self._acks or self._unstored or self._gaps:
            self._schedule(self._settings.retry_s if self._failing else CURSOR_S)
        for news in self._news.values():
            news()

    def _due_acks(self, now: float, *, idle: bool) -> dict[str, tuple[Cursor, list[int]]]:
        """Acknowledgements to be written now: once a second, or when there is nothing else to write."""
        if not self._acks or not (idle or now - self._cursors_at >= CURSOR_S):
            return {}
        self._cursors_at = now
        acks, self._acks = self._acks, {}
        return acks

    def _settle(
        self, group: "asyncio.Future[None]", entries: Sequence[Entry | Marked], failed: NotStored | None
    ) -> None:
        if failed is None:
            if self._failing:
                log.info("disk is written again", path=str(self._settings.path))
            self._failing = False
            group.set_result(None)
            return
        if not self._failing:
            log.error("disk cannot be written: what is read now is lost and named", why=str(failed))
        self._failing = True
        for entry in entries:
            if isinstance(entry, Entry):
                self._name_unstored(entry)
        group.set_exception(failed)
        group.exception()  # whoever dropped the awaitable is told by the gap

    def _name_unstored(self, entry: Entry) -> None:
        ns = entry.time_ns
        gap = Gap(self.life, *entry.schema.stream, NOT_STORED, entry.n, entry.n, ns, ns, 1)
        known = self._unstored.get(gap.stream)
        both = merged(known, gap) if known is not None else None
        if known is not None and both is None:
            self._gaps.append(known)
        self._unstored[gap.stream] = both or gap

    def _write(
        self, entries: list[Entry | Marked], gaps: list[Gap], acks: dict[str, tuple[Cursor, list[int]]]
    ) -> None:
        """In the thread: one group commit.

        Raises OSError. `gaps` is empty then, since the log knows them, and `entries` are those not stored.
        """
        files = self._log
        known, gaps[:] = tuple(gaps), []
        try:
            for name, (cursor, gone) in acks.items():
                files.acknowledge(name, cursor, gone)
            files.begin()
            files.lose(known, files.state.cursors)
            if known or self._failing:
                files.ready()  # a disk is not working again before something was written to it
            if acks:
                files.append_cursors()
            files.write(entries)
            if acks:
                files.free()
        except OSError:
            del entries[: files.stored]
            files.abandon()
            raise

    async def _close(self) -> None:
        """Store what is still waiting and end the log in order; a disk that refuses is logged, not raised.

        A log that could not take the names of what was lost is left as after a kill: the next start says so.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._flushing is not None:
            await asyncio.wait((self._flushing,))
        self._cursors_at, self._retry_at = -CURSOR_S, 0.0
        await self._flush()
        if self._timer is not None:
            self._timer.cancel()
        self._failure.cancel()
        if self._unstored or self._gaps:
            log.error("log is not ended in order: losses could not be written to it")
            return
        try:
            await self._run(self._log.close, self._machine)
        except (OSError, StorageError) as error:
            log.error("log could not be ended in order", why=str(error))  # noqa: TRY400 - a disk that refuses needs no traceback

    async def _run(self, job: Callable[..., T], *args: object) -> T:
        return await self._loop.run_in_executor(self._thread, job, *args)


def owner(path: Path) -> str | None:
    """The process whose agent has the buffer in this folder open; None when none has.

    Raises OSError where this user may not look.
    """
    try:
        lock = os.open(path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named_in(lock)
    finally:
        os.close(lock)
    return None


def _named_in(lock: int) -> str:
    return os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"


def _open(
    settings: BufferSettings,
    destinations: Sequence[str],
    machine: str,
    new_life: Callable[[], str],
    clock: Callable[[], int],
) -> tuple[int, SegmentLog]:
    try:
        if settings.path.exists() and not settings.path.is_dir():
            msg = f"the buffer {settings.path} is not a folder"
            raise StorageError(msg)
        settings.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(settings.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            _take(lock, settings.path)
            return lock, _recover(settings, destinations, machine, new_life, clock)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        msg = f"the buffer {settings.path} cannot be used: {error.strerror or error}"
        raise StorageError(msg) from error


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        msg = f"the buffer {path} is in use by another agent (process {_named_in(lock)})"
        raise StorageError(msg) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _recover(
    settings: BufferSettings,
    destinations: Sequence[str],
    machine: str,
    new_life: Callable[[], str],
    clock: Callable[[], int],
) -> SegmentLog:
    found = recover(settings.path / "data", machine, new_life, clock())
    files = SegmentLog(
        settings.path / "data",
        found,
        segment_bytes=settings.segment_bytes,
        max_bytes=settings.max_bytes,
        clock=clock,
    )
    for name in destinations:
        files.destination(name)
    if found.restart is not None:
        files.lose((found.restart,), files.state.cursors)
    log.info(
        "buffer open",
        path=str(settings.path),
        life=found.state.life,
        goes_on=found.restart is not None and found.restart.reason == "restart:clean",
        segments=len(found.segments),
        set_aside=list(found.unreadable),
    )
    return files
