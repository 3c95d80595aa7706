"""Carrying out what is to be written: the functions that do it, and whether it is there afterwards.

A device that does not know a function (exception 1) is asked in another way: several registers (16) instead
of one (6), several coils (15) instead of one (5), and for some bits of a register (22) the register is read,
changed and written while nobody else has the wire.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from struct import Struct

from edge_agent.core.plan import Block
from edge_agent.core.writing import Coil, Masked, Write, Writing
from edge_agent.drivers.modbus.client import Question, reading
from edge_agent.drivers.modbus.wire import MISSED, Answer, NotSent
from edge_agent.errors import DeviceError

UNKNOWN_FUNCTION = "exception:1"
PERHAPS_DONE = ("exception:5", *MISSED)
"""The unit is at work on it, or nothing came of the unit: neither says that it was not carried out."""

READ_BACK_S = 0.1
"""Between two looks whether a value has been taken over: a PLC does so once in its cycle."""

_ONE = Struct(">BHH")
_MANY = Struct(">BHHB")
_MASK = Struct(">BHHH")

Ask = Callable[[Question], Awaitable[Answer]]
Command = Callable[[], AbstractAsyncContextManager[Ask]]
"""The wire for a command."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: `there` says that the device holds it now, `functions` how it was told.

    `held` is the data of the block that was read afterwards, None when it could not be. `failure` is why the
    request itself was not answered well; it may have been carried out all the same.
    """

    there: bool
    functions: tuple[int, ...]
    held: bytes | None = None
    failure: DeviceError | None = None


async def carry_out(writing: Writing, block: Block, command: Command, within_s: float) -> Done:
    """Write, and read `block`, in which that lies, until it is there or the time is over.

    Raises DeviceError when the unit refuses it, or when it cannot be told at all.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    async with command() as ask:
        functions, failure = await _tell(writing, ask)
        held = await _read_back(block, ask)
    while not _is_there(writing, block, held) and loop.time() + READ_BACK_S < until:
        await asyncio.sleep(READ_BACK_S)
        async with command() as ask:
            held = await _read_back(block, ask)
    return Done(_is_there(writing, block, held), functions, held, failure)


async def _tell(writing: Writing, ask: Ask) -> tuple[tuple[int, ...], DeviceError | None]:
    """Have it written in the first way that the device knows; gives the functions, and what went wrong."""
    functions: list[int] = []
    try:
        for request in _tries(writing):
            functions.append(request.function)
            if await request.done(ask):
                break
    except DeviceError as error:
        refused = error.reason.startswith("exception:") and error.reason not in PERHAPS_DONE
        if refused or isinstance(error, NotSent):
            raise
        return tuple(functions), error
    return tuple(functions), None


@dataclass(frozen=True, slots=True)
class _Try:
    """One way to write; `done` gives False where the device does not know the function."""

    function: int
    done: Callable[[Ask], Awaitable[bool]]


def _tries(writing: Writing) -> Iterator[_Try]:
    if isinstance(writing, Coil):
        on = writing.on
        yield _request(_ONE.pack(5, writing.address, 0xFF00 if on else 0))
        yield _last(_MANY.pack(15, writing.address, 1, 1) + bytes((on,)))
    elif isinstance(writing, Masked):
        yield _request(_MASK.pack(22, writing.address, writing.and_mask, writing.or_mask))
        yield _Try(6, lambda ask: _changed(writing, ask))
    else:
        if len(writing.registers) == 1:
            yield _request(_ONE.pack(6, writing.address, writing.registers[0]))
        yield _last(_many(writing.address, writing.registers))


def _many(address: int, registers: tuple[int, ...]) -> bytes:
    data = b"".join(each.to_bytes(2, "big") for each in registers)
    return _MANY.pack(16, address, len(registers), len(data)) + data


def _request(pdu: bytes) -> _Try:
    async def done(ask: Ask) -> bool:
        try:
            await _told(pdu, ask)
        except DeviceError as error:
            if error.reason != UNKNOWN_FUNCTION:
                raise
            return False
        return True

    return _Try(pdu[0], done)


def _last(pdu: bytes) -> _Try:
    async def done(ask: Ask) -> bool:
        await _told(pdu, ask)
        return True

    return _Try(pdu[0], done)


async def _told(pdu: bytes, ask: Ask) -> None:
    """Ask for a write; what answers it repeats where and, but for the many, what. Raises DeviceError."""
    answer = await ask(Question(pdu))
    repeated = pdu[:5] if pdu[0] in (15, 16) else pdu
    if answer.data != repeated:
        raise DeviceError("wrong_answer", "the device repeats another order than it was given")


async def _changed(writing: Masked, ask: Ask) -> bool:
    """Read a register, change its bits, write it; nobody else has the wire meanwhile."""
    answer = await ask(Question(_ONE.pack(3, writing.address, 1), 2))
    held = int.from_bytes(answer.data, "big")
    changed = (held & writing.and_mask) | (writing.or_mask & ~writing.and_mask & 0xFFFF)
    for request in _tries(Write(writing.table, writing.address, (changed,))):
        if await request.done(ask):
            break
    return True


async def _read_back(block: Block, ask: Ask) -> bytes | None:
    try:
        return (await ask(reading(block))).data
    except DeviceError:
        return None


def _is_there(writing: Writing, block: Block, held: bytes | None) -> bool:
    """Whether the device holds what was to be written; False as well when it does not say."""
    if held is None:
        return False
    at = writing.address - block.address
    if isinstance(writing, Coil):
        return bool(held[at // 8] >> at % 8 & 1) is writing.on
    registers: tuple[int, ...] = Struct(f">{block.count}H").unpack(held)
    if isinstance(writing, Masked):
        mask = ~writing.and_mask & 0xFFFF
        return registers[at] & mask == writing.or_mask & mask
    return registers[at : at + len(writing.registers)] == writing.registers
