"""What a server is known to bear, against what devices ask of it."""

from dataclasses import replace

from edge_agent.config.settings import Device, Group, NodeLimits, OpcUaConnection, Profile, Tag
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.load import overloads

TOO_MANY = (
    "the server of a takes 100 items in all, and 110 are subscribed to, 60 of them by one; take groups out "
    "of the subscription with mode: read, or leave tags out with disable:"
)
GROUP = Group("fast", 1.0, mode="subscribe", sampling_s=0.1)
CONNECTIONS = {name: OpcUaConnection(name, f"opc.tcp://{name}") for name in ("a", "b")}


def test_items_of_all_devices_of_a_connection_count() -> None:
    found = overloads(
        CONNECTIONS, [device("one", 60), device("two", 50), device("three", 90, connection="b")]
    )

    assert [(each.message, each.severity, each.connection, each.device) for each in found] == [
        (
            TOO_MANY,
            "error",
            "a",
            "one",
        )
    ]


def test_what_is_read_is_no_item_and_a_structure_is_one() -> None:
    read = replace(device("read", 500), groups={"fast": replace(GROUP, mode="read")})
    fields = tuple(
        Tag(f"s.{i}", "fast", "Int16", Node(f"s.{i}", "", "s=s", "Int16", field=(str(i),)))
        for i in range(500)
    )

    assert overloads(CONNECTIONS, [read, replace(device("fields", 1), tags=fields)]) == []


def test_a_server_without_a_limit_takes_any_number() -> None:
    assert overloads(CONNECTIONS, [device("one", 200, limits=NodeLimits())]) == []


def test_a_group_that_is_sampled_more_often_than_the_server_can_is_a_warning() -> None:
    (found,) = overloads(CONNECTIONS, [device("one", 1, limits=NodeLimits(sampling_s=0.25))])

    assert (found.severity, found.group, found.message) == (
        "warning",
        "fast",
        "group fast of one is sampled every 0.1 s; the server looks every 0.25 s at best",
    )


def device(name: str, tags: int, *, connection: str = "a", limits: NodeLimits | None = None) -> Device:
    made = tuple(Tag(f"t{i}", "fast", "Int16", Node(f"t{i}", "", f"i={i}", "Int16")) for i in range(tags))
    bears = NodeLimits(items=100) if limits is None else limits
    profile = Profile("a/b", "1.0.0", "", "opcua", "", {"fast": GROUP}, made, bears)
    return Device(name, profile, connection, 1, {"fast": GROUP}, made)
