"""What lies in the segments of a log, read without touching it and without the code that writes it."""

from collections.abc import Iterator
from pathlib import Path

from edge_agent.buffer.state import unpack_schema
from edge_agent.core import frame
from edge_agent.core.audit import Key
from edge_agent.core.frame import Kind
from tests.e2e.plant import GATEWAY


def records(folder: Path) -> Iterator[tuple[Key, int]]:
    """Every record that is whole: its stream and its number."""
    for path in sorted(folder.glob("*.seg")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # it was sent and freed meanwhile
        head = frame.unpack_head(data)
        if head is None:
            continue
        streams: dict[int, Key] = {}
        for each in frame.scan(data, head.generation):
            if each.kind is Kind.SCHEMA and each.sound:
                schema = unpack_schema(each.payload)
                streams[each.stream] = (GATEWAY, head.life, schema.device, schema.group)
            if each.kind is Kind.DATA and each.sound and each.stream in streams:
                yield streams[each.stream], each.n


def durable(folder: Path) -> dict[Key, int]:
    """The highest number of each stream."""
    found: dict[Key, int] = {}
    for key, n in records(folder):
        found[key] = max(n, found.get(key, 0))
    return found


def highest(folder: Path, device: str, group: str) -> int:
    """The highest number of a stream in its newest life; 0 when there is none."""
    found = [n for (_, _, d, g), n in durable(folder).items() if (d, g) == (device, group)]
    return found[-1] if found else 0
