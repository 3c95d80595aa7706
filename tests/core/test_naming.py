import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.naming import LONGEST_ALIAS, aliases, snake, tag_names

TAG = re.compile(r"[a-z][a-z0-9_]{0,63}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Drehzahl Öl-Pumpe 1", "drehzahl_oel_pumpe_1"),
        ("MotorSpeed", "motor_speed"),
        ("DB_Press.Force[2]", "db_press_force_2"),
        ("fForce", "f_force"),
        ("HTTPServer2", "http_server2"),
        ("Größe", "groesse"),
        ("Vélocité", "velocite"),
        ("O\u0308l", "oel"),
        ("温度", ""),
        ("", ""),
    ],
)
def test_a_name_is_written_in_small_letters(text: str, name: str) -> None:
    assert snake(text) == name


def test_what_all_paths_begin_with_is_left_out() -> None:
    paths = [
        ("Press", "Line", "Axis1", "Speed"),
        ("Press", "Line", "Axis2", "Speed"),
        ("Press", "Line", "On"),
    ]

    assert tag_names(paths) == ["axis1_speed", "axis2_speed", "on"]


def test_one_path_is_called_by_its_last_name() -> None:
    assert tag_names([("Press", "Line", "Speed")]) == ["speed"]
    assert tag_names([]) == []


def test_equal_names_are_numbered() -> None:
    assert tag_names([("A b",), ("a-B",), ("a_b_2",), ("A B",)]) == ["a_b", "a_b_2", "a_b_2_2", "a_b_3"]


def test_a_name_without_letters_begins_with_one() -> None:
    assert tag_names([("1",), ("温度",), ("湿度",)]) == ["n1", "tag", "tag_2"]


def test_a_name_that_is_too_long_loses_words_in_front() -> None:
    (name, other) = tag_names([("Hall " * 9, "Press " * 6, "Oil Temperature"), ("x",)])

    assert 55 < len(name) <= 64
    assert name.endswith("press_oil_temperature")
    assert other == "x"
    assert tag_names([("y" * 80,), ("y" * 80,)]) == ["y" * 64, "y" * 62 + "_2"]


@given(st.lists(st.lists(st.text(), min_size=1, max_size=5), max_size=20))
def test_names_are_valid_and_none_is_there_twice(paths: list[list[str]]) -> None:
    names = tag_names(paths)

    assert len(set(names)) == len(names) == len(paths)
    assert all(TAG.fullmatch(name) for name in names)


@pytest.mark.parametrize(
    ("uri", "alias"),
    [
        ("http://www.siemens.com/simatic-s7-opcua", "simatic_s7_opcua"),
        ("urn:BeckhoffAutomation:Ua:PLC1", "plc1"),
        ("http://opcfoundation.org/UA/DI/", "di"),
        ("http://opcfoundation.org/UA/", "opcfoundation_org"),
        ("http://acme.example/Anlage Süd/Fräse 1", "fraese_1"),
        ("urn:acme:a very long name of a machine", "a_very_long_name_of"),
        ("urn:acme:" + "x" * 30, "x" * 20),
        ("urn:acme:3d", "n3d"),
        ("http://1/2", "ns"),
        ("", "ns"),
    ],
)
def test_an_alias_is_the_last_word_of_a_uri_that_says_something(uri: str, alias: str) -> None:
    assert aliases([uri]) == {uri: alias}


@given(st.lists(st.text()))
def test_aliases_are_short_and_none_stands_for_two(uris: list[str]) -> None:
    made = aliases(uris)

    assert made.keys() == set(uris)
    assert len(set(made.values())) == len(made)
    assert all(
        re.fullmatch(r"[a-z][a-z0-9_]*", alias) and len(alias) <= LONGEST_ALIAS for alias in made.values()
    )
