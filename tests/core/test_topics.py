import pytest

from edge_agent.core.topics import expand, fault, placeholders


def test_placeholders_are_filled_in() -> None:
    values = {"gateway": "gw17", "device": "press-12", "group": "fast"}

    topic = expand("edge/{gateway}/{device}/{group}", values)

    assert topic == "edge/gw17/press-12/fast"


def test_placeholders_are_named_in_their_order() -> None:
    assert placeholders("{site}/x/{device}{group}") == ("site", "device", "group")


def test_a_template_without_placeholders_is_itself() -> None:
    assert expand("edge/all", {}) == "edge/all"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "a topic cannot be empty or begin with '$'"),
        ("$share/{device}", "a topic cannot be empty or begin with '$'"),
        ("a/#", "'#' cannot stand in a topic that is published to"),
        ("a/+/{device}", "'+' cannot stand in a topic that is published to"),
        ("a/{device", "a '{' without its name and '}'"),
        ("a/{}", "a '{' without its name and '}'"),
        ("a/{{device}}", "a '{' without its name and '}'"),
        ("a/device}", "a '}' without its '{'"),
        ("a/\x00", "a topic has no control character in it"),
    ],
)
def test_a_template_that_cannot_be_a_topic_is_refused(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"topic|without") as caught:
        placeholders(template)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "{site} has no value"),
        ({"site": ""}, "{site} is '': it is empty"),
        ({"site": "a/b"}, "{site} is 'a/b': '/' has a meaning of its own in topics"),
        ({"site": "a\nb"}, "{site} is 'a\nb': it has a control character in it"),
    ],
)
def test_a_value_that_would_break_the_topic_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match="site") as caught:
        expand("edge/{site}", values)

    assert str(caught.value) == message


def test_a_topic_longer_than_mqtt_allows_is_refused() -> None:
    with pytest.raises(ValueError, match="the topic has 65537 bytes; MQTT allows 65535"):
        expand("a/{site}", {"site": "x" * 65535})


def test_a_plain_word_has_no_fault() -> None:
    assert fault("wolfsburg 2") is None
