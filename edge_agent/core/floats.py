"""float32 values as people write them: the shortest decimal that is the same float32 again."""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct


def shortest(values: Sequence[float]) -> list[float]:
    """Doubles whose shortest decimal form names exactly the float32 that was given: 0.1, not 0.10000000149.

    Takes finite doubles that are float32 values. Seven digits are right for nearly all that people set and
    sensors round; the rest is mended one by one (nine always suffice, IEEE 754-2019, 5.12.2). One random
    value in some thousands gets a digit more than it needs.
    """
    if not values:
        return []
    form, wire = _forms(len(values))
    near = [float(text) for text in (form % tuple(values)).split()]
    back = wire.unpack(wire.pack(*near))
    if back == tuple(values):
        return near
    return [
        short if same == value else _longer(value)
        for value, short, same in zip(values, near, back, strict=True)
    ]


@lru_cache(maxsize=256)
def _forms(count: int) -> tuple[str, Struct]:
    return "%.7g " * count, Struct(f"<{count}f")


def _longer(value: float) -> float:
    single = Struct("<f")
    eight = float(f"{value:.8g}")
    return eight if single.unpack(single.pack(eight))[0] == value else float(f"{value:.9g}")
