import json
from pathlib import Path

import jsonschema

from edge_agent.core.metadata import canonical, short_name
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.payload import message, milliseconds

SHAPE = json.loads((Path(__file__).parents[2] / "edge_agent/schemas/payload-1.schema.json").read_text())
SCHEMA = Schema(
    "press-12",
    "fast",
    (Column("force", "f"), Column("mode", "H"), Column("strokes", "Q"), Column("name", "s")),
    b"{}",
    "3fa91c02",
)
MS = 1_000_000


def scans_of(*scans: Scan) -> list[dict[str, object]]:
    document = message("gw17", "b1", 1, scans, done=0)
    jsonschema.validate(json.loads(json.dumps(document)), SHAPE)
    rows = document["s"]
    assert isinstance(rows, list)
    return rows


def test_message_has_the_form_receivers_know() -> None:
    scan = Scan(SCHEMA, 1_760_000_000_010 * MS, (812.5, 2, 7, "a"), full=True)

    document = message("gw17", "5f5f", 1200, [scan], done=1150)

    assert document == {
        "v": 1,
        "gw": "gw17",
        "b": "5f5f",
        "d": "press-12",
        "g": "fast",
        "m": "3fa91c02",
        "n": (1200, 1200),
        "c": 1150,
        "s": [{"ts": 1760000000010, "k": 1, "v": {"force": 812.5, "mode": 2, "strokes": 7, "name": "a"}}],
    }
    jsonschema.validate(json.loads(json.dumps(document)), SHAPE)


def test_what_was_filled_later_is_marked() -> None:
    (row,) = scans_of(Scan(SCHEMA, 0, (812.5,), None, (0,), filled=True))

    assert row == {"ts": 0, "f": 1, "v": {"force": 812.5}}


def test_bad_has_no_value_and_uncertain_has_both() -> None:
    rows = scans_of(Scan(SCHEMA, 0, (None, 9, 7, "a"), ("bad:nan", "uncertain:not_in_enum", "", "")))

    assert rows == [
        {
            "ts": 0,
            "v": {"mode": 9, "strokes": 7, "name": "a"},
            "q": {"force": "bad:nan", "mode": "uncertain:not_in_enum"},
        }
    ]


def test_common_failure_is_said_once() -> None:
    assert scans_of(Scan(SCHEMA, 0, (None,) * 4, ("bad:timeout",) * 4)) == [
        {"ts": 0, "q": {"*": "bad:timeout"}}
    ]
    part = scans_of(Scan(SCHEMA, 0, (None, None), ("bad:timeout",) * 2, (0, 1)))
    assert part == [{"ts": 0, "q": {"force": "bad:timeout", "mode": "bad:timeout"}}]


def test_carried_columns_only() -> None:
    rows = scans_of(Scan(SCHEMA, 0, (2, "b"), None, (1, 3), (0.0, 140.25)))

    assert rows == [{"ts": 0, "v": {"mode": 2, "name": "b"}, "t": {"mode": 0.0, "name": 140.25}}]


def test_float32_prints_its_shortest_form() -> None:
    rows = scans_of(Scan(SCHEMA, 0, (0.10000000149011612, 2, 7, "a")))
    only = Schema("d", "g", (Column("a", "f"), Column("b", "f")), b"{}", "00000000")
    plain = message("gw", "b", 1, [Scan(only, 0, (0.10000000149011612, 2.5))], done=0)

    assert json.loads(json.dumps(rows))[0]["v"]["force"] == 0.1
    assert json.loads(json.dumps(plain))["s"][0]["v"] == {"a": 0.1, "b": 2.5}


def test_float16_prints_its_shortest_form() -> None:
    halves = Schema("d", "g", (Column("a", "e"), Column("b", "e"), Column("c", "f")), b"{}", "00000000")
    scan = Scan(halves, 0, (0.0999755859375, None, 0.10000000149011612), ("", "bad:nan", ""))

    assert message("gw", "b", 1, [scan], done=0)["s"] == [
        {"ts": 0, "v": {"a": 0.1, "c": 0.1}, "q": {"b": "bad:nan"}}
    ]


def test_arrays_travel_as_arrays() -> None:
    columns = Column("a", "2f"), Column("b", "3H"), Column("c", "2Q"), Column("d", "1e")
    arrays = Schema("d", "g", columns, b"{}", "00000000")
    tenth, half = 0.10000000149011612, 0.0999755859375

    rows = scans_of(Scan(arrays, 0, ((tenth, 1.0), (1, 2, 3), (2**53, 7), (half,))))
    part = scans_of(Scan(arrays, 0, (None, (1, 2)), ("bad:nan", "uncertain:out_of_range"), (0, 2)))

    assert json.loads(json.dumps(rows)) == [
        {"ts": 0, "v": {"a": [0.1, 1.0], "b": [1, 2, 3], "c": ["9007199254740992", 7], "d": [0.1]}}
    ]
    assert json.loads(json.dumps(part)) == [
        {"ts": 0, "v": {"c": [1, 2]}, "q": {"a": "bad:nan", "c": "uncertain:out_of_range"}}
    ]


def test_whole_numbers_that_json_readers_would_bend_go_as_text() -> None:
    rows = scans_of(Scan(SCHEMA, 0, (1.0, 2, 2**53, "a")), Scan(SCHEMA, 0, (1.0, 2, 2**53 - 1, "a")))

    assert json.loads(json.dumps(rows))[0]["v"]["strokes"] == "9007199254740992"
    assert json.loads(json.dumps(rows))[1]["v"]["strokes"] == 9007199254740991


def test_times_are_milliseconds_with_three_decimals_at_most() -> None:
    assert milliseconds(1_760_000_000_010_000_000) == 1760000000010
    assert json.dumps(milliseconds(1_760_000_000_010_123_999)) == "1760000000010.124"


def test_time_that_is_not_the_agents_shows_how_far_it_lies() -> None:
    assert scans_of(Scan(SCHEMA, 5 * MS, (1.0, 2, 7, "a"), lag_ns=-1500 * MS))[0]["a"] == -1500


def test_canonical_json_is_the_same_for_the_same_content() -> None:
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
    # sha256sum of the bytes above
    assert short_name(b"{}") == "44136fa3"
