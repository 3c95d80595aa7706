"""What is known of the tags of a group at a server, for as long as a session lasts."""

from typing import cast

import pytest
from asyncua import ua

from edge_agent.config.settings import Group, Tag
from edge_agent.core.model import Schema
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.answer import Answer
from edge_agent.drivers.opcua.columns import Columns, column
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.sources import Sources
from edge_agent.errors import DeviceError
from tests.drivers.opcua.fake_server import FakeServer

LEVEL, RANGE = node_id("level", 2), node_id("range", 2)
TAG = Tag(
    "level",
    "fast",
    "Double",
    Node("level", "urn:plc", "s=level", "Double", percent=5.0, on_change=True),
    percent=5.0,
)


def made(*, register: bool = False) -> tuple[Sources, Columns]:
    group = Group("fast", 1.0, register=register)
    columns = Columns(Schema("d", "fast", (column(TAG.opcua),), b"{}", "0"), [TAG], group)
    return Sources("d", group, [TAG], columns), columns


def deadband(columns: Columns) -> float:
    return columns.whole([Answer(0, None)], 1).schema.columns[0].deadband


def session(server: FakeServer) -> Session:
    return cast("Session", server)


async def test_the_columns_follow_the_range_of_the_session() -> None:
    server = FakeServer(below={(LEVEL, "0:EURange"): [RANGE]}, values={RANGE: ua.Range(0, 100)})
    sources, columns = made()

    assert await sources.find(session(server)) == [LEVEL]
    assert deadband(columns) == 5.0


async def test_meanings_that_have_changed_are_asked_for_anew() -> None:
    server = FakeServer(below={(LEVEL, "0:EURange"): [RANGE]}, values={RANGE: ua.Range(0, 100)})
    sources, columns = made()
    await sources.find(session(server))
    server.values[RANGE] = ua.Range(0, 1000)

    await sources.find(session(server))
    assert deadband(columns) == 5.0  # nobody has said that it is another
    sources.doubt()
    await sources.find(session(server))
    assert deadband(columns) == 50.0


async def test_a_server_that_knows_no_paths_is_read_all_the_same() -> None:
    server = FakeServer(refuses={"translate": "BadServiceUnsupported"})
    sources, columns = made()

    assert await sources.find(session(server)) == [LEVEL]
    assert deadband(columns) == 0.0


async def test_a_session_that_ends_meanwhile_is_no_answer() -> None:
    server = FakeServer(refuses={"translate": "BadSessionClosed"}, open=False)

    with pytest.raises(DeviceError):
        await made()[0].find(session(server))


async def test_nodes_are_registered_once_in_a_session() -> None:
    calls: list[list[ua.NodeId]] = []

    class Registering(FakeServer):
        async def register(self, nodes: list[ua.NodeId]) -> list[ua.NodeId]:
            calls.append(nodes)
            return [node_id(7, 5) for _ in nodes]

    server, (sources, _) = Registering(), made(register=True)

    assert await sources.find(session(server)) == await sources.find(session(server)) == [node_id(7, 5)]
    assert calls == [[LEVEL]]
