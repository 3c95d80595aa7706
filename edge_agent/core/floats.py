"""float16 and float32 values as people write them: the shortest decimal that is the same value again."""

import json
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from struct import Struct

HALF_DIGITS = (1, 2, 3, 4, 5)
DIGITS = (7, 8, 9)
"""Seven digits are right for nearly all that people set and sensors round, nine for every float32;
five for every float16 (IEEE 754-2019, 5.12.2)."""


HALF_END = 65520.0
"""From here on a number is nearer to 2^16 than to the largest float16, 65504, and cannot be packed as one."""

Parse = Callable[[str], list[float]]
"""Reads a JSON array of numbers."""


def shortest(values: Sequence[float], parse: Parse = json.loads) -> list[float]:
    """Doubles whose shortest decimal form names exactly the float32 that was given: 0.1, not 0.10000000149.

    Takes finite doubles that are float32 values; whole ones may come back as int. One random value in some
    thousands gets a digit more than it needs. A faster `parse` than the standard one halves the cost.
    """
    near = list(values)
    left: Sequence[int] = range(len(near))
    for digits in DIGITS:
        if not left:
            break
        form, wire = _forms(len(left), digits)
        wanted = tuple(values) if digits == DIGITS[0] else tuple(values[i] for i in left)
        # One call formats all, one reads all back: several times cheaper than a call per value.
        rounded = parse(form % wanted)
        for place, value in zip(left, rounded, strict=True):
            near[place] = value
        back = wire.unpack(wire.pack(*rounded))
        pairs = () if back == wanted else zip(left, wanted, back, strict=True)
        left = [place for place, was, now in pairs if was != now]
    return near


def around(value: float, form: str) -> list[float]:
    """A float of a format of `struct`, then the finite ones of the same sign next to it."""
    bits = Struct({"e": ">H", "f": ">I", "d": ">Q"}[form])
    meant = Struct(f">{form}")
    (place,) = bits.unpack(meant.pack(value))
    sign = 1 << (bits.size * 8 - 1)
    beside = [each for each in (place - 1, place + 1) if (each ^ place) & sign == 0]
    found = [value] + [meant.unpack(bits.pack(each))[0] for each in beside]
    return [each for each in found if math.isfinite(each)]


def nearest(exact: Fraction, form: str) -> float:
    """The float of a format of `struct` that lies nearest to a number. OverflowError beyond the largest.

    It is right to the last bit: rounding to a double first may land on the middle of two float32.
    """
    (guess,) = Struct(f">{form}").unpack(Struct(f">{form}").pack(float(exact)))
    return min(around(guess, form), key=lambda each: abs(Fraction(each) - exact))


def within(value: float, valid: tuple[float, float], *, single: bool) -> bool:
    """Whether a value lies within bounds, which belong to it; `single` for a float32."""
    low, high = valid
    # The float32 nearest to a bound may lie just outside of it as a double; people mean the decimal.
    return low <= value <= high or (single and low <= shortest([value])[0] <= high)


@lru_cache(maxsize=4096)
def half(value: float) -> float:
    """The double whose shortest decimal form names exactly the float16 that was given."""
    texts = (float(f"{value:.{digits}g}") for digits in HALF_DIGITS)
    held = (near for near in texts if abs(near) < HALF_END)
    return next(near for near in held if _HALF.unpack(_HALF.pack(near))[0] == value)


_HALF = Struct("<e")


@lru_cache(maxsize=1024)
def _forms(count: int, digits: int) -> tuple[str, Struct]:
    return "[" + ",".join([f"%.{digits}g"] * count) + "]", Struct(f"<{count}f")
