"""The agent's plan and codec against the witness: whatever they read must be what the witness expects."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Tag
from edge_agent.config.shelf import shipped_profiles
from edge_agent.core.codec import compile_block
from edge_agent.core.payload import presented
from edge_agent.core.plan import plan
from edge_agent.core.registers import REGISTERS, with_factor
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.image import FUNCTIONS, Image, answer
from edge_agent.sim.signals import TICK_NS
from edge_agent.sim.truth import Truth

MakeTag = Callable[..., Tag]

NUMBERS = sorted(REGISTERS)

SHIPPED = [
    path for path in sorted(shipped_profiles().glob("*/*.yaml")) if "protocol: modbus" in path.read_text()
]


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_every_shipped_profile_is_read_as_it_is_played(path: Path) -> None:
    profile, _ = load_profile(path, kinds())

    assert profile is not None
    assert not list(_faults(profile.tags))


def test_arrays_are_read_as_they_are_played(tag: MakeTag) -> None:
    counted = [kind for kind in NUMBERS if kind not in ("int8", "uint8")]
    kinds_and_orders = list(product(counted, ("ABCD", "CDAB", "BADC", "DCBA")))
    tags = [
        tag(f"{kind}_{order}", kind, 14 * at, order=order, elements=3)
        for at, (kind, order) in enumerate(kinds_and_orders)
    ]
    scaled = [
        tag(
            f"{kind}_scaled",
            kind,
            14 * at,
            table="input",
            elements=2,
            scale=Fraction(1, 10),
            valid=(-9e9, 9e9),
        )
        for at, kind in enumerate(counted)
    ]

    assert not list(_faults(tags))
    assert not list(_faults([*scaled, tag("beside", "uint16", 900, table="input")]))


def test_numbers_with_a_factor_are_read_as_they_are_played(tag: MakeTag) -> None:
    factors = tag("sf", "int16", 100), tag("sf_turned", "int16", 105, order="DCBA")
    whole = [kind for kind in NUMBERS if not kind.startswith("float")]
    numbers = [tag(kind, kind, 10 * at) for at, kind in enumerate(whole)]
    numbers += [
        tag(f"{kind}_array", kind, 110 + 10 * at, elements=2)
        for at, kind in enumerate(whole)
        if kind not in ("int8", "uint8")
    ]
    joined = [
        replace(each, address=with_factor(each.modbus, factors[at % 2].modbus))
        for at, each in enumerate(numbers)
    ]

    assert not list(_faults([*joined, *factors]))


def test_sixty_mixed_tags_are_read_as_they_are_played(sixty: Sequence[Tag]) -> None:
    assert not list(_faults(sixty))


def test_every_type_is_read_in_every_order_as_it_is_played(tag: MakeTag) -> None:
    kinds_and_orders = product(NUMBERS, ("ABCD", "CDAB", "BADC", "DCBA"))
    tags = [
        tag(f"{kind}_{order}", kind, 5 * at, order=order) for at, (kind, order) in enumerate(kinds_and_orders)
    ]

    assert not list(_faults(tags))


@pytest.mark.parametrize("scale", [Fraction(1, 10), Fraction(-3), Fraction(1, 3), Fraction(10**4)])
@pytest.mark.parametrize("offset", [Fraction(0), Fraction(-273), Fraction(1, 8)])
def test_scaled_tags_are_read_as_they_are_played(tag: MakeTag, scale: Fraction, offset: Fraction) -> None:
    types = [kind for kind in NUMBERS if kind not in ("int64", "uint64")]
    tags = [tag(kind, kind, 4 * at, scale=scale, offset=offset) for at, kind in enumerate(types)]

    assert not list(_faults(tags))


def _faults(tags: Sequence[Tag]) -> Iterator[str]:
    """What the judge says against all values of many ticks, and qualities that are not good."""
    image, truth = Image(tags), Truth(tags)
    blocks = plan(tag.modbus for tag in tags)
    layouts = [compile_block(block) for block in blocks]
    functions = {table: function for function, table in FUNCTIONS.items()}
    assert {column.name for layout in layouts for column in layout.columns} == set(truth.columns)
    for tick in range(0, 4096, 41):
        contents = image.at(tick)
        for block, layout in zip(blocks, layouts, strict=True):
            span = block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
            values, quality = layout.decode(answer(bytes([functions[block.table]]) + span, contents)[2:])
            for column, value in zip(layout.columns, values, strict=True):
                shown = presented([column.store], [value])[0]
                verdict = truth.check(column.name, shown, tick * TICK_NS / 1e6, tolerance_ms=0)
                if verdict:
                    yield f"{column.name}: {verdict}"
            yield from (f"{text} at {tick}" for text in quality or () if text)
