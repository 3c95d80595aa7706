import pytest

from edge_agent.cli.table import ago, shown, size, span, table, when
from edge_agent.core.model import Value


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() -> None:
    lines = list(table(("NAME", "N", "WHY"), [("a", 5, "x"), ("longer", 12345, "")], indent=2))

    assert lines == [
        "  NAME        N  WHY",
        "  a           5  x",
        "  longer  12345",
    ]


def test_a_fraction_is_shown_with_three_digits_that_count() -> None:
    assert list(table(("MS",), [(0.46729,), (61.44,), (1480.3,), ("",), (7,)])) == [
        "   MS", "0.467", " 61.4", " 1480", "", "    7",
    ]  # fmt: skip


def test_column_without_any_cell_is_left_out() -> None:
    assert list(table(("A", "B", "C"), [("1", "", "x"), ("2", "", "y")])) == ["A  C", "1  x", "2  y"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3600, "1 h 0 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_span_has_two_units_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(512, "0.5 KiB"), (1 << 20, "1.0 MiB"), (3 << 29, "1.50 GiB"), (0, "0.0 KiB")]
)
def test_size_is_in_the_largest_unit_that_fits(number: int, text: str) -> None:
    assert size(number) == text


def test_time_is_utc_to_the_second() -> None:
    assert when(1_760_000_000_999) == "2025-10-09 08:53:20Z"
    assert when(None) == "never"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (None, "-"), (1.5, "1.5"), ("SX-1\x1b[2J", "SX-1\ufffd[2J")],
)
def test_value_is_written_as_people_write_it(value: Value, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(None, "never"), (1_000, "1 min 40 s ago"), (101_000, "0 s ago"), (101_900, "0 s ago")]
)
def test_time_that_lies_back_is_a_span_and_never_one_of_the_future(ms: int | None, text: str) -> None:
    assert ago(ms, 101_000) == text
