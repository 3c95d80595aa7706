"""Asking a device what it is: what its profile claims of its tables, and its identification.

The identification is function 43, MEI type 14 (Modbus Application Protocol 1.1b3, 6.21).
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import get_args

from edge_agent.config.settings import Profile
from edge_agent.core.claims import Object, Place
from edge_agent.core.codec import compile_block
from edge_agent.core.model import Value
from edge_agent.core.plan import Block
from edge_agent.drivers.identity import named
from edge_agent.drivers.modbus.client import Question, reading
from edge_agent.drivers.modbus.requests import blocks_of
from edge_agent.drivers.modbus.search import REFUSALS
from edge_agent.drivers.modbus.wire import Answer
from edge_agent.errors import DeviceError

FUNCTION, TYPE = 43, 14
REQUEST = bytes((FUNCTION, TYPE, 1, 0))
"""The basic objects, from the first: vendor's name, product's code, revision."""
OBJECTS: tuple[Object, ...] = get_args(Object)
"""In the order of their numbers."""
NOT_SAID = ("exception:1", *REFUSALS)
"""What a device answers that does not know the function or the address; it may know the next one."""

_HEAD = 7  # function, MEI type, kind of access, conformity, more follows, next object, number of objects


async def said(
    ask: Callable[[Question], Awaitable[Answer]], profile: Profile, *, claimed: bool = False
) -> dict[Place, Value]:
    """What a device says of itself: at the places that its profile claims something of, and as objects.

    With `claimed` it is asked for objects only when the profile claims something of one. What it refuses is
    left out. When anything else goes wrong, no more is asked.
    """
    fields = dict.fromkeys(claim.place for claim in profile.identify if not isinstance(claim.place, str))
    blocks = [block for field in fields for block in blocks_of(profile.limits, [field])]
    found: dict[Place, Value] = {}
    questions: list[tuple[Question, Callable[[bytes], Mapping[Place, Value]]]] = [
        (reading(block), partial(_value, block)) for block in blocks
    ]
    if not claimed or any(isinstance(claim.place, str) for claim in profile.identify):
        questions.append((Question(REQUEST), objects))
    for question, meaning in questions:
        try:
            found |= meaning((await ask(question)).data)
        except DeviceError as error:
            if error.reason not in NOT_SAID:
                break
    return found


def identity(found: Mapping[Place, Value]) -> str:
    """The objects that a device says, in one line; empty when there is none."""
    return named(str(found[each]) for each in OBJECTS if each in found)


def objects(pdu: bytes) -> dict[Place, Value]:
    """The basic objects in an answer to `REQUEST`, as far as they can be read."""
    if pdu[1:2] != bytes((TYPE,)):
        return {}
    return {OBJECTS[number]: text for number, text in _texts(pdu) if number < len(OBJECTS)}


def _texts(pdu: bytes) -> Iterator[tuple[int, str]]:
    """Number and text of the objects that are there in full."""
    at = _HEAD
    while at + 2 <= len(pdu) and at + 2 + pdu[at + 1] <= len(pdu):
        behind = at + 2 + pdu[at + 1]
        yield pdu[at], pdu[at + 2 : behind].decode("utf-8", "replace")
        at = behind


def _value(block: Block, data: bytes) -> dict[Place, Value]:
    values, _ = compile_block(block).decode(data)
    return {block.fields[0]: values[0]}
