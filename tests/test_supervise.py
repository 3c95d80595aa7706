import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from edge_agent.core.backoff import Backoff
from edge_agent.errors import DeviceError
from edge_agent.supervise import supervise
from tests.flow.clock import at_once


@pytest.fixture(autouse=True)
def _fresh_loggers() -> None:
    structlog.reset_defaults()


def waits() -> Backoff:
    return Backoff(lambda _, high: high)


@at_once
async def test_failure_of_the_world_is_waited_out_and_told_once() -> None:
    outcomes = [DeviceError("timeout"), DeviceError("timeout"), None]

    async def run() -> None:
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    began = asyncio.get_running_loop().time()
    with capture_logs() as events:
        await supervise("press", run, waits())

    assert [event["event"] for event in events] == ["stopped, will be started again"]
    assert asyncio.get_running_loop().time() - began == 3.0


@at_once
async def test_bug_is_shown_with_its_traceback_and_started_again() -> None:
    outcomes = [ZeroDivisionError("bug"), None]

    async def run() -> None:
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    with capture_logs() as events:
        await supervise("press", run, waits())

    assert [(event["event"], event["exc_info"]) for event in events] == [("bug: started again", True)]


@at_once
async def test_cancel_passes() -> None:
    async def run() -> None:
        await asyncio.sleep(1000)

    task = asyncio.create_task(supervise("press", run, waits()))
    await asyncio.sleep(1)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
