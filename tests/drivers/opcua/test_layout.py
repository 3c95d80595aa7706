"""Structures taken apart: the bytes are written by hand, as OPC UA Part 6, 5.2.6 has them."""

import struct

import pytest
from asyncua.ua import VariantType
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.opcua.answer import ARRAY, REASON, STRUCTURE
from edge_agent.drivers.opcua.layout import NO_FIELD, UNFIT, Layout, Member, cell, parts

INT16, DOUBLE, STRING = VariantType.Int16, VariantType.Double, VariantType.String
POINT = Layout((Member("X", DOUBLE), Member("Y", DOUBLE)))
AXIS = Layout(
    (
        Member("Name", STRING),
        Member("Number", INT16),
        Member("Place", POINT),
        Member("Limits", INT16, array=True),
        Member("Path", POINT, array=True),
    )
)
NAME = struct.pack("<i2s", 2, b"A1")
PLACE = struct.pack("<dd", 1.5, -2.0)
BYTES = (
    NAME
    + struct.pack("<h", -7)
    + PLACE
    + struct.pack("<ihh", 2, 3, 4)
    + struct.pack("<idddd", 2, 1.0, 2.0, 3.0, 4.0)
)


@pytest.mark.parametrize(
    ("way", "kind", "value"),
    [
        (("Name",), STRING, "A1"),
        (("Number",), INT16, -7),
        (("Place", "Y"), DOUBLE, -2.0),
        (("Limits",), INT16 | ARRAY, [3, 4]),
        (("Limits", "1"), INT16, 4),
        (("Path", "1", "X"), DOUBLE, 3.0),
    ],
)
def test_a_field_is_found_by_its_way(way: tuple[str, ...], kind: int, value: object) -> None:
    assert cell(parts(AXIS, BYTES), way) == (kind, value)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (("Nothing",), NO_FIELD),
        (("Place", "Z"), NO_FIELD),
        (("Limits", "2"), NO_FIELD),
        (("Limits", "x"), NO_FIELD),
        (("Path", "2", "X"), NO_FIELD),
        (("Path", "-1", "X"), NO_FIELD),
        (("Number", "0"), NO_FIELD),
        (("Place",), "wrong_answer:Structure"),
        (("Path",), "wrong_answer:Structure[]"),
    ],
)
def test_what_is_no_field_says_so(way: tuple[str, ...], reason: str) -> None:
    assert cell(parts(AXIS, BYTES), way) == (REASON, reason)


@pytest.mark.parametrize("data", [BYTES[:-1], BYTES + b"\0", b"", struct.pack("<i", 2**30)])
def test_bytes_that_do_not_end_with_the_last_field_are_no_values(data: bytes) -> None:
    assert cell(parts(AXIS, data), ("Name",)) == (REASON, UNFIT)


def test_a_structure_that_is_not_sent_in_binary_says_so() -> None:
    assert cell(parts(AXIS, None), ("Name",)) == (REASON, "BadDataEncodingUnsupported")


def test_a_list_that_claims_more_than_there_is_takes_no_memory() -> None:
    many = Layout((Member("a", Layout(()), array=True),))

    assert parts(many, struct.pack("<i", 2**31 - 1)) == (REASON, UNFIT)


def test_no_list_is_none_and_no_list_of_structures_neither() -> None:
    layout = Layout((Member("a", INT16, array=True), Member("b", POINT, array=True)))
    found = parts(layout, struct.pack("<ii", -1, -1))

    assert cell(found, ("a",)) == (INT16 | ARRAY, None)
    assert cell(found, ("b", "0", "X")) == (0, None)


# --- optional fields, unions --------------------------------------------------------------

LOOSE = Layout(
    (Member("fixed", INT16), Member("a", INT16, optional=True), Member("b", DOUBLE, optional=True))
)


@pytest.mark.parametrize(
    ("data", "a", "b"),
    [
        (struct.pack("<Ih", 0, 5), (0, None), (0, None)),
        (struct.pack("<Ihh", 1, 5, 6), (INT16, 6), (0, None)),
        (struct.pack("<Ihd", 2, 5, 0.5), (0, None), (DOUBLE, 0.5)),
        (struct.pack("<Ihhd", 3, 5, 6, 0.5), (INT16, 6), (DOUBLE, 0.5)),
    ],
)
def test_an_optional_field_is_there_when_its_bit_is_set(data: bytes, a: object, b: object) -> None:
    found = parts(LOOSE, data)

    assert (cell(found, ("fixed",)), cell(found, ("a",)), cell(found, ("b",))) == ((INT16, 5), a, b)


def test_a_bit_of_a_field_that_nobody_knows_spoils_the_structure() -> None:
    assert parts(LOOSE, struct.pack("<Ih", 4, 5)) == (REASON, UNFIT)


ONE_OF = Layout((Member("number", INT16), Member("word", STRING)), union=True)


@pytest.mark.parametrize(
    ("data", "number", "word"),
    [
        (struct.pack("<I", 0), (0, None), (0, None)),
        (struct.pack("<Ih", 1, 5), (INT16, 5), (0, None)),
        (struct.pack("<I", 2) + NAME, (0, None), (STRING, "A1")),
    ],
)
def test_of_a_union_one_field_is_there(data: bytes, number: object, word: object) -> None:
    found = parts(ONE_OF, data)

    assert (cell(found, ("number",)), cell(found, ("word",))) == (number, word)


def test_a_union_of_a_field_that_nobody_knows_is_no_value() -> None:
    assert parts(ONE_OF, struct.pack("<Ih", 3, 5)) == (REASON, UNFIT)


# --- what is not taken apart further ------------------------------------------------------


def test_a_structure_of_any_type_within_one_is_passed_by_its_length() -> None:
    layout = Layout((Member("any", VariantType.ExtensionObject), Member("behind", INT16)))
    inner = struct.pack("<BBHBi3s", 1, 2, 700, 1, 3, b"abc")

    found = parts(layout, inner + struct.pack("<h", 9))

    assert cell(found, ("behind",)) == (INT16, 9)
    assert cell(found, ("any",))[0] == STRUCTURE


def test_one_in_xml_is_passed_by_its_length_as_well() -> None:
    layout = Layout((Member("any", VariantType.ExtensionObject), Member("behind", INT16)))
    inner = struct.pack("<BBBi4s", 0, 7, 2, 4, b"<a/>")

    assert cell(parts(layout, inner + struct.pack("<h", 9)), ("behind",)) == (INT16, 9)


def test_a_field_that_leaves_its_type_open_has_the_type_of_its_value() -> None:
    layout = Layout((Member("open", VariantType.Variant), Member("behind", INT16)))

    found = parts(layout, struct.pack("<Bdh", DOUBLE, 0.5, 9))

    assert (cell(found, ("open",)), cell(found, ("behind",))) == ((DOUBLE, 0.5), (INT16, 9))


@given(st.binary(max_size=200))
def test_no_bytes_bring_it_down(data: bytes) -> None:
    for layout in (AXIS, LOOSE, ONE_OF):
        cell(parts(layout, data), ("Name",))
