"""The agent's plan and codec against the witness: whatever they read must be what the witness expects."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Tag
from edge_agent.config.shelf import shipped_profiles
from edge_agent.core.codec import compile_block
from edge_agent.core.payload import presented
from edge_agent.core.plan import Block, plan
from edge_agent.core.registers import REGISTERS, with_factor
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.encode import BITS, registers
from edge_agent.sim.image import FUNCTIONS, Image, answer
from edge_agent.sim.signals import TICK_NS, scaled
from edge_agent.sim.truth import Truth

MakeTag = Callable[..., Tag]

NUMBERS = sorted(REGISTERS)
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")

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
    kinds_and_orders = list(product(counted, ORDERS))
    tags = [
        tag(f"{kind}_{order}", kind, 14 * at, order=order, elements=3)
        for at, (kind, order) in enumerate(kinds_and_orders)
    ]
    measured = [
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
    assert not list(_faults([*measured, tag("beside", "uint16", 900, table="input")]))


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
    kinds_and_orders = product(NUMBERS, ORDERS)
    tags = [
        tag(f"{kind}_{order}", kind, 5 * at, order=order) for at, (kind, order) in enumerate(kinds_and_orders)
    ]

    assert not list(_faults(tags))


@pytest.mark.parametrize("scale", [Fraction(1, 10), Fraction(-3), Fraction(1, 3), Fraction(10**4)])
@pytest.mark.parametrize("offset", [Fraction(0), Fraction(-273), Fraction(1, 8)])
def test_scaled_tags_are_read_as_they_are_played(tag: MakeTag, scale: Fraction, offset: Fraction) -> None:
    kinds_and_orders = product(NUMBERS, ORDERS)
    tags = [
        tag(f"{kind}_{order}", kind, 5 * at, order=order, scale=scale, offset=offset)
        for at, (kind, order) in enumerate(kinds_and_orders)
    ]

    assert not list(_faults(tags))


@settings(max_examples=500)
@given(
    kind=st.sampled_from(NUMBERS),
    order=st.sampled_from(ORDERS),
    scale=st.sampled_from([Fraction(1), Fraction(1, 10), Fraction(-3), Fraction(1, 3), Fraction(10**4)]),
    offset=st.sampled_from([Fraction(0), Fraction(-273), Fraction(1, 8)]),
    data=st.binary(min_size=8, max_size=8),
)
def test_any_number_is_read_as_the_witness_lays_it_out_and_scales_it(
    tag: MakeTag, kind: str, order: str, scale: Fraction, offset: Fraction, data: bytes
) -> None:
    field = tag("t", kind, 0, order=order, scale=scale, offset=offset).modbus
    raw = _raw(kind, data)
    expected: float = raw if scale == 1 and offset == 0 else scaled(raw, field)

    layout = compile_block(Block("holding", 0, field.size, (field,)))
    values, quality = layout.decode(b"".join(word.to_bytes(2, "big") for word in registers(raw, field)))

    if quality == ("bad:out_of_range",):  # whole numbers are kept in 64 bits
        assert isinstance(expected, int)
        assert not -(2**63) <= expected < 2**63
    elif kind == "float32":
        # Both scale a decimal that names the float32; the agent's may have a digit more than it needs.
        (value,) = values
        assert quality is None
        assert value == pytest.approx(expected, rel=0, abs=abs(raw) * float(abs(scale)) * 2**-23 + 1e-40)
    else:
        assert (values, quality) == ((expected,), None)


def _raw(kind: str, data: bytes) -> int | float:
    """Any number of a type, from 8 bytes; real ones are finite."""
    size = BITS[kind] // 8  # type: ignore[index] # a key of this very table
    if kind.startswith("bcd"):
        return int.from_bytes(data, "big") % int(10 ** (2 * size))
    if not kind.startswith("float"):
        return int.from_bytes(data[:size], "big", signed=kind[0] == "i")
    (value,) = struct.unpack({2: ">e", 4: ">f", 8: ">d"}[size], data[:size])
    return float(value) if abs(value) < 1e300 else 0.5


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
