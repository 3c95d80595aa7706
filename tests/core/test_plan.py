import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.plan import plan
from edge_agent.core.registers import Field


def field(address: int, type_: str = "uint16", *, table: str = "holding", length: int = 0) -> Field:
    return Field(f"t{address}", table, address, type_, length=length)  # type: ignore[arg-type]  # literals of the tests


def test_neighbours_share_one_request() -> None:
    blocks = plan([field(10), field(11, "float32"), field(13)])

    assert [(b.table, b.address, b.count) for b in blocks] == [("holding", 10, 4)]


def test_field_wider_apart_than_gap_starts_a_new_request() -> None:
    assert [(b.address, b.count) for b in plan([field(0), field(9)], gap=8)] == [(0, 10)]
    assert [(b.address, b.count) for b in plan([field(0), field(10)], gap=8)] == [(0, 1), (10, 1)]


def test_value_is_never_split_over_two_requests() -> None:
    blocks = plan([field(0), field(3, "float64")], max_registers=6)

    assert [(b.address, b.count) for b in blocks] == [(0, 1), (3, 4)]


def test_tables_do_not_mix() -> None:
    blocks = plan([field(0, table="input"), field(0), field(0, "bool", table="coil")])

    assert [(b.table, b.count, b.size_bytes) for b in blocks] == [
        ("coil", 1, 1),
        ("holding", 1, 2),
        ("input", 1, 2),
    ]


def test_hundred_floats_take_two_requests() -> None:
    blocks = plan([field(2 * i, "float32") for i in range(100)])

    assert [(b.address, b.count) for b in blocks] == [(0, 124), (124, 76)]


def test_fields_may_overlap() -> None:
    blocks = plan([field(0, "uint32"), field(1), field(0, "string", length=4)])

    assert [(b.address, b.count, len(b.fields)) for b in blocks] == [(0, 4, 3)]


def test_field_wider_than_a_request_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="t5 takes 130 registers, one request reads 125"):
        plan([field(5, "string", length=130)])


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["uint16", "float32", "int64"])), max_size=60),
    st.integers(4, 125),
    st.integers(0, 20),
)
def test_every_field_lies_whole_in_one_block_within_the_limits(
    rows: list[tuple[int, str]], longest: int, gap: int
) -> None:
    fields = [field(address, type_) for address, type_ in rows]

    blocks = plan(fields, max_registers=longest, gap=gap)

    assert sorted(f.address for b in blocks for f in b.fields) == sorted(f.address for f in fields)
    for block in blocks:
        assert block.count <= longest
        assert all(block.address <= f.address and f.end <= block.address + block.count for f in block.fields)
