from edge_agent.core.backoff import Backoff


def test_ceiling_doubles_up_to_the_longest_wait() -> None:
    backoff = Backoff(lambda _, high: high)

    assert [backoff.after(0.0) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_only_a_stable_link_starts_again_with_short_waits() -> None:
    backoff = Backoff(lambda _, high: high)
    for _ in range(5):
        backoff.after(0.0)

    assert backoff.after(59.0) == 32
    assert backoff.after(61.0) == 1


def test_jitter_is_full() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    assert Backoff(uniform, first_s=2.0).after(0.0) == 0.0
    assert asked == [(0.0, 2.0)]
