from collections.abc import Mapping, Sequence
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.draft import Draft, Head, drafted, in_yaml
from edge_agent.config.placeholders import filled
from edge_agent.config.problems import render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile, Tag
from edge_agent.config.yaml_nodes import read
from edge_agent.core.browsed import Found, Meaning, Part
from edge_agent.core.naming import aliases
from edge_agent.drivers.kinds import kinds

URI = "http://acme.example/press"
HEAD = Head("acme/press", "Acme Press 1.0", "From opc.tcp://plc7:4840")
CELSIUS = 4408652


# --- what becomes a tag -------------------------------------------------------------------


def test_a_variable_is_a_tag_with_what_the_server_says_of_it(tmp_path: Path) -> None:
    meaning = Meaning(CELSIUS, "°C", (-40.0, 150.5))
    node = variable("Oil", "s=Press.Oil", type="Float", sent_as="Float", meaning=meaning)

    tag = only(tmp_path, [node])

    assert (tag.name, tag.opcua.namespace, tag.opcua.id, tag.type) == ("oil", URI, "s=Press.Oil", "Float")
    assert (tag.unit, tag.opcua.valid, tag.access, tag.group) == ("Cel", (-40.0, 150.5), "r", "fast")


def test_its_group_is_subscribed_to(tmp_path: Path) -> None:
    profile, _ = loaded(tmp_path, [variable("a")])

    assert [(group.name, group.mode) for group in profile.groups.values()] == [("fast", "subscribe")]


def test_texts_of_numbers_stay_as_they_are(tmp_path: Path) -> None:
    texts = {0: "off", 1: "no", 2: "1:30", 3: "", 4: "{x}", 5: "two\nlines", -6: "it's"}
    node = variable("Mode", type="Mode", sent_as="Int32", meaning=Meaning(texts=texts))

    tag = only(tmp_path, [node])

    assert tag.enum == {
        0: "off",
        1: "no",
        2: "1:30",
        3: "3",
        4: "{x}",
        5: "two\N{REPLACEMENT CHARACTER}lines",
        -6: "it's",
    }


@pytest.mark.parametrize(
    ("more", "remark"),
    [
        ({"access": "rw"}, "# writable: access: rw"),
        ({"type": "Mode", "sent_as": "Int32"}, "# declared as Mode"),
        ({"meaning": Meaning(unit_text="Zähne")}, "# its unit is called 'Zähne'"),
        ({"meaning": Meaning(4470067, "W/(m·K)")}, "# its unit is called 'W/(m·K)' (UNECE D53)"),
        ({"meaning": Meaning(bounds=(0.0, 0.0))}, "# its range is 0 to 0"),
        ({"meaning": Meaning(bounds=(-inf, inf))}, "# its range is -inf to inf"),
        ({"meaning": Meaning(bounds=(nan, 1.0))}, "# its range is nan to 1"),
        ({"meaning": Meaning(bounds=(0.0, 1e300))}, "# its range is 0 to 1e+300"),
        ({"meaning": Meaning(texts={40000: "x"})}, "# its texts are for numbers beyond Int16"),
    ],
)
def test_what_has_to_be_decided_is_a_comment_at_the_tag(
    tmp_path: Path, more: Mapping[str, Any], remark: str
) -> None:
    _, draft = loaded(tmp_path, [variable("Mode", **more)])

    (line,) = [line for line in draft.text.splitlines() if line.startswith("  mode:")]
    assert line.endswith(remark)


@pytest.mark.parametrize(("type_", "key"), [("Boolean", "valid"), ("String", "enum"), ("Double", "enum")])
def test_what_a_type_cannot_have_is_left_out(tmp_path: Path, type_: str, key: str) -> None:
    meaning = Meaning(bounds=(0.0, 1.0), texts={0: "a"})

    _, draft = loaded(tmp_path, [variable("a", type=type_, sent_as=type_, meaning=meaning)])

    assert f"{key}:" not in draft.text


def test_an_array_is_a_tag_as_long_as_it_was(tmp_path: Path) -> None:
    profile, draft = loaded(tmp_path, [variable("row", array=True, elements=3, type="Int16[]", access="rw")])

    (row,) = profile.tags
    assert (row.type, row.opcua.elements) == ("Int16[3]", 3)
    assert draft.text.splitlines()[-1].endswith("# as long as it was then")


def test_a_structure_is_a_tag_with_the_fields_that_can_be_values(tmp_path: Path) -> None:
    parts = (
        Part(("Name",), "String"),
        Part(("Actual", "Dreh/Zahl"), "Double"),
        Part(("Grenzen",), "Float", array=True, elements=2),
        Part(("leer",), "Float", array=True),
        Part(("Words",), "String", array=True, elements=2),
        Part(("irgendwas",), "ExtensionObject"),
    )

    profile, _ = loaded(
        tmp_path, [variable("Achse", type="AchseType", sent_as="ExtensionObject", parts=parts)]
    )

    assert {tag.name: (tag.type, tag.opcua.field) for tag in profile.tags} == {
        "achse.name": ("String", ("Name",)),
        "achse.actual_dreh_zahl": ("Double", ("Actual", "Dreh/Zahl")),
        "achse.grenzen": ("Float[2]", ("Grenzen",)),
    }


def test_what_the_states_of_a_switch_are_called_is_a_remark(tmp_path: Path) -> None:
    door = variable("door", type="Boolean", sent_as="Boolean", meaning=Meaning(states=("shut", "open")))

    _, draft = loaded(tmp_path, [door])

    assert draft.text.splitlines()[-1].endswith("# false is shut, true is open")


# --- what does not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"kind": "method"}, "a method"),
        (
            {"array": True, "type": "Int16[]"},
            "an array of Int16 that has no elements now, or several dimensions; write its type yourself",
        ),
        (
            {"array": True, "type": "Word[]", "sent_as": "String", "elements": 2},
            "an array of Word cannot be a tag; its elements can, each with range:",
        ),
        (
            {"array": True, "type": "Int16[]", "elements": 10001},
            "an array of 10001 is too long; take a part with range:",
        ),
        ({"array": True, "type": "Int16[]", "elements": 3, "access": "w"}, "it may not be read"),
        (
            {"type": "P", "sent_as": "ExtensionObject", "parts": (Part(("a",), "Variant"),)},
            "P cannot be a tag",
        ),
        ({"type": "MotorType", "sent_as": "ExtensionObject"}, "MotorType cannot be a tag"),
        ({"type": "", "sent_as": ""}, "a value of no type cannot be a tag"),
        ({"access": "w"}, "it may not be read"),
        ({"refused": "BadUserAccessDenied"}, "BadUserAccessDenied"),
        ({"kind": "object", "refused": "BadTimeout"}, "not looked at: BadTimeout"),
        ({"id": "s=two\nlines"}, "its node id cannot be written in a profile"),
        ({"id": "s="}, "its node id cannot be written in a profile"),
    ],
)
def test_what_cannot_be_a_tag_is_a_comment_with_the_reason(
    tmp_path: Path, more: Mapping[str, Any], why: str
) -> None:
    _, draft = loaded(tmp_path, [variable("a"), variable("x", **{"id": "s=x", **more})])

    assert (draft.tags, draft.left_out) == (1, 1)
    (line,) = [line for line in draft.text.splitlines() if line.startswith("  # x (")]
    assert line.endswith(f"): {why}")


def test_what_only_leads_on_is_not_mentioned(tmp_path: Path) -> None:
    nodes = [
        Found((), "object", "", "i=85"),
        variable("a"),
        variable("EURange", of_parent=True, type="Range", sent_as="ExtensionObject"),
        variable("again", elsewhere=("a",)),
    ]

    _, draft = loaded(tmp_path, nodes)

    assert (draft.tags, draft.left_out) == (1, 0)
    assert "EURange" not in draft.text
    assert "again" not in draft.text


def test_namespaces_are_those_that_are_used(tmp_path: Path) -> None:
    nodes = [variable("a"), variable("time", "i=2258", namespace="")]
    draft = drafted(HEAD, nodes, {"urn:other": "other", URI: "press"})

    profile = checked(tmp_path, draft)

    assert [(tag.opcua.namespace, tag.opcua.id) for tag in profile.tags] == [(URI, "s=a"), ("", "i=2258")]
    assert "urn:other" not in draft.text
    assert "namespaces:" not in drafted(HEAD, nodes[1:], {URI: "press"}).text


# --- any server ---------------------------------------------------------------------------

CLEAN = st.text(min_size=1).filter(str.isprintable)
MEANINGS = st.builds(
    Meaning,
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.text(),
    st.none() | st.tuples(st.floats(), st.floats()),
    st.dictionaries(st.integers(-(2**33), 2**33), st.text(), max_size=3),
)
NODES = st.builds(
    Found,
    path=st.lists(st.text(), min_size=1, max_size=4).map(tuple),
    kind=st.sampled_from(["object", "variable", "variable", "method"]),
    namespace=st.just("") | st.text(min_size=1),
    id=st.one_of(st.text().map("s={}".format), st.just("i=7"), st.just("b=Zm9v")),
    type=st.text(),
    sent_as=st.sampled_from(["Int16", "Double", "String", "UInt64", "Boolean", "XmlElement", ""]),
    array=st.booleans(),
    access=st.sampled_from(["", "r", "rw"]),
    refused=st.sampled_from(["", "", "BadTimeout"]),
    meaning=MEANINGS,
)


@settings(max_examples=50)
@given(st.lists(NODES, max_size=5))
def test_whatever_a_server_says_the_draft_passes_the_check(
    tmp_path_factory: pytest.TempPathFactory, nodes: list[Found]
) -> None:
    certain = variable("certain", "s=certain")
    head = Head("acme/press", "".join(node.type for node in nodes) or "x", "\n".join(n.id for n in nodes))

    draft = drafted(head, [certain, *nodes], aliases(node.namespace for node in [certain, *nodes]))
    profile = checked(tmp_path_factory.mktemp("draft"), draft)

    assert len(profile.tags) == draft.tags
    written = {(tag.opcua.namespace, tag.opcua.id) for tag in profile.tags}
    assert written <= {(node.namespace, node.id) for node in [certain, *nodes]}


@given(CLEAN)
def test_every_text_is_read_as_it_was_meant(text: str) -> None:
    document = read(f"{{{in_yaml(text)}: {in_yaml(text)}}}".encode(), Path("x"))

    assert document.problems == []
    assert isinstance(document.value, dict)
    assert [(filled(str(key), {}), filled(str(each), {})) for key, each in document.value.items()] == [
        (text, text)
    ]


@pytest.mark.parametrize(
    "text", ["on", "No", "y", "1e3", "010", "1:30", "2026-01-01", "null", "~", "true", "0x1F"]
)
def test_what_yaml_takes_for_something_else_is_quoted(text: str) -> None:
    assert in_yaml(text) == f"'{text}'"


# --- helpers ------------------------------------------------------------------------------


def variable(name: str, id: str = "", **more: Any) -> Found:  # noqa: A002 - of a node
    keys = {"kind": "variable", "namespace": URI, "type": "Int16", "sent_as": "Int16", "access": "r", **more}
    return Found(path=("Press", name), **{"id": id or f"s={name}", **keys})


def loaded(folder: Path, nodes: Sequence[Found]) -> tuple[Profile, Draft]:
    draft = drafted(HEAD, nodes, {URI: "press"})
    return checked(folder, draft), draft


def only(folder: Path, nodes: Sequence[Found]) -> Tag:
    (tag,) = loaded(folder, nodes)[0].tags
    return tag


def checked(folder: Path, draft: Draft) -> Profile:
    path = folder / "press.yaml"
    path.write_bytes(draft.text.encode())
    profile, problems = load_profile(path, kinds())
    assert profile is not None, render(problems)
    assert problems == (), render(problems)
    return profile
