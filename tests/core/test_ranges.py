from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.ranges import Ranges


def test_touching_ranges_become_one() -> None:
    ranges = Ranges()

    assert ranges.add(1, 3) == 3
    assert ranges.add(7, 9) == 3
    assert ranges.add(4, 6) == 3
    assert list(ranges) == [(1, 9)]
    assert ranges.last == 9


def test_empty_set_has_no_last_and_misses_all() -> None:
    assert Ranges().last is None
    assert Ranges().missing(1, 3) == [(1, 3)]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8))), st.integers(0, 70), st.integers(0, 70))
def test_ranges_agree_with_a_plain_set(adds: list[tuple[int, int]], low: int, high: int) -> None:
    ranges, plain = Ranges(), set[int]()
    for first, length in adds:
        new = set(range(first, first + length + 1)) - plain
        assert ranges.add(first, first + length) == len(new)
        plain |= new

    assert len(ranges) == len(plain)
    assert all((n in ranges) == (n in plain) for n in range(80))
    holes = ranges.missing(low, high)
    assert [n for a, b in holes for n in range(a, b + 1)] == [
        n for n in range(low, high + 1) if n not in plain
    ]
