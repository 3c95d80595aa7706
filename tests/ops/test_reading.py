import asyncio
import json
from collections.abc import Mapping
from fractions import Fraction

import pytest

from edge_agent.config.settings import Device, Group, Limits, Profile, Tag
from edge_agent.core.claims import Identified, Mismatch
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.registers import Bit, Field
from edge_agent.errors import DeviceError
from edge_agent.ops.reading import IDENTIFY_S, GroupRead, Reading, Row, chosen, identify, read
from tests.flow.clock import at_once

MS = 1_000_000
NOW = 1_760_000_000_000 * MS
TAGS = (
    Tag("force", "fast", "float32", Field("force", "holding", 0, "float32"), unit="kN"),
    Tag("mode", "fast", "uint16", Field("mode", "holding", 2, "uint16"), enum={1: "auto"}, enum_else="?"),
    Tag(
        "inputs",
        "fast",
        "uint16",
        Field("inputs", "holding", 3, "uint16", bits=(Bit("door", 0), Bit("lamp", 4, 2)), whole=False),
        parts={"door": {}, "lamp": {3: "red"}},
    ),
    Tag("alarms", "slow", "uint64", Field("alarms", "holding", 9, "uint64"), flags={0: "hot", 63: "stop"}),
    Tag("scaled", "slow", "int64", Field("scaled", "holding", 20, "int64", scale=Fraction(2))),
)
GROUPS = {"fast": Group("fast", 1.0), "slow": Group("slow", 10.0)}
DEVICE = Device(
    "press", Profile("a/b", "1.0.0", "", "modbus", "", GROUPS, TAGS, Limits()), "plc", 1, GROUPS, TAGS
)
FAST = Schema(
    "press",
    "fast",
    (Column("force", "f"), Column("mode", "H"), Column("inputs.door", "?"), Column("inputs.lamp", "Q")),
    b"{}",
    "m",
)
SLOW = Schema("press", "slow", (Column("scaled", "q"), Column("alarms", "Q")), b"{}", "m")


class Says:
    """A device that says what it is after some seconds."""

    def __init__(self, told: Identified, after_s: float = 0.0) -> None:
        self._told = told
        self._after_s = after_s

    async def identify(self, *, claimed: bool = False) -> Identified:
        assert not claimed
        await asyncio.sleep(self._after_s)
        return self._told


class Played:
    """A device that answers what it is told to."""

    refused = ()

    def __init__(self, answers: Mapping[str, Scan | DeviceError]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def read(self, group: str) -> Scan:
        self.asked.append(group)
        answer = self.answers[group]
        if isinstance(answer, DeviceError):
            raise answer
        return answer


async def reading_of(answers: Mapping[str, Scan | DeviceError], *names: str) -> Reading:
    return await read(DEVICE, Played(answers), names, lambda: NOW, "c0ffee")


async def test_values_come_in_the_order_of_the_profile_with_unit_text_and_age() -> None:
    single = 0.10000000149011612  # the float32 next to 0.1
    fast = Scan(FAST, NOW - 20 * MS, (single, 1, True, 3), offsets_ms=(0.0, 0.0, 5.0, 5.0))
    slow = Scan(SLOW, NOW, (2**60, 1 << 63 | 1))

    found = await reading_of({"fast": fast, "slow": slow})

    ts = 1_760_000_000_000
    assert found.rows == (
        Row("force", "fast", 0.1, "kN", "good", None, ts - 20, 20.0),
        Row("mode", "fast", 1, None, "good", "auto", ts - 20, 20.0),
        Row("inputs.door", "fast", True, None, "good", None, ts - 15, 15.0),
        Row("inputs.lamp", "fast", 3, None, "good", "red", ts - 15, 15.0),
        Row("alarms", "slow", str(1 << 63 | 1), None, "good", "hot, stop", ts, 0.0),
        Row("scaled", "slow", str(2**60), None, "good", None, ts, 0.0),
    )
    assert found.failure is None
    assert found.bad == []


async def test_reading_is_the_same_again_behind_the_socket() -> None:
    found = await reading_of({"fast": Scan(FAST, NOW, (1.0, 1, True, 3)), "slow": DeviceError("exception:2")})

    assert Reading.of(found.document()) == Reading(
        found.device, "c0ffee", tuple(found.groups), tuple(found.rows)
    )


async def test_group_that_fails_alone_is_bad_with_its_reason_and_the_others_are_asked() -> None:
    found = await reading_of({"fast": DeviceError("exception:2"), "slow": Scan(SLOW, NOW, (1, 2))})

    assert [(row.tag, row.value, row.quality) for row in found.bad] == [
        (name, None, "bad:exception:2") for name in ("force", "mode", "inputs.door", "inputs.lamp")
    ]
    assert found.failure is None


async def test_silent_device_is_not_asked_for_its_other_groups() -> None:
    played = Played({"fast": DeviceError("timeout", "nothing")})

    found = await read(DEVICE, played, (), lambda: NOW)

    assert played.asked == ["fast"]
    assert {row.quality for row in found.rows} == {"bad:timeout"}
    assert found.failure is not None
    assert (found.failure.group, found.failure.reason, found.failure.detail) == ("fast", "timeout", "nothing")


async def test_bad_and_uncertain_values_say_why() -> None:
    scan = Scan(FAST, NOW, (None, 7, True, 3), ("bad:nan", "uncertain:not_in_enum", "", ""))

    found = await reading_of({"fast": scan}, "force", "mode")

    assert [(row.value, row.quality, row.text) for row in found.rows] == [
        (None, "bad:nan", None),
        (7, "uncertain:not_in_enum", "?"),
    ]


async def test_column_that_did_not_come_is_not_known() -> None:
    found = await reading_of({"fast": Scan(FAST, NOW, (1,), None, (1,))}, "force", "mode")

    assert [(row.tag, row.value, row.quality) for row in found.rows] == [
        ("force", None, "bad:stale"),
        ("mode", 1, "good"),
    ]


async def test_only_groups_with_a_chosen_tag_are_read() -> None:
    played = Played({"slow": Scan(SLOW, NOW, (1, 2))})

    found = await read(DEVICE, played, ["scaled"], lambda: NOW)

    assert played.asked == ["slow"]
    assert [row.tag for row in found.rows] == ["scaled"]


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        ((), ["force", "mode", "inputs.door", "inputs.lamp", "alarms", "scaled"]),
        (("inputs",), ["inputs.door", "inputs.lamp"]),
        (("scaled", "inputs.lamp"), ["inputs.lamp", "scaled"]),
    ],
)
def test_a_tag_stands_for_its_parts(names: tuple[str, ...], meant: list[str]) -> None:
    assert chosen(DEVICE, names) == meant


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError, match=r"inputs\.dor"):
        chosen(DEVICE, ["force", "inputs.dor"])


def test_a_reading_without_groups_has_not_failed() -> None:
    assert Reading("d", "", (), ()).failure is None
    assert Reading("d", "", (GroupRead("g", 1.0, "timeout"),), ()).failure is not None


@at_once
async def test_what_a_device_says_it_is_comes_with_what_was_read_and_travels_as_json() -> None:
    told = await identify(Says(Identified("Acme", Mismatch("vendor", "'Eastron'", "'Acme'")), 1.0))

    read = Reading("press", "", (), ()).identified(told)

    assert (read.identity, read.mismatch) == ("Acme", "vendor is 'Acme' instead of 'Eastron'")
    assert Reading.of(json.loads(json.dumps(read.document()))) == read
    assert Reading("press", "", (), ()).identified(Identified()).mismatch == ""


@at_once
async def test_nobody_waits_long_for_what_a_device_says_it_is() -> None:
    assert await identify(Says(Identified("Acme"), 2 * IDENTIFY_S)) == Identified()
