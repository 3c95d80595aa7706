"""How far a destination has come in the log."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_agent.core.window import Position

START: Position = (0, 0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything before `position` is done; so are the records that end within one of `over`, (start, end].

    `done` gives the last number done of each stream (life, device, group); it bounds what was lost when the
    segment the cursor stands in is gone.
    """

    position: Position = START
    over: tuple[tuple[Position, Position], ...] = ()
    done: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def covers(self, end: Position) -> bool:
        """Whether the record that ends here is done."""
        return end <= self.position or any(low < end <= high for low, high in self.over)
