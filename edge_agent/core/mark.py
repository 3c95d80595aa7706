"""How far a server's notifications are stored: where a subscription can be taken up again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """All notifications of a subscription up to `sequence` are stored.

    `server` names one run of a server. `items` tells what was subscribed to: news is told by handles, which
    mean other tags once that has changed. `time_ns` is the time up to which everything is known, UTC in ns.
    """

    server: str
    subscription: int
    sequence: int
    items: str
    time_ns: int
