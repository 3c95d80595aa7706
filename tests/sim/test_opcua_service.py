"""What the simulated server refuses, forgets and says wrong when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from asyncua import ua

from edge_agent.sim.faults import Faults, Late, Limits
from edge_agent.sim.opcua import OpcUaPlc
from tests.sim.test_opcua import FORCE_NOW, PRESS, START, TAGS, TICK_NS, Clock, Session

NAMES = [tag.name for tag in TAGS]
TOLD = {
    "read": "MaxNodesPerRead",
    "items": "MaxMonitoredItemsPerCall",
    "browse": "MaxNodesPerBrowse",
    "translate": "MaxNodesPerTranslateBrowsePathsToNodeIds",
    "register": "MaxNodesPerRegisterNodes",
    "history": "MaxNodesPerHistoryReadData",
}
OBJECTS = ua.NodeId(ua.Int32(ua.ObjectIds.ObjectsFolder))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def plc(clock: Clock) -> AsyncIterator[OpcUaPlc]:
    async with OpcUaPlc(TAGS, clock=clock) as plc:
        yield plc


async def read(session: Session, count: int) -> object:
    wanted = ua.ReadParameters()
    wanted.NodesToRead = [ua.ReadValueId(OBJECTS, ua.AttributeIds.NodeId)] * count
    return await session.client.uaclient.read(wanted)


async def items(session: Session, count: int) -> object:
    return await session.subscribe(*NAMES[:count])


async def browse(session: Session, count: int) -> object:
    return await session.client.uaclient.browse(
        ua.BrowseParameters(NodesToBrowse=[ua.BrowseDescription(OBJECTS)] * count)
    )


async def translate(session: Session, count: int) -> object:
    element = ua.RelativePathElement(TargetName=ua.QualifiedName("Server"))
    path = ua.BrowsePath(OBJECTS, ua.RelativePath([element]))
    return await session.client.uaclient.translate_browsepaths_to_nodeids([path] * count)


async def register(session: Session, count: int) -> object:
    return await session.client.uaclient.register_nodes([OBJECTS] * count)


async def history(session: Session, count: int) -> object:
    wanted = ua.HistoryReadParameters()
    wanted.HistoryReadDetails = ua.ReadRawModifiedDetails(StartTime=START, EndTime=START)
    wanted.NodesToRead = [ua.HistoryReadValueId(OBJECTS)] * count
    return await session.client.uaclient.history_read(wanted)


CALLS = {"read": read, "items": items, "browse": browse, "translate": translate, "register": register} | {
    "history": history
}


async def told(session: Session, service: str) -> object:
    node = getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{TOLD[service]}")
    return await session.client.get_node(ua.NodeId(node)).read_value()


@pytest.mark.parametrize("service", CALLS)
async def test_a_call_for_more_than_the_server_tells_is_refused(plc: OpcUaPlc, service: str) -> None:
    call: Callable[[Session, int], Awaitable[object]] = CALLS[service]
    await plc.switch(Faults(limits=Limits(**{service: 2})))  # type: ignore[arg-type]  # a name of a service

    async with Session(plc.endpoint) as session:
        assert await told(session, service) == 2
        assert {await told(session, other) for other in TOLD if other != service} == {10000}
        await call(session, 2)
        with pytest.raises(ua.uaerrors.BadTooManyOperations):
            await call(session, 3)

        await plc.switch(Faults())
        await call(session, 3)


async def test_limits_can_be_kept_without_being_told(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(limits=Limits(read=2, told=False, too_large=True)))

    async with Session(plc.endpoint) as session:
        assert await told(session, "read") == 0
        with pytest.raises(ua.uaerrors.BadResponseTooLarge):
            await read(session, 3)


async def test_there_can_be_only_so_many_sessions_at_once(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(sessions=2))

    async with Session(plc.endpoint), Session(plc.endpoint):
        assert plc.sessions == 2
        with pytest.raises(ua.uaerrors.BadTooManySessions):
            await Session(plc.endpoint).open()
    async with asyncio.timeout(5):
        while plc.sessions:  # noqa: ASYNC110 - they end with their connections, and nobody tells
            await asyncio.sleep(0)


async def test_sessions_and_subscriptions_that_clients_left_behind_are_counted(plc: OpcUaPlc) -> None:
    left = await Session(plc.endpoint).open()
    await left.subscribe("force")
    left.client.disconnect_socket()

    async with Session(plc.endpoint) as session:
        await session.subscribe("force")

        assert (plc.sessions, plc.subscriptions) == (2, 2)


async def test_of_too_many_publish_requests_the_oldest_is_refused(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(publish=2))

    async with Session(plc.endpoint) as session:
        await session.subscribe()
        await session.publish()  # the first sign of life comes at once
        first, *others = [asyncio.create_task(session.publish()) for _ in range(3)]
        with pytest.raises(ua.uaerrors.BadTooManyPublishRequests):
            await first
        for other in others:
            other.cancel()


async def test_a_server_that_forgets_its_sessions_says_so_on_their_connections(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force", keepalive=5000)
        await session.publish()
        waits = asyncio.create_task(session.publish())
        await session.read("force")  # the server has the request by then

        await plc.forget()

        with pytest.raises(ua.uaerrors.BadSessionClosed):
            await waits
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await read(session, 1)
        assert (plc.sessions, plc.subscriptions) == (0, 0)
        await session.client.create_session()
        await session.client.activate_session()
        await read(session, 1)


async def test_a_server_that_drops_its_subscriptions_keeps_the_sessions(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force", keepalive=5000)
        await session.publish()
        waits = asyncio.create_task(session.publish())
        await session.read("force")

        await plc.drop()

        with pytest.raises(ua.uaerrors.BadNoSubscription):
            await waits
        await read(session, 1)
        assert (plc.sessions, plc.subscriptions) == (1, 0)


async def test_a_clock_that_is_off_moves_all_times_and_no_value(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(clock_s=3600.0))
    hour = timedelta(hours=1)

    async with Session(plc.endpoint) as session:
        value = await session.read("force")
        time = await session.client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
        await session.subscribe("temp")
        ((_, _, source_time),) = await session.values()

    assert value.Value == ua.Variant(FORCE_NOW, ua.VariantType.UInt32)
    assert (value.SourceTimestamp, value.ServerTimestamp) == (
        START + hour,
        START + hour + timedelta(milliseconds=50),
    )
    assert time == START + hour + timedelta(milliseconds=50)
    assert source_time == START + hour


async def test_nodes_can_be_late_after_a_restart(clock: Clock, plc: OpcUaPlc) -> None:
    await plc.switch(Faults(late_nodes=Late(8.0, frozenset({"force"}))))
    async with Session(plc.endpoint) as session:
        assert (await session.read("force")).StatusCode == ua.StatusCode()

    await plc.restart()

    async with Session(plc.endpoint) as session:
        assert await session.subscribe("force", "temp") == ["BadNodeIdUnknown", "Good"]
        clock.tick(39)
        await plc.show()
        assert await session.subscribe_more("force") == ["BadNodeIdUnknown"]
        clock.tick()
        await plc.show()
        assert await session.subscribe_more("force") == ["Good"]


async def test_late_nodes_are_all_where_none_is_named_and_there_when_it_is_off(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(late_nodes=Late(8.0)))
    await plc.restart()

    async with Session(plc.endpoint) as session:
        assert await session.subscribe(*NAMES) == ["BadNodeIdUnknown"] * 3
        await plc.switch(Faults())
        assert await session.subscribe(*NAMES) == ["Good"] * 3


async def test_namespaces_come_in_another_order_after_a_restart(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        before = await session.index(PRESS)
    await plc.switch(Faults(namespaces=("urn:new",)))
    await plc.restart()

    async with Session(plc.endpoint) as session:
        assert await session.index(PRESS) == before + 1


async def test_a_shorter_tick_changes_values_more_often() -> None:
    clock = Clock()
    plc = OpcUaPlc(TAGS, clock=clock)
    plc.tick_ns = TICK_NS // 4

    async with plc, Session(plc.endpoint) as session:
        first = await session.read("force")
        clock.tick()
        fourth = await session.read("force")

    assert fourth.Value.Value - first.Value.Value == 4  # type: ignore[union-attr]  # both were read
