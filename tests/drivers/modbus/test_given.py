from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from edge_agent.config.settings import Tag
from edge_agent.core.registers import Bit, Field
from edge_agent.core.writing import Coil, Masked, Write
from edge_agent.drivers.modbus.given import parse, to_write


def tag(kind: str, **more: Any) -> Tag:
    """A tag that can be written; `texts` are those of its enum, `flags` and `parts` go to the tag itself."""
    texts, flags, parts = more.pop("texts", {}), more.pop("flags", {}), more.pop("parts", {})
    table = "coil" if kind == "bool" else "holding"
    field = Field("t", table, 7, kind, enum=frozenset(texts) or None, **more)  # type: ignore[arg-type]  # literals
    return Tag("t", "fast", kind, field, access="rw", enum=texts, flags=flags, parts=parts)


TEMPERATURE = tag("int16", scale=Fraction(1, 10))
MODE = tag("uint16", texts={0: "Off", 1: "auto", 2: "hand", 3: "AUTO"})
ALARMS = tag("uint32", flags={0: "overtemp", 5: "belt_torn", 31: "estop"})
WORD = tag(
    "uint16",
    bits=(Bit("door", 0), Bit("lamp", 4, 2, frozenset({0, 1, 2})), Bit("level", 8, 8)),
    whole=False,
    parts={"door": {}, "lamp": {0: "off", 1: "green", 2: "red"}, "level": {}},
)


@pytest.mark.parametrize(
    ("of", "part", "text", "value"),
    [
        (TEMPERATURE, "", "23.5", 23.5),
        (TEMPERATURE, "", " -7 ", -7),
        (TEMPERATURE, "", "+1e1", 10),
        (TEMPERATURE, "", ".5", 0.5),
        (tag("uint16"), "", "0x10", 16),
        (tag("uint64"), "", "18446744073709551615", 2**64 - 1),
        (tag("float32"), "", "2.5e-3", 0.0025),
        (tag("float64"), "", "1.25e300", 125 * 10**298),
        (tag("bool"), "", "true", True),
        (tag("bool"), "", "ON", True),
        (tag("bool"), "", "1", True),
        (tag("bool"), "", "no", False),
        (tag("bool", texts={0: "closed", 1: "open"}), "", "open", 1),
        (tag("bool", texts={0: "closed", 1: "open"}), "", "0", False),
        (MODE, "", "hand", 2),
        (MODE, "", "off", 0),
        (MODE, "", "auto", 1),
        (MODE, "", "AUTO", 3),
        (MODE, "", "2", 2),
        (ALARMS, "", "overtemp, ESTOP", 1 | 1 << 31),
        (ALARMS, "", "none", 0),
        (ALARMS, "", "0x20", 32),
        (WORD, "door", "on", True),
        (WORD, "lamp", "red", 2),
        (WORD, "lamp", "1", 1),
        (WORD, "level", "200", 200),
        (tag("string", length=4), "", " SX-1", " SX-1"),
        (tag("int16", elements=3), "", "[1, -2,0x10]", (1, -2, 16)),
        (tag("float32", elements=1), "", "[2.5]", (2.5,)),
    ],
)
def test_what_a_person_types_becomes_a_value(of: Tag, part: str, text: str, value: Any) -> None:
    got = parse(of, text, part)

    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("of", "part", "text", "message"),
    [
        (TEMPERATURE, "", "23,5", "t: '23,5' is not a number; write 23.5"),
        (TEMPERATURE, "", "warm", "t: 'warm' is not a number"),
        (TEMPERATURE, "", "", "t: '' is not a number"),
        (TEMPERATURE, "", "nan", "t: 'nan' is not a number"),
        (
            TEMPERATURE,
            "",
            "0.1000000000000000001",
            "t: 0.1000000000000000001 has more digits than a value can have",
        ),
        (tag("float32"), "", "0x10", "t: 0x10: a number with a decimal point has no hexadecimal form"),
        (tag("bool"), "", "2", "t: '2' is neither true nor false"),
        (MODE, "", "hnd", "t: 'hnd' is none of its texts - did you mean 'hand'?"),
        (MODE, "", "Auto", "t: 'Auto' is the text of several numbers: 1, 3"),
        (ALARMS, "", "overtmp", "t: 'overtmp' is none of its texts - did you mean 'overtemp'?"),
        (tag("int16", elements=3), "", "1,2,3", "t: '1,2,3' is not a list; write 3 numbers: [1, 2, 3]"),
        (tag("int16", elements=9), "", "1", "t: '1' is not a list; write 9 numbers: [1, 2, 3, ...]"),
        (tag("int16", elements=3), "", "[]", "t: '' is not a number"),
        (WORD, "lamp", "blue", "t.lamp: 'blue' is none of its texts; there are: off, green, red"),
        (WORD, "door", "open", "t.door: 'open' is neither true nor false"),
    ],
)
def test_what_means_nothing_is_refused_with(of: Tag, part: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^t") as caught:
        parse(of, text, part)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("of", "value", "part", "expected"),
    [
        (TEMPERATURE, 23.5, "", Write("holding", 7, (235,))),
        (MODE, "hand", "", Write("holding", 7, (2,))),
        (MODE, 2, "", Write("holding", 7, (2,))),
        (ALARMS, ["estop", "overtemp", "estop"], "", Write("holding", 7, (0x8000, 0x0001))),
        (ALARMS, [], "", Write("holding", 7, (0, 0))),
        (ALARMS, 33, "", Write("holding", 7, (0, 33))),
        (tag("bool"), True, "", Coil("coil", 7, on=True)),
        (tag("bool", texts={0: "closed", 1: "open"}), "open", "", Coil("coil", 7, on=True)),
        (WORD, "red", "lamp", Masked("holding", 7, 0xFFCF, 0x0020)),
        (WORD, True, "door", Masked("holding", 7, 0xFFFE, 0x0001)),
        (tag("int16", elements=2, scale=Fraction(1, 2)), [1, 2.5], "", Write("holding", 7, (2, 5))),
        (tag("string", length=2), "AB", "", Write("holding", 7, (0x4142, 0))),
    ],
)
def test_a_value_as_people_give_it_is_written(of: Tag, value: Any, part: str, expected: object) -> None:
    assert to_write(of, value, part) == expected


@pytest.mark.parametrize(
    ("of", "value", "part", "message"),
    [
        (replace(TEMPERATURE, access="r"), 1, "", "t cannot be written: its profile does not say access: rw"),
        (TEMPERATURE, 23.54, "", "t: 23.54 lies between two steps; 23.5 or 23.6 can be written"),
        (MODE, "fast", "", "t: 'fast' is none of its texts; there are: Off, auto, hand, AUTO"),
        (ALARMS, ["overtemp", 5], "", "t: '5' is none of its texts; there are: overtemp, belt_torn, estop"),
        (WORD, "blue", "lamp", "t.lamp: 'blue' is none of its texts; there are: off, green, red"),
        (WORD, 1, "", "t: only its bits are sent, so only they can be written: t.door, t.lamp, t.level"),
    ],
)
def test_what_cannot_be_written_is_refused_with(of: Tag, value: Any, part: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^t") as caught:
        to_write(of, value, part)

    assert str(caught.value) == message
