"""One file of the log: made, filled from front to back, synced, recycled.

Blocking; the buffer's thread only.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from edge_agent.core import frame
from edge_agent.core.frame import SEGMENT_HEAD_SIZE, SegmentHead

SUFFIX = ".seg"


@dataclass(slots=True)
class Segment:
    """A segment on disk.

    `end` is the offset up to which its frames may be read; `size` what it takes on disk.
    """

    path: Path
    head: SegmentHead
    size: int
    end: int

    @property
    def generation(self) -> int:
        """The number that orders segments; never used twice in one folder."""
        return self.head.generation


def path_of(folder: Path, generation: int) -> Path:
    """The file of a generation."""
    return folder / f"{generation:016x}{SUFFIX}"


def create(folder: Path, head: SegmentHead, size: int, spare: Path | None) -> Segment:
    """A new segment with its head on disk, made of a spare file when there is one.

    Blocks that were written before need no new metadata when they are synced: recycling cuts the writes to
    flash by half. The head is durable before the name is, so a name never stands for an earlier content.
    """
    path = path_of(folder, head.generation)
    source = spare or folder / "new.tmp"
    descriptor = os.open(source, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        if os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, 0)
            os.posix_fallocate(descriptor, 0, size)
        os.pwrite(descriptor, frame.pack_head(head), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    source.rename(path)
    sync_folder(folder)
    return Segment(path, head, size, SEGMENT_HEAD_SIZE)


def load(path: Path) -> Segment | None:
    """A segment that is there; None when its head is not one of ours or not that of its name."""
    with path.open("rb") as file:
        head = frame.unpack_head(file.read(SEGMENT_HEAD_SIZE))
    if head is None or path.name != path_of(path.parent, head.generation).name:
        return None
    size = path.stat().st_size
    return Segment(path, head, size, size)


def read(segment: Segment, start: int = 0) -> bytes:
    """The bytes of a segment from an offset to its readable end."""
    with segment.path.open("rb") as file:
        file.seek(start)
        return file.read(segment.end - start)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
