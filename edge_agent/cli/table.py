"""How commands show things: tables, times, spans and sizes, alike in all of them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

Cell = str | int | float
"""What stands in a table; numbers are set to the right, those with a fraction as `figure` has them."""


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], *, indent: int = 0) -> Iterator[str]:
    """The lines of a table, each column as wide as its widest cell; a column without any cell is left out."""
    kept = [at for at in range(len(head)) if any(row[at] != "" for row in rows)]
    numbers = {at for at in kept if all(isinstance(row[at], int | float) or row[at] == "" for row in rows)}
    texts = [
        [figure(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in (head, *rows)
    ]
    widths = {at: max(len(row[at]) for row in texts) for at in kept}
    for row in texts:
        cells = (row[at].rjust(widths[at]) if at in numbers else row[at].ljust(widths[at]) for at in kept)
        yield (" " * indent + "  ".join(cells)).rstrip()


def figure(number: float) -> str:
    """A number with three digits that count, and all those in front of the point: `0.467`, `61.4`, `1480`."""
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def shown(value: object) -> str:
    """A value as people write it; a dash for none, an array in brackets."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # What a device has in its registers must not reach the terminal as a command to it.
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value)
    return "-" if value is None else str(value)


def when(ms: float | None) -> str:
    """A time in ms UTC, to the second; `never` for none."""
    return "never" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def ago(ms: float | None, now: float) -> str:
    """How long a time lies back, both in ms UTC: `3 min 20 s ago`; `never` for none."""
    return "never" if ms is None else f"{span((now - ms) / 1000)} ago"


def span(seconds: float) -> str:
    """How long something lasts, in at most two units: `3 h 20 min`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(number: int) -> str:
    """Bytes as `12.3 MiB`."""
    if number < 1 << 20:
        return f"{number / 1024:.1f} KiB"
    return f"{number / (1 << 20):.1f} MiB" if number < 1 << 30 else f"{number / (1 << 30):.2f} GiB"
