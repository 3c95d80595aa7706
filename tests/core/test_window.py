from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.window import MOST_RANGES, AckWindow


def test_cursor_waits_for_the_oldest_unacknowledged() -> None:
    window = AckWindow((1, 64))
    first, second, third = (window.took((1, end), end) for end in (100, 200, 300))

    window.done([second])
    assert window.position == (1, 64)
    assert window.ranges() == [((1, 100), (1, 200))]
    window.done([first])
    assert window.position == (1, 200)
    assert window.ranges() == []
    assert len(window) == 1
    window.done([third, third, 99])
    assert window.position == (1, 300)
    assert len(window) == 0


def test_oldest_is_the_first_that_is_not_done() -> None:
    window = AckWindow((1, 64))
    assert window.oldest_ns is None
    first, second, third = (window.took((1, end), 10 * end) for end in (100, 200, 300))

    window.done([second])
    assert window.oldest_ns == 1000
    window.done([first])
    assert window.oldest_ns == 3000
    window.done([third])
    assert window.oldest_ns is None


def test_ranges_above_the_cursor_are_bounded() -> None:
    window = AckWindow((1, 0))
    numbers = [window.took((1, end), end) for end in range(1, 400)]
    window.done(numbers[1::2])

    assert len(window.ranges()) == MOST_RANGES


@given(st.lists(st.integers(0, 30), max_size=60))
def test_window_agrees_with_a_plain_set(acks: list[int]) -> None:
    window, done = AckWindow((1, 0)), set[int]()
    for number in range(31):
        window.took((1, number + 1), number)
    for number in acks:
        window.done([number])
        done.add(number)

    mark = next(n for n in range(32) if n not in done)
    assert window.position == (1, mark)
    above = {n for n in done if n > mark}
    assert above == {n for (_, low), (_, high) in window.ranges() for n in range(low, high)}
