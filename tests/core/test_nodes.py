import pytest

from edge_agent.core.nodes import Node, Place, Step, spans


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("0", [1]),
        ("3", [1]),
        ("2:5", [4]),
        ("0:1,4", [2, 1]),
        ("0:1,0:2,0:3", [2, 3, 4]),
        ("", None),
        ("5:5", None),
        ("5:2", None),
        ("-1", None),
        ("1:", None),
        ("1:2:3", None),
        ("1,,2", None),
        ("x", None),
        ("1 : 2", None),
    ],
)
def test_a_range_takes_so_many_elements_in_each_dimension(text: str, counts: list[int] | None) -> None:
    assert spans(text) == counts


def test_an_array_is_kept_as_so_many_of_its_type() -> None:
    assert Node("t", "", "i=1", "Float", elements=8).store == "8f"
    assert Node("t", "", "i=1", "Float").store == "f"
    assert Node("t", "", "i=1", "Guid").store == "s"


def test_fields_of_one_structure_have_one_place() -> None:
    path = (Step("urn:x", "a"),)
    first, second = (Node(name, "", "i=85", "Int16", path=path, field=(name,)) for name in "ab")

    assert first.place == second.place == Place("", "i=85", path)
