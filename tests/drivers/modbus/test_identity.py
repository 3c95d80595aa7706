from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.drivers.identity import LONGEST
from edge_agent.drivers.modbus.identity import identity, objects

# The answer of the example in Modbus Application Protocol 1.1b3, 6.21.
EXAMPLE = bytes.fromhex("2B 0E 01 01 00 00 03 00 16") + b"Company identification"
EXAMPLE += b"\x01\x0dProduct code " + b"\x02\x05V2.11"


def test_vendor_code_and_revision_are_said_in_this_order() -> None:
    assert identity(objects(EXAMPLE)) == "Company identification Product code V2.11"


def test_further_objects_are_not_said() -> None:
    assert identity(objects(EXAMPLE + b"\x03\x03url")) == "Company identification Product code V2.11"


def test_object_that_is_cut_off_is_left_out() -> None:
    assert identity(objects(EXAMPLE[:-1])) == "Company identification Product code"


def test_answer_of_another_type_says_nothing() -> None:
    assert objects(b"\x2b\x0d" + EXAMPLE[2:]) == {}


@given(st.binary(max_size=260))
@example(b"")
@example(EXAMPLE[:8])
def test_nothing_that_a_device_may_send_is_more_than_a_line(pdu: bytes) -> None:
    said = identity(objects(pdu))

    assert said.isprintable()
    assert len(said) <= LONGEST
