"""What is known to be refused, and how requests go around it."""

from edge_agent.core.plan import Block
from edge_agent.core.refused import Refused, between, halves
from edge_agent.core.registers import Field, Table


def field(address: int, name: str | None = None, table: Table = "holding") -> Field:
    return Field(name or f"f{address}", table, address, "bool" if table == "coil" else "uint32")


def block(*addresses: int) -> Block:
    fields = tuple(field(address) for address in addresses)
    return Block("holding", addresses[0], addresses[-1] + 2 - addresses[0], fields)


def test_nothing_is_refused_at_first() -> None:
    assert not Refused()
    assert Refused(fields={"a": "illegal_address"})
    assert Refused(holes={"holding": ((2, 4),)})
    assert Refused(longest={"holding": 64})


def test_refused_fields_are_left_out_and_their_addresses_avoided() -> None:
    fields = [field(0), field(2), field(4)]
    refused = Refused(fields={"f2": "illegal_address"})

    assert refused.left(fields) == (fields[0], fields[2])
    assert refused.avoid(fields) == {"holding": ((2, 3), (3, 4))}


def test_registers_that_a_given_field_has_too_are_not_avoided() -> None:
    fields = [field(0), field(1)]

    assert Refused(fields={"f1": "illegal_address"}).avoid(fields) == {"holding": ((2, 3),)}


def test_a_field_that_lies_elsewhere_is_no_reason_to_avoid_anything() -> None:
    assert Refused(fields={"f9": "illegal_address"}).avoid([field(0)]) == {}


def test_what_is_learned_adds_up() -> None:
    one = Refused({"a": "illegal_address"}, {"holding": ((2, 4),)}, {"holding": 64})
    two = Refused({"b": "exception:4"}, {"holding": ((8, 9),), "coil": ((0, 1),)}, {"holding": 32, "coil": 8})

    assert one.merged(two) == Refused(
        {"a": "illegal_address", "b": "exception:4"},
        {"holding": ((2, 4), (8, 9)), "coil": ((0, 1),)},
        {"holding": 32, "coil": 8},
    )


def test_a_block_is_halved_between_neighbours() -> None:
    left, right = halves(block(0, 2, 10))

    assert [each.name for each in left] == ["f0"]
    assert [each.name for each in right] == ["f2", "f10"]


def test_what_lies_between_two_blocks_that_are_given_is_a_hole() -> None:
    assert between([block(10, 12), block(0, 2)]) == Refused(holes={"holding": ((4, 10),)})


def test_blocks_without_a_hole_were_too_long_together() -> None:
    assert between([block(0, 2), block(4, 6, 8)]) == Refused(longest={"holding": 6})
