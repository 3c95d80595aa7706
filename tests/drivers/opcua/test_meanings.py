"""Ranges and texts that a server tells, and what comes of them."""

from collections.abc import Mapping

import pytest
import structlog
from asyncua import ua

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.meanings import Meanings
from edge_agent.drivers.opcua.resolve import node_id
from tests.drivers.opcua.fake_server import FakeServer

LEVEL, MODE, RANGE, TEXTS = (node_id(name, 2) for name in ("level", "mode", "range", "texts"))
ENUM_TYPE = node_id("ModeType", 2)


def level(valid_deadband: float = 0.0) -> Tag:
    node = Node("level", "urn:plc", "s=level", "Double", percent=2.0, on_change=True)
    return Tag("level", "fast", "Double", node, percent=2.0, deadband=valid_deadband)


def mode(texts: Mapping[int, str]) -> Tag:
    return Tag("mode", "fast", "Int32", Node("mode", "urn:plc", "s=mode", "Int32"), enum=texts)


async def test_a_share_is_one_of_the_range_that_the_server_tells() -> None:
    server = FakeServer(below={(LEVEL, "0:EURange"): [RANGE]}, values={RANGE: ua.Range(-50, 150)})
    meanings = Meanings("d", [level()])

    await meanings.ask(server, [LEVEL])

    assert meanings.ranges == {0: (-50.0, 150.0)}
    assert meanings.deadbands == {0: 4.0}


@pytest.mark.parametrize("said", [None, ua.Range(0, 0), ua.Range(5, 1), ua.Range(0, float("nan")), 7.0])
async def test_without_a_range_nothing_is_left_out_and_it_is_said_once(said: object) -> None:
    server = FakeServer(below={(LEVEL, "0:EURange"): [RANGE]}, values={} if said is None else {RANGE: said})
    meanings = Meanings("d", [level()])

    with structlog.testing.capture_logs() as logs:
        await meanings.ask(server, [LEVEL])
        await meanings.ask(server, [LEVEL])

    assert meanings.deadbands == {}
    assert [(each["event"], each["tags"], each["log_level"]) for each in logs] == [
        ("no range for deadband", ["level"], "warning")
    ]


async def test_a_tag_with_bounds_of_its_own_needs_no_range() -> None:
    meanings = Meanings("d", [level(valid_deadband=1.0)])

    with structlog.testing.capture_logs() as logs:
        await meanings.ask(FakeServer(), [LEVEL])

    assert [(each["event"], each["log_level"]) for each in logs] == [("deadband by valid", "info")]


TOLD = ua.EnumDefinition(
    Fields=[ua.EnumField(Value=ua.Int64(at), Name=ua.String(name)) for at, name in enumerate(["off", "on"])]
)


@pytest.mark.parametrize(
    ("texts", "differ"),
    [
        ({0: "off", 1: "on"}, None),
        ({0: " off", 1: "on", 2: "more"}, None),
        ({0: "aus", 1: "on"}, ["0 is 'off' at the server and 'aus' in the profile"]),
        ({0: "off"}, ["1 is 'on' at the server and not in the profile"]),
    ],
)
async def test_texts_that_differ_from_those_of_the_type_are_told_once(
    texts: Mapping[int, str], differ: list[str] | None
) -> None:
    attributes: dict[tuple[ua.NodeId, int], object] = {
        (MODE, ua.AttributeIds.DataType): ua.Variant(ENUM_TYPE, ua.VariantType.NodeId),
        (ENUM_TYPE, ua.AttributeIds.BrowseName): ua.QualifiedName("ModeType", 2),
        (ENUM_TYPE, ua.AttributeIds.DataTypeDefinition): TOLD,
    }
    server = FakeServer(
        attributes=attributes,
        references={(ENUM_TYPE, ua.ObjectIds.HasSubtype): [node_id(ua.ObjectIds.Enumeration, 0)]},
    )
    meanings = Meanings("d", [mode(texts)])

    with structlog.testing.capture_logs() as logs:
        await meanings.ask(server, [MODE])
        await meanings.ask(server, [MODE])

    assert [each["differ"] for each in logs] == ([differ] if differ else [])


async def test_texts_of_the_variable_come_before_those_of_its_type() -> None:
    strings = [ua.LocalizedText("null"), ua.LocalizedText("eins")]
    server = FakeServer(below={(MODE, "0:EnumStrings"): [TEXTS]}, values={TEXTS: strings})
    meanings = Meanings("d", [mode({0: "null", 1: "two"})])

    with structlog.testing.capture_logs() as logs:
        await meanings.ask(server, [MODE])

    assert [each["differ"] for each in logs] == [["1 is 'eins' at the server and 'two' in the profile"]]


async def test_a_server_that_tells_no_texts_is_not_asked_in_vain() -> None:
    with structlog.testing.capture_logs() as logs:
        await Meanings("d", [mode({0: "a"})]).ask(FakeServer(), [MODE])

    assert logs == []
