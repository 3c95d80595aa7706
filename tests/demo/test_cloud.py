"""The picture a subscriber has, from messages as docs/payload.md states them."""

from typing import Any

import pytest

from edge_agent.demo.cloud import Cloud, shown
from edge_agent.demo.screen import DeviceLine, TagLine

T = 1_760_000_000.0
TAGS = {
    "speed": {"group": "fast", "type": "float32", "unit": "/min"},
    "mode": {"group": "fast", "type": "uint16", "enum": {"0": "off", "2": "auto"}},
    "energy": {"group": "slow", "type": "float32", "unit": "1"},
}


def told(cloud: Cloud, what: str, document: dict[str, Any], *, at: float = T) -> None:
    cloud.arrived(f"edge/gw/{what}", document, at)


def state(life: str, *, online: bool = True) -> dict[str, Any]:
    return {"state": "online" if online else "offline", "why": "" if online else "connection lost", "b": life}


def data(*scans: dict[str, Any], life: str = "b1", group: str = "fast") -> dict[str, Any]:
    return {"b": life, "d": "press", "g": group, "n": [1, len(scans)], "s": list(scans)}


def scan(at: float = T, **members: Any) -> dict[str, Any]:
    return {"ts": at * 1000, **members}


def gap(**members: Any) -> dict[str, Any]:
    return {"b": "b1", "d": None, "g": None, "reason": "overrun", **members}


@pytest.fixture
def cloud() -> Cloud:
    """A gateway with one device, every tag of its fast group good."""
    cloud = Cloud()
    told(cloud, "_agent/state", state("b1"))
    document = {"state": "ok", "since": T * 1000, "why": ""}
    told(cloud, "_agent/device/press", document)
    told(cloud, "_agent/meta/press", {"tags": TAGS})
    told(cloud, "press/fast", data(scan(v={"speed": 812.5, "mode": 2})))
    return cloud


def press(cloud: Cloud, *, at: float = T) -> DeviceLine:
    (device,) = cloud.devices(at)
    return device


def tags(cloud: Cloud, *, at: float = T) -> dict[str, TagLine]:
    return {each.tag: each for each in press(cloud, at=at).tags}


def test_value_comes_with_unit_quality_and_age(cloud: Cloud) -> None:
    assert tags(cloud, at=T + 3)["speed"] == TagLine("speed", "812.5", "/min", "good", 3.0, 3.0)


def test_tag_that_never_came_is_unknown(cloud: Cloud) -> None:
    energy = tags(cloud)["energy"]

    assert (energy.value, energy.unit, energy.quality, energy.age_s) == (None, "", "unknown", None)


def test_tag_that_a_scan_leaves_out_is_confirmed_by_it(cloud: Cloud) -> None:
    told(cloud, "press/fast", data(scan(T + 5, v={"mode": 0})), at=T + 5)

    speed = tags(cloud, at=T + 6)["speed"]

    assert (speed.value, speed.age_s, speed.changed_s) == ("812.5", 1.0, 6.0)


def test_same_value_again_is_no_change(cloud: Cloud) -> None:
    told(cloud, "press/fast", data(scan(T + 5, v={"speed": 812.5})), at=T + 5)

    assert tags(cloud, at=T + 6)["speed"].changed_s == 6.0


def test_bad_tag_has_no_value(cloud: Cloud) -> None:
    told(cloud, "press/fast", data(scan(T + 1, q={"speed": "bad:timeout"})))

    speed, mode = tags(cloud)["speed"], tags(cloud)["mode"]

    assert (speed.value, speed.quality) == (None, "bad:timeout")
    assert (mode.value, mode.quality) == ("2 auto", "good")


def test_uncertain_tag_has_both(cloud: Cloud) -> None:
    told(
        cloud,
        "press/fast",
        data(scan(T + 1, v={"mode": 7, "speed": 900.0}, q={"mode": "uncertain:not_in_enum"})),
    )

    mode = tags(cloud)["mode"]

    assert (mode.value, mode.quality) == ("7", "uncertain:not_in_enum")
    assert tags(cloud)["speed"].quality == "good"


def test_star_speaks_of_all_tags_of_the_group(cloud: Cloud) -> None:
    told(cloud, "press/slow", data(scan(v={"energy": 5.0}), group="slow"))
    told(cloud, "press/fast", data(scan(T + 1, q={"*": "bad:disconnected"})))

    qualities = {name: each.quality for name, each in tags(cloud).items()}

    assert qualities == {"speed": "bad:disconnected", "mode": "bad:disconnected", "energy": "good"}


def test_gap_of_its_group_makes_a_tag_unknown(cloud: Cloud) -> None:
    told(cloud, "press/slow", data(scan(v={"energy": 5.0}), group="slow"))
    told(cloud, "_agent/gap", gap(d="press", g="fast"))

    assert (tags(cloud)["speed"].value, tags(cloud)["speed"].quality) == (None, "unknown")
    assert tags(cloud)["energy"].value == "5.0"


def test_gap_of_an_earlier_life_changes_nothing(cloud: Cloud) -> None:
    told(cloud, "_agent/gap", gap(b="b0", reason="restart:unclean"))

    assert tags(cloud)["speed"].value == "812.5"


def test_new_life_begins_with_nothing_known(cloud: Cloud) -> None:
    told(cloud, "_agent/state", state("b2"))

    assert {each.quality for each in tags(cloud).values()} == {"unknown"}


def test_backlog_of_an_earlier_life_is_not_shown_as_now(cloud: Cloud) -> None:
    told(cloud, "_agent/state", state("b2"))
    told(cloud, "press/fast", data(scan(T + 9, v={"speed": 1.0}), life="b2"))
    told(cloud, "press/fast", data(scan(T + 1, v={"speed": 2.0})))

    assert tags(cloud)["speed"].value == "1.0"


def test_device_says_its_state_and_why(cloud: Cloud) -> None:
    document = {"state": "down", "since": (T + 2) * 1000, "why": "connection refused"}
    told(cloud, "_agent/device/press", document)

    device = press(cloud, at=T + 5)

    assert (device.device, device.state, device.since_s, device.why) == (
        "press",
        "down",
        3.0,
        "connection refused",
    )


def test_nobody_vouches_for_devices_of_a_gateway_that_is_gone(cloud: Cloud) -> None:
    told(cloud, "_agent/state", state("b1", online=False), at=T + 2)

    device = press(cloud, at=T + 5)

    assert not cloud.online
    assert (device.state, device.since_s) == ("unknown", 3.0)
    assert device.why == "was ok; gateway offline (connection lost)"
    assert tags(cloud, at=T + 5)["speed"].age_s == 5.0


@pytest.mark.parametrize(
    ("value", "column", "words"),
    [
        (812.5, {}, "812.5"),
        (1e-7, {}, "1e-07"),
        ("18446744073709551615", {}, "18446744073709551615"),
        (True, {}, "true"),
        (2, {"enum": {"2": "running"}}, "2 running"),
        (9, {"enum": {"2": "running"}, "enum_else": "unknown"}, "9 unknown"),
        (9, {"enum": {"2": "running"}}, "9"),
        (33, {"flags": {"0": "hot", "5": "torn", "6": "estop"}}, "33 hot+torn"),
        ("9223372036854775808", {"flags": {"63": "estop"}}, "9223372036854775808 estop"),
        (0, {"flags": {"0": "hot"}}, "0"),
    ],
)
def test_value_is_shown_as_it_arrived_with_its_text(value: Any, column: dict[str, Any], words: str) -> None:
    assert shown(value, column) == words
