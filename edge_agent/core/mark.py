"""How far a server's notifications are stored: where a subscription can be taken up again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """All notifications of a subscription up to `sequence` are stored.

    `server` is the endpoint. `items` is a hash of what was subscribed to: news is told by handles, which mean
    other tags once that has changed.
    """

    server: str
    subscription: int
    sequence: int
    items: str
