"""One value written for a person, with what the device shows afterwards. It travels as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from edge_agent.core.model import Value, bad
from edge_agent.errors import DeviceError, EdgeAgentError
from edge_agent.ports import Writer

WITHIN_S = 3.0
"""In which a device has to show what was written: a slow PLC takes it over in its next cycle or two."""
LONGEST_S = 60.0

USAGE = 'ask with a line like {"do": "write", "device": "press-1", "column": "recipe", "text": "42"}'


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written: a tag or a part of one, what a person gave for it, and the time it may take."""

    device: str
    column: str
    text: str
    within_s: float = WITHIN_S

    @staticmethod
    def of(request: Mapping[str, Any]) -> "Order":
        """The order in a request. Raises EdgeAgentError when it is none."""
        words = [request.get(key) for key in ("device", "column", "text")]
        within_s = request.get("take_s", WITHIN_S)
        if (
            isinstance(within_s, bool)
            or not isinstance(within_s, int | float)
            or not 0 <= within_s <= LONGEST_S
        ):
            raise EdgeAgentError(f"take_s goes from 0 to {LONGEST_S:g}")
        device, column, text = (word if isinstance(word, str) else "" for word in words)
        if not device or not column or not isinstance(words[2], str):
            raise EdgeAgentError(USAGE)
        return Order(device, column, text, within_s)


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended.

    `ok` says that the device shows the value that was written; `value` and `quality` are what it shows.
    `why` is why it could not be written, or why that is not known; `how` names the functions used.
    """

    device: str
    column: str
    ok: bool
    value: Value
    quality: str
    how: str
    took_ms: float
    why: str = ""

    def document(self) -> dict[str, Any]:
        """The result as JSON has it."""
        return asdict(self)


async def written(order: Order, device: object) -> Result:
    """Carry out an order. Raises EdgeAgentError for what can never be written there."""
    if not isinstance(device, Writer):
        raise EdgeAgentError(f"{order.device}: devices of its protocol cannot be written to")
    began = perf_counter()
    try:
        done = await device.write(order.column, order.text, order.within_s)
    except KeyError as error:
        raise EdgeAgentError(f"{order.device} has no tag {error}") from error
    except ValueError as error:
        raise EdgeAgentError(str(error)) from error
    except DeviceError as error:
        return Result(
            order.device,
            order.column,
            ok=False,
            value=None,
            quality=bad(error.reason),
            how="",
            took_ms=_ms(began),
            why=str(error),
        )
    late = f"the device does not show it within {order.within_s:g} s"
    why = "" if done.there else done.failure or late
    quality = done.quality or "good"
    return Result(order.device, order.column, done.there, done.value, quality, done.how, _ms(began), why)


def _ms(began: float) -> float:
    return round((perf_counter() - began) * 1000, 1)
