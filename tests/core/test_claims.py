import pytest

from edge_agent.core.claims import LONGEST, Claim, Identified, Mismatch, judged
from edge_agent.core.model import Value
from edge_agent.core.registers import Field

CODE = Field("holding 64514", "holding", 0xFC02, "uint16")
TYPE = Claim(CODE, (112,))
VENDOR = Claim("vendor", ("Eastron",))


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        (TYPE, 112),
        (Claim(CODE, (112, 113)), 113),
        (Claim(CODE, (True,)), True),
        (VENDOR, "Eastron"),
        (VENDOR, "Eastron  \0\0"),
        (Claim("vendor", (" Eastron",)), "Eastron"),
        (Claim("product", ("SDM630",), within=True), "Eastron SDM630-Modbus"),
        (Claim("product", ("SDM120", "SDM630"), within=True), "SDM630-Modbus"),
    ],
)
def test_device_that_says_what_is_claimed_is_confirmed(claim: Claim, found: Value) -> None:
    assert judged("x", [claim], {claim.place: found}) == Identified("x", None, confirmed=True)


@pytest.mark.parametrize(
    ("claim", "found", "words"),
    [
        (TYPE, 5, "holding 64514 is 5 instead of 112"),
        (Claim(CODE, (112, 113)), 5, "holding 64514 is 5 instead of 112 or 113"),
        (Claim(CODE, (True,)), False, "holding 64514 is false instead of true"),
        (Claim(CODE, (1.5,)), None, "holding 64514 is nothing that can be read instead of 1.5"),
        (VENDOR, "Acme", "vendor is 'Acme' instead of 'Eastron'"),
        (VENDOR, "Eastron Ltd", "vendor is 'Eastron Ltd' instead of 'Eastron'"),
        (VENDOR, "", "vendor is '' instead of 'Eastron'"),
        (VENDOR, "a\x1b[31m", "vendor is 'a?[31m' instead of 'Eastron'"),
        (VENDOR, "x" * 300, f"vendor is '{'x' * LONGEST}' instead of 'Eastron'"),
        (
            Claim("product", ("SDM630",), within=True),
            "SDM120",
            "product is 'SDM120' instead of a text with 'SDM630'",
        ),
    ],
)
def test_device_that_says_something_else_is_told_with_both(claim: Claim, found: Value, words: str) -> None:
    told = judged("x", [claim], {claim.place: found})

    assert told.mismatch is not None
    assert told.mismatch.words == words
    assert not told.confirmed


def test_device_that_says_nothing_is_neither_confirmed_nor_contradicted() -> None:
    assert judged("", [TYPE, VENDOR], {}) == Identified()


def test_device_that_says_a_part_of_what_is_claimed_is_not_confirmed() -> None:
    assert judged("", [TYPE, VENDOR], {"vendor": "Eastron"}) == Identified()


def test_one_contradiction_is_enough_and_the_first_one_is_told() -> None:
    told = judged("", [VENDOR, TYPE, Claim("revision", ("1",))], {CODE: 5, "revision": "2"})

    assert told.mismatch == Mismatch("holding 64514", "112", "5")


def test_type_of_which_nothing_is_claimed_is_never_confirmed() -> None:
    assert judged("Acme", [], {"vendor": "Acme"}) == Identified("Acme")
