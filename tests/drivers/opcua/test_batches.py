import pytest

from edge_agent.drivers.opcua.batches import Batches
from edge_agent.errors import DeviceError


class Server:
    """Doubles numbers, at most `bears` at a time; `spoiled` cannot be answered."""

    def __init__(self, bears: int, spoiled: int | None = None, reason: str = "BadTooManyOperations") -> None:
        self.bears = bears
        self.spoiled = spoiled
        self.reason = reason
        self.asked: list[int] = []

    async def double(self, part: list[int]) -> list[int]:
        self.asked.append(len(part))
        if len(part) > self.bears:
            raise DeviceError(self.reason)
        if self.spoiled in part:
            raise DeviceError("wrong_answer")
        return [2 * each for each in part]


def none(_error: DeviceError) -> int:
    return -1


async def test_as_many_are_asked_at_a_time_as_the_limit_says() -> None:
    server = Server(10)

    answers = await Batches(4).ask(list(range(10)), server.double, none)

    assert answers == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert server.asked == [4, 4, 2]


@pytest.mark.parametrize(
    "reason",
    ["BadTooManyOperations", "BadResponseTooLarge", "BadRequestTooLarge", "BadEncodingLimitsExceeded"],
)
async def test_what_is_too_much_is_halved_from_then_on(reason: str) -> None:
    server = Server(3, reason=reason)
    batches = Batches(8)

    assert await batches.ask(list(range(8)), server.double, none) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert await batches.ask([1, 2, 3], server.double, none) == [2, 4, 6]
    assert server.asked == [8, 4, 2, 2, 2, 2, 2, 1]


async def test_one_that_cannot_be_answered_spoils_no_other() -> None:
    server = Server(100, spoiled=5)

    answers = await Batches(8).ask(list(range(12)), server.double, none)

    assert answers == [0, 2, 4, 6, 8, -1, 12, 14, 16, 18, 20, 22]


async def test_what_is_too_much_alone_is_refused() -> None:
    assert await Batches(2).ask([1, 2], Server(0).double, none) == [-1, -1]


async def test_another_failure_rises() -> None:
    with pytest.raises(DeviceError, match="timeout"):
        await Batches(2).ask([1, 2, 3], Server(1, reason="timeout").double, none)


async def test_nothing_is_asked_for_nothing() -> None:
    server = Server(1)

    assert await Batches(0).ask([], server.double, none) == []
    assert server.asked == []
