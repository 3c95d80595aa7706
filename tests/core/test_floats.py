import struct

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.floats import shortest


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
