"""Commands in plain words to a simulated PLC."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, cast, get_args

from edge_agent.core.registers import Table
from edge_agent.sim.faults import Faults, Late, Limits, Random
from edge_agent.sim.modbus import ModbusPlc

EVENTS = "events 5"
FOR_ALL: Mapping[str, str] = {
    "silence on|off": "requests are taken and never answered",
    "refuse on|off": "nobody listens, connections are reset",
    "slow 200ms|off": "every answer comes so much later",
}
FOR_MODBUS: Mapping[str, str] = {
    "exception 4|off": "every request is refused with this code",
    "busy 5|off": "the next 5 requests are refused with code 6",
    "illegal holding 7,10-12|off": "what touches one of these gets code 2; adds up",
    "short on|off": "one register (or byte of bits) too few",
    "single on|off": "for one register alone, a type code comes",
    "wrong-function on|off": "answers name another function",
    "wrong-unit on|off": "answers name another unit",
    "wrong-transaction on|off": "answers name another transaction (tcp)",
    "wrong-length on|off": "the length is one byte too long (tcp)",
    "wrong-protocol on|off": "the protocol is not that of Modbus (tcp)",
    "wrong-checksum on|off": "the CRC or LRC is wrong (rtu, ascii)",
    "split on|off": "answers leave byte by byte (not with udp)",
    "twice on|off": "every answer leaves twice, in one piece",
    "junk on|off": "three strange bytes before every answer",
    "reset on|off": "half an answer, then a reset of the connection",
    "random 5%|off": "one of these now and then; see below",
    "forget": "what was written is forgotten",
    "count": "requests so far, and faults by kind",
}
FOR_OPCUA: Mapping[str, str] = {
    "frozen on|off": "bytes stop both ways without a close",
    "missing TAG,TAG|off": "the nodes of these tags do not exist",
    "bad TAG,TAG|off": "the status of these tags is BadDeviceFailure",
    "limits 10|off": "a call for more nodes is refused; see below",
    "sessions 2|off": "so many sessions at once",
    "publish 2|off": "so many publish requests wait at once",
    "clock +3600s|off": "the server's clock is ahead; -90s: behind",
    "no-history on|off": "nothing of the past can be read",
    "page 100|off": "values of the past that come at once",
    "late 8s TAG,TAG|off": "there only so long after each restart; all without TAG",
    "namespaces URI,URI|off": "these come first after a restart",
    EVENTS: "so many events happen at once",
    "cut": "every connection is cut",
    "restart": "the server loses sessions and subscriptions",
    "forget": "the same, and the connections stay",
    "drop": "subscriptions are deleted, and the sessions stay",
    "count": "sessions and subscriptions that there are",
}
"""What a simulated PLC can be told, by its protocol, and what that does; what knows no `off` is done once."""

SERVICES = ("read", "items", "browse", "translate", "register", "history")
"""Calls to an OPC UA server that can be limited."""

ADDRESSED = re.compile(r"(?:all|unit\s+(\d+))\s+(.+)", re.DOTALL)
"""A command to all units, or to one."""

SWITCHES = (
    *("silence", "refuse", "short", "single", "split", "twice", "junk", "reset", "frozen"),
    "no-history",
)
FIELDS: Mapping[str, str] = {"slow": "slow_s", "clock": "clock_s", "late": "late_nodes"}
"""Where a fault is kept whose command has another name."""


async def tell(plc: ModbusPlc, command: str) -> None:
    """Have a PLC do a command of `FOR_ALL` or `FOR_MODBUS`; `unit 3 ` before it means one unit alone.

    ValueError, with words for the user, for anything else; OSError when its place was lost meanwhile.
    """
    known = {**FOR_ALL, **FOR_MODBUS}
    addressed = ADDRESSED.fullmatch(command.strip())
    unit = int(addressed[1]) if addressed and addressed[1] else None
    told = addressed[2] if addressed else command.strip()
    if told == "forget":
        plc.forget(unit)
    elif unit is not None:
        await plc.switch(switched(plc.faults_of(unit), told, known), unit)
    else:
        # What is told to all changes this one thing also of units that were told something of their own.
        own = {each: switched(faults, told, known) for each, faults in plc.own.items()}
        await plc.switch(switched(plc.faults, told, known))
        for each, faults in own.items():
            await plc.switch(replace(faults, refuse=False), each)


def switched(faults: Faults, command: str, known: Iterable[str]) -> Faults:
    """The faults after a command such as `silence on`, `slow 200ms` or `bad force,temp`; `off` ends each.

    `known` are the commands of the PLC. ValueError, with words for the user, for anything else.
    """
    name, _, setting = command.strip().partition(" ")
    usages = [usage for usage in known if usage.split()[0] == name]
    wanted = _wanted(faults, name, setting.strip()) if usages else None
    if wanted is None:
        raise ValueError(f"cannot do {command.strip()!r}; {_way_out(name, usages, known)}")
    return replace(faults, **wanted)


def _way_out(name: str, usages: Sequence[str], known: Iterable[str]) -> str:
    """How the command that was meant is written; all that there are when that cannot be told."""
    by_name = {usage.split()[0]: usage for usage in known}
    meant = get_close_matches(name, by_name, n=1)
    if usages:
        return f"write {usages[0]}"
    if not meant or name == "unit":
        return f"known are: {', '.join(by_name.values())}, quit"
    return f"did you mean {by_name[meant[0]]}?"


def seconds(text: str) -> float:
    """`200ms` or `1.5s` in seconds. ValueError, with words for the user, for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration; write it like 200ms or 1.5s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def numbers(text: str, highest: int) -> tuple[int, ...]:
    """`1,2,5-8` as numbers, in this order and each once. ValueError when it is none or one is beyond."""
    found: dict[int, None] = {}
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if not first <= last <= highest:
            raise ValueError(f"{text!r} is no list of numbers up to {highest}; write it like 1,2,5-8")
        found.update(dict.fromkeys(range(first, last + 1)))
    return tuple(found)


def _wanted(faults: Faults, name: str, setting: str) -> Mapping[str, Any] | None:
    """What a command changes; None when it says nothing that could be done."""
    if name in SWITCHES or name.startswith("wrong-"):
        return {name.replace("-", "_"): setting == "on"} if setting in {"on", "off"} else None
    field = FIELDS.get(name, name)
    read = _SETTINGS.get(name)
    if read is None or not setting:
        return None
    value = getattr(Faults(), field) if setting == "off" else read(faults, setting)
    return None if value is None and setting != "off" else {field: value}


def _slow(_faults: Faults, setting: str) -> float:
    return seconds(setting)


def _exception(_faults: Faults, setting: str) -> int | None:
    return int(setting) if setting.isdecimal() and 1 <= int(setting) <= 255 else None


def _illegal(faults: Faults, setting: str) -> frozenset[tuple[Table, int]] | None:
    table, _, addresses = setting.partition(" ")
    if table not in get_args(Table) or not addresses:
        return None
    named = cast("Table", table)  # one of them, as was just seen
    return faults.illegal | {(named, address) for address in numbers(addresses, 65535)}


def _random(_faults: Faults, setting: str) -> Random | None:
    percent, *more = setting.split()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%", percent)
    chance = float(found[1]) / 100 if found else 0.0
    if not 0 < chance <= 1 or len(more) % 2:
        return None
    said: dict[str, Any] = {}
    for word, value in zip(more[::2], more[1::2], strict=True):
        read = _RANDOM.get(word)
        if read is None:
            return None
        name, parse = read
        said[name] = parse(value)
    return Random(chance, **said)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no seed; write a whole number")
    return int(text)


def _late(text: str) -> tuple[float, float]:
    first, _, last = text.partition("-")
    low, high = seconds(first), seconds(last or first)
    if low > high:
        raise ValueError(f"{text!r}: the shorter time comes first")
    return low, high


def _tags(_faults: Faults, setting: str) -> frozenset[str]:
    return frozenset(re.split(r"[,\s]+", setting))


def _most(_faults: Faults, setting: str) -> int | None:
    return int(setting) if setting.isdecimal() and int(setting) else None


def _limits(_faults: Faults, setting: str) -> Limits | None:
    """`10`, or `read 10,items 5`; behind it `untold`, `too-large` or both."""
    found = re.fullmatch(r"(.*?)((?:\s+(?:untold|too-large))*)", setting)
    told, how = (found[1], found[2].split()) if found else ("", [])
    if told.isdecimal():
        told = ",".join(f"{name} {told}" for name in SERVICES)
    most: dict[str, Any] = {}
    for each in told.split(","):
        name, _, number = each.strip().partition(" ")
        if name not in SERVICES or not number.strip().isdecimal() or not int(number):
            return None
        most[name] = int(number)
    return Limits(**most, told="untold" not in how, too_large="too-large" in how)


def _ahead(_faults: Faults, setting: str) -> float | None:
    found = re.fullmatch(r"([+-])(.+)", setting)
    return None if found is None else seconds(found[2]) * (-1 if found[1] == "-" else 1)


def _after_restart(_faults: Faults, setting: str) -> Late:
    wait, *tags = re.split(r"[,\s]+", setting)
    return Late(seconds(wait), frozenset(tags))


def _uris(_faults: Faults, setting: str) -> tuple[str, ...]:
    return tuple(re.split(r"[,\s]+", setting))


_SETTINGS: Mapping[str, Callable[[Faults, str], object]] = {
    "slow": _slow,
    "exception": _exception,
    "busy": _most,
    "illegal": _illegal,
    "random": _random,
    "missing": _tags,
    "bad": _tags,
    "limits": _limits,
    "sessions": _most,
    "publish": _most,
    "clock": _ahead,
    "page": _most,
    "late": _after_restart,
    "namespaces": _uris,
}
"""Reads what stands behind a command; None when it says nothing that could be done."""

_RANDOM: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "seed": ("seed", _seed),
    "late": ("late_s", _late),
    "without": ("without", lambda text: frozenset(text.replace("-", "_").split(","))),
}
