import ast
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import edge_agent.sim
from edge_agent.config.settings import Tag
from edge_agent.sim.encode import place
from edge_agent.sim.image import FILLERS, Image, answer

MakeTag = Callable[..., Tag]


def test_registers_stand_at_their_addresses(tag: MakeTag) -> None:
    image = Image([tag("a", "uint32", 2), tag("b", "uint16", 5, table="input")])

    contents = image.at(7)

    assert answer(b"\x03\x00\x02\x00\x02", contents) == b"\x03\x04\x00\x00\x10\x07"
    assert answer(b"\x04\x00\x05\x00\x01", contents) == b"\x04\x02\x20\x07"


def test_bits_are_packed_lowest_first(tag: MakeTag) -> None:
    tags = [tag(f"t{at}", "bool", 3 + at, table="coil") for at in range(10)]
    image = Image(tags)

    response = answer(b"\x01\x00\x03\x00\x0a", image.at(0))

    assert response[:2] == b"\x01\x02"
    bits = [response[2 + at // 8] >> at % 8 & 1 for at in range(16)]
    assert sum(bits[:10]) in range(1, 10)
    assert bits[10:] == [0] * 6
    assert bits[0] == answer(b"\x01\x00\x03\x00\x01", image.at(0))[2]
    assert bits[9] == answer(b"\x01\x00\x0c\x00\x01", image.at(0))[2]


def test_an_address_without_a_tag_shows_what_no_tag_holds(sixty: Sequence[Tag]) -> None:
    image = Image(sixty)
    fields = [tag.modbus for tag in sixty if tag.modbus.table == "holding"]
    places = [place(field) for field in fields if field.size == 1]

    for tick in range(0, 4096, 13):
        held = image.at(tick).registers["holding"]
        values = {held[first : first + count] for first, count in places}
        unused = [held[at : at + 2] for at in range(2, 20, 2)]
        assert all(word in FILLERS for word in unused)
        assert not values & {part for word in unused for part in (word, word[:1], word[1:])}
        assert len(set(unused)) == len(unused)


def test_fifteen_addresses_answer_behind_the_last_tag(tag: MakeTag) -> None:
    contents = Image([tag("a", "uint32", 2), tag("c", "bool", 0, table="coil")]).at(0)

    assert answer(b"\x03\x00\x00\x00\x13", contents)[:2] == b"\x03\x26"
    assert answer(b"\x03\x00\x00\x00\x14", contents) == b"\x83\x02"
    assert answer(b"\x01\x00\x0f\x00\x01", contents)[0] == 1
    assert answer(b"\x01\x00\x10\x00\x01", contents) == b"\x81\x02"


def test_the_last_address_is_65535(tag: MakeTag) -> None:
    contents = Image([tag("a", "uint16", 65535)]).at(0)

    assert answer(b"\x03\xff\xff\x00\x01", contents)[:2] == b"\x03\x02"
    assert answer(b"\x03\xff\xff\x00\x02", contents) == b"\x83\x02"


def test_a_table_without_tags_has_no_addresses(tag: MakeTag) -> None:
    contents = Image([tag("a", "uint16", 0)]).at(0)

    assert answer(b"\x04\x00\x00\x00\x01", contents) == b"\x84\x02"
    assert answer(b"\x02\x00\x00\x00\x01", contents) == b"\x82\x02"


@pytest.mark.parametrize(
    ("request_pdu", "response"),
    [
        ("2b0e0200", "ab01"),
        ("0600000001", "8601"),
        ("0300000000", "8303"),
        ("030000007e", "8303"),
        ("0100000000", "8103"),
        ("01000007d1", "8103"),
        ("030000", "8303"),
        ("030000000100", "8303"),
    ],
)
def test_a_bad_request_is_refused(tag: MakeTag, request_pdu: str, response: str) -> None:
    contents = Image([tag("a", "uint16", 300), tag("b", "bool", 3000, table="coil")]).at(0)

    assert answer(bytes.fromhex(request_pdu), contents).hex() == response


def test_the_longest_requests_are_answered(tag: MakeTag) -> None:
    contents = Image([tag("a", "uint16", 300), tag("b", "bool", 3000, table="coil")]).at(0)

    assert len(answer(b"\x03\x00\x00\x00\x7d", contents)) == 252
    assert len(answer(b"\x01\x00\x00\x07\xd0", contents)) == 252


def test_two_values_of_8_bits_share_a_register_without_harm(tag: MakeTag) -> None:
    tags = [tag("low", "uint8", 0), tag("high", "uint8", 0, order="BADC")]

    word = answer(b"\x03\x00\x00\x00\x01", Image(tags).at(5))[2:]

    low, high = Image([tags[0], tag("high", "uint8", 1, order="BADC")]).at(5).registers["holding"][1:3]
    assert word == bytes([high, low])


def test_tags_that_share_a_register_are_refused(tag: MakeTag) -> None:
    with pytest.raises(ValueError, match="b and a share holding 1"):
        Image([tag("a", "uint32", 0), tag("b", "uint16", 1)])


def test_the_witness_shares_no_code_with_what_it_judges() -> None:
    folder = Path(edge_agent.sim.__file__).parent
    trees = [ast.parse(path.read_text("utf-8")) for path in folder.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if name.startswith("edge_agent") and ".sim" not in name}

    assert ours == {
        "edge_agent.config.settings",
        "edge_agent.core.events",
        "edge_agent.core.model",
        "edge_agent.core.nodes",
        "edge_agent.core.registers",
        "edge_agent.ports",
    }
    assert not any(name.startswith("pymodbus") for name in imported)
