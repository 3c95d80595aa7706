"""How a device is doing, over all its groups."""

from edge_agent.flow.health import Health


def test_a_device_that_is_away_is_down_whatever_its_slow_groups_were() -> None:
    health = Health("meter", lambda: 0, lambda _device: None)
    health.note("fast", "ok")
    health.note("energy", "ok")

    health.note("fast", "down", "disconnected: the port has gone")
    assert (health.state, health.why) == ("down", "disconnected: the port has gone")

    assert health.note("fast", "ok")
    assert health.state == "ok"


def test_a_group_that_met_it_away_says_nothing_once_it_is_back() -> None:
    health = Health("meter", lambda: 0, lambda _device: None)
    for group in ("fast", "energy"):
        health.note(group, "down", "unit_open: silent 2 times")

    health.note("fast", "ok")

    assert (health.state, health.why) == ("ok", "")
    assert health.note("energy", "ok")


def test_a_group_that_is_not_answered_alone_is_a_failing_device() -> None:
    health = Health("meter", lambda: 0, lambda _device: None)
    health.note("fast", "ok")

    health.note("energy", "down", "exception:2")

    assert health.state == "failing"
