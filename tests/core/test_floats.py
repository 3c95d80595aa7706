import struct

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.floats import around, half, shortest, within


def single(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def test_what_people_write_comes_back_as_they_wrote_it() -> None:
    written = [0.1, 230.2, -17.25, 1e-7, 16777216.0, 3.4028235e38, 0.0]

    assert shortest([single(each) for each in written]) == written


def test_values_that_need_eight_or_nine_digits_keep_them() -> None:
    assert shortest([single(1.0000001), single(0.1)]) == [1.0000001, 0.1]
    assert shortest([single(1.00000036)]) == [1.0000004]
    assert shortest([single(-103.217316)]) == [-103.217316]


def test_nothing_stays_nothing() -> None:
    assert shortest([]) == []


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_every_float32_is_named_exactly(values: list[float]) -> None:
    assert [single(each) for each in shortest(values)] == values


def test_half_floats_come_back_as_people_wrote_them() -> None:
    assert [half(each) for each in (0.0999755859375, 23.5, -0.25, 2048.0, 1.0009765625)] == [
        0.1,
        23.5,
        -0.25,
        2048.0,
        1.001,
    ]
    assert half(2.0**-24) == 6e-08
    assert half(65024.0) == 65020.0  # not 70000, which is beyond
    assert half(65504.0) == 65500.0  # the shortest decimal that is no other float16


@given(st.floats(width=16, allow_nan=False, allow_infinity=False))
def test_every_float16_is_named_exactly(value: float) -> None:
    assert struct.unpack("<e", struct.pack("<e", half(value)))[0] == value


def test_bounds_of_a_float32_mean_the_decimal() -> None:
    near = single(0.1)  # 0.10000000149

    assert not within(near, (0, 0.1), single=False)
    assert within(near, (0, 0.1), single=True)
    assert not within(single(0.1000001), (0, 0.1), single=True)


def test_neighbours_of_a_float_are_finite_and_of_its_sign() -> None:
    assert around(1.0, "e") == [1.0, 0.99951171875, 1.0009765625]
    assert around(65504.0, "e") == [65504.0, 65472.0]
    assert around(0.0, "e") == [0.0, 2.0**-24]
    assert around(-(2.0**-24), "e") == [-(2.0**-24), -0.0, -(2.0**-23)]
