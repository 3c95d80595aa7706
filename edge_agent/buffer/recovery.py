"""Start on any bytes: what state the log was left in, and whether its numbers may go on.

The state stands in the HEAD frame of the newest segment that has a sound one, brought up to date by the
frames behind it. Numbers go on only when the very last frame is a CLOSE of this machine: a damaged last frame
cannot be told from stale bytes, and no number may ever name two scans. Otherwise a new life begins with a
gap.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import orjson

from edge_agent.buffer import segment as files
from edge_agent.buffer import state as states
from edge_agent.buffer.segment import Segment
from edge_agent.buffer.state import LogState
from edge_agent.core import frame
from edge_agent.core.frame import Frame, Kind
from edge_agent.core.gap import Gap


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found. `restart` is the gap that says what this start may have cost; None on a first start.

    `next_generation` is above every name in the folder. `unreadable` are names of files that were set aside.
    """

    state: LogState
    segments: list[Segment]
    spares: list[Path]
    next_generation: int
    restart: Gap | None
    unreadable: tuple[str, ...]


def recover(folder: Path, machine: str, new_life: Callable[[], str], now_ns: int) -> Recovered:
    """Read what lies in the folder (made if absent). Raises OSError only when the disk itself refuses."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    segments, unreadable, highest = _list(folder)
    spares = sorted(folder.glob("spare-*"))
    generation = max([highest, *(segment.generation for segment in segments)], default=0) + 1
    if not segments:
        gap = Gap(None, None, None, "restart:unclean", None, None, None, now_ns) if unreadable else None
        return Recovered(LogState(new_life()), [], spares, generation, gap, unreadable)
    state, last, seen_ns = _replay(segments)
    newest_is_sound = segments[-1].generation == highest
    if newest_is_sound and last is not None and _closed_here(last, state.life, machine):
        gap = Gap(state.life, None, None, "restart:clean", None, None, last.time_ns, now_ns)
        return Recovered(state, segments, spares, generation, gap, unreadable)
    gap = Gap(state.life, None, None, "restart:unclean", None, None, seen_ns, now_ns)
    fresh = replace(state, life=new_life(), previous_life=state.life, streams={})
    return Recovered(fresh, segments, spares, generation, gap, unreadable)


def replay(segments: list[Segment]) -> LogState:
    """The state at the end of segments, oldest first, at least one; reads only."""
    return _replay(segments)[0]


def closing(life: str, machine: str) -> bytes:
    """The payload of a CLOSE frame. An empty machine name proves nothing: such a log is never continued."""
    return orjson.dumps({"machine": _mark(life, machine)})


def _mark(life: str, machine: str) -> str:
    return sha256(f"{life}/{machine}".encode()).hexdigest()[:16]


def _closed_here(last: Frame, life: str, machine: str) -> bool:
    if last.kind is not Kind.CLOSE or not last.sound or not machine:
        return False
    return bool(orjson.loads(last.payload)["machine"] == _mark(life, machine))


def _list(folder: Path) -> tuple[list[Segment], tuple[str, ...], int]:
    """Segments by age, names of files that are none and were set aside, and the highest generation."""
    segments, unreadable, highest = [], [], 0
    for path in sorted(folder.glob(f"*{files.SUFFIX}")):
        try:
            highest = max(highest, int(path.stem, 16))
        except ValueError:
            found = None
        else:
            found = files.load(path) if path.is_file() else None
        if found is None:
            unreadable.append(path.name)
            aside = folder / "quarantine"
            aside.mkdir(mode=0o750, exist_ok=True)
            path.rename(aside / path.name)
        else:
            segments.append(found)
    return segments, tuple(unreadable), highest


def _replay(segments: list[Segment]) -> tuple[LogState, Frame | None, int | None]:
    """The state at the end of the segments, the last frame of the last one, the last record's time in ns."""
    life = segments[-1].head.life
    start, frames = 0, []
    for at in range(len(segments) - 1, -1, -1):
        frames = _frames(segments[at])
        start = at
        if any(each.kind is Kind.HEAD and each.sound for each in frames):
            break
    state, last, seen_ns = LogState(life), None, None
    for at in range(start, len(segments)):
        if at > start:
            frames = _frames(segments[at])
        if segments[at].head.life != state.life:
            state = replace(state, life=segments[at].head.life, previous_life=state.life, streams={})
        last = None  # an end with a segment begun behind it was none
        for each in frames:
            state = _enter(state, each)
            last = each
            if each.kind is Kind.DATA:
                seen_ns = max(seen_ns or 0, each.time_ns)
    return state, last, seen_ns


def _frames(segment: Segment) -> list[Frame]:
    return list(frame.scan(files.read(segment), segment.generation))


def _count(state: LogState, each: Frame) -> None:
    for stream in state.streams.values():
        if stream.id == each.stream:
            stream.next = max(stream.next, each.n + 1)


def _enter(state: LogState, each: Frame) -> LogState:
    if each.kind is Kind.DATA:
        _count(state, each)
    if not each.sound:
        return state
    if each.kind is Kind.HEAD:
        return states.unpack_head(state.life, each.payload)
    if each.kind is Kind.CURSOR:
        states.enter_cursor(state, each.payload)
    elif each.kind is Kind.GAP:
        states.enter_gap(state, each.payload)
    elif each.kind is Kind.MARK:
        states.enter_mark(state, each.payload)
    elif each.kind is Kind.SCHEMA:
        schema = states.unpack_schema(each.payload)
        state.stream(schema.device, schema.group).id = each.stream
    return state
