"""What a simulated PLC does wrong on demand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.sim.image import refusal

HEADER = 7  # bytes of a Modbus TCP frame before its function code

FOR_ALL = ("silence on|off", "refuse on|off", "slow 200ms|off")
FOR_MODBUS = ("short on|off", "exception 2|off")
FOR_OPCUA = ("frozen on|off", "missing TAG,TAG|off", "bad TAG,TAG|off", "cut", "restart")
"""What a simulated PLC can be told, by its protocol; `cut` and `restart` are done once, the others last."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong just now; nothing by default.

    `silence`: requests are taken and never answered. `refuse`: nobody listens, connections are reset.
    `slow_s`: seconds by which every answer comes late.

    Modbus only: `short`: one register (or byte of bits) less than asked for, in an answer that is sound in
    itself. `exception`: every request is refused with this code.

    OPC UA only: `frozen`: bytes stop both ways without a close, and go on from there. `missing`: tags whose
    nodes do not exist. `bad`: tags whose status is BadDeviceFailure.
    """

    silence: bool = False
    refuse: bool = False
    slow_s: float = 0.0
    short: bool = False
    exception: int | None = None
    frozen: bool = False
    missing: frozenset[str] = frozenset()
    bad: frozenset[str] = frozenset()

    def spoil(self, frame: bytes) -> bytes | None:
        """What leaves the device instead of a right response frame; None for nothing."""
        if self.silence:
            return None
        if self.exception is not None:
            return _reframed(frame, refusal(frame[HEADER] & 0x7F, self.exception))
        if self.short:
            return _shortened(frame)
        return frame


def switched(faults: Faults, command: str, known: Sequence[str]) -> Faults:
    """The faults after a command such as `silence on`, `slow 200ms` or `bad force,temp`; `off` ends each.

    `known` are the commands of the PLC. ValueError, with words for the user, for anything else.
    """
    name, _, setting = command.strip().partition(" ")
    setting = setting.strip()
    wanted = _wanted(name, setting) if any(usage.split()[0] == name for usage in known) else None
    if wanted is None:
        raise ValueError(f"cannot do {command.strip()!r}; known are: {', '.join(known)}, quit")
    return replace(faults, **wanted)


def seconds(text: str) -> float:
    """`200ms` or `1.5s` in seconds. ValueError, with words for the user, for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration; write it like 200ms or 1.5s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _wanted(name: str, setting: str) -> Mapping[str, Any] | None:
    """What a command changes; None when it says nothing that could be done."""
    if name in {"silence", "refuse", "short", "frozen"} and setting in {"on", "off"}:
        return {name: setting == "on"}
    if name == "slow":
        return {"slow_s": 0.0 if setting == "off" else seconds(setting)}
    if name == "exception" and setting == "off":
        return {"exception": None}
    if name == "exception" and setting.isdecimal() and 1 <= int(setting) <= 255:
        return {"exception": int(setting)}
    if name in {"missing", "bad"} and setting:
        return {name: frozenset() if setting == "off" else frozenset(re.split(r"[,\s]+", setting))}
    return None


def _shortened(frame: bytes) -> bytes:
    function, data = frame[HEADER], frame[HEADER + 2 :]
    if function & 0x80:
        return frame
    data = data[: -1 if function in {1, 2} else -2]
    return _reframed(frame, bytes([function, len(data)]) + data)


def _reframed(frame: bytes, pdu: bytes) -> bytes:
    """The same frame around another PDU: its length counts the unit too."""
    return frame[:4] + (len(pdu) + 1).to_bytes(2, "big") + frame[6:HEADER] + pdu
