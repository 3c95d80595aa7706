from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edge_agent.config.settings import Tag
from edge_agent.core.registers import Bit, Field, Order, Type

MakeTag = Callable[..., Tag]

NUMBERS: tuple[Type, ...] = (
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
)
ORDERS: tuple[Order, ...] = ("ABCD", "CDAB", "BADC", "DCBA")


@pytest.fixture(scope="session")
def tag() -> MakeTag:
    """Makes a tag: `tag("speed", "uint16", 10, scale=Fraction(1, 10))`; `flags` go to the tag itself."""
    return _tag


@pytest.fixture(scope="session")
def sixty() -> Sequence[Tag]:
    """A profile of 60 mixed tags: 40 numbers of every type and order, 8 bits, 4 texts, 8 of small worlds."""
    tags = [
        _tag(f"number_{at}", NUMBERS[at % 10], 10 * at, order=ORDERS[at % 4], table="holding")
        for at in range(40)
    ]
    tags += [_tag(f"bit_{at}", "bool", at, table="coil") for at in range(8)]
    tags += [
        _tag(f"text_{at}", "string", 500 + 8 * at, length=5, order=ORDERS[at % 2 * 2]) for at in range(4)
    ]
    tags += [
        _tag("state", "uint16", 0, enum=frozenset({0, 1, 2, 7}), table="input"),
        _tag("alarms", "uint32", 2, flags={0: "hot", 5: "belt", 31: "stop"}, table="input"),
        _tag("word", "uint16", 4, whole=False, bits=WORD, table="input"),
        _tag("voltage", "float32", 6, valid=(0.0, 500.0), table="input"),
        _tag("voltage_2", "float32", 8, valid=(0.0, 500.0), table="input"),
        _tag("factor", "float32", 10, valid=(-1.0, 1.0), table="input"),
        _tag("frequency", "float64", 12, valid=(45.0, 65.0), table="input"),
        _tag("percent", "uint8", 16, valid=(0.0, 100.0), table="input"),
    ]
    return tags


WORD = (Bit("door", 0), Bit("guard", 1), Bit("lamp", 4, 2, frozenset({0, 1, 3})), Bit("level", 8, 8))


def _tag(name: str, kind: Type, address: int, **more: Any) -> Tag:
    flags = more.pop("flags", {})
    more.setdefault("table", "holding")
    field = Field(name=name, address=address, type=kind, **more)
    return Tag(name=name, group="fast", type=kind, address=field, flags=flags)
