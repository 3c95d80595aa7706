import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.unece import UCUM, code, ucum
from edge_agent.config.units import unit_fault


@pytest.mark.parametrize(
    ("unit_id", "letters", "unit"),
    [  # numbers as the table of the OPC Foundation has them
        (4408652, "CEL", "Cel"),
        (13384, "4H", "um"),
        (4937544, "KWH", "kW.h"),
        (4342098, "BAR", "bar"),
        (5394509, "RPM", "/min"),
        (20529, "P1", "%"),
        (4404786, "C62", "1"),
        (19506, "L2", "L/min"),
        (4470067, "D53", None),
        (0, "", None),
        (-1, "", None),
        (2**31 - 1, "", None),
        (1, "", None),
    ],
)
def test_a_unit_id_is_a_code_and_the_code_a_unit(unit_id: int, letters: str, unit: str | None) -> None:
    assert code(unit_id) == letters
    assert ucum(unit_id, "") == unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [("°C", "Cel"), (" rpm ", "/min"), ("kWh", "kW.h"), ("C", None), ("Zähne", None), ("", None)],
)
def test_a_text_is_a_unit_only_beyond_doubt(text: str, unit: str | None) -> None:
    assert ucum(None, text) == unit


def test_the_code_counts_more_than_the_text() -> None:
    assert ucum(4408652, "°F") == "Cel"


@pytest.mark.parametrize("unit", UCUM.values())
def test_every_unit_may_stand_in_a_profile(unit: str) -> None:
    assert unit_fault(unit) is None


@given(st.integers())
def test_any_number_is_taken(unit_id: int) -> None:
    assert code(unit_id).isalnum() or code(unit_id) == ""
