"""Golden vectors written by hand from the definition of the orders, and a property with another encoder."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.codec import columns_of, compile_block
from edge_agent.core.model import Column
from edge_agent.core.plan import Block, Limits, plan
from edge_agent.core.registers import Bit, Field, with_factor


def decode(data: str, *fields: Field) -> dict[str, Any]:
    """Values by column, with their quality where it is not good, of registers as hex text from address 0."""
    raw = bytes.fromhex(data)
    layout = compile_block(Block(fields[0].table, 0, len(raw) // 2, fields))
    values, quality = layout.decode(raw)
    names = [column.name for column in layout.columns]
    if quality is None:
        return dict(zip(names, values, strict=True))
    return {n: (v, q) if q else v for n, v, q in zip(names, values, quality, strict=True)}


def field(address: int, type_: str, **more: Any) -> Field:
    return Field(f"t{address}", "holding", address, type_, **more)  # type: ignore[arg-type]  # literals of the tests


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", "43 66 33 33"), ("CDAB", "33 33 43 66"), ("BADC", "66 43 33 33"), ("DCBA", "33 33 66 43")],
)
def test_float32_in_all_four_orders(order: str, wire: str) -> None:
    value = decode(wire, field(0, "float32", order=order))["t0"]

    assert math.isclose(value, 230.2, rel_tol=1e-7)


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        ("ABCD", "01 02 03 04 05 06 07 08"),
        ("CDAB", "07 08 05 06 03 04 01 02"),
        ("BADC", "02 01 04 03 06 05 08 07"),
        ("DCBA", "08 07 06 05 04 03 02 01"),
    ],
)
def test_sixty_four_bits_in_all_four_orders(order: str, wire: str) -> None:
    assert decode(wire, field(0, "uint64", order=order)) == {"t0": 0x0102030405060708}


@pytest.mark.parametrize(
    ("order", "wire"), [("ABCD", "4D 48"), ("CDAB", "4D 48"), ("BADC", "48 4D"), ("DCBA", "48 4D")]
)
def test_float16_in_all_four_orders(order: str, wire: str) -> None:
    # sign 0, exponent 19 - 15, mantissa 0x148: 16 * (1 + 328 / 1024)
    assert decode(wire, field(0, "float16", order=order)) == {"t0": 21.125}


@pytest.mark.parametrize(
    ("order", "wire"), [("ABCD", "12 34"), ("CDAB", "12 34"), ("BADC", "34 12"), ("DCBA", "34 12")]
)
def test_four_decimal_digits_in_all_four_orders(order: str, wire: str) -> None:
    assert decode(wire, field(0, "bcd16", order=order)) == {"t0": 1234}


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", "12 34 56 78"), ("CDAB", "56 78 12 34"), ("BADC", "34 12 78 56"), ("DCBA", "78 56 34 12")],
)
def test_eight_decimal_digits_in_all_four_orders(order: str, wire: str) -> None:
    assert decode(wire, field(0, "bcd32", order=order)) == {"t0": 12345678}


def test_decimal_digits_with_rules() -> None:
    got = decode(
        "9999 0000 0012 FFFF 0235 0007",
        field(0, "bcd16"),
        field(1, "bcd32", enum=frozenset({12})),
        field(3, "bcd16", sentinels=frozenset({0xFFFF})),
        field(4, "bcd16", scale=Fraction("0.1"), valid=(0, 20)),
        field(5, "bcd16", scale=Fraction(3)),
    )

    assert got == {
        "t0": 9999,
        "t1": 12,
        "t3": (None, "bad:sentinel"),
        "t4": (23.5, "uncertain:out_of_range"),
        "t5": 21,
    }


@pytest.mark.parametrize("wire", ["123A", "A000", "0F00", "FFFF"])
def test_a_digit_beyond_nine_is_no_number(wire: str) -> None:
    assert decode(wire, field(0, "bcd16")) == {"t0": (None, "bad:wrong_answer:not_bcd")}
    assert decode(f"0000 {wire}", field(0, "bcd32")) == {"t0": (None, "bad:wrong_answer:not_bcd")}


def test_float16_that_is_no_number_or_infinite_is_bad() -> None:
    got = decode("7E00 3C00 FC00", field(0, "float16"), field(1, "float16"), field(2, "float16"))

    assert got == {"t0": (None, "bad:nan"), "t1": 1.0, "t2": (None, "bad:nan")}


def test_float16_is_scaled_and_bounded_as_people_read_it() -> None:
    got = decode(
        "2E66 2E66 2E67",  # 0.09998, which people write 0.1; the next one is 0.10004
        field(0, "float16", scale=Fraction(10)),
        field(1, "float16", valid=(0.1, 0.2)),
        field(2, "float16", valid=(0, 0.1)),
    )

    assert got == {"t0": 1.0, "t1": 0.0999755859375, "t2": (0.10003662109375, "uncertain:out_of_range")}


def test_a_scaled_float_beyond_all_floats_is_bad() -> None:
    big = field(0, "float64", scale=Fraction(100))
    bounded = field(0, "float32", scale=Fraction(10**6), valid=(0, 1))

    assert decode("7FE0000000000000", big) == {"t0": (None, "bad:out_of_range")}
    assert decode("7F7FFFFF", bounded) == {"t0": (3.4028235e44, "uncertain:out_of_range")}


@pytest.mark.parametrize(
    ("order", "value"), [("ABCD", 0x0102), ("CDAB", 0x0102), ("BADC", 0x0201), ("DCBA", 0x0201)]
)
def test_sixteen_bits_know_only_the_swap_of_bytes(order: str, value: int) -> None:
    assert decode("0102", field(0, "uint16", order=order)) == {"t0": value}


@pytest.mark.parametrize(("order", "value"), [("ABCD", -2), ("CDAB", -2), ("BADC", 1), ("DCBA", 1)])
def test_eight_bits_stand_in_the_low_byte_of_their_register(order: str, value: int) -> None:
    assert decode("01FE", field(0, "int8", order=order)) == {"t0": value}


def test_signed_and_unsigned_of_every_width() -> None:
    got = decode(
        "FFFF FFFF FFFFFFFE FFFFFFFE FFFFFFFFFFFFFFFD FFFFFFFFFFFFFFFD 4009_21FB_5444_2D18".replace("_", ""),
        field(0, "int16"),
        field(1, "uint16"),
        field(2, "int32"),
        field(4, "uint32"),
        field(6, "int64"),
        field(10, "uint64"),
        field(14, "float64"),
    )

    assert got == {
        "t0": -1,
        "t1": 65535,
        "t2": -2,
        "t4": 4294967294,
        "t6": -3,
        "t10": 2**64 - 3,
        "t14": math.pi,
    }


def test_mixed_orders_gaps_and_overlaps_in_one_block() -> None:
    got = decode(
        "0001 DEAD 0002 0003 0004",
        field(0, "uint16"),
        field(2, "uint32", order="CDAB"),
        field(3, "uint16"),
        field(3, "uint32"),
    )

    assert got["t0"] == 1
    assert got["t2"] == 0x00030002
    assert got["t3"] == 0x00030004  # the later of two tags of one name in this helper's dict


def test_nan_and_infinity_are_bad_and_have_no_value() -> None:
    got = decode("7FC00000 3F800000 7F800000", field(0, "float32"), field(2, "float32"), field(4, "float32"))

    assert got == {"t0": (None, "bad:nan"), "t2": 1.0, "t4": (None, "bad:nan")}


def test_huge_finite_values_are_good_though_their_sum_is_not() -> None:
    got = decode("7FEFFFFFFFFFFFFF 7FEFFFFFFFFFFFFF", field(0, "float64"), field(4, "float64"))

    assert got == {"t0": 1.7976931348623157e308, "t4": 1.7976931348623157e308}


def test_scale_rounds_once() -> None:
    got = decode(
        "08FE 08FE", field(0, "int16", scale=Fraction("0.1")), field(1, "int16", scale=Fraction(1, 3))
    )

    assert got == {"t0": 230.2, "t1": 2302 / 3}


def test_whole_scale_and_offset_keep_whole_numbers() -> None:
    scaled = field(0, "int16", scale=Fraction(10), offset=Fraction(-5))

    assert decode("0007", scaled) == {"t0": 65}
    assert [column.store for column in columns_of(scaled)] == ["q"]


def test_scaled_whole_number_is_exact_or_bad() -> None:
    wide = field(0, "uint64", scale=Fraction(10))

    assert decode("0020000000000001", wide) == {"t0": 90071992547409930}
    assert decode("2000000000000000", wide) == {"t0": (None, "bad:out_of_range")}


def test_scaled_float32_is_scaled_as_people_read_it() -> None:
    assert decode("43663333", field(0, "float32", scale=Fraction("0.1"))) == {"t0": 23.02}
    assert decode("4066666666666666", field(0, "float64", scale=Fraction(2), offset=Fraction(1))) == {
        "t0": 359.4
    }


def test_sentinels_are_bad() -> None:
    got = decode("8000 FFFF", field(0, "uint16", sentinels=frozenset({0x8000})), field(1, "uint16"))

    assert got == {"t0": (None, "bad:sentinel"), "t1": 65535}


def test_sentinels_of_signed_numbers_are_what_the_registers_hold() -> None:
    got = decode(
        "8000 7FFF 8000 0000 0080 FFFF",
        field(0, "int16", sentinels=frozenset({0x8000})),
        field(1, "int16", sentinels=frozenset({0x7FFF, 0xFFFF})),
        field(2, "int32", sentinels=frozenset({0x80000000})),
        field(4, "int8", sentinels=frozenset({0x80})),
        field(5, "int16", sentinels=frozenset({0x8000})),
    )

    assert got == {
        **dict.fromkeys(("t0", "t1", "t2", "t4"), (None, "bad:sentinel")),
        "t5": -1,
    }


def test_sentinels_of_floats_are_told_by_their_bits() -> None:
    missing = frozenset({0x7FC00000, 0xFFFFFFFF, 0x7F7FFFFF, 0x80000000})
    got = decode(
        "7FC00000 FFFFFFFF 7F7FFFFF 80000000 00000000 7FC00001 33334366",
        *(field(2 * at, "float32", sentinels=missing) for at in range(6)),
        field(12, "float32", order="CDAB", sentinels=missing),
    )

    assert got == {
        **dict.fromkeys(("t0", "t2", "t4", "t6"), (None, "bad:sentinel")),
        "t8": 0.0,
        "t10": (None, "bad:nan"),
        "t12": 230.1999969482422,
    }


def test_sentinels_of_other_floats() -> None:
    got = decode(
        "7E00 3C00 FFF8000000000000 3FF0000000000000",
        field(0, "float16", sentinels=frozenset({0x7E00})),
        field(1, "float16", sentinels=frozenset({0x7E00})),
        field(2, "float64", sentinels=frozenset({0xFFF8000000000000})),
        field(6, "float64", sentinels=frozenset({0xFFF8000000000000})),
    )

    assert got == {"t0": (None, "bad:sentinel"), "t1": 1.0, "t2": (None, "bad:sentinel"), "t6": 1.0}


def test_value_outside_its_range_is_uncertain_and_kept() -> None:
    valid = field(0, "uint16", valid=(0, 500))

    assert decode("01F4", valid) == {"t0": 500}
    assert decode("01F5", valid) == {"t0": (501, "uncertain:out_of_range")}


def test_float32_bounds_mean_the_decimal() -> None:
    assert decode("3DCCCCCD", field(0, "float32", valid=(0, 0.1)))["t0"] == pytest.approx(0.1)
    assert decode("3DCCCCCE", field(0, "float32", valid=(0, 0.1)))["t0"][1] == "uncertain:out_of_range"


def test_unknown_enum_number_is_uncertain() -> None:
    state = field(0, "uint16", enum=frozenset({0, 1}))

    assert decode("0001", state) == {"t0": 1}
    assert decode("0007", state) == {"t0": (7, "uncertain:not_in_enum")}


def test_bits_are_parts_of_their_tag() -> None:
    word = field(0, "uint16", bits=(Bit("door", 0), Bit("lamp", 4, 2, frozenset({0, 1, 2}))), whole=False)

    assert decode("0023", word) == {"t0.door": True, "t0.lamp": 2}
    assert decode("0030", word) == {"t0.door": False, "t0.lamp": (3, "uncertain:not_in_enum")}
    assert columns_of(word) == (Column("t0.door", "?"), Column("t0.lamp", "Q"))


def test_bits_of_a_word_that_is_sent_as_well() -> None:
    word = field(0, "uint16", bits=(Bit("b15", 15),), sentinels=frozenset({0xFFFF}))

    assert decode("8001", word) == {"t0": 0x8001, "t0.b15": True}
    assert decode("FFFF", word) == {"t0": (None, "bad:sentinel"), "t0.b15": (None, "bad:sentinel")}


@pytest.mark.parametrize(
    ("order", "text"), [("ABCD", "ABCD"), ("CDAB", "ABCD"), ("BADC", "BADC"), ("DCBA", "BADC")]
)
def test_text_knows_only_the_swap_of_bytes(order: str, text: str) -> None:
    assert decode("4142 4344", field(0, "string", length=2, order=order)) == {"t0": text}


def test_strings_end_at_a_nul_and_lose_their_padding() -> None:
    padded = (0x00, 0xFF, 0x20)

    assert decode("5358 2D30 3031 FFFF", field(0, "string", length=4, pad=padded)) == {"t0": "SX-001"}
    assert decode("4142 0043", field(0, "string", length=2)) == {"t0": "AB"}
    assert decode("4142 2020", field(0, "string", length=2, pad=(0x20,))) == {"t0": "AB"}
    assert decode("4241 4443", field(0, "string", length=2, order="BADC")) == {"t0": "ABCD"}
    assert decode("53 58 FF FF FF FF", field(0, "string", length=3, pad=(0xFF,))) == {"t0": "SX"}
    assert decode("FFFF 0000", field(0, "string", length=2, pad=padded)) == {"t0": ""}


@pytest.mark.parametrize(
    ("encoding", "wire", "text"),
    [
        ("ascii", "5358 2D31", "SX-1"),
        ("latin-1", "B043 0000", "°C"),
        ("utf-8", "C2B0 4300", "°C"),
        ("utf-8", "4142 43C2", None),  # cut within a character by the length of the field
        ("utf-8", "C242 4344", None),
        ("utf-8", "FFFF 4344", None),
        ("ascii", "41B0 0000", None),
    ],
)
def test_what_is_no_text_in_its_encoding_is_bad(encoding: str, wire: str, text: str | None) -> None:
    expected = (None, "bad:wrong_answer:not_text") if text is None else text

    assert decode(wire, field(0, "string", length=2, encoding=encoding)) == {"t0": expected}


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        ("ABCD", "0A0B 0C0D  0000 0001"),
        ("CDAB", "0C0D 0A0B  0001 0000"),
        ("BADC", "0B0A 0D0C  0000 0100"),
        ("DCBA", "0D0C 0B0A  0100 0000"),
    ],
)
def test_an_array_is_its_numbers_side_by_side(order: str, wire: str) -> None:
    array = field(0, "uint32", order=order, elements=2)

    assert decode(wire, array) == {"t0": (0x0A0B0C0D, 1)}
    assert columns_of(array) == (Column("t0", "2I"),)


def test_arrays_stand_beside_other_tags() -> None:
    got = decode(
        "0001 0002 0003  3F80 0000  0004 0005  4142",
        field(0, "uint16"),
        field(1, "uint16", elements=2),
        field(3, "float32", elements=1),
        field(5, "int16", elements=2, scale=Fraction("0.1"), valid=(0, 0.4)),
        field(7, "string", length=1),
    )

    assert got == {
        "t0": 1,
        "t1": (2, 3),
        "t3": (1.0,),
        "t5": ((0.4, 0.5), "uncertain:out_of_range"),
        "t7": "AB",
    }


def test_plain_arrays_of_floats() -> None:
    two = field(0, "float32", elements=2), field(4, "float32")

    assert decode("3F800000 40000000 40400000", *two) == {"t0": (1.0, 2.0), "t4": 3.0}
    assert decode("3F800000 7FC00000 40400000", *two) == {"t0": (None, "bad:nan"), "t4": 3.0}
    assert decode("3F800000 40000000 7F800000", *two) == {"t0": (1.0, 2.0), "t4": (None, "bad:nan")}


def test_an_array_is_as_good_as_the_worst_of_its_numbers() -> None:
    array = field(0, "int16", elements=3, sentinels=frozenset({0x8000}), valid=(0, 9))

    assert decode("0001 0002 0003", array) == {"t0": (1, 2, 3)}
    assert decode("0001 000A 0003", array) == {"t0": ((1, 10, 3), "uncertain:out_of_range")}
    assert decode("000A 8000 0003", array) == {"t0": (None, "bad:sentinel")}
    assert decode("00 12 0A 34", field(0, "bcd16", elements=2)) == {"t0": (None, "bad:wrong_answer:not_bcd")}
    assert [column.store for column in columns_of(field(0, "int16", elements=3, scale=Fraction(2)))] == ["3q"]


SF = Field("sf", "holding", 4, "int16", sentinels=frozenset({0x8000}))


def times(address: int, kind: str, factor: Field = SF, **more: Any) -> Field:
    """A field whose power of ten stands in another one."""
    return with_factor(field(address, kind, **more), factor)


def test_a_factor_is_a_power_of_ten_in_another_register() -> None:
    before, behind = times(3, "int16"), times(5, "uint32", order="CDAB", offset=Fraction(1))

    assert decode("0000 0000 0000 FFF9 FFFF 2710 0000", before, behind, SF) == {
        "t3": -0.7,
        "t5": 1001.0,
        "sf": -1,
    }
    assert decode("0000 0000 0000 FFF9 0002", before) == {"t3": -700.0}
    assert [column.store for column in columns_of(before)] == ["d"]


def test_a_factor_without_a_column_is_read_for_the_others_only() -> None:
    fields = times(3, "int16"), times(0, "uint16", elements=2), field(2, "uint16")

    assert decode("0001 0002 0007 0003 0001", *fields) == {"t0": (10.0, 20.0), "t2": 7, "t3": 30.0}


def test_a_factor_in_another_order_and_of_another_width() -> None:
    turned = Field("sf", "holding", 4, "int16", order="BADC")
    narrow = Field("sf", "holding", 4, "int8")
    wide = Field("sf", "holding", 4, "int32", order="CDAB")

    assert decode("0000 0000 0000 0007 FEFF", times(3, "int16", turned)) == {"t3": 0.07}
    assert decode("0000 0000 0000 0007 12FE", times(3, "int16", narrow)) == {"t3": 0.07}
    assert decode("0000 0000 0000 0007 FFFE FFFF", times(3, "int16", wide)) == {"t3": 0.07}


def test_a_factor_that_says_nothing_leaves_no_value() -> None:
    value = times(3, "int16", sentinels=frozenset({0x8000}), valid=(0, 100))

    assert decode("0000 0000 0000 0007 8000", value) == {"t3": (None, "bad:sentinel")}
    assert decode("0000 0000 0000 0007 000B", value) == {"t3": (None, "bad:out_of_range")}
    assert decode("0000 0000 0000 0007 FFF5", value) == {"t3": (None, "bad:out_of_range")}
    assert decode("0000 0000 0000 8000 0001", value) == {"t3": (None, "bad:sentinel")}
    assert decode("0000 0000 0000 0007 0002", value) == {"t3": (700.0, "uncertain:out_of_range")}
    assert decode("0000 0000 0000 0007 FFF6", value) == {"t3": 7e-10}


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-10, 10), st.sampled_from(["1", "0.1", "-0.25", "3"]))
def test_a_factor_rounds_once(raw: int, power: int, scale: str) -> None:
    value = times(0, "int64", scale=Fraction(scale))
    wire = (raw % 2**64).to_bytes(8, "big") + (power % 65536).to_bytes(2, "big")

    got = decode(wire.hex(), value)["t0"]

    assert got == float(Fraction(raw) * Fraction(10) ** power * Fraction(scale))


def test_a_value_and_its_factor_are_never_in_two_requests() -> None:
    far = with_factor(field(50, "int16"), Field("sf", "holding", 4, "int16"))
    fields = [field(at, "uint16") for at in range(0, 60, 10) if at != 50] + [far]

    blocks = plan(fields, Limits(max_registers=48, max_gap=0))

    (block,) = [block for block in blocks if far in block.fields]
    assert block.address <= 4
    assert block.address + block.count >= 51


def test_bits_of_a_bit_table_come_lowest_first() -> None:
    fields = tuple(Field(f"d{i}", "discrete", i, "bool") for i in (0, 1, 2, 9))
    layout = compile_block(Block("discrete", 0, 10, fields))

    assert layout.decode(bytes((0b00000101, 0b10))) == ((True, False, True, True), None)


@given(st.data())
def test_any_layout_gives_back_what_another_encoder_wrote(data: st.DataObject) -> None:
    orders = ["ABCD", "CDAB", "BADC", "DCBA"]
    count = data.draw(st.integers(1, 12))
    fields: list[Field] = []
    registers: dict[int, int] = {}
    expected: dict[str, int] = {}
    address = 0
    for number in range(count):
        address += data.draw(st.integers(0, 3))
        width = data.draw(st.sampled_from([1, 2, 4]))
        order = data.draw(st.sampled_from(orders))
        value = data.draw(st.integers(0, 2 ** (16 * width) - 1))
        kind = {1: "uint16", 2: "uint32", 4: "uint64"}[width]
        fields.append(Field(f"t{number}", "holding", address, kind, order=order))  # type: ignore[arg-type]  # as drawn
        expected[f"t{number}"] = value
        registers.update(enumerate(_words(value, width, order), start=address))
        address += width

    got: dict[str, Any] = {}
    for block in plan(fields, Limits(max_gap=2)):
        layout = compile_block(block)
        words = [registers.get(at, 0xDEAD) for at in range(block.address, block.address + block.count)]
        values, quality = layout.decode(b"".join(word.to_bytes(2, "big") for word in words))
        assert quality is None
        got.update(zip((column.name for column in layout.columns), values, strict=True))

    assert got == expected


def _words(value: int, width: int, order: str) -> list[int]:
    """Registers of a value by the words of the definition: which word first, which byte first."""
    words = [value >> (16 * (width - 1 - i)) & 0xFFFF for i in range(width)]
    if order in {"CDAB", "DCBA"}:
        words.reverse()
    if order in {"BADC", "DCBA"}:
        words = [(word & 0xFF) << 8 | word >> 8 for word in words]
    return words
