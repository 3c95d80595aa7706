from math import inf

from edge_agent.core.drain import Drain, Lane


def drain() -> Drain[str]:
    return Drain(batch_age_s=1.0, batch_bytes=100)


A = ("b", "a", "fast")
B = ("b", "b", "fast")


def due(of: Drain[str], now: float) -> list[Lane[str]]:
    return list(of.due(now))


def test_stream_is_due_when_its_oldest_item_is_old_enough() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    queue.put(A, "a2", 10, 5.9)

    assert due(queue, 5.99) == []
    assert queue.next_due_s() == 6.0
    (lane,) = due(queue, 6.0)
    assert queue.take(lane, 2) == [("a1", 10), ("a2", 10)]
    assert queue.size_bytes == 0


def test_full_batch_is_due_at_once() -> None:
    queue = drain()
    queue.put(A, "a1", 60, 5.0)
    queue.put(A, "a2", 60, 5.1)

    assert [lane.key for lane in due(queue, 5.1)] == [A]
    assert due(queue, 9.0) == []  # it is busy until it is released


def test_item_that_shall_not_wait_is_due_at_once() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    queue.put(A, "a2", 10, 5.1, at_once=True)

    assert [lane.key for lane in due(queue, 5.1)] == [A]


def test_stream_has_one_message_under_way() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    (lane,) = due(queue, 6.0)
    queue.take(lane, 1)
    queue.put(A, "a2", 10, 6.5)

    assert due(queue, 9.0) == []
    queue.release(lane, 9.0)
    assert [each.key for each in due(queue, 9.0)] == [A]


def test_released_full_stream_goes_on_at_once_and_an_empty_one_is_forgotten() -> None:
    queue = drain()
    for item in ("a1", "a2", "a3"):
        queue.put(A, item, 80, 5.0)
    (lane,) = due(queue, 5.0)
    queue.take(lane, 1)
    queue.release(lane, 5.0)

    assert due(queue, 5.0) == [lane]
    queue.take(lane, 2)
    queue.release(lane, 5.0)
    assert queue.next_due_s() is None


def test_message_that_was_not_taken_waits_in_front() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    (lane,) = due(queue, 6.0)
    taken = queue.take(lane, 1)
    queue.put(A, "a2", 10, 6.0)
    queue.give_back(lane, taken)
    queue.release(lane, 6.0, pause_s=3.0)

    assert due(queue, 8.9) == []
    (lane,) = due(queue, 9.0)
    assert [item for item, _ in queue.take(lane, 2)] == ["a1", "a2"]


def test_given_back_alone_it_is_due_after_its_release() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    (lane,) = due(queue, 6.0)
    queue.give_back(lane, queue.take(lane, 1))
    queue.release(lane, 7.0)

    assert due(queue, 7.0) == [lane]


def test_streams_are_served_in_the_order_they_are_due() -> None:
    queue = drain()
    queue.put(B, "b1", 10, 5.0)
    queue.put(A, "a1", 10, 5.5)

    assert [lane.key for lane in due(queue, 7.0)] == [B, A]


def test_streams_put_at_once_at_minus_infinity_are_served_before_all_that_are_due() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    queue.put(B, "b1", 60, -inf, at_once=True)
    queue.put(B, "b2", 60, -inf, at_once=True)

    first, second = due(queue, 7.0)
    assert [first.key, second.key] == [B, A]
    queue.take(first, 1)
    queue.take(second, 1)
    queue.put(A, "a2", 200, 6.0)
    queue.put(B, "b3", 60, -inf, at_once=True)
    queue.release(second, 7.0)
    queue.release(first, 7.0)
    assert [lane.key for lane in due(queue, 7.0)] == [B, A]


def test_unwanted_items_are_forgotten() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    queue.put(A, "a2", 20, 5.0)
    queue.put(B, "b1", 30, 5.0)

    assert queue.discard(lambda item: item == "a1") == ["a1"]
    assert queue.size_bytes == 50


def test_item_put_first_goes_at_once_and_before_the_others() -> None:
    queue = drain()
    queue.put(A, "a2", 10, 5.0)
    queue.put_first(A, "a1", 10, 5.1)

    (lane,) = due(queue, 5.1)
    assert queue.take(lane, 2) == [("a1", 10), ("a2", 10)]


def test_paused_stream_stays_listed_when_nobody_asks_on() -> None:
    queue = drain()
    queue.put(A, "a1", 10, 5.0)
    (lane,) = due(queue, 6.0)
    queue.release(lane, 6.0, pause_s=3.0)
    queue.put(B, "b1", 10, 8.0)

    asked = queue.due(8.5, hurry=True)
    assert next(asked).key == B
    asked.close()

    assert [each.key for each in due(queue, 9.0)] == [A]
