"""A backlog that an earlier run of the agent could have left, as large as a test needs it."""

import time
from pathlib import Path

from edge_agent.buffer.log import Entry, SegmentLog
from edge_agent.buffer.recovery import recover
from edge_agent.core import record
from edge_agent.core.metadata import short_name
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.ops.machine import machine_name

LIFE = "00000000000000aa"


def fill(folder: Path, *, scans: int) -> None:
    """A log of so many scans of one stream, 250 to a segment, ended in order."""
    log = SegmentLog(
        folder,
        recover(folder, machine_name(), lambda: LIFE, time.time_ns()),
        segment_bytes=1 << 20,
        max_bytes=8 << 20,
        clock=time.time_ns,
    )
    log.destination("cloud")
    document = b'{"d":"crane"}'
    schema = Schema("crane", "fast", (Column("note", "s"),), document, short_name(document))
    log.write(
        Entry(schema, n, n * 10**9, record.encode(Scan(schema, n * 10**9, (note(n),))))
        for n in range(1, scans + 1)
    )
    log.close(machine_name())


def note(n: int) -> str:
    """A value of four kilobytes that tells its number."""
    return f"{n} ".ljust(4096, "x")
