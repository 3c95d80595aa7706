import structlog
from structlog.testing import capture_logs

from edge_agent.drivers.opcua.server_clock import ServerClock

NOW = 1_760_000_000_000_000_000
S = 1_000_000_000


def heard(*ahead_s: float) -> list[tuple[str, float]]:
    """The events of a server that is ahead by so much, then by so much."""
    structlog.reset_defaults()
    clock = ServerClock("plc", lambda: NOW)
    with capture_logs() as events:
        for each in ahead_s:
            clock.heard(NOW + round(each * S))
            assert clock.offset_s == each
    return [(each["event"], each["ahead_s"]) for each in events]


def test_a_clock_that_is_wrong_is_told_once_and_when_it_is_right_again() -> None:
    assert heard(0.2, 3600.0, 3600.1, 0.1, -0.1) == [
        ("server clock differs", 3600.0),
        ("server clock agrees again", 0.1),
    ]


def test_a_clock_that_is_behind_is_as_wrong() -> None:
    assert heard(-10.1) == [("server clock differs", -10.1)]


def test_ten_seconds_are_no_reason_and_no_reason_to_change_ones_mind() -> None:
    assert heard(10.0) == []
    assert heard(10.1, 9.9, 10.1) == [("server clock differs", 10.1)]


def test_a_clock_that_is_right_is_zero_ahead_and_not_minus_zero() -> None:
    clock = ServerClock("plc", lambda: NOW)
    clock.heard(NOW - 1)

    assert str(clock.offset_s) == "0.0"


def test_nothing_is_known_before_the_server_says_it() -> None:
    assert ServerClock("plc", lambda: NOW).offset_s is None
