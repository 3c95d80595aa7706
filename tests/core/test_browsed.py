import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.browsed import Found, fitting, parsed, written


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("Press", "Motor 1", "Speed"), "Press/Motor 1/Speed"),
        (("Axis/1", "R&D"), "Axis&/1/R&&D"),
    ],
)
def test_a_path_is_one_text(path: tuple[str, ...], text: str) -> None:
    assert written(path) == text
    assert parsed(text) == path


@given(st.lists(st.text(min_size=1), min_size=1).filter(lambda names: names[0] != "Objects"))
def test_every_path_can_be_read_again(names: list[str]) -> None:
    assert parsed(written(names)) == tuple(names)


@pytest.mark.parametrize("text", ["/Press/Motor/", "Objects/Press/Motor", "/Objects/Press//Motor"])
def test_a_path_is_taken_as_people_type_it(text: str) -> None:
    assert parsed(text) == ("Press", "Motor")


def test_an_ampersand_at_the_end_stands_for_itself() -> None:
    assert parsed("R&") == ("R&",)


@pytest.mark.parametrize("pattern", ["speed", "*SPEED", "press/motor/*", "Press/*/Sp??d"])
def test_what_fits_by_name_or_path_is_kept_with_all_above_it(pattern: str) -> None:
    paths = [(), ("Press",), ("Press", "Motor"), ("Press", "Motor", "Speed"), ("Press", "Oil")]

    kept = fitting([Found(path, "object", "", "i=1") for path in paths], pattern)

    assert [node.path for node in kept] == paths[:4]
