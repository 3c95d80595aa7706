"""The past of a simulated server, as a client reads it: raw values, in pages, forwards and backwards."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from asyncua import ua

from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from tests.sim.test_opcua import FORCE_NOW, PRESS, START, TAGS, Clock, Session

TICK = timedelta(milliseconds=200)


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with OpcUaPlc(TAGS, clock=Clock()) as plc, Session(plc.endpoint) as session:
        session.plc = plc  # type: ignore[attr-defined]  # what a test switches
        yield session


def plc_of(session: Session) -> OpcUaPlc:
    plc = session.plc  # type: ignore[attr-defined]  # set above
    assert isinstance(plc, OpcUaPlc)
    return plc


async def asked(
    session: Session,
    start: datetime | None,
    end: datetime | None,
    *,
    most: int = 0,
    bounds: bool = False,
    point: bytes | None = None,
    name: str = "force",
) -> ua.HistoryReadResult:
    details = ua.ReadRawModifiedDetails()
    details.StartTime = start or ua.get_win_epoch()
    details.EndTime = end or ua.get_win_epoch()
    details.IsReadModified = False
    details.NumValuesPerNode, details.ReturnBounds = most, bounds
    node = ua.HistoryReadValueId(ua.NodeId.from_string(f"ns={await session.index(PRESS)};s={name}"))
    if point:
        node.ContinuationPoint = point
    wanted = ua.HistoryReadParameters(HistoryReadDetails=details, NodesToRead=[node])
    wanted.ReleaseContinuationPoints = False
    (result,) = await session.client.uaclient.history_read(wanted)
    assert isinstance(result, ua.HistoryReadResult)
    return result


def steps(result: ua.HistoryReadResult) -> list[int]:
    """Which ticks were given, the present one being 0."""
    values = result.HistoryData.DataValues
    found = [value.Value.Value - FORCE_NOW for value in values]
    assert [value.SourceTimestamp for value in values] == [START + step * TICK for step in found]
    return found


@pytest.mark.parametrize(
    ("start", "end", "bounds", "found"),
    [
        (-3, 0, False, [-3, -2, -1]),
        (-3, 0, True, [-3, -2, -1, 0]),
        (-3.5, -0.5, False, [-3, -2, -1]),
        (-3.5, -1.5, True, [-4, -3, -2, -1]),
        (0, -3, False, [0, -1, -2]),
        (0, -3, True, [0, -1, -2, -3]),
        (-0.5, -2.5, False, [-1, -2]),
        (-0.5, -2.5, True, [0, -1, -2, -3]),
        (-2, 50, False, [-2, -1, 0]),
        (-2, None, False, [-2, -1, 0]),
        (3, 9, False, []),
    ],
)
async def test_values_come_from_one_time_to_before_the_other(
    session: Session, start: float, end: float | None, *, bounds: bool, found: list[int]
) -> None:
    until = None if end is None else START + end * TICK

    result = await asked(session, START + start * TICK, until, bounds=bounds)

    assert steps(result) == found
    assert result.StatusCode.name == ("Good" if found else "GoodNoData")
    assert not result.ContinuationPoint


async def test_without_a_start_the_last_values_come_first(session: Session) -> None:
    result = await asked(session, None, START, most=3)

    assert steps(result) == [0, -1, -2]
    assert not result.ContinuationPoint


async def test_ten_minutes_are_kept(session: Session) -> None:
    result = await asked(session, START - timedelta(hours=1), START, most=1)

    (first,) = result.HistoryData.DataValues
    assert first.SourceTimestamp == START - timedelta(minutes=10) + TICK


async def test_more_than_a_page_comes_page_by_page(session: Session) -> None:
    await plc_of(session).switch(Faults(page=2))
    found, point = [], None
    for _ in range(3):
        result = await asked(session, START - 5 * TICK, START, point=point)
        found.append(steps(result))
        point = result.ContinuationPoint

    assert found == [[-5, -4], [-3, -2], [-1]]
    assert not point
    limit = session.client.get_node(ua.ObjectIds.HistoryServerCapabilities_MaxReturnDataValues)
    assert await limit.read_value() == 2


async def test_a_page_backwards_goes_on_backwards(session: Session) -> None:
    first = await asked(session, START, START - 3 * TICK, most=2)
    rest = await asked(session, START, START - 3 * TICK, most=2, point=first.ContinuationPoint)

    assert (steps(first), steps(rest)) == ([0, -1], [-2])


async def test_times_are_those_of_the_servers_clock(session: Session) -> None:
    hour = timedelta(hours=1)
    await plc_of(session).switch(Faults(clock_s=3600.0))

    result = await asked(session, START + hour - 2 * TICK, START + hour)

    values = result.HistoryData.DataValues
    assert [value.SourceTimestamp for value in values] == [START + hour - 2 * TICK, START + hour - TICK]
    assert [value.Value.Value - FORCE_NOW for value in values] == [-2, -1]


@pytest.mark.parametrize(
    ("faults", "more", "status"),
    [
        (Faults(no_history=True), {}, "BadHistoryOperationUnsupported"),
        (Faults(missing=frozenset({"force"})), {}, "BadNodeIdUnknown"),
        (Faults(), {"name": "nobody"}, "BadNodeIdUnknown"),
        (Faults(), {"point": b"x"}, "BadContinuationPointInvalid"),
    ],
)
async def test_what_cannot_be_read_is_refused_with(
    session: Session, faults: Faults, more: dict[str, object], status: str
) -> None:
    await plc_of(session).switch(faults)

    assert (await asked(session, START - TICK, START, **more)).StatusCode.name == status  # type: ignore[arg-type]  # rows of a table


async def test_without_any_time_nothing_can_be_read(session: Session) -> None:
    assert (await asked(session, None, None)).StatusCode.name == "BadHistoryOperationInvalid"


@pytest.mark.parametrize("there", [True, False])
async def test_nodes_say_whether_their_past_can_be_read(session: Session, *, there: bool) -> None:
    await plc_of(session).switch(Faults(no_history=not there))
    node = await session.node("force")
    can = session.client.get_node(ua.ObjectIds.HistoryServerCapabilities_AccessHistoryDataCapability)

    levels = [await node.get_access_level(), await node.get_user_access_level()]
    historizing = await node.read_attribute(ua.AttributeIds.Historizing)

    reading = {ua.AccessLevel.CurrentRead} | ({ua.AccessLevel.HistoryRead} if there else set())
    assert levels == [reading, reading]
    assert historizing.Value.Value is there
    assert await can.read_value() is there
