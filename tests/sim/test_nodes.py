from dataclasses import replace
from typing import Any, cast

import pytest

from edge_agent.config.settings import Tag
from edge_agent.core.nodes import BuiltIn, Node
from edge_agent.core.registers import Field
from edge_agent.sim.nodes import seen
from edge_agent.sim.signals import sources
from edge_agent.sim.truth import Truth

NOW_MS = 1_760_000_000_050  # step 2048
NOW_NS = NOW_MS * 1_000_000


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Int32", 4096 + 2048),
        ("UInt32", 4096 + 2048),
        ("Int64", 4096 + 2048),
        ("UInt64", 4096 + 2048),
        ("Float", 6144.0),
        ("Double", 6144.0),
        ("String", "T1-2048"),
        ("LocalizedText", "T1-2048"),
        ("DateTime", "2026-01-01T00:20:28.800Z"),  # 6144 ticks into 2026
        ("Guid", "00000000-0000-0001-0000-000000000800"),
        ("ByteString", "VDEtMjA0OA=="),  # base64 of T1-2048
    ],
)
def test_a_value_tells_index_and_step_in_the_form_of_its_type(kind: BuiltIn, value: object) -> None:
    truth = Truth([_tag("a", kind)])

    assert truth.expected("a", NOW_NS) == value
    assert type(truth.expected("a", NOW_NS)) is type(value)
    assert truth.check("a", cast("Any", value), NOW_MS) is None


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("SByte", -128, 127), ("Byte", 0, 255), ("Int16", -32768, 32767), ("UInt16", 0, 65535)],
)
def test_a_narrow_number_stays_within_its_type(kind: BuiltIn, low: int, high: int) -> None:
    (source,) = sources([_tag("a", kind)])

    assert all(low <= int(str(source.raw(tick))) <= high for tick in range(4096))


def test_a_boolean_is_a_bool() -> None:
    truth = Truth([_tag("a", "Boolean")])

    assert {truth.expected("a", NOW_NS + tick * 200_000_000) for tick in range(20)} == {True, False}


def test_enum_and_valid_range_are_kept() -> None:
    mode = _tag("mode", "Int16", enum=frozenset({0, 2, 7}))
    force = _tag("force", "Float", valid=(0.0, 10.0))
    truth = Truth([mode, force])

    for tick in range(50):
        assert truth.expected("mode", NOW_NS + tick * 200_000_000) in {0, 2, 7}
        assert 0 <= cast("float", truth.expected("force", NOW_NS + tick * 200_000_000)) <= 10


@pytest.mark.parametrize("kind", ["DateTime", "Guid", "ByteString", "String"])
def test_a_text_of_a_neighbour_or_of_before_is_caught(kind: BuiltIn) -> None:
    truth = Truth([_tag("a", kind), _tag("b", kind)])

    assert truth.check("a", truth.expected("b", NOW_NS), NOW_MS) == "neighbour: is b's"
    assert truth.check("a", truth.expected("a", NOW_NS - 2 * 10**9), NOW_MS) == "stale: 2.0 s old"


def test_a_modbus_tag_is_seen_as_it_is() -> None:
    field = Field("a", "holding", 7, "uint16")

    assert seen(Tag("a", "fast", "uint16", field)) is field


def test_a_type_without_a_simulation_is_named() -> None:
    tag = _tag("tool", "Float")
    tag = replace(tag, address=replace(tag.opcua, type=cast("BuiltIn", "Structure")))

    with pytest.raises(ValueError, match="tool: Structure cannot be simulated"):
        Truth([tag])


def _tag(name: str, kind: BuiltIn, **more: Any) -> Tag:
    return Tag(name, "fast", kind, Node(name, "urn:x", f"s={name}", kind, **more))
