"""Structures: their types are asked for when their first value has come, and their fields are columns."""

import struct
from typing import Any

from asyncua import ua

from edge_agent.config.settings import Group, Tag
from edge_agent.core.model import Schema
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.drivers.opcua.answer import ARRAY, SHAPE, STRUCTURE, Answer, Body
from edge_agent.drivers.opcua.columns import Columns, column
from edge_agent.drivers.opcua.layout import Layout, Member
from edge_agent.drivers.opcua.questions import Questions
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.drivers.opcua.structures import layouts_of, parts_of
from tests.drivers.opcua.fake_server import FakeServer

ENCODING, AXIS, POINT, MODE = (node_id(name, 2) for name in ("AxisBinary", "Axis", "Point", "Mode"))
ANY = ua.ObjectIds.Structure
BYTES = struct.pack("<dddi", 1.5, -2.0, 0.25, 7)
NOW_NS = 10**18


def field(name: str, type_: ua.NodeId | int, *, rank: int = -1, optional: bool = False) -> ua.StructureField:
    its = node_id(type_, 0) if isinstance(type_, int) else type_
    made = ua.StructureField(Name=ua.String(name), DataType=its, ValueRank=ua.Int32(rank))
    made.IsOptional = optional
    return made


def server(*fields: ua.StructureField, kind: int = 0) -> FakeServer:
    """A server whose Axis has these fields, or a Point, a Double and a Mode."""
    its = list(fields) or [
        field("Place", POINT),
        field("Speed", ua.ObjectIds.Duration),
        field("Mode", MODE),
    ]
    axis = ua.StructureDefinition(Fields=its, StructureType=ua.StructureType(kind))
    point = ua.StructureDefinition(Fields=[field("X", ua.ObjectIds.Double), field("Y", ua.ObjectIds.Double)])
    above = {POINT: ANY, MODE: ua.ObjectIds.Enumeration, AXIS: ANY, node_id(290, 0): ua.ObjectIds.Double}
    return FakeServer(
        attributes={
            (AXIS, ua.AttributeIds.DataTypeDefinition): axis,
            (POINT, ua.AttributeIds.DataTypeDefinition): point,
            **{(each, ua.AttributeIds.BrowseName): ua.QualifiedName("n", 2) for each in above},
        },
        references={
            (ENCODING, ua.ObjectIds.HasEncoding): [AXIS],
            **{(each, ua.ObjectIds.HasSubtype): [node_id(parent, 0)] for each, parent in above.items()},
        },
    )


# --- types --------------------------------------------------------------------------------


async def test_a_type_is_found_by_its_encoding_with_all_that_is_in_it() -> None:
    (layout,) = (await layouts_of([ENCODING], Questions(server()))).values()

    assert layout == Layout(
        (
            Member("Place", Layout((Member("X", ua.VariantType.Double), Member("Y", ua.VariantType.Double)))),
            Member("Speed", ua.VariantType.Double),
            Member("Mode", ua.VariantType.Int32),
        )
    )


async def test_a_type_without_a_definition_says_so() -> None:
    assert await layouts_of([ENCODING], Questions(FakeServer())) == {ENCODING: "BadDataTypeIdUnknown"}


async def test_what_cannot_be_taken_apart_says_so() -> None:
    for its in (
        server(field("a", ua.ObjectIds.Double, rank=2)),
        server(field("a", AXIS)),
        server(field("a", ua.ObjectIds.Double), kind=3),
    ):
        assert await layouts_of([ENCODING], Questions(its)) == {ENCODING: "BadNotSupported"}
    unknown = server(field("a", node_id("nobody", 2)))
    assert await layouts_of([ENCODING], Questions(unknown)) == {ENCODING: "BadDataTypeIdUnknown"}


async def test_unions_optional_fields_and_open_types_are_known() -> None:
    union = await layouts_of([ENCODING], Questions(server(field("a", ua.ObjectIds.Double), kind=2)))
    loose = await layouts_of(
        [ENCODING],
        Questions(server(field("a", 24, optional=True), field("b", ANY, rank=1), kind=1)),
    )

    assert union[ENCODING] == Layout((Member("a", ua.VariantType.Double),), union=True)
    assert loose[ENCODING] == Layout(
        (
            Member("a", ua.VariantType.Variant, optional=True),
            Member("b", ua.VariantType.ExtensionObject, array=True),
        )
    )


# --- columns ------------------------------------------------------------------------------

TYPES: tuple[tuple[str, BuiltIn, tuple[str, ...]], ...] = (
    ("axis.x", "Double", ("Place", "X")),
    ("axis.mode", "Int32", ("Mode",)),
    ("axis.none", "Int32", ("Nothing",)),
    ("axis.odd", "Int32", ("Speed",)),
)
TAGS = tuple(
    Tag(name, "fast", type_, Node(name, "urn:plc", "s=axis", type_, field=way)) for name, type_, way in TYPES
)


async def test_fields_are_columns_of_one_answer_and_each_is_judged_alone() -> None:
    columns = made(TAGS)
    answer = Answer(STRUCTURE, Body(ENCODING, BYTES), 0, NOW_NS - 5)
    assert set(columns.whole([answer], NOW_NS).quality or ()) == {"bad:BadDataTypeIdUnknown"}

    await columns.structures.learn(Questions(server()))
    scan = columns.whole([answer], NOW_NS)

    assert scan.values == (1.5, 7, None, None)
    assert scan.quality == ("", "", "bad:wrong_answer:no_field", "bad:wrong_answer:Double")
    assert scan.time_ns == NOW_NS - 5


async def test_news_of_a_structure_are_news_of_its_fields() -> None:
    columns = await learned()

    (scan,) = columns.news([(0, Answer(STRUCTURE, Body(ENCODING, BYTES)))], NOW_NS)

    assert scan.values == (1.5, 7, None, None)
    assert columns.news([(9, Answer(STRUCTURE, Body(ENCODING, BYTES)))], NOW_NS) == []


async def test_what_is_said_of_the_structure_is_said_of_every_field() -> None:
    columns = await learned()

    def said(answer: Answer) -> set[str]:
        return set(columns.whole([answer], NOW_NS).quality or ())

    assert said(Answer(STRUCTURE, Body(ENCODING, BYTES), 0x80340000)) == {"bad:BadNodeIdUnknown"}
    assert said(Answer(0, None)) == {"bad:wrong_answer:Null"}
    assert said(Answer(STRUCTURE, None)) == {"bad:wrong_answer:Null"}
    assert said(Answer(ua.VariantType.Int32, 7)) == {"bad:wrong_answer:Int32"}
    assert said(Answer(STRUCTURE, Body(ENCODING, BYTES[:-1]))) == {"bad:wrong_answer:structure"}
    assert set(columns.whole(["bad:timeout"], NOW_NS).quality or ()) == {"bad:timeout"}
    assert columns.refused([(0, "bad:BadNoMatch")], NOW_NS).quality == ("bad:BadNoMatch",) * 4


async def test_a_value_that_does_not_fit_has_its_type_asked_for_once_more() -> None:
    columns = await learned()
    odd = Answer(STRUCTURE, Body(ENCODING, BYTES[:-1]))

    columns.whole([odd], NOW_NS)
    assert columns.structures.wanted == {ENCODING}
    await columns.structures.learn(Questions(server()))
    columns.whole([odd], NOW_NS)
    assert columns.structures.wanted == set()


async def test_a_server_that_says_its_types_have_changed_is_asked_anew() -> None:
    columns = await learned()

    columns.whole([Answer(STRUCTURE, Body(ENCODING, BYTES), SHAPE)], NOW_NS)

    assert columns.structures.wanted == {ENCODING}


async def test_a_session_that_is_new_knows_no_types() -> None:
    columns = await learned()

    columns.begin(("http://opcfoundation.org/UA/",))
    columns.whole([Answer(STRUCTURE, Body(ENCODING, BYTES))], NOW_NS)

    assert columns.structures.wanted == {ENCODING}


async def test_structures_side_by_side_are_named_by_their_number() -> None:
    tags = (tag("all.x", ("1", "Place", "X")), tag("one.x", ("Place", "X"), range_="0"))
    columns = await learned(tags)
    first, second = Body(ENCODING, BYTES), Body(ENCODING, struct.pack("<dddi", 9.0, 0, 0, 0))

    scan = columns.whole(
        [Answer(STRUCTURE | ARRAY, [first, second]), Answer(STRUCTURE | ARRAY, [first])], NOW_NS
    )

    assert (scan.values, scan.quality) == ((9.0, 1.5), None)


# --- what a browse shows of them ----------------------------------------------------------


def test_the_parts_of_a_structure_are_those_of_its_value_now() -> None:
    inner = Layout((Member("a", ua.VariantType.Int16, array=True),))
    layout = Layout(
        (Member("in", inner), Member("many", inner, array=True), Member("b", ua.VariantType.Byte))
    )
    body = Body(ENCODING, struct.pack("<ihhiB", 2, 1, 2, 0, 5))

    found = [(each.way, each.type, each.array, each.elements) for each in parts_of(layout, body)]

    assert found == [(("in", "a"), "Int16", True, 2), (("b",), "Byte", False, 0)]
    assert parts_of("BadNotSupported", body) == ()
    assert parts_of(layout, Body(ENCODING, b"")) == ()


def tag(name: str, way: tuple[str, ...], range_: str = "", type_: BuiltIn = "Double") -> Tag:
    return Tag(name, "fast", type_, Node(name, "urn:plc", f"s={name}", type_, field=way, range=range_))


def made(tags: tuple[Tag, ...] = TAGS) -> Columns:
    schema = Schema("d", "fast", tuple(column(each.opcua) for each in tags), b"{}", "0")
    return Columns(schema, tags, Group("fast", 1.0, timestamp="source"))


async def learned(tags: tuple[Tag, ...] = TAGS) -> Columns:
    columns = made(tags)
    for at, _ in enumerate(columns.asked):
        body: Any = Body(ENCODING, BYTES)
        columns.news([(at, Answer(STRUCTURE, body))], NOW_NS)
    await columns.structures.learn(Questions(server()))
    return columns
