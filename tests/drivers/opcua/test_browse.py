"""A walk through address spaces that are made up: loops, pages, limits, refusals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from asyncua import ua

from edge_agent.core.browsed import Browsed, Found, Meaning, Nowhere, Wanted
from edge_agent.drivers.opcua.browse import browsed
from edge_agent.drivers.opcua.resolve import node_id
from edge_agent.errors import DeviceError

URI = "http://acme.example/press"
NAMESPACES = ("http://opcfoundation.org/UA/", "urn:server", URI, URI, "")
CLASSES = {"object": ua.NodeClass.Object, "variable": ua.NodeClass.Variable, "method": ua.NodeClass.Method}
DEFAULT = node_id(ua.ObjectIds.Double, 0)


@dataclass
class Made:
    """A node that is made up; `below` are keys of others."""

    kind: str = "object"
    below: Sequence[str] = ()
    value: Any = None
    type: ua.NodeId = DEFAULT
    rank: int = -1
    access: int = 1
    namespace: int = 2
    standard_name: bool = False
    name: str = ""
    status: int = 0
    above: ua.NodeId | None = None
    definition: Any = None


@dataclass
class Server:
    """The services of a server with these nodes below Objects; it bears what it is told to bear."""

    nodes: Mapping[str, Made]
    namespaces: Sequence[str] = NAMESPACES
    nodes_per_read: int = 0
    nodes_per_browse: int | None = None
    page: int = 1000
    points: int = 1000
    bears: int = 10_000
    browses: list[int] = field(default_factory=list)
    held: dict[bytes, list[ua.ReferenceDescription]] = field(default_factory=dict)

    async def identity(self) -> str:
        return "Acme Press 1.0"

    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        asked = parameters.NodesToRead
        if self.nodes_per_read and len(asked) > self.nodes_per_read:
            raise DeviceError("BadTooManyOperations")
        return [self.attribute(each.NodeId, each.AttributeId) for each in asked]

    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        asked = parameters.NodesToBrowse
        self.browses.append(len(asked))
        if len(asked) > self.bears:
            raise DeviceError("BadTooManyOperations")
        return [self.result(each) for each in asked]

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        return [self.paged(self.held.pop(point)) for point in parameters.ContinuationPoints]

    def result(self, question: ua.BrowseDescription) -> ua.BrowseResult:
        made = self.found(question.NodeId)
        if made is None:
            return ua.BrowseResult()
        if question.BrowseDirection is ua.BrowseDirection.Inverse:
            above = [] if made.above is None else [ua.ReferenceDescription(NodeId=made.above)]
            return ua.BrowseResult(References=above)
        if made.status:
            return ua.BrowseResult(StatusCode=ua.StatusCode(ua.UInt32(made.status)))
        return self.paged([self.reference(key) for key in made.below])

    def paged(self, references: list[ua.ReferenceDescription]) -> ua.BrowseResult:
        if len(references) <= self.page:
            return ua.BrowseResult(References=references)
        if len(self.held) >= self.points:
            return ua.BrowseResult(
                StatusCode=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNoContinuationPoints))
            )
        point = f"{id(references)}".encode()
        self.held[point] = references[self.page :]
        return ua.BrowseResult(References=references[: self.page], ContinuationPoint=point)

    def reference(self, key: str) -> ua.ReferenceDescription:
        made = self.nodes[key]
        index = 0 if made.standard_name else 2
        return ua.ReferenceDescription(
            NodeId=node_id(key, made.namespace),
            BrowseName=ua.QualifiedName(made.name or key, index),
            NodeClass=CLASSES[made.kind],
        )

    def found(self, node: ua.NodeId) -> Made | None:
        return self.nodes.get("" if node == node_id(ua.ObjectIds.ObjectsFolder, 0) else str(node.Identifier))

    def attribute(self, node: ua.NodeId, which: int) -> ua.DataValue:
        if node == node_id(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse, 0):
            return ua.DataValue(ua.Variant(self.nodes_per_browse))
        made = self.found(node)
        if made is None:
            return ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown)))
        held: dict[int, Any] = {
            ua.AttributeIds.NodeClass: CLASSES[made.kind].value,
            ua.AttributeIds.BrowseName: ua.QualifiedName(str(node.Identifier), 2),
            ua.AttributeIds.DataType: made.type,
            ua.AttributeIds.ValueRank: made.rank,
            ua.AttributeIds.UserAccessLevel: made.access,
            ua.AttributeIds.AccessLevel: 3,
            ua.AttributeIds.Value: made.value,
            ua.AttributeIds.DataTypeDefinition: made.definition,
        }
        value = held.get(which)
        return ua.DataValue(value if isinstance(value, ua.Variant) else ua.Variant(value))


# --- the walk -----------------------------------------------------------------------------


async def test_a_tree_is_told_in_its_order() -> None:
    nodes = {"": Made(below=["a", "b"]), "a": Made(below=["a1", "a2"]), "b": Made(), "a1": var(), "a2": var()}

    found = await walk(Server(nodes))

    assert paths(found) == ["", "a", "a/a1", "a/a2", "b"]
    assert [node.kind for node in found.nodes] == ["object", "object", "variable", "variable", "object"]
    assert found.nodes[2] == Found(
        ("a", "a1"), "variable", URI, "s=a1", type="Double", sent_as="Double", access="r"
    )
    assert (found.server, found.aliases["urn:server"], found.aliases[URI]) == (
        "Acme Press 1.0",
        "server",
        "press",
    )


async def test_a_loop_ends_where_it_comes_back() -> None:
    nodes = {"": Made(below=["a"]), "a": Made(below=["b"]), "b": Made(below=["a"])}

    found = await walk(Server(nodes))

    assert paths(found) == ["", "a", "a/b", "a/b/a"]
    assert [node.elsewhere for node in found.nodes] == [None, None, None, ("a",)]


async def test_what_comes_in_pages_is_whole() -> None:
    children = [f"c{at}" for at in range(25)]
    nodes = {"": Made(below=children), **{key: Made() for key in children}}

    found = await walk(Server(nodes, page=4))

    assert paths(found) == ["", *children]


async def test_a_server_without_points_left_is_asked_for_one_at_a_time() -> None:
    leaves = [f"{key}{at}" for key in "abc" for at in range(3)]
    nodes = {
        "": Made(below=["a", "b", "c"]),
        **{key: Made(below=[leaf for leaf in leaves if leaf[0] == key]) for key in "abc"},
        **{leaf: Made() for leaf in leaves},
    }

    found = await walk(Server(nodes, page=2, points=1))

    assert len(found.nodes) == 13
    assert not any(node.refused for node in found.nodes)


async def test_a_server_gets_no_more_than_it_says_it_bears() -> None:
    server = Server(many(20), nodes_per_browse=6, nodes_per_read=4)

    found = await walk(server)

    assert max(server.browses) == 6
    assert len(found.nodes) == 21


async def test_a_server_that_bears_less_than_it_says_is_asked_for_half() -> None:
    server = Server(many(20), bears=6)

    found = await walk(server)

    assert server.browses[:4] == [1, 10, 5, 5]
    assert len(found.nodes) == 21


async def test_depth_ends_the_walk() -> None:
    nodes = {"": Made(below=["a"]), "a": Made(below=["b"]), "b": Made(below=["c"]), "c": Made()}

    assert paths(await walk(Server(nodes), depth=2)) == ["", "a", "a/b"]


async def test_the_last_level_of_a_draft_has_its_meaning() -> None:
    nodes = {
        "": Made(below=["a"]),
        "a": var(below=["EURange", "deeper"]),
        "EURange": var(standard_name=True, value=ua.Variant(ua.Range(0, 5))),
        "deeper": var(),
    }

    found = await walk(Server(nodes), depth=1, meanings=True)

    assert paths(found) == ["", "a", "a/EURange"]
    assert found.nodes[1].meaning == Meaning(bounds=(0.0, 5.0))


async def test_more_nodes_than_wanted_are_said_to_be_there() -> None:
    found = await walk(Server(many(20)), most=8)

    assert (len(found.nodes), found.cut_off) == (8, True)
    assert (await walk(Server(many(7)), most=8)).cut_off is False


async def test_what_may_not_be_looked_into_is_refused_and_the_rest_is_there() -> None:
    denied = Made(status=ua.StatusCodes.BadUserAccessDenied)
    found = await walk(Server({"": Made(below=["a", "b"]), "a": denied, "b": Made()}))

    assert [(node.path, node.refused) for node in found.nodes[1:]] == [
        (("a",), "BadUserAccessDenied"),
        (("b",), ""),
    ]


async def test_a_namespace_that_no_profile_could_name_is_refused() -> None:
    nodes = {
        "": Made(below=["a", "b", "c"]),
        "a": var(namespace=2),
        "b": var(namespace=3),
        "c": var(namespace=4),
    }

    found = await walk(Server(nodes))

    assert [bool(node.refused) for node in found.nodes[1:]] == [False, True, True]


async def test_it_says_how_far_it_is() -> None:
    said: list[str] = []

    await browsed(Server(many(3)), Wanted(values=True), said.append)

    assert said[0] == "4 nodes"
    assert said[-1] == "values of 3 of 3 variables"


# --- where it begins ----------------------------------------------------------------------

PLANT = {
    "": Made(below=["Hall"]),
    "Hall": Made(below=["Press", "Saw"]),
    "Press": Made(below=["x"]),
    "Saw": Made(),
    "x": Made("variable"),
}


@pytest.mark.parametrize("start", ["Hall/Press", "/Hall/Press/", "Objects/Hall/Press"])
async def test_a_walk_begins_at_a_path(start: str) -> None:
    assert paths(await walk(Server(PLANT), start=start)) == ["Hall/Press", "Hall/Press/x"]


@pytest.mark.parametrize("start", [f"nsu={URI};s=Press", "press:s=Press"])
async def test_a_walk_begins_at_a_node(start: str) -> None:
    assert paths(await walk(Server(PLANT), start=start)) == ["Press", "Press/x"]


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("Hall/Press1", "there is no 'Press1' below Hall - did you mean 'Press'?"),
        ("Hal", "there is no 'Hal' below Objects - did you mean 'Hall'?"),
        ("press1:s=Press", "the server has no namespace 'press1' - did you mean 'press'?"),
        ("nsu=urn:other;s=Press", "the server has no namespace 'urn:other'"),
        ("press:s=Drill", "the server has no object or variable 'press:s=Drill'"),
        ("i=x", "'i=x' is not a node; write for example nsu=URI;s=GVL.x or i=85"),
    ],
)
async def test_a_place_that_is_not_there_is_said(start: str, said: str) -> None:
    with pytest.raises(Nowhere) as error:
        await walk(Server(PLANT), start=start)

    assert str(error.value).startswith(said)


# --- variables ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "type_", "sent_as", "array"),
    [
        ({"type": node_id(ua.ObjectIds.UInt16, 0)}, "UInt16", "UInt16", False),
        ({"type": node_id(ua.ObjectIds.Float, 0), "rank": 1}, "Float[]", "Float", True),
        ({"type": node_id(ua.ObjectIds.Float, 0), "rank": 0}, "Float[]", "Float", True),
        ({"type": node_id(ua.ObjectIds.Number, 0)}, "Number", "", False),
        ({"type": node_id(ua.ObjectIds.Enumeration, 0)}, "Enumeration", "Int32", False),
        ({"type": node_id(ua.ObjectIds.Structure, 0)}, "Structure", "ExtensionObject", False),
    ],
)
async def test_a_variable_has_a_type(made: Mapping[str, Any], type_: str, sent_as: str, array: bool) -> None:
    node = (await walk(Server({"": Made(below=["a"]), "a": var(**made)}))).nodes[1]

    assert (node.type, node.sent_as, node.array) == (type_, sent_as, array)


async def test_a_type_of_the_server_is_sent_as_the_built_in_type_above_it() -> None:
    duration = Made(above=node_id("seconds", 2))
    nodes = {
        "": Made(below=["a", "b", "c"]),
        "a": var(type=node_id("duration", 2)),
        "b": var(type=node_id("lost", 2)),
        "c": var(type=node_id("unknown", 2)),
        "duration": duration,
        "seconds": Made(above=node_id(ua.ObjectIds.Double, 0)),
        "lost": Made(),
    }

    found = await walk(Server(nodes))

    assert [(node.type, node.sent_as) for node in found.nodes[1:]] == [
        ("duration", "Double"),
        ("lost", ""),
        ("ns=2;s=unknown", ""),
    ]


FIELDS = [ua.EnumField(Value=ua.Int64(4), Name="four"), ua.EnumField(ua.Int64(7), ua.LocalizedText("seven"))]
STRINGS = ua.Variant([ua.LocalizedText("off"), ua.LocalizedText("on")])
VALUES = ua.Variant([ua.EnumValueType(ua.Int64(3), ua.LocalizedText("three"))])


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        ({"definition": ua.Variant(ua.EnumDefinition(FIELDS))}, {4: "four", 7: "seven"}),
        ({"below": ["EnumStrings"]}, {0: "off", 1: "on"}),
        ({"below": ["EnumValues"]}, {3: "three"}),
        (
            {"definition": ua.Variant(ua.EnumDefinition(FIELDS)), "below": ["EnumStrings"]},
            {4: "four", 7: "seven"},
        ),
        ({}, {}),
    ],
)
async def test_an_enumeration_has_the_texts_of_its_type(
    type_: Mapping[str, Any], texts: Mapping[int, str]
) -> None:
    nodes = {
        "": Made(below=["a"]),
        "a": var(type=node_id("mode", 2)),
        "mode": Made(above=node_id(ua.ObjectIds.Enumeration, 0), **type_),
        "EnumStrings": var(value=STRINGS),
        "EnumValues": var(value=VALUES),
    }

    node = (await walk(Server(nodes), meanings=True)).nodes[1]

    assert (node.type, node.sent_as, node.meaning.texts) == ("mode", "Int32", texts)


async def test_a_variable_has_texts_of_its_own() -> None:
    nodes = {
        "": Made(below=["a"]),
        "a": var(type=node_id(ua.ObjectIds.Byte, 0), below=["EnumStrings"]),
        "EnumStrings": var(standard_name=True, value=STRINGS),
    }

    node = (await walk(Server(nodes), meanings=True)).nodes[1]

    assert node.meaning == Meaning(texts={0: "off", 1: "on"})


async def test_a_variable_without_a_type_is_refused() -> None:
    found = await walk(Server({"": Made(below=["a"]), "a": Made("variable", type=None)}))  # type: ignore[arg-type]  # as a server may

    assert found.nodes[1].refused == "bad:no_type"


async def test_a_value_says_what_its_type_leaves_open_or_says_wrongly() -> None:
    number = node_id(ua.ObjectIds.Number, 0)
    values = [ua.Variant(5, ua.VariantType.Int16), ua.Variant([1.5, 2.5], ua.VariantType.Float)]
    nodes = {"": Made(below=["a", "b"]), "a": var(type=number, value=values[0]), "b": var(value=values[1])}

    found = await walk(Server(nodes), meanings=True)

    assert [(node.type, node.sent_as) for node in found.nodes[1:]] == [
        ("Number", "Int16"),
        ("Double[]", "Float"),
    ]
    assert [node.value for node in found.nodes] == [None] * 3


@pytest.mark.parametrize(("level", "access"), [(0, ""), (1, "r"), (2, "w"), (3, "rw"), (0xFD, "r")])
async def test_access_is_what_we_may_do(level: int, access: str) -> None:
    node = (await walk(Server({"": Made(below=["a"]), "a": var(access=level)}))).nodes[1]

    assert node.access == access


@pytest.mark.parametrize(
    ("variant", "value", "quality"),
    [
        (ua.Variant(1.5, ua.VariantType.Double), 1.5, ""),
        (ua.Variant(float("nan"), ua.VariantType.Double), None, "bad:nan"),
        (ua.Variant(b"edge", ua.VariantType.ByteString), "ZWRnZQ==", ""),
        (ua.Variant(list(range(70)), ua.VariantType.Int32), [*range(64), "... 6 more"], ""),
        (ua.Variant(node_id(85, 0), ua.VariantType.NodeId), "i=85", ""),
        (ua.Variant(ua.Range(0, 1.5), ua.VariantType.ExtensionObject), "0 to 1.5", ""),
        (ua.Variant(ua.EUInformation(DisplayName=ua.LocalizedText("bar"))), "bar", ""),
        (ua.Variant(ua.Argument(), ua.VariantType.ExtensionObject), "Argument", ""),
        (ua.Variant(ua.XmlElement(ua.String("<a/>")), ua.VariantType.XmlElement), "<a/>", ""),
        (ua.Variant(ua.StatusCode(), ua.VariantType.StatusCode), "Good", ""),
        (ua.Variant(ua.QualifiedName("q", 1), ua.VariantType.QualifiedName), "nsu=urn:server;q", ""),
        (ua.Variant([b"e", None], ua.VariantType.ByteString), ["ZQ==", None], ""),
        (ua.Variant([float("inf"), 1.0], ua.VariantType.Double), ["inf", 1.0], ""),
    ],
)
async def test_a_value_is_shown_as_a_tag_would_have_it(
    variant: ua.Variant, value: object, quality: str
) -> None:
    node = (await walk(Server({"": Made(below=["a"]), "a": var(value=variant)}), values=True)).nodes[1]

    assert (node.value, node.quality) == (value, quality)


@pytest.mark.parametrize(
    ("uri", "unit_id"),
    [("http://www.opcfoundation.org/UA/units/un/cefact", 4408652), ("urn:acme:units", None), (None, None)],
)
async def test_a_unit_id_counts_in_the_namespace_of_the_unece_alone(
    uri: str | None, unit_id: int | None
) -> None:
    unit = ua.EUInformation(uri, ua.Int32(4408652), ua.LocalizedText("°C"))
    nodes = {
        "": Made(below=["a"]),
        "a": var(below=["EngineeringUnits"]),
        "EngineeringUnits": var(standard_name=True, value=ua.Variant(unit)),
    }

    node = (await walk(Server(nodes), meanings=True)).nodes[1]

    assert (node.meaning.unit_id, node.meaning.unit_text) == (unit_id, "°C")


async def test_a_property_of_that_name_that_is_not_the_standards_is_a_variable() -> None:
    nodes = {"": Made(below=["a"]), "a": var(below=["EURange"]), "EURange": var()}

    assert [node.of_parent for node in (await walk(Server(nodes))).nodes] == [False, False, False]


# --- helpers ------------------------------------------------------------------------------


def var(**more: Any) -> Made:
    return Made(kind="variable", **more)


def many(count: int) -> dict[str, Made]:
    names = [f"v{at}" for at in range(count)]
    return {"": Made(below=names), **{name: var() for name in names}}


def paths(found: Browsed) -> list[str]:
    return ["/".join(node.path) for node in found.nodes]


async def walk(server: Server, told: Callable[[str], None] = lambda _: None, **wanted: Any) -> Browsed:
    return await browsed(server, Wanted(**wanted), told)
