"""A block was refused: find out what of it is, by halves, and get the values of the rest on the way."""

from collections.abc import Awaitable, Callable, Sequence

from edge_agent.core.plan import Block
from edge_agent.core.refused import Refused, between, halves
from edge_agent.core.registers import Field
from edge_agent.drivers.modbus.wire import Answer
from edge_agent.errors import DeviceError

REFUSALS = ("exception:2", "exception:3", "exception:4")
"""Illegal address, illegal value (a length, say), failure: what one bad address does to a whole block
(Modbus Application Protocol 1.1b3, 7)."""

ILLEGAL = "illegal_address"

REQUESTS = 64
"""In one search: enough for four bad addresses among 125 registers; what is left is for the next scan."""


class _Enough(Exception):  # noqa: N818 - it ends a search, nothing failed
    """The requests of a search are used up."""


class Search:
    """One search. `ask` reads a block, `plan` cuts fields into blocks as the device bears them.

    `answers` are the blocks that were given; `refused` is what has been learned of the others.
    """

    def __init__(
        self,
        ask: Callable[[Block], Awaitable[Answer]],
        plan: Callable[[Sequence[Field]], Sequence[Block]],
    ) -> None:
        self.answers: list[tuple[Block, Answer]] = []
        self.refused = Refused()
        self._ask = ask
        self._plan = plan
        self._left = REQUESTS

    async def look(self, block: Block) -> None:
        """Look into a block that was refused. Raises DeviceError for anything but a refusal."""
        # Asked once more: what passes by itself is no property of an address.
        try:
            if (reason := await self._reason(block)) is not None:
                await self._into(block, reason)
        except _Enough:
            return

    async def _into(self, block: Block, reason: str) -> None:
        if len(block.fields) == 1:
            # A failure (4) may be one of the device; an address that is refused is none of its profile.
            told = reason if reason == "exception:4" else ILLEGAL
            self._learn(Refused({block.fields[0].name: told}))
            return
        blocks = [each for half in halves(block) for each in self._plan(half)]
        reasons = [await self._reason(each) for each in blocks]
        if not any(reasons) and len(blocks) > 1:
            self._learn(between(blocks))
        for each, why in zip(blocks, reasons, strict=True):
            if why is not None:
                await self._into(each, why)

    async def _reason(self, block: Block) -> str | None:
        """Why a block is refused; None when it is given."""
        if self._left <= 0:
            raise _Enough
        self._left -= 1
        try:
            answer = await self._ask(block)
        except DeviceError as error:
            if error.reason not in REFUSALS:
                raise
            return error.reason
        self.answers.append((block, answer))
        return None

    def _learn(self, more: Refused) -> None:
        self.refused = self.refused.merged(more)
