"""Questions about nodes, to a server whose answers come in parts."""

import pytest
from asyncua import ua
from typing_extensions import override

from edge_agent.drivers.opcua.questions import Questions
from edge_agent.errors import DeviceError
from tests.drivers.opcua.fake_server import OBJECTS, FakeServer


class Endless(FakeServer):
    """A server that says of every part that there is more."""

    @override
    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        return [ua.BrowseResult(ContinuationPoint=b"more") for _ in parameters.NodesToBrowse]

    @override
    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        return [ua.BrowseResult(ContinuationPoint=b"more") for _ in parameters.ContinuationPoints]


async def test_server_that_never_comes_to_an_end_is_not_asked_for_ever() -> None:
    questions = Questions(Endless())

    with pytest.raises(DeviceError, match="without an end"):
        await questions.follow([OBJECTS, OBJECTS], ua.ObjectIds.HasSubtype, ua.BrowseDirection.Inverse)
