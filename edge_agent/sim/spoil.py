"""How faults strike a Modbus answer: pure, from the right answer to what leaves and how."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random as Dice
from typing import Any

from edge_agent.sim.faults import Faults, Random
from edge_agent.sim.framing import Frame, Mode, wrapped
from edge_agent.sim.image import ILLEGAL_ADDRESS
from edge_agent.sim.unit import touched

BUSY = 6  # "server device busy"

TYPE_CODE = 0x0070  # what an Eastron SDM630 says of itself where one register is asked for

JUNK = b"\x00\xff\x55"  # what an RS-485 driver makes of a line when it is switched on

PAUSE_S = 0.002  # between the bytes of a split answer; at 9600 bit/s a character takes 1.1 ms

OTHER_FUNCTION: Mapping[int, int] = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 15: 16, 16: 15}

TCP: tuple[Mode, ...] = ("tcp",)
SERIAL: tuple[Mode, ...] = ("rtu", "ascii")
WHERE: Mapping[str, Collection[Mode]] = {
    "wrong_transaction": TCP,
    "wrong_length": TCP,
    "wrong_protocol": TCP,
    "wrong_checksum": SERIAL,
}
"""The modes in which there is such a thing as could be wrong; all others go everywhere."""

DRAWN = (
    "silence",
    "slow",
    "short",
    "exception",
    "busy",
    "illegal",
    "wrong_function",
    "wrong_unit",
    "wrong_transaction",
    "wrong_length",
    "wrong_protocol",
    "wrong_checksum",
    "split",
    "twice",
    "junk",
    "reset",
)
"""Kinds of which `random` draws. Not `single`: nobody could tell its type code from a value."""

PASSING = (4, 10, 11)  # exception codes that a device or gateway gives now and then: they may go away


@dataclass(frozen=True, slots=True)
class Sending:
    """How an answer leaves: `late_s` from now, in pieces `pause_s` apart; then perhaps a reset."""

    pieces: Sequence[bytes]
    late_s: float = 0.0
    pause_s: float = 0.0
    reset: bool = False

    @property
    def plain(self) -> bool:
        """Whether all of it leaves at once."""
        return not self.late_s and len(self.pieces) == 1 and not self.reset


@dataclass(frozen=True, slots=True)
class Spoiled:
    """What leaves (None: nothing), and which kinds of faults are in it."""

    sending: Sending | None
    struck: Sequence[str]


def possible(mode: Mode, *, datagrams: bool) -> Sequence[str]:
    """The kinds of faults of a Modbus PLC in a mode; a datagram is not split."""
    every = (*DRAWN, "single", "refuse", "random")
    return [
        kind for kind in every if mode in WHERE.get(kind, (mode,)) and not (datagrams and kind == "split")
    ]


def drawn(random: Random, dice: Dice, kinds: Collection[str], request: bytes) -> Faults | None:
    """The fault a request gets by chance; None for none. `kinds` are those possible where it came in."""
    if dice.random() >= random.chance:
        return None
    kind = dice.choice([kind for kind in DRAWN if kind in kinds and kind not in random.without])
    if kind == "slow":
        return Faults(slow_s=dice.uniform(*random.late_s))
    if kind == "exception":
        return Faults(exception=dice.choice(PASSING))
    if kind == "illegal":
        span = touched(request)
        return Faults(illegal=frozenset({(span.table, span.first)} if span else ()))
    if kind == "busy":
        return Faults(busy=1)
    switch: dict[str, Any] = {kind: True}
    return Faults(**switch)


def refused(request: bytes, faults: Faults) -> tuple[str, int] | None:
    """The kind of fault because of which a request is not done, and the exception code; None when it is."""
    if faults.busy:
        return "busy", BUSY
    if faults.exception is not None:
        return "exception", faults.exception
    span = touched(request) if faults.illegal else None
    if span and any(
        span.table == table and 0 <= at - span.first < span.count for table, at in faults.illegal
    ):
        return "illegal", ILLEGAL_ADDRESS
    return None


def spoiled(request: Frame, answer: bytes, faults: Faults, mode: Mode) -> Spoiled:
    """What leaves in place of the right answer (a PDU) to a request."""
    if faults.silence:
        return Spoiled(None, ["silence"])
    struck = []
    frame = replace(request, pdu=answer)
    for kind, change in _OF_FRAMES.items():
        if getattr(faults, kind) and (changed := change(request, frame)) != frame:
            struck.append(kind)
            frame = changed
    data = wrapped(frame, mode)
    for kind, spoil in _OF_BYTES.items():
        if getattr(faults, kind):
            struck.append(kind)
            data = spoil(data, mode)
    struck += [kind for kind in ("slow", "split") if kind in faults.kinds]
    pieces = [data[at : at + 1] for at in range(len(data))] if faults.split else [data]
    sending = Sending(pieces, faults.slow_s, PAUSE_S if faults.split else 0.0, reset=faults.reset)
    return Spoiled(sending, struck)


def _single(request: Frame, answer: Frame) -> Frame:
    if answer.pdu[0] not in {3, 4} or request.pdu[3:5] != b"\0\x01":
        return answer
    return replace(answer, pdu=answer.pdu[:2] + TYPE_CODE.to_bytes(2, "big"))


def _short(_request: Frame, answer: Frame) -> Frame:
    function, data = answer.pdu[0], answer.pdu[2:]
    if function not in {1, 2, 3, 4}:
        return answer
    data = data[: -1 if function in {1, 2} else -2]
    return replace(answer, pdu=bytes([function, len(data)]) + data)


def _function(_request: Frame, answer: Frame) -> Frame:
    function, refusing = answer.pdu[0] & 0x7F, answer.pdu[0] & 0x80
    return replace(answer, pdu=bytes([OTHER_FUNCTION.get(function, 3) | refusing]) + answer.pdu[1:])


def _unit(_request: Frame, answer: Frame) -> Frame:
    return replace(answer, unit=answer.unit % 247 + 1)


def _transaction(_request: Frame, answer: Frame) -> Frame:
    return replace(answer, transaction=(answer.transaction + 1) % 65536)


def _length(data: bytes, _mode: Mode) -> bytes:
    return data[:4] + (int.from_bytes(data[4:6], "big") + 1).to_bytes(2, "big") + data[6:]


def _protocol(data: bytes, _mode: Mode) -> bytes:
    return data[:2] + b"\0\x01" + data[4:]


def _checksum(data: bytes, mode: Mode) -> bytes:
    if mode == "rtu":
        return data[:-1] + bytes([data[-1] ^ 0xFF])
    right = int(data[-4:-2], 16)
    return data[:-4] + f"{right ^ 0xFF:02X}".encode() + data[-2:]


_OF_FRAMES: Mapping[str, Callable[[Frame, Frame], Frame]] = {
    "single": _single,
    "short": _short,
    "wrong_function": _function,
    "wrong_unit": _unit,
    "wrong_transaction": _transaction,
}
"""Faults of a whole answer, in the order in which they strike: what becomes of a request and its answer."""

_OF_BYTES: Mapping[str, Callable[[bytes, Mode], bytes]] = {
    "wrong_length": _length,
    "wrong_protocol": _protocol,
    "wrong_checksum": _checksum,
    "twice": lambda data, _mode: data + data,
    "junk": lambda data, _mode: JUNK + data,
    "reset": lambda data, _mode: data[: len(data) // 2],
}
"""Faults of its bytes, in the order in which they strike."""
