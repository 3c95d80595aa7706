"""Frames of the live screen: what stands where, and what gives way when there is little room."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.demo.screen import (
    Books,
    BufferLine,
    DeviceLine,
    Line,
    LinkLine,
    Snapshot,
    TagLine,
    cells,
    cut,
    frame,
    span,
    text,
)

KEYS = (("b cut", "the broker link"), ("p stop meter-1", ""), ("k kill -9", "the agent"), ("q quit", ""))


def good(tag: str, value: str = "1.5", *, unit: str = "V", changed_s: float = 0.3) -> TagLine:
    return TagLine(tag, value, unit, "good", 0.3, changed_s)


def bad(tag: str, quality: str = "bad:timeout", *, age_s: float = 4.0) -> TagLine:
    return TagLine(tag, None, "V", quality, age_s, age_s)


METER = DeviceLine("meter-1", "ok", 40, "", [good("voltage_l1", "231.4"), good("energy", "7", changed_s=20)])
WELL = Snapshot(
    title="edge-agent demo",
    running_s=83.2,
    agent="agent up 80 s",
    online=True,
    devices=(METER,),
    link=LinkLine(None, connected=True, why=""),
    buffer=BufferLine(0, more=False, oldest_s=None),
    books=Books(512, 6120, 3, ("restart:unclean", "overrun io-1/io"), 0, 0),
    events=(("18:29:22", "the PLC of meter-1 is stopped"),),
    keys=KEYS,
)


def drawn(now: Snapshot, width: int = 80, height: int = 24) -> list[str]:
    return [text(line).rstrip() for line in frame(now, width, height)]


def line_with(now: Snapshot, words: str, width: int = 80) -> Line:
    (line,) = [line for line in frame(now, width, 24) if words in text(line)]
    return line


def styles(line: Line) -> set[str]:
    return {style for words, style in line if words.strip()}


# Whole frames


def test_frame_of_a_plant_that_is_well() -> None:
    assert drawn(WELL, 80, 15) == [
        "edge-agent demo   1:23   agent up 80 s",
        "  TAG                      VALUE             UNIT   QUALITY                  AGE",
        "meter-1 ok for 40 s",
        "* voltage_l1               231.4             V      good                   0.3 s",
        "  energy                   7                 V      good                   0.3 s",
        "",
        "broker   link up",
        "buffer   nothing waits",
        "arrived  512 scans, 6120 values, 3 scans twice",
        "gaps     2 named, the last: overrun io-1/io, restart:unclean",
        "18:29:22 the PLC of meter-1 is stopped",
        "",
        "",
        "missing 0  wrong 0  all accounted for",
        "b cut the broker link   p stop meter-1   k kill -9 the agent   q quit",
    ]


def test_frame_of_a_plant_in_trouble() -> None:
    down = DeviceLine(
        "io-1", "down", 3.2, "connection refused", [bad(t) for t in ("lamp", "pump", "parts", "state")]
    )
    away = replace(METER, state="unknown", since_s=12, why="was ok; gateway offline (connection lost)")
    now = replace(
        WELL,
        online=False,
        devices=(away, down),
        link=LinkLine(12.4, connected=False, why=""),
        buffer=BufferLine(27, more=False, oldest_s=12.5),
        books=replace(WELL.books, duplicates=0, gaps=(), missing=2),
        events=(),
    )

    assert drawn(now, 80, 17) == [
        "edge-agent demo   1:23   agent up 80 s",
        "  TAG                      VALUE             UNIT   QUALITY                  AGE",
        "meter-1 unknown for 12 s  was ok; gateway offline (connection lost)",
        "* voltage_l1               231.4             V      was good               0.3 s",
        "  energy                   7                 V      was good               0.3 s",
        "io-1 down for 3.2 s  connection refused",
        "! all 4 tags                                        bad:timeout            4.0 s",
        "",
        "broker   CUT for 12 s: the agent keeps what it reads",
        "buffer   27 records wait, the oldest 12 s old",
        "arrived  512 scans, 6120 values",
        "gaps     none",
        "         nothing has gone wrong yet; the keys below make it go wrong",
        "",
        "",
        "missing 2  wrong 0  NOT ALL ACCOUNTED FOR",
        "b cut the broker link   p stop meter-1   k kill -9 the agent   q quit",
    ]


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 60),
    devices=st.integers(0, 5),
    names=st.lists(st.text(max_size=40), max_size=30),
)
def test_every_frame_is_as_large_as_the_terminal(
    width: int, height: int, devices: int, names: list[str]
) -> None:
    tags = [bad(name) if i % 3 else good(name, name) for i, name in enumerate(names)]
    now = replace(WELL, devices=[DeviceLine(f"d{i}", "ok", 1, "why", tags) for i in range(devices)])

    lines = frame(now, width, height)

    assert [cells(text(line)) for line in lines] == [width] * height


def test_verdict_and_keys_stay_when_the_terminal_is_low() -> None:
    assert drawn(WELL, 80, 2) == [
        "missing 0  wrong 0  all accounted for",
        "b cut the broker link   p stop meter-1   k kill -9 the agent   q quit",
    ]


def test_keys_are_told_in_short_on_a_narrow_terminal() -> None:
    assert drawn(WELL, 50)[-1] == "b cut  p stop meter-1  k kill -9  q quit"


# Which tags are shown


def shown(devices: list[DeviceLine], room: int) -> list[str]:
    height = 2 + len(devices) + room + 9
    table = drawn(replace(WELL, devices=devices), 80, height)[2 : 2 + len(devices) + room]
    return [row[:20].rstrip() for row in table]


def test_bad_tags_come_before_changed_ones_and_those_before_the_rest() -> None:
    tags = [good("a", changed_s=60), good("b"), bad("c"), good("d", changed_s=60), bad("e", "bad:nan")]
    device = DeviceLine("press", "failing", 5, "", tags)

    assert shown([device], 2) == ["press failing for 5.", "! c", "! e"]
    assert shown([device], 3)[1:] == ["* b", "! c", "! e"]
    assert shown([device], 4)[1:] == ["  a", "* b", "! c", "! e"]


def test_uncertain_tag_comes_before_a_changed_one() -> None:
    doubtful = TagLine("b", "900", "V", "uncertain:out_of_range", 1, 60)

    assert shown([DeviceLine("press", "ok", 5, "", [good("a"), doubtful])], 1)[1:] == ["~ b"]


def test_devices_share_the_rows() -> None:
    one = DeviceLine("one", "ok", 5, "", [good(f"a{i}") for i in range(8)])
    two = DeviceLine("two", "ok", 5, "", [good(f"b{i}") for i in range(8)])

    assert shown([one, two], 4) == [
        "one ok for 5.0 s  +6",
        "* a0",
        "* a1",
        "two ok for 5.0 s  +6",
        "* b0",
        "* b1",
    ]


def test_hidden_tags_are_counted_each() -> None:
    tags = [good("a"), bad("b"), bad("c"), good("d"), good("e", changed_s=60)]
    device = DeviceLine("press", "ok", 5, "", tags)

    assert "press ok for 5.0 s  +3 more" in drawn(replace(WELL, devices=[device]), 80, 14)


def test_tags_without_a_value_for_the_same_reason_share_a_row() -> None:
    tags = [good("a"), bad("b", age_s=4), bad("c", age_s=6), bad("d"), bad("e", "bad:nan")]
    device = DeviceLine("press", "failing", 5, "", tags)

    rows = drawn(replace(WELL, devices=[device]))[3:6]

    assert rows == [
        "* a                        1.5               V      good                   0.3 s",
        "! 3 tags: b, c, d                                   bad:timeout            6.0 s",
        "! e                        -                        bad:nan                4.0 s",
    ]


def test_tag_that_is_not_known_is_marked() -> None:
    tags = [TagLine("a", None, "V", "unknown", None, 1e9)]

    line = line_with(replace(WELL, devices=[DeviceLine("press", "ok", 5, "", tags)]), "unknown")

    assert text(line).rstrip() == "? a                        -                        unknown"
    assert styles(line) == {"warn"}


# What is easy to see


def test_change_of_the_last_second_is_marked() -> None:
    assert styles(line_with(WELL, "voltage_l1")) == {"fresh"}
    assert styles(line_with(WELL, "energy")) == {"plain"}


def test_last_values_of_a_gateway_that_is_gone_are_dim_and_say_was() -> None:
    old = replace(METER, tags=[good("a", changed_s=5)])
    line = line_with(replace(WELL, online=False, devices=[old]), "was good")

    assert styles(line) == {"dim"}


def test_bad_tag_and_device_stand_out() -> None:
    now = replace(WELL, devices=[DeviceLine("press", "down", 5, "timeout", [bad("a")])])

    assert styles(line_with(now, "bad:timeout")) == {"bad"}
    assert styles(line_with(now, "press")) == {"head", "bad"}


def test_verdict_that_is_not_good_stands_out() -> None:
    for books in (replace(WELL.books, missing=1), replace(WELL.books, wrong=1)):
        assert styles(line_with(replace(WELL, books=books), "NOT ALL")) == {"bad"}


# The facts below


@pytest.mark.parametrize(
    ("buffer", "words"),
    [
        (BufferLine(0, more=False, oldest_s=None), "nothing waits"),
        (BufferLine(1, more=False, oldest_s=0.4), "1 record waits, 0.4 s old"),
        (BufferLine(9000, more=True, oldest_s=7300), "9000 or more records wait, the oldest 2 h old"),
        (BufferLine(0, more=True, oldest_s=None), "0 or more records wait, the oldest of unknown age"),
        (None, "not known: agent up 80 s"),
    ],
)
def test_buffer_says_what_waits(buffer: BufferLine | None, words: str) -> None:
    assert f"buffer   {words}" in drawn(replace(WELL, buffer=buffer))


def test_link_without_an_agent_says_why() -> None:
    link = LinkLine(None, connected=False, why="connection refused")

    assert "broker   cable in, the agent is not connected: connection refused" in drawn(
        replace(WELL, link=link)
    )


def test_only_the_last_events_are_shown() -> None:
    events = [(f"10:00:0{i}", f"fault {i}") for i in range(5)]

    rows = drawn(replace(WELL, events=events))

    assert [row for row in rows if "fault" in row] == [f"10:00:0{i} fault {i}" for i in (2, 3, 4)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (119, "119 s"), (120, "2 min"), (86400, "24 h")],
)
def test_duration_is_short(seconds: float, words: str) -> None:
    assert span(seconds) == words


# Texts of any kind


@pytest.mark.parametrize(
    ("words", "width", "result"),
    [
        ("speed", 7, "speed  "),
        ("temperature", 6, "tempe…"),
        ("a\x1b[2Jb\n", 8, "a?[2Jb? "),
        ("運転中", 6, "運転中"),
        ("運転中", 5, "運転…"),
        ("運転中", 4, "運… "),
        ("e\u0301t", 3, "e\u0301t "),
        ("speed", 1, "…"),
        ("speed", 0, ""),
    ],
)
def test_text_takes_the_cells_it_is_given(words: str, width: int, result: str) -> None:
    assert cut(words, width) == result
