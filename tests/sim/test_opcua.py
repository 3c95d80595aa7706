import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, get_args
from uuid import UUID

import pytest
from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.truth import Truth

NOW_NS = 1_760_000_000_050 * 1_000_000  # 50 ms into a tick of step 2048
START = datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
TICK_NS = 200_000_000
PRESS = "http://acme.example/press"
LINE = "http://acme.example/line"

# What all types hold, in this order, at NOW_NS. A narrow one has fewer steps, and a bit follows a sequence.
HELD: dict[BuiltIn, object] = {
    "Boolean": False,
    "SByte": 0,
    "Byte": 0,
    "Int16": 0,
    "UInt16": 0,
    "Int32": 6 * 4096 + 2048,
    "UInt32": 7 * 4096 + 2048,
    "Int64": 8 * 4096 + 2048,
    "UInt64": 9 * 4096 + 2048,
    "Float": 10 * 4096.0 + 2048,
    "Double": 11 * 4096.0 + 2048,
    "String": "T12-2048",
    "DateTime": datetime(2026, 1, 1, tzinfo=UTC) + (13 * 4096 + 2048) * timedelta(milliseconds=200),
    "Guid": UUID("00000000-0000-000e-0000-000000000800"),
    "ByteString": b"T15-2048",
    "XmlElement": ua.XmlElement(ua.String("T16-2048")),
    "NodeId": ua.NodeId(ua.String("T17-2048")),
    "ExpandedNodeId": ua.NodeId(ua.String("T18-2048")),
    "QualifiedName": ua.QualifiedName("T19-2048"),
    "LocalizedText": ua.LocalizedText("T20-2048"),
}


def _tag(name: str, kind: BuiltIn = "UInt32", namespace: str = PRESS, id: str = "") -> Tag:  # noqa: A002 - of a node
    return Tag(name, "fast", kind, Node(name, namespace, id or f"s={name}", kind))


FORCE, TEMP, MODE = TAGS = (_tag("force"), _tag("temp"), _tag("mode"))
FORCE_NOW, TEMP_NOW = 4096 + 2048, 2 * 4096 + 2048


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns

    def tick(self, ticks: int = 1) -> None:
        self.now_ns += ticks * TICK_NS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def plc(clock: Clock) -> AsyncIterator[OpcUaPlc]:
    async with OpcUaPlc(TAGS, clock=clock) as plc:
        yield plc


def test_every_type_is_among_those_that_are_tried() -> None:
    assert tuple(HELD) == tuple(each for each in get_args(BuiltIn) if each != "StatusCode")


def test_a_type_that_has_too_few_values_is_refused() -> None:
    with pytest.raises(ValueError, match="StatusCode cannot be simulated"):
        OpcUaPlc([_tag("code", "StatusCode")])


async def test_every_type_is_read_as_what_it_is(clock: Clock) -> None:
    tags = [_tag(kind, kind) for kind in HELD]
    truth = Truth(tags)

    async with OpcUaPlc(tags, clock=clock) as plc, Session(plc.endpoint) as session:
        read = {kind: await session.read(kind) for kind in HELD}
        types = {kind: await (await session.node(kind)).read_data_type_as_variant_type() for kind in HELD}

    for kind, value in read.items():
        assert value.Value is not None
        assert value.Value.VariantType is types[kind] is ua.VariantType[kind]
        assert value.StatusCode == ua.StatusCode()
        assert (value.SourceTimestamp, value.ServerTimestamp) == (START, START + timedelta(milliseconds=50))
    wide = list(HELD)[5:]
    assert {kind: read[kind].Value.Value for kind in wide} == {kind: HELD[kind] for kind in wide}  # type: ignore[union-attr]  # seen above
    for kind in list(HELD)[:5]:
        assert truth.expected(kind, NOW_NS) == read[kind].Value.Value  # type: ignore[union-attr]  # seen above


@pytest.mark.parametrize(
    "id",
    [
        "s=GVL.x",
        's="DB"."a;b=c"',
        "i=7",
        "i=300",
        "i=70000",
        "g=12345678-1234-1234-1234-123456789abc",
        "b=Zm9v",
    ],
)
async def test_every_kind_of_identifier_is_served(clock: Clock, id: str) -> None:  # noqa: A002 - of a node
    async with OpcUaPlc([_tag("a", id=id)], clock=clock) as plc, Session(plc.endpoint) as session:
        node = session.client.get_node(ua.NodeId.from_string(f"ns={await session.index(PRESS)};{id}"))

        assert await node.read_value() == FORCE_NOW


async def test_nodes_stand_below_objects_under_their_own_namespaces(clock: Clock) -> None:
    tags = [_tag("force"), _tag("count", namespace=LINE)]

    async with OpcUaPlc(tags, clock=clock) as plc, Session(plc.endpoint) as session:
        press, line = await session.index(PRESS), await session.index(LINE)
        children = await session.client.nodes.objects.get_children()
        found = await session.client.nodes.objects.get_child(f"{line}:count")

        assert {f"ns={press};s=force", f"ns={line};s=count"} < {
            child.nodeid.to_string() for child in children
        }
        assert await found.read_value() == TEMP_NOW


async def test_namespaces_before_shift_the_indexes(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        before = await session.index(PRESS)

    plc.namespaces_before = ("urn:new", "urn:newer")
    await plc.restart()

    async with Session(plc.endpoint) as session:
        assert await session.index(PRESS) == before + 2
        assert (await session.read("force")).Value == ua.Variant(FORCE_NOW, ua.VariantType.UInt32)
        old = await session.client.get_node(ua.NodeId.from_string(f"ns={before};s=force")).read_data_value(
            raise_on_bad_status=False
        )
        assert old.StatusCode.name == "BadNodeIdUnknown"  # type: ignore[union-attr]  # was read


async def test_a_tag_can_take_over_a_node_of_the_server(clock: Clock) -> None:
    tags = [_tag("state", "Int32", "", "i=2259"), _tag("time", "DateTime", "", "i=2258")]

    async with OpcUaPlc(tags, clock=clock) as plc, Session(plc.endpoint) as session:
        assert await session.client.get_node("i=2259").read_value() == FORCE_NOW
        assert (await session.client.get_node("i=2258").read_value()).year == 2026
        await plc.switch(Faults(missing=frozenset({"state"})))
        with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
            await session.client.get_node("i=2259").read_value()


async def test_the_server_says_how_it_is_and_what_time_it_is(clock: Clock, plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        clock.tick(5)
        status = await session.client.get_node(ua.ObjectIds.Server_ServerStatus).read_value()
        time = await session.client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
        limit = await session.client.get_node("i=11705").read_value()

    assert status.State == ua.ServerState.Running
    assert status.CurrentTime == time == START + timedelta(milliseconds=1050)
    assert limit == 10000


async def test_only_anonymous_clients_without_security_are_offered(plc: OpcUaPlc) -> None:
    (offered,) = await Client(plc.endpoint).connect_and_get_server_endpoints()

    assert offered.EndpointUrl == plc.endpoint == f"opc.tcp://127.0.0.1:{plc.port}"
    assert offered.SecurityMode == ua.MessageSecurityMode.None_
    assert [token.TokenType for token in offered.UserIdentityTokens] == [ua.UserTokenType.Anonymous]


async def test_an_address_of_ipv6_stands_in_brackets() -> None:
    async with OpcUaPlc(TAGS, host="::1") as plc:
        assert plc.endpoint == f"opc.tcp://[::1]:{plc.port}"


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([_tag("a", id="s=x"), _tag("b", id="s=x")], "b and a are the same node, s=x"),
        ([_tag("a", id="x")], "a: x is no id of a node"),
        ([_tag("a", id="i=x")], "a: i=x is no id of a node"),
    ],
)
def test_what_cannot_be_simulated_is_said(tags: Sequence[Tag], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        OpcUaPlc(tags)


async def test_a_port_in_use_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        plc = OpcUaPlc(TAGS, port=taken.getsockname()[1])

        with pytest.raises(OSError, match="in use"):
            await plc.__aenter__()


async def test_a_read_follows_the_clock(clock: Clock, plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        clock.tick(3)

        assert (await session.read("force")).Value == ua.Variant(FORCE_NOW + 3, ua.VariantType.UInt32)


async def test_a_subscriber_is_told_every_tick_in_order_also_late(clock: Clock, plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force")
        assert await session.values() == [("force", FORCE_NOW, START)]

        clock.tick(4)
        await plc.show()

        told = await session.values()
        assert [value for _, value, _ in told] == [FORCE_NOW + step for step in (1, 2, 3, 4)]
        assert told[1][2] == START + timedelta(milliseconds=400)


async def test_a_subscriber_is_not_told_what_a_set_clock_jumped_over(clock: Clock, plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force", queue=100)
        await session.values()

        clock.tick(1000)
        await plc.show()
        forward = await session.values()
        clock.tick(-500)
        await plc.show()
        clock.tick()
        await plc.show()

        assert [value for _, value, _ in forward] == list(range(FORCE_NOW + 951, FORCE_NOW + 1001))
        assert [value for _, value, _ in await session.values()] == [FORCE_NOW + 501]


async def test_an_item_begins_where_the_clock_is(clock: Clock, plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        clock.tick(2)
        await session.subscribe("force")
        await plc.show()

        assert await session.values() == [("force", FORCE_NOW + 2, START + timedelta(milliseconds=400))]


async def test_ticks_go_by_themselves() -> None:
    truth = Truth(TAGS)

    async with OpcUaPlc(TAGS) as plc, Session(plc.endpoint) as session:
        await session.subscribe("force", "temp")
        told = [value for _ in range(3) for value in await session.values()]

    times = [time for name, _, time in told if name == "force"]
    assert {after - before for before, after in pairwise(times)} == {timedelta(milliseconds=200)}
    for name, value, time in told:
        assert truth.expected(name, round(time.timestamp() * 1000) * 1_000_000) == value


async def test_silence_answers_nothing_and_ends_what_it_lost_something_of(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as asking, Session(plc.endpoint) as resting:
        await plc.switch(Faults(silence=True))
        asked = asyncio.create_task(asking.read("force"))
        with pytest.raises(TimeoutError):
            await Client(plc.endpoint, timeout=0.1).connect()
        assert not asked.done()

        await plc.switch(Faults())

        with pytest.raises(ConnectionError):
            await asked
        assert (await resting.read("force")).StatusCode == ua.StatusCode()
        async with Session(plc.endpoint) as again:
            assert (await again.read("force")).StatusCode == ua.StatusCode()


async def test_refuse_resets_and_refuses_and_comes_back_on_its_port(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        port = plc.port
        await plc.switch(Faults(refuse=True))
        await plc.switch(Faults(refuse=True, slow_s=0.01))
        with pytest.raises(ConnectionError):
            await session.read("force")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    await plc.switch(Faults())

    async with Session(f"opc.tcp://127.0.0.1:{port}") as again:
        assert (await again.read("force")).StatusCode == ua.StatusCode()


async def test_a_plc_can_end_and_restart_while_it_refuses(clock: Clock) -> None:
    async with OpcUaPlc(TAGS, clock=clock) as plc:
        await plc.switch(Faults(refuse=True))
        await plc.restart()

        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", plc.port)


async def test_a_port_lost_while_it_refuses_is_an_os_error(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(refuse=True))
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", plc.port))
        other.listen()

        with pytest.raises(OSError, match="in use"):
            await plc.switch(Faults())

    await plc.switch(Faults(refuse=True))
    await plc.switch(Faults())
    async with Session(plc.endpoint) as session:
        assert (await session.read("force")).StatusCode == ua.StatusCode()


async def test_slow_answers_late_and_in_order(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await plc.switch(Faults(slow_s=0.05))
        loop = asyncio.get_running_loop()
        asked = loop.time()
        late = asyncio.gather(*(session.read(tag.name) for tag in TAGS))
        for _ in range(5):
            await asyncio.sleep(0)
        await plc.switch(Faults())  # what was asked after it does not overtake
        last = await session.read("force")

        assert len(await late) == 3
        assert last.StatusCode == ua.StatusCode()

        await plc.switch(Faults(slow_s=0.05))
        asked = loop.time()
        await session.read("force")
        assert loop.time() - asked >= 0.045


async def test_a_frozen_link_goes_on_where_it_stopped(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await plc.switch(Faults(frozen=True))
        asked = asyncio.create_task(session.read("force"))
        coming = asyncio.create_task(Session(plc.endpoint).__aenter__())
        done, _ = await asyncio.wait([asked, coming], timeout=0.1)
        assert not done

        await plc.switch(Faults())

        assert (await asked).StatusCode == ua.StatusCode()
        await (await coming).__aexit__()


async def test_a_tag_can_be_bad_for_a_while(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force", "temp")
        await session.values()

        await plc.switch(Faults(bad=frozenset({"force"})))
        bad = await session.read("force")
        assert await session.values() == [("force", "BadDeviceFailure", START)]
        await plc.switch(Faults())
        assert await session.values() == [("force", FORCE_NOW, START)]

    assert bad.StatusCode is not None
    assert bad.StatusCode.name == "BadDeviceFailure"
    assert bad.Value == ua.Variant()


async def test_a_missing_node_is_unknown_in_every_way(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(missing=frozenset({"force"})))

    async with Session(plc.endpoint) as session:
        read = await session.read("force")
        children = await session.client.nodes.objects.get_children()
        made = await session.subscribe("force", "temp")
        await plc.switch(Faults())
        again = await session.read("force")
        back = await session.client.nodes.objects.get_children()

    assert read.StatusCode is not None
    assert read.StatusCode.name == "BadNodeIdUnknown"
    assert made == ["BadNodeIdUnknown", "Good"]
    assert again.StatusCode == ua.StatusCode()
    assert len(back) == len(children) + 1


async def test_who_watches_a_node_is_told_that_it_goes_and_when_it_is_back(
    clock: Clock, plc: OpcUaPlc
) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force")
        await session.values()

        await plc.switch(Faults(missing=frozenset({"force"})))
        gone = await session.values()
        clock.tick()
        await plc.show()
        await plc.switch(Faults())
        back = await session.values()

    assert [value for _, value, _ in gone] == ["BadNodeIdUnknown"]
    assert [value for _, value, _ in back] == [FORCE_NOW + 1]


async def test_an_item_can_be_deleted_while_its_node_is_missing(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force", "temp")
        await session.values()
        await plc.switch(Faults(missing=frozenset({"force"})))
        await session.values()

        deleted = await session.delete_items()
        await plc.switch(Faults())
        await session.subscribe_more("force")

        assert deleted == ["Good", "Good"]
        assert await session.values() == [("force", FORCE_NOW, START)]


async def test_an_unknown_tag_is_named(plc: OpcUaPlc) -> None:
    with pytest.raises(ValueError, match="no such tag: a, b; there are: force, temp, mode"):
        await plc.switch(Faults(bad=frozenset("a"), missing=frozenset("b")))

    assert plc.faults == Faults()


async def test_restart_forgets_sessions_and_subscriptions_and_keeps_its_port(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force")
        port = plc.port

        await plc.restart()

        assert plc.port == port
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await session.come_back()
        async with Session(plc.endpoint) as other:
            assert await other.transfer(session.subscription) == ("BadSubscriptionIdInvalid", [])


async def test_restart_keeps_what_is_missing_and_bad(plc: OpcUaPlc) -> None:
    await plc.switch(Faults(missing=frozenset({"force"}), bad=frozenset({"temp"})))

    await plc.restart()

    async with Session(plc.endpoint) as session:
        read = [(await session.read(name)).StatusCode for name in ("force", "temp", "mode")]
    assert [status.name for status in read if status] == ["BadNodeIdUnknown", "BadDeviceFailure", "Good"]


async def test_behind_a_cut_a_session_is_taken_up_again(clock: Clock, plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force")
        await session.values()

        await plc.cut()
        with pytest.raises(ConnectionError):
            await session.read("force")
        clock.tick(2)
        await plc.show()
        await session.come_back()

        assert [value for _, value, _ in await session.values()] == [FORCE_NOW + 1, FORCE_NOW + 2]


async def test_behind_a_cut_another_session_takes_over_and_gets_what_was_lost(
    clock: Clock, plc: OpcUaPlc
) -> None:
    # given a value that is sent into a cut connection, and one behind it
    old = await Session(plc.endpoint).open()
    await old.subscribe("force")
    first = await old.publish()
    await old.ask_to_publish_and_go(plc.cut)
    clock.tick()
    await plc.show()

    async with Session(plc.endpoint) as new:
        await new.wait_until_sent(old.subscription, first.NotificationMessage.SequenceNumber + 1)
        status, available = await new.transfer(old.subscription)
        lost = [await new.republish(number) for number in available]
        again = [await new.republish(number) for number in available]
        clock.tick()
        await plc.show()
        live = await new.values()

    assert status == "Good"
    assert [value for values in lost for _, value, _ in values] == [FORCE_NOW, FORCE_NOW + 1]
    assert again == lost
    assert [value for _, value, _ in live] == [FORCE_NOW + 2]


async def test_what_was_acknowledged_cannot_be_had_again(plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force", keepalive=3)
        sent = await session.publish()
        number = sent.NotificationMessage.SequenceNumber
        assert await session.republish(number) == [("force", FORCE_NOW, START)]

        acknowledged = await session.publish(number)

        assert acknowledged.AvailableSequenceNumbers == []
        with pytest.raises(ua.uaerrors.BadMessageNotAvailable):
            await session.republish(number)
        session.subscription += 1
        with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
            await session.republish(number)


async def test_a_session_closed_with_its_subscriptions_kept_leaves_them_to_another(
    clock: Clock, plc: OpcUaPlc
) -> None:
    async with Session(plc.endpoint) as new:
        old = await Session(plc.endpoint).open()
        await old.subscribe("force")
        await old.values()
        await old.close_without_its_subscriptions()

        assert await new.transfer(old.subscription) == ("Good", [1])
        clock.tick()
        await plc.show()
        assert [value for _, value, _ in await new.values()] == [FORCE_NOW + 1]


async def test_a_queue_that_was_too_short_says_so(clock: Clock, plc: OpcUaPlc) -> None:
    async with Session(plc.endpoint) as session:
        await session.subscribe("force", queue=3)
        await session.values()

        clock.tick(5)
        await plc.show()
        told: Any = await session.notification()

    held = [item.Value for part in told.NotificationData for item in part.MonitoredItems]
    assert [(value.Value.Value, value.StatusCode.value) for value in held] == [
        (FORCE_NOW + 3, 0x480),
        (FORCE_NOW + 4, 0),
        (FORCE_NOW + 5, 0),
    ]


async def test_a_subscription_nobody_comes_back_to_ends_with_its_lifetime(plc: OpcUaPlc) -> None:
    old = await Session(plc.endpoint).open()
    await old.subscribe("force", lifetime=3, keepalive=3)
    await old.values()

    await plc.cut()

    async with Session(plc.endpoint) as new, asyncio.timeout(5):
        # A transfer does not prolong it: only a publish request does.
        while await new.transfer(old.subscription) != ("BadSubscriptionIdInvalid", []):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_nothing_is_left_of_it_behind_the_context() -> None:
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    tasks, sockets = asyncio.all_tasks(), _sockets()

    async with OpcUaPlc(TAGS) as plc:
        waiting, there, frozen = [await Session(plc.endpoint).open() for _ in range(3)]
        for session in (waiting, there):
            await session.subscribe("force")
        await plc.cut()
        await there.come_back()
        await frozen.open()
        await plc.switch(Faults(frozen=True, slow_s=10))
        coming = socket.create_connection(("127.0.0.1", plc.port))

    coming.close()
    for session in (waiting, there, frozen):
        session.client.disconnect_socket()
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - tasks or _sockets() - sockets:  # noqa: ASYNC110 - nobody tells of them
            await asyncio.sleep(0)
    assert told == []


async def test_a_mistake_of_ours_in_a_tick_is_raised_at_the_end() -> None:
    times: list[int] = [NOW_NS]

    plc = await OpcUaPlc(TAGS, clock=lambda: next(iter(times))).__aenter__()
    times.clear()
    await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="StopIteration"):
        await plc.__aexit__(None, None, None)


def _sockets() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor that lists this folder
            target = str(entry.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return found


class Session:
    """An asyncua client that publishes only when it is told to."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, timeout=5)
        self.subscription = 0
        self._items: list[int] = []
        self._names: dict[int, str] = {}

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        self.client.disconnect_socket()

    async def open(self) -> Self:
        """A new connection and a new session."""
        await self._connect()
        await self.client.create_session()
        await self.client.activate_session()
        return self

    async def come_back(self) -> None:
        """A new connection for the session there was."""
        await self._connect()
        self.client.uaclient.session.rebind_authentication_token()
        await self.client.activate_session()

    async def close_without_its_subscriptions(self) -> None:
        await self._ask(ua.CloseSessionRequest(DeleteSubscriptions=False), ua.CloseSessionResponse)
        self.client.disconnect_socket()

    async def index(self, uri: str) -> int:
        return await self.client.get_namespace_index(uri)

    async def node(self, name: str) -> Any:
        return self.client.get_node(f"ns={await self.index(PRESS)};s={name}")

    async def read(self, name: str) -> ua.DataValue:
        value = await (await self.node(name)).read_data_value(raise_on_bad_status=False)
        assert isinstance(value, ua.DataValue)
        return value

    async def subscribe(
        self, *names: str, queue: int = 10, lifetime: int = 1000, keepalive: int = 500
    ) -> list[str]:
        """Make a subscription of 20 ms and its items; gives the status of each."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(20, lifetime, keepalive, PublishingEnabled=True)
        response = await self._ask(request, ua.CreateSubscriptionResponse)
        self.subscription = response.Parameters.SubscriptionId
        return await self.subscribe_more(*names, queue=queue)

    async def subscribe_more(self, *names: str, queue: int = 10) -> list[str]:
        wanted = ua.CreateMonitoredItemsParameters(self.subscription)
        index = await self.index(PRESS)
        for name in names:
            handle = len(self._names)
            self._names[handle] = name
            node = ua.ReadValueId(ua.NodeId.from_string(f"ns={index};s={name}"), ua.AttributeIds.Value)
            parameters = ua.MonitoringParameters(handle, 0, None, queue, DiscardOldest=True)
            item = ua.MonitoredItemCreateRequest(node, ua.MonitoringMode.Reporting, parameters)
            wanted.ItemsToCreate.append(item)
        made = await self.client.uaclient.create_monitored_items(wanted)
        self._items += [item.MonitoredItemId for item in made]
        return [item.StatusCode.name for item in made]

    async def delete_items(self) -> list[str]:
        wanted = ua.DeleteMonitoredItemsParameters(self.subscription, self._items)
        return [status.name for status in await self.client.uaclient.delete_monitored_items(wanted)]

    async def publish(self, *acknowledged: int) -> Any:
        acks = [ua.SubscriptionAcknowledgement(self.subscription, number) for number in acknowledged]
        async with asyncio.timeout(5):
            return (await self.client.uaclient.publish(acks)).Parameters

    async def notification(self) -> ua.NotificationMessage:
        """The next one that is more than a sign of life."""
        while not (message := (await self.publish()).NotificationMessage).NotificationData:
            pass
        assert isinstance(message, ua.NotificationMessage)
        return message

    async def values(self) -> list[tuple[str, Any, Any]]:
        """The values of the next notification: name, value or bad status, source timestamp."""
        return self._values(await self.notification())

    async def ask_to_publish_and_go(self, cut: Callable[[], Awaitable[None]]) -> None:
        """Lose the connection while the server has a request to publish."""
        pending = asyncio.create_task(self.publish())
        await self.read("force")  # answered behind the request
        await cut()
        with pytest.raises(ConnectionError):
            await pending

    async def transfer(self, subscription: int) -> tuple[str, list[int]]:
        """Take a subscription over; gives how it went, and the numbers that can be had again."""
        self.subscription = subscription
        wanted = ua.TransferSubscriptionsParameters([subscription])
        (result,) = await self.client.uaclient.transfer_subscriptions(wanted)
        return result.StatusCode.name, list(result.AvailableSequenceNumbers)

    async def wait_until_sent(self, subscription: int, number: int) -> None:
        """Wait for a message of a subscription that is not ours yet; it goes out with the next period."""
        self.subscription = subscription
        async with asyncio.timeout(5):
            while True:
                with suppress(ua.uaerrors.BadMessageNotAvailable):
                    await self.republish(number)
                    return

    async def republish(self, number: int) -> list[tuple[str, Any, Any]]:
        message = await self.client.uaclient.session.republish(self.subscription, number)
        return self._values(message)

    def _values(self, message: ua.NotificationMessage) -> list[tuple[str, Any, Any]]:
        items = [item for part in message.NotificationData or [] for item in part.MonitoredItems]
        return [
            (
                self._names.get(item.ClientHandle, "force"),
                item.Value.Value.Value if item.Value.StatusCode.is_good() else item.Value.StatusCode.name,
                item.Value.SourceTimestamp,
            )
            for item in items
        ]

    async def _connect(self) -> None:
        await self.client.connect_socket()
        await self.client.send_hello()
        await self.client.open_secure_channel()

    async def _ask(self, request: Any, kind: type) -> Any:
        return struct_from_binary(kind, await self.client.uaclient.session._send_request(request))
