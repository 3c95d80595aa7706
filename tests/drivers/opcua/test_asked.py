"""A service of the library ends as it should, whatever kind of cancel the library makes of it."""

import asyncio

import pytest

from edge_agent.drivers.opcua.session import asked
from edge_agent.errors import DeviceError


class OwnKind(asyncio.CancelledError):
    """What asyncua raises when it is cancelled in the moment in which the link ends."""


async def service() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise OwnKind from None


async def test_a_time_that_is_over_is_a_timeout() -> None:
    with pytest.raises(DeviceError, match=r"timeout: no answer within 0\.01 s"):
        await asked(service(), 0.01)


async def test_a_time_of_whoever_asks_ends_as_his() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asked(service(), 60.0)


async def test_a_cancel_stays_one() -> None:
    task = asyncio.create_task(asked(service(), 60.0))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert type(caught.value) is asyncio.CancelledError
