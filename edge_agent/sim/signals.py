"""Simulated truth: what each tag of a profile holds at each moment.

A value tells by itself which tag it belongs to and when it was there, so that whoever receives it can tell a
neighbour's, a shifted and a stale value from the right one:

    raw value = index * 4096 + step        index: position of the tag in its profile, from 1;
                                                  each number of an array counts as one
                                           step:  the tick, 0 to 4095; a tick lasts 200 ms

A type or a valid range too narrow for that gives up step bits first; where not even the neighbours can be
told apart, and for bits, enums and flags, the value follows a pseudo-random sequence of its own. So does a
tag that is the factor of others, over a few powers of ten: an old factor with a new number shows.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import blake2b
from itertools import accumulate
from struct import pack, unpack
from typing import cast

from edge_agent.config.settings import Tag
from edge_agent.core.model import Value
from edge_agent.core.registers import Bit, Field
from edge_agent.sim.encode import BITS, Raw, Single, unturned
from edge_agent.sim.nodes import seen, stamped

TICK_NS = 200_000_000
"""How long every value stands still, in ns."""

TICKS = 4096
"""Ticks until all values come round again: 819.2 s."""

STEP_BITS = 12

MONOTONE_BITS = 7
"""With fewer, steps follow a sequence instead of one another."""

FINEST = {"float16": 24, "float32": 149, "float64": 1074}
"""The smallest number of each real type is 2 to the power of minus this."""

LARGEST = {"float16": Fraction(65504), "float32": Fraction(2) ** 100, "float64": Fraction(2) ** 100}
"""Large enough for any signal, and within the type."""

PAUSE_TICKS = 160
"""How long a counter stands at nought before it begins anew (32 s): a reading every 30 s sees the reset.

Without that it would fall from its last step to its first one, which no counter does.
"""

POWERS = (-1, 0, 1)
"""What the factor of other tags holds, one after the other."""

UNIT_TICKS = 16
"""How far the units of one PLC run apart (3.2 s; all 256 differ), so that one's value is stale in another."""


@dataclass(frozen=True, slots=True)
class Source:
    """One tag of a simulated device: `raw(tick)` is what stands in its registers, or its bit.

    `steps` is how many values it takes one after the other; 0 when a value does not tell the tag's index.
    `power(tick)` is what its factor holds, 0 without one.
    """

    tag: Tag
    raw: Callable[[int], Raw]
    steps: int
    power: Callable[[int], int] = lambda _: 0


@dataclass(frozen=True, slots=True)
class Signal:
    """One column of a scan: `raw(tick)` of its tag, and the engineering value expected of the agent.

    `float_bits` are those of a float16 or float32 whose value is sent as the device holds it, else 0. `steps`
    as in Source.
    """

    name: str
    raw: Callable[[int], Raw]
    expected: Callable[[int], Value]
    steps: int
    float_bits: int = 0


def tick_at(time_ns: int, unit: int = 1) -> int:
    """The tick of a unit at a moment of UTC in ns."""
    return (time_ns // TICK_NS + (unit - 1) * UNIT_TICKS) % TICKS


def sources(tags: Sequence[Tag]) -> tuple[Source, ...]:
    """What every tag of a profile holds; `tags` are all tags of the profile in its order.

    ValueError when the sentinels and bounds of a tag leave no value for it.
    """
    fields = [seen(tag) for tag in tags]
    widths = [max(1, field.elements) for field in fields]
    indexes = tuple(accumulate(widths, initial=1))[:-1]
    factors = {field.factor for field in fields if field.factor is not None}
    # A counter would fall with its factor.
    steady = {field.factor for field in fields if field.counter}
    powers = {
        field: _draw(POWERS[-1:] if field in steady else POWERS, field, index)
        for index, field in zip(indexes, fields, strict=True)
        if field in factors
    }
    if missing := next((each for each in factors if each not in powers), None):
        raise ValueError(f"{missing.name} is a factor of other tags and not among them")
    return tuple(
        Source(tag, powers[field], 0)
        if field in powers
        else Source(tag, *_raw(tag, index, sum(widths) + 1), _power(field, powers))
        for index, field, tag in zip(indexes, fields, tags, strict=True)
    )


def _power(field: Field, powers: Mapping[Field, Callable[[int], Raw]]) -> Callable[[int], int]:
    if field.factor is None:
        return lambda _: 0
    raw = powers[field.factor]
    return lambda tick: cast("int", raw(tick))


def signals(tags: Sequence[Tag]) -> Mapping[str, Signal]:
    """Every column a scan of these tags can carry, by name: `tag`, and `tag.part` for its bits."""
    return {signal.name: signal for source in sources(tags) for signal in _columns(source)}


def _columns(source: Source) -> Iterable[Signal]:
    field = seen(source.tag)
    if field.whole or not field.bits:
        float_bits = _narrow(field) if _unscaled(field) else 0
        yield Signal(field.name, source.raw, _engineering(field, source), source.steps, float_bits)
    for part in field.bits:
        yield Signal(f"{field.name}.{part.name}", source.raw, _part(part, source.raw), 0)


def _part(part: Bit, raw: Callable[[int], Raw]) -> Callable[[int], Value]:
    def expected(tick: int) -> Value:
        word = raw(tick)
        number = cast("int", word) >> part.shift & (1 << part.width) - 1
        return bool(number) if part.width == 1 else number

    return expected


def _engineering(field: Field, source: Source) -> Callable[[int], Value]:
    raw, power = source.raw, source.power
    if field.type == "bool":
        return raw
    if field.type == "string":
        pad = bytes(field.pad).decode("latin-1")
        return lambda tick: str(raw(tick)).rstrip(pad)
    if _unscaled(field):
        return raw

    def expected(tick: int) -> Value:
        held, now = raw(tick), power(tick)
        if isinstance(held, tuple):
            return tuple(scaled(each, field, now) for each in held)
        return scaled(held, field, now)

    return expected


def scaled(raw: Single, field: Field, power: int = 0) -> int | float:
    """The value raw * 10**power * scale + offset: exact, rounded once at most.

    It is an int where raw, scale and offset are whole and the tag has no factor.

    A float32 stands for its shortest decimal: 230.2 * 10 is 2302.0, not 2302.0000076; so does a float16.
    """
    float_bits = _narrow(field)
    text = shortest(float(raw), float_bits) if float_bits else repr(raw) if _real(field) else raw
    value = Fraction(text) * _times(field, power) + field.offset
    whole = (
        not _real(field) and field.factor is None and field.scale.denominator == field.offset.denominator == 1
    )
    return int(value) if whole else float(value)


def shortest(value: float, float_bits: int = 32) -> str:
    """The shortest decimal that names this float16 or float32 (9 digits always do)."""
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return next((text for text in texts if nearest(float(text), float_bits) == value), repr(value))


def nearest(value: float, float_bits: int) -> float:
    """The float of so many bits nearest to a number; infinite beyond their range."""
    form = {16: ">e", 32: ">f"}[float_bits]
    try:
        (near,) = unpack(form, pack(form, value))
    except OverflowError:
        return math.copysign(math.inf, value)
    return float(near)


def _raw(tag: Tag, index: int, slots: int) -> tuple[Callable[[int], Raw], int]:
    """What a tag holds at a tick, and its steps."""
    field, stamp = seen(tag), stamped(tag)
    if stamp is not None:
        return lambda tick: stamp(index, tick), TICKS
    if field.type == "bool":
        return _switches(index, field.elements), 0
    if field.type == "string":
        return _text(field, index)
    if field.enum:
        return _draw(_known(field), field, index), 0
    if field.bits or tag.flags:
        return _word(tag, index), 0
    return _array(field, index, slots) if field.elements else _number(field, index, slots)


def _switches(index: int, elements: int) -> Callable[[int], Raw]:
    if elements:
        return lambda tick: tuple(bool(_chance(index + at, tick) & 1) for at in range(elements))
    return lambda tick: bool(_chance(index, tick) & 1)


def _array(field: Field, index: int, slots: int) -> tuple[Callable[[int], Raw], int]:
    """Numbers side by side, each of which tells its own index."""
    single = replace(field, elements=0)
    numbers = [_number(single, index + at, slots) for at in range(field.elements)]

    def raw(tick: int) -> Raw:
        return tuple(cast("float", number(tick)) for number, _ in numbers)

    return raw, min(steps for _, steps in numbers)


def _text(field: Field, index: int) -> tuple[Callable[[int], Raw], int]:
    room = 2 * field.length

    def raw(tick: int) -> str:
        text = f"T{index}-{tick}"
        while len(text.encode(field.encoding)) > room:
            text = text[:-1]
        return text

    return raw, TICKS if raw(TICKS - 1) == f"T{index}-{TICKS - 1}" else 1


def _known(field: Field) -> list[Single]:
    """The raw values of the known numbers of an enum, as far as the parts know theirs too."""
    exact = [(Fraction(number) - field.offset) / field.scale for number in sorted(field.enum or ())]
    whole = [int(number) for number in exact if number.denominator == 1]
    fits = [number for number in whole if all(_part_knows(part, number) for part in field.bits)]
    return [float(number) if _real(field) else number for number in fits or whole]


def _part_knows(part: Bit, word: int) -> bool:
    return part.enum is None or (word >> part.shift & (1 << part.width) - 1) in part.enum


def _word(tag: Tag, index: int) -> Callable[[int], Raw]:
    """Bits that follow a sequence each; those without a name too, unless the tag counts flags."""
    field = seen(tag)
    mask = sum(1 << bit for bit in tag.flags) or (1 << BITS[field.type]) - 1
    for part in field.bits:
        mask |= (1 << part.width) - 1 << part.shift

    def raw(tick: int) -> int:
        for attempt in range(1000):
            word = _chance(index, tick, attempt) & mask
            for part in field.bits:
                if part.enum:
                    known = sorted(part.enum)
                    number = known[_chance(index, tick, attempt, part.shift) % len(known)]
                    word = word & ~((1 << part.width) - 1 << part.shift) | number << part.shift
            if _allowed(word, field):
                return word
        raise ValueError(f"{field.name}: no value found beside its sentinels and bounds")

    return raw


def _draw(candidates: Iterable[Single], field: Field, index: int) -> Callable[[int], Raw]:
    """A pseudo-random walk over a few values."""
    left = [raw for raw in candidates if _allowed(raw, field)]
    if not left:
        raise ValueError(f"{field.name}: its sentinels and bounds leave no value")
    return lambda tick: left[_chance(index, tick) % len(left)]


def _number(field: Field, index: int, slots: int) -> tuple[Callable[[int], Raw], int]:
    """Index and step side by side in the numbers that type and valid range offer."""
    grid, places = _grid(field, slots << STEP_BITS)
    # At least two step bits, or no value would ever move; indexes may come round then, far from each other.
    bits = max(2, min(STEP_BITS, (len(grid) // slots).bit_length() - 1))
    rooms = len(grid) >> bits
    if rooms < min(4, slots):
        return _draw([_on_grid(code, places, field) for code in grid], field, index), 0
    base = index % rooms << bits
    span = 1 << bits

    def raw(tick: int) -> Raw:
        step = _step(tick, bits)
        for more in range(span):
            value = _on_grid(grid[base | (step + more) % span], places, field)
            if _allowed(value, field):
                return value
        raise ValueError(f"{field.name}: its sentinels leave no value")

    nought: Single = 0.0 if _real(field) else 0
    if field.counter and bits >= MONOTONE_BITS and _allowed(nought, field):
        pause = span - min(PAUSE_TICKS, span // 4)
        return lambda tick: raw(tick) if _step(tick, bits) < pause else nought, span
    return raw, span


def _step(tick: int, bits: int) -> int:
    """The step of a tick in so many bits.

    With less than 12 bits it is never the tick's own low bits: so no narrow value equals a wide one at any
    tick. Steps of a few bits would come round within seconds; there they follow a sequence.
    """
    if bits == STEP_BITS:
        return tick
    span = 1 << bits
    ahead = span // 2 if bits >= MONOTONE_BITS else 1 + _chance(0, tick) % (span - 1)
    return (tick + ahead) % span


def _grid(field: Field, wanted: int) -> tuple[range, int]:
    """The raw values to choose from, as whole multiples of 2**-places; at most about `wanted`.

    Every one is exact in the field's type. Whole numbers from 0 where the valid range allows it, else as many
    as the range holds, from its low end.
    """
    real = _real(field)
    digits = {"float16": 11, "float32": 24, "float64": 53}.get(field.type, BITS[field.type])
    plain = range(min(wanted, 10 ** (digits // 4) if _decimal(field) else 1 << digits))
    if field.valid is None:
        return plain, 0
    low, high = _bounds(field)
    if low <= plain[0] and plain[-1] <= high and len(plain) == wanted:
        return plain, 0
    if not real:
        return range(math.ceil(low), min(math.floor(high) + 1, math.ceil(low) + wanted)), 0
    largest = max(abs(low), abs(high), Fraction(1, 1 << 100))
    finest = min(digits - math.frexp(float(largest))[1], FINEST[field.type])
    places = min(0, finest)
    while places < finest and (high - low) * Fraction(2) ** places < wanted:
        places += 1
    unit = Fraction(2) ** places
    first = math.ceil(low * unit)
    return range(first, min(math.floor(high * unit) + 1, first + wanted)), places


def _bounds(field: Field) -> tuple[Fraction, Fraction]:
    """The valid range in raw values, within what the type holds."""
    if _real(field):
        limits = (-LARGEST[field.type], LARGEST[field.type])
    elif _decimal(field):
        limits = (Fraction(0), Fraction(10 ** (BITS[field.type] // 4) - 1))
    elif field.type.startswith("int"):
        limits = (Fraction(-(1 << BITS[field.type] - 1)), Fraction((1 << BITS[field.type] - 1) - 1))
    else:
        limits = (Fraction(0), Fraction((1 << BITS[field.type]) - 1))
    low, high = limits
    for power in _powers(field):
        raws = sorted(
            (Fraction(str(bound)) - field.offset) / _times(field, power)  # as written: 0.1 is a tenth
            if math.isfinite(bound)
            else limits[(bound > 0) == (field.scale > 0)]
            for bound in field.valid or (-math.inf, math.inf)
        )
        low, high = max(low, raws[0]), min(high, raws[1])
    return low, high


def _on_grid(code: int, places: int, field: Field) -> Single:
    """The raw value of a number of the grid; the negative half of a signed type is its upper one."""
    if _real(field):
        return math.ldexp(code, -places)
    bits = BITS[field.type]
    return code - (1 << bits) if field.type.startswith("int") and code >> bits - 1 == 1 else code


def _allowed(raw: Single, field: Field) -> bool:
    """Neither a sentinel nor outside the valid range."""
    if field.sentinels and int.from_bytes(unturned(raw, field), "big") in field.sentinels:
        return False
    if field.valid is None:
        return True
    low, high = field.valid
    if _unscaled(field):
        return low <= float(raw) <= high
    return all(low <= scaled(raw, field, power) <= high for power in _powers(field))


def _powers(field: Field) -> tuple[int, ...]:
    """The powers of ten that a number of the tag may meet."""
    return (0,) if field.factor is None else POWERS


def _times(field: Field, power: int) -> Fraction:
    return field.scale * Fraction(10) ** power


def _unscaled(field: Field) -> bool:
    return field.scale == 1 and field.offset == 0 and field.factor is None


def _real(field: Field) -> bool:
    return field.type.startswith("float")


def _decimal(field: Field) -> bool:
    return field.type.startswith("bcd")


def _narrow(field: Field) -> int:
    """Bits of a float that is narrower than the numbers of JSON; 0 for any other type."""
    return BITS[field.type] if field.type in ("float16", "float32") else 0


def _chance(*numbers: int) -> int:
    """64 bits that follow from the numbers and from nothing else, alike on every machine."""
    text = ":".join(map(str, numbers)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
