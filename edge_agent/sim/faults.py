"""What a simulated PLC does wrong on demand."""

import re
from dataclasses import dataclass, replace

from edge_agent.sim.image import refusal

HEADER = 7  # bytes of a Modbus TCP frame before its function code


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong just now; nothing by default.

    `silence`: requests are taken and never answered. `refuse`: nobody listens, connections are reset.
    `slow_s`: seconds by which every answer comes late. `short`: one register (or byte of bits) less than
    asked for, in an answer that is sound in itself. `exception`: every request is refused with this code.
    """

    silence: bool = False
    refuse: bool = False
    slow_s: float = 0.0
    short: bool = False
    exception: int | None = None

    def spoil(self, frame: bytes) -> bytes | None:
        """What leaves the device instead of a right response frame; None for nothing."""
        if self.silence:
            return None
        if self.exception is not None:
            return _reframed(frame, refusal(frame[HEADER] & 0x7F, self.exception))
        if self.short:
            return _shortened(frame)
        return frame


def switched(faults: Faults, command: str) -> Faults:
    """The faults after a command: `silence on`, `refuse off`, `slow 200ms`, `short on`, `exception 2`.

    Every fault takes `off`. ValueError, with words for the user, for anything else.
    """
    name, _, setting = command.strip().partition(" ")
    setting = setting.strip()
    if name in {"silence", "refuse", "short"} and setting in {"on", "off"}:
        return replace(faults, **{name: setting == "on"})
    if name == "slow":
        return replace(faults, slow_s=0.0 if setting == "off" else seconds(setting))
    if name == "exception" and setting == "off":
        return replace(faults, exception=None)
    if name == "exception" and setting.isdecimal() and 1 <= int(setting) <= 255:
        return replace(faults, exception=int(setting))
    raise ValueError(
        f"cannot do {command.strip()!r}; known are: silence on|off, refuse on|off, slow 200ms|off, "
        "short on|off, exception 2|off, quit"
    )


def seconds(text: str) -> float:
    """`200ms` or `1.5s` in seconds. ValueError, with words for the user, for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration; write it like 200ms or 1.5s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _shortened(frame: bytes) -> bytes:
    function, data = frame[HEADER], frame[HEADER + 2 :]
    if function & 0x80:
        return frame
    data = data[: -1 if function in {1, 2} else -2]
    return _reframed(frame, bytes([function, len(data)]) + data)


def _reframed(frame: bytes, pdu: bytes) -> bytes:
    """The same frame around another PDU: its length counts the unit too."""
    return frame[:4] + (len(pdu) + 1).to_bytes(2, "big") + frame[6:HEADER] + pdu
