# ruff: noqa: E501 - a table of mistakes is read one per line
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.placeholders import Filled, UndecidedError, Value, filled, names
from edge_agent.config.yaml_nodes import Written

VALUES: dict[str, Value | None] = {
    "n": 3,
    "base": 100,
    "db": "DB_P12",
    "factor": Written("0.10"),
    "signed": True,
    "wrong": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ('plc:s="{db}"."Force"', 'plc:s="DB_P12"."Force"'),
        ("di_{n}", "di_3"),
        ("1{n+1:04}", "10004"),
        ("3{17+2*n:04}", "30023"),
        ("{ base - ( n - 1 ) * 2 }x", "96x"),
        ("{n-base:05}", "-0097"),
        ("{n:020}", "00000000000000000003"),
        ("a {factor} {signed}", "a 0.10 true"),
        ("{{cycles}}", "{cycles}"),
        ("{{{n}}}", "{3}"),
        ("{db}", "DB_P12"),
    ],
)
def test_placeholders_are_replaced(text: str, expected: str) -> None:
    assert filled(text, VALUES) == expected


@pytest.mark.parametrize(
    ("text", "value"), [("{n}", 3), ("{base+4}", 104), ("{2-n}", -1), ("{factor}", 0.1), ("{signed}", True)]
)
def test_a_placeholder_alone_stands_for_its_value_too(text: str, value: float) -> None:
    made = filled(text, VALUES)

    assert isinstance(made, Filled)
    assert (made.value, type(made.value) in (int, bool, Written)) == (value, True)


@pytest.mark.parametrize("text", ["{n:04}", "{n} ", "{db}", "x"])
def test_any_other_text_is_a_text(text: str) -> None:
    assert not isinstance(filled(text, VALUES), Filled)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{m}",
            f"unknown name 'm' in a placeholder; there are: {', '.join(VALUES)} (a brace that stands for itself is written {{{{)",
        ),
        ("{bsae+1}", "unknown name 'bsae' in a placeholder - did you mean 'base'?"),
        ("{db+1}", "'db' is 'DB_P12'; only whole numbers can be calculated with"),
        ("{signed*2}", "'signed' is true; only whole numbers can be calculated with"),
        ("{db:04}", "{db:04}: only a whole number has a width"),
        ("{n:4}", "{n:4}: write a width as :04, at most :020"),
        ("{n:021}", "{n:021}: write a width as :04, at most :020"),
        ("{n:}", "{n:}: write a width as :04, at most :020"),
        ("{n+}", "'{n+}' is not a placeholder; write for example {n}, {n+1:04} or {(n-1)*2}"),
        ("{}", "'{}' is not a placeholder; write for example {n}, {n+1:04} or {(n-1)*2}"),
        ("{n/2}", "'{n/2}' is not a placeholder; write for example {n}, {n+1:04} or {(n-1)*2}"),
        ("{(n}", "'{(n}' is not a placeholder; write for example {n}, {n+1:04} or {(n-1)*2}"),
        ("{n n}", "'{n n}' is not a placeholder; write for example {n}, {n+1:04} or {(n-1)*2}"),
        ("{-n}", "'{-n}' is not a placeholder; write for example {n}, {n+1:04} or {(n-1)*2}"),
        ("{n.real}", "'{n.real}' is not a placeholder; write for example {n}, {n+1:04} or {(n-1)*2}"),
        ("a}", "'a}': a '}' stands alone; write '}}' for the brace"),
        ("{n", "'{n': a '{' stands alone; write '{{' for the brace"),
        ("{" + "1+" * 60 + "1}", "a placeholder of 121 characters; at most 100"),
    ],
)
def test_a_mistake_in_a_placeholder_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        filled(text, VALUES)

    assert str(caught.value) == message


def test_without_names_a_brace_is_probably_meant_as_one() -> None:
    with pytest.raises(
        ValueError,
        match=r"unknown name 'cycles' in a placeholder \(a brace that stands for itself is written {{",
    ):
        filled("{cycles}", {})


def test_a_name_with_a_mistake_of_its_own_is_not_told_again() -> None:
    with pytest.raises(UndecidedError):
        filled("{n+wrong}", VALUES)


def test_the_names_of_a_text_are_those_in_its_placeholders() -> None:
    assert names("a_{n+1:04}_{{x}}_{(bank*2)}") == {"n", "bank"}


@given(st.text(alphabet="{}n+-*():0149 ab_", max_size=30))
def test_any_text_is_filled_or_refused_in_words(text: str) -> None:
    try:
        message = filled(text, VALUES)
    except ValueError as error:
        message = str(error)

    assert "invalid literal" not in message


Sum = tuple[str, int]


def _joined(parts: tuple[Sum, str, Sum]) -> Sum:
    (left, first), sign, (right, second) = parts
    value = {"+": first + second, "-": first - second, "*": first * second}[sign]
    return f"({left} {sign}{right})", value


SUMS = st.recursive(
    st.integers(0, 99).map(lambda number: (str(number), number)),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(_joined),
    max_leaves=6,
)


@given(SUMS)
def test_arithmetic_is_that_of_school(made: Sum) -> None:
    formula, value = made

    assert filled(f"x{{{formula}}}", {}) == f"x{value}"


@pytest.mark.parametrize(("formula", "value"), [("1+2*3", 7), ("10-2-3", 5), ("2*3+1", 7), ("2*(3+1)", 8)])
def test_products_come_before_sums_and_the_left_before_the_right(formula: str, value: int) -> None:
    assert filled(f"x{{{formula}}}", {}) == f"x{value}"
