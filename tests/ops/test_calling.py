"""What is asked for as a call, and what comes of devices that cannot be called."""

from collections.abc import Mapping

import pytest

from edge_agent.errors import EdgeAgentError
from edge_agent.ops.calling import WITHIN_S, Outcome, Request, called


def test_a_request_has_a_device_a_method_and_texts() -> None:
    asked = {"device": "press-1", "method": "start", "arguments": ["1", "x"], "take_s": 3}

    assert Request.of(asked) == Request("press-1", "start", ("1", "x"), 3.0)
    assert Request.of({"device": "press-1", "method": "start"}) == Request("press-1", "start", (), WITHIN_S)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": 1}, "ask with a line like"),
        ({"method": None}, "ask with a line like"),
        ({"arguments": "1"}, "ask with a line like"),
        ({"arguments": [1]}, "ask with a line like"),
        ({"take_s": True}, "ask with a line like"),
        ({"take_s": 0}, "take_s goes from above 0 to 600"),
        ({"take_s": 601}, "take_s goes from above 0 to 600"),
    ],
)
def test_a_request_is_refused_with(change: Mapping[str, object], words: str) -> None:
    with pytest.raises(EdgeAgentError, match=words):
        Request.of({"device": "press-1", "method": "start", **change})


def test_an_outcome_comes_back_as_it_went() -> None:
    outcome = Outcome("press-1", "start", "yes", [("job", 1)], "Good", "good", 1.0)

    assert Outcome.of(outcome.document()) == outcome


async def test_a_device_without_methods_says_so() -> None:
    with pytest.raises(EdgeAgentError, match="io-1: devices of its protocol have no methods"):
        await called(Request("io-1", "start", ()), object())


async def test_a_method_that_a_device_does_not_have_is_named() -> None:
    with pytest.raises(EdgeAgentError, match="io-1 has no method 'start'"):
        await called(Request("io-1", "start", ()), Without())


class Without:
    async def call(self, method: str, arguments: object, within_s: float) -> object:  # noqa: ARG002
        raise KeyError(method)
