import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.settings import Tag
from edge_agent.sim.encode import BITS, encode, place, registers

MakeTag = Callable[..., Tag]


@pytest.mark.parametrize(
    ("kind", "order", "raw", "words"),
    [
        ("uint32", "ABCD", 0x0A0B0C0D, [0x0A0B, 0x0C0D]),
        ("uint32", "CDAB", 0x0A0B0C0D, [0x0C0D, 0x0A0B]),
        ("uint32", "BADC", 0x0A0B0C0D, [0x0B0A, 0x0D0C]),
        ("uint32", "DCBA", 0x0A0B0C0D, [0x0D0C, 0x0B0A]),
        ("uint64", "ABCD", 0x0102030405060708, [0x0102, 0x0304, 0x0506, 0x0708]),
        ("uint64", "CDAB", 0x0102030405060708, [0x0708, 0x0506, 0x0304, 0x0102]),
        ("uint64", "BADC", 0x0102030405060708, [0x0201, 0x0403, 0x0605, 0x0807]),
        ("uint64", "DCBA", 0x0102030405060708, [0x0807, 0x0605, 0x0403, 0x0201]),
        ("uint16", "ABCD", 0x0A0B, [0x0A0B]),
        ("uint16", "CDAB", 0x0A0B, [0x0A0B]),
        ("uint16", "BADC", 0x0A0B, [0x0B0A]),
        ("uint16", "DCBA", 0x0A0B, [0x0B0A]),
        ("int8", "ABCD", -2, [0x00FE]),
        ("int8", "CDAB", -2, [0x00FE]),
        ("int8", "BADC", -2, [0xFE00]),
        ("uint8", "DCBA", 0x7F, [0x7F00]),
        ("int16", "ABCD", -2, [0xFFFE]),
        ("int32", "CDAB", -2, [0xFFFE, 0xFFFF]),
        ("float32", "ABCD", 230.1999969482422, [0x4366, 0x3333]),
        ("float32", "CDAB", 230.1999969482422, [0x3333, 0x4366]),
        ("float16", "ABCD", 0.0999755859375, [0x2E66]),
        ("float16", "CDAB", 0.0999755859375, [0x2E66]),
        ("float16", "BADC", 0.0999755859375, [0x662E]),
        ("float16", "DCBA", -2.0, [0x00C0]),
        ("bcd16", "ABCD", 1234, [0x1234]),
        ("bcd16", "CDAB", 7, [0x0007]),
        ("bcd16", "BADC", 1234, [0x3412]),
        ("bcd16", "DCBA", 90, [0x9000]),
        ("bcd32", "ABCD", 12345678, [0x1234, 0x5678]),
        ("bcd32", "CDAB", 12345678, [0x5678, 0x1234]),
        ("bcd32", "BADC", 12345678, [0x3412, 0x7856]),
        ("bcd32", "DCBA", 12345678, [0x7856, 0x3412]),
        ("float64", "ABCD", 1.0, [0x3FF0, 0, 0, 0]),
        ("float64", "DCBA", 1.0, [0, 0, 0, 0xF03F]),
    ],
)
def test_registers_of_each_type_and_order(
    tag: MakeTag, kind: str, order: str, raw: float, words: list[int]
) -> None:
    assert registers(raw, tag("t", kind, 3, order=order).modbus) == words


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCD", [0x5358, 0x2D31, 0x2020]),
        ("CDAB", [0x5358, 0x2D31, 0x2020]),
        ("BADC", [0x5853, 0x312D, 0x2020]),
        ("DCBA", [0x5853, 0x312D, 0x2020]),
    ],
)
def test_text_has_two_characters_a_register_and_is_padded(tag: MakeTag, order: str, words: list[int]) -> None:
    field = tag("t", "string", 0, length=3, order=order, pad=(0x20, 0)).modbus

    assert registers("SX-1", field) == words


@given(kind=st.sampled_from(sorted(BITS)), data=st.binary(min_size=8, max_size=8))
def test_the_two_swaps_undo_each_other(tag: MakeTag, kind: str, data: bytes) -> None:
    raw = _raw(kind, data)
    shown = {
        order: encode(raw, tag("t", kind, 0, order=order).modbus)
        for order in ("ABCD", "CDAB", "BADC", "DCBA")
    }

    assert shown["ABCD"] == shown["DCBA"][::-1]
    assert shown["CDAB"] == shown["BADC"][::-1]
    assert all(sorted(one) == sorted(shown["ABCD"]) for one in shown.values())


PACKED = sorted(kind for kind in BITS if not kind.startswith("bcd"))


@given(kind=st.sampled_from(PACKED), data=st.binary(min_size=8, max_size=8))
def test_the_plain_order_is_network_order(tag: MakeTag, kind: str, data: bytes) -> None:
    letter = {"int8": "b", "int16": "h", "int32": "i", "int64": "q"}
    letter |= {"float16": "e", "float32": "f", "float64": "d"}
    raw = _raw(kind, data)

    shown = encode(raw, tag("t", kind, 0).modbus)

    code = letter.get(kind) or letter[kind[1:]].upper()
    assert struct.unpack(">" + code, shown) == (raw,)


@pytest.mark.parametrize(
    ("kind", "order", "raw", "words"),
    [
        ("uint16", "ABCD", (1, 0x0203), [0x0001, 0x0203]),
        ("int16", "BADC", (1, -2), [0x0100, 0xFEFF]),
        ("uint32", "CDAB", (0x0A0B0C0D, 1), [0x0C0D, 0x0A0B, 0x0001, 0x0000]),
        ("float32", "DCBA", (1.0, 230.1999969482422), [0x0000, 0x803F, 0x3333, 0x6643]),
        ("bcd16", "ABCD", (12, 3456), [0x0012, 0x3456]),
    ],
)
def test_an_array_is_its_numbers_side_by_side(
    tag: MakeTag, kind: str, order: str, raw: tuple[float, ...], words: list[int]
) -> None:
    assert registers(raw, tag("t", kind, 3, order=order, elements=2).modbus) == words


def test_an_array_has_as_many_numbers_as_it_says(tag: MakeTag) -> None:
    with pytest.raises(ValueError, match="t: 1 numbers for an array of 2"):
        encode((1,), tag("t", "uint16", 0, elements=2).modbus)


def test_two_values_of_8_bits_can_share_a_register(tag: MakeTag) -> None:
    assert place(tag("low", "uint8", 5).modbus) == (11, 1)
    assert place(tag("high", "uint8", 5, order="DCBA").modbus) == (10, 1)
    assert place(tag("whole", "uint32", 5).modbus) == (10, 4)


@pytest.mark.parametrize(
    ("kind", "raw", "error"),
    [
        ("uint16", -1, OverflowError),
        ("int8", 128, OverflowError),
        ("uint16", 1.5, TypeError),
        ("bcd16", 10000, OverflowError),
        ("bcd32", -1, OverflowError),
        ("float16", 65520.0, OverflowError),
        ("float32", "1", TypeError),
        ("string", 1, TypeError),
        ("string", "too long", ValueError),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    tag: MakeTag, kind: str, raw: float | str, error: type[Exception]
) -> None:
    field = tag("t", kind, 0, length=2).modbus

    with pytest.raises(error):
        encode(raw, field)


def _raw(kind: str, data: bytes) -> int | float:
    """Any value of a type, from 8 bytes; numbers of the real types are finite."""
    size = BITS[kind] // 8  # type: ignore[index] # a key of this very table
    if kind.startswith("float"):
        value = struct.unpack({2: ">e", 4: ">f", 8: ">d"}[size], data[:size])[0]
    elif kind.startswith("bcd"):
        return int("".join(str(byte % 10) for byte in data[: 2 * size]))
    else:
        return int.from_bytes(data[:size], "big", signed=kind[0] == "i")
    return float(value) if value - value == 0 else 0.5
