"""A method called for a person, with what came of it. It travels as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Literal

from edge_agent.core.model import bad
from edge_agent.errors import DeviceError, EdgeAgentError
from edge_agent.ports import Caller

WITHIN_S = 10.0
"""For a method to end: as long as somebody waits at a terminal without a doubt."""
LONGEST_S = 600.0

USAGE = 'ask with a line like {"do": "call", "device": "press-1", "method": "start", "arguments": []}'


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be called, what a person gave for the arguments, and the time it may take."""

    device: str
    method: str
    arguments: tuple[str, ...]
    within_s: float = WITHIN_S

    @staticmethod
    def of(asked: Mapping[str, Any]) -> "Request":
        """What is asked for. Raises EdgeAgentError when it is no call."""
        device, method = asked.get("device"), asked.get("method")
        arguments, within_s = asked.get("arguments", []), asked.get("take_s", WITHIN_S)
        if not isinstance(device, str) or not isinstance(method, str):
            raise EdgeAgentError(USAGE)
        if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
            raise EdgeAgentError(USAGE)
        if isinstance(within_s, bool) or not isinstance(within_s, int | float):
            raise EdgeAgentError(USAGE)
        if not 0 < within_s <= LONGEST_S:
            raise EdgeAgentError(f"take_s goes from above 0 to {LONGEST_S:g}")
        return Request(device, method, tuple(arguments), float(within_s))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended.

    `done` says whether it was carried out. `outputs` are the results in their order, `status` is the device's
    word for it, `quality` that of a device that did not answer well, else `good`. `why` is why it was not
    carried out, or why that is not known. `misused`: the arguments do not fit, and nobody was called.
    """

    device: str
    method: str
    done: Literal["yes", "no", "unknown"]
    outputs: Sequence[tuple[str, object]]
    status: str
    quality: str
    took_ms: float
    why: str = ""
    misused: bool = False

    def document(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return asdict(self)

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Outcome":
        """The outcome that `document` has become."""
        outputs = [(str(name), value) for name, value in document["outputs"]]
        return Outcome(**{**document, "outputs": outputs})


async def called(request: Request, device: object) -> Outcome:
    """Call once. Raises EdgeAgentError for what can never be called there."""
    if not isinstance(device, Caller):
        raise EdgeAgentError(f"{request.device}: devices of its protocol have no methods")
    began = perf_counter()
    try:
        done = await device.call(request.method, request.arguments, request.within_s)
    except KeyError as error:
        raise EdgeAgentError(f"{request.device} has no method {error}") from error
    except ValueError as error:
        return _not_called(request, began, "", str(error), misused=True)
    except DeviceError as error:
        return _not_called(request, began, error.reason, str(error))
    quality = "good" if not done.failure else bad(done.failure.partition(":")[0])
    return Outcome(
        request.device,
        request.method,
        "unknown" if done.failure else "yes",
        done.outputs,
        done.status,
        quality,
        _ms(began),
        done.failure,
    )


def _not_called(request: Request, began: float, reason: str, why: str, *, misused: bool = False) -> Outcome:
    quality = bad(reason) if reason else "good"
    return Outcome(request.device, request.method, "no", (), reason, quality, _ms(began), why, misused)


def _ms(began: float) -> float:
    return round((perf_counter() - began) * 1000, 1)
