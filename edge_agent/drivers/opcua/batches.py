"""Many questions to a server, as many at a time as it bears."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from edge_agent.errors import DeviceError

A = TypeVar("A")
B = TypeVar("B")

TOO_MUCH = frozenset(
    {"BadTooManyOperations", "BadResponseTooLarge", "BadRequestTooLarge", "BadEncodingLimitsExceeded"}
)
"""What a server says when fewer at a time may do."""
TOO_LARGE = "BadTcpMessageTooLarge"
"""So it says that too, with its last word on a connection: fewer may do on the next one."""
UNBOUNDED = 0xFFFFFFFF
UNREADABLE = "wrong_answer"
"""One answer that cannot be decoded spoils all of its message: asked for alone, it spoils itself."""


class Batches:
    """Asks `most` things at a time, and half as many whenever that was too much."""

    def __init__(self, most: int) -> None:
        self.most = max(1, most)

    async def ask(
        self,
        things: Sequence[A],
        call: Callable[[list[A]], Awaitable[list[B]]],
        refused: Callable[[DeviceError], B],
        at_most: int = UNBOUNDED,
    ) -> list[B]:
        """The answers of `call` for all things, in order; `refused` makes one of what is too much alone.

        Raises DeviceError for whatever does not depend on how many are asked.
        """
        answers: list[B] = []
        most = min(self.most, at_most)
        while len(answers) < len(things):
            part = list(things[len(answers) : len(answers) + most])
            try:
                answers += await call(part)
            except DeviceError as error:
                if error.reason == TOO_LARGE:
                    self.most = max(1, len(part) // 2)
                if error.reason not in TOO_MUCH and error.reason != UNREADABLE:
                    raise
                if len(part) == 1:
                    answers.append(refused(error))
                    most = min(self.most, at_most)
                    continue
                most = max(1, len(part) // 2)
                if error.reason in TOO_MUCH:
                    self.most = most
        return answers
