"""Look into a log without touching it, also while nobody runs it.

What is there, and what is still to be delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.buffer import recovery, segment
from edge_agent.buffer.reader import Reader
from edge_agent.buffer.state import Catalogue, LogState
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.core.record import Record


@dataclass(frozen=True, slots=True)
class Contents:
    """What a destination has not acknowledged: records and gaps; `state` is where the log stands."""

    state: LogState
    records: Sequence[Record]
    gaps: Sequence[Gap]


def inspect(folder: Path, destination: str) -> Contents | None:
    """Read the log in a buffer's folder for a destination; None when there is none.

    Changes nothing on disk.
    """
    found = [segment.load(path) for path in sorted((folder / "data").glob(f"*{segment.SUFFIX}"))]
    segments = [each for each in found if each is not None]
    if not segments:
        return None
    state = recovery.replay(segments)
    pending = list(state.gaps.get(destination, {}).values())
    reader = Reader(destination, state.cursors.get(destination, Cursor()), pending, Catalogue())
    records, holes, _ = reader.read(segments, limit=1 << 62)
    return Contents(state, records, [*pending, *holes])
