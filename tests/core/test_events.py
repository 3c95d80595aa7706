"""Events: what a record of one has, how it is kept, and how it is told."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from edge_agent.buffer.state import pack_schema, unpack_schema
from edge_agent.core import record
from edge_agent.core.events import ABSENT, CONDITION, SERVER, EventField, EventSource, Everything
from edge_agent.core.metadata import canonical, short_name
from edge_agent.core.model import Column, Scan, Schema
from edge_agent.core.nodes import Spot, Step
from edge_agent.core.payload import message

SHAPE = json.loads((Path(__file__).parents[2] / "edge_agent/schemas/payload-1.schema.json").read_text())
SOURCE = EventSource(
    fields=(
        EventField("count", (Step("urn:a", "Count"),), "UInt64"),
        EventField("ratio", (Step("urn:a", "Ratio"),), "Float"),
        EventField("part", (Step("urn:a", "Part"),), "NodeId"),
    )
)
DOCUMENT = canonical({"d": "press", "groups": {"alarms": {"mode": "events"}, "fast": {"interval_s": 1.0}}})
SCHEMA = Schema("press", "alarms", SOURCE.columns, DOCUMENT, short_name(DOCUMENT), events=True)
MS = 1_000_000
EVENT = Scan(
    SCHEMA, 1_760_000_000_010 * MS, ("AQ==", "AlarmConditionType", 700, "Pump", "hot", 7, 0.5, "i=1")
)


def told(*events: Scan) -> list[dict[str, object]]:
    document = json.loads(json.dumps(message("gw17", "b1", 1, events, done=0)))
    jsonschema.validate(document, SHAPE)
    assert "s" not in document
    rows: list[dict[str, object]] = document["e"]
    return rows


def test_events_travel_in_a_form_of_their_own() -> None:
    assert told(replace(EVENT, lag_ns=1500 * MS)) == [
        {
            "ts": 1760000000010,
            "a": 1500,
            "id": "AQ==",
            "type": "AlarmConditionType",
            "severity": 700,
            "source": "Pump",
            "message": "hot",
            "fields": {"count": 7, "ratio": 0.5, "part": "i=1"},
        }
    ]


def test_what_is_told_again_says_so() -> None:
    assert told(replace(EVENT, full=True))[0]["k"] == 1


def test_a_field_without_a_value_is_absent_and_nothing_is_wrong_with_it() -> None:
    values = (*EVENT.values[:4], None, 7, None, "i=1")
    event = replace(EVENT, values=values, quality=("", "", "", "", ABSENT, "", ABSENT, ""))

    (row,) = told(event)

    assert row["fields"] == {"count": 7, "part": "i=1"}
    assert row["message"] is None
    assert "q" not in row


def test_a_field_of_another_type_has_no_value_and_says_why() -> None:
    values = (*EVENT.values[:5], None, 0.5, "i=1")
    event = replace(EVENT, values=values, quality=(*[""] * 5, "bad:wrong_answer:Double", "", ""))

    (row,) = told(event)

    assert row["fields"] == {"ratio": 0.5, "part": "i=1"}
    assert row["q"] == {"count": "bad:wrong_answer:Double"}


def test_an_uncertain_field_has_both() -> None:
    event = replace(EVENT, quality=(*[""] * 6, "uncertain:out_of_range", ""))

    (row,) = told(event)

    assert row["fields"] == {"count": 7, "ratio": 0.5, "part": "i=1"}
    assert row["q"] == {"ratio": "uncertain:out_of_range"}


def test_wide_numbers_are_texts_here_too() -> None:
    (row,) = told(replace(EVENT, values=(*EVENT.values[:5], 2**64 - 1, 0.1, "i=1")))

    assert row["fields"] == {"count": "18446744073709551615", "ratio": 0.1, "part": "i=1"}


def test_a_record_of_the_log_says_by_its_metadata_that_it_is_an_event() -> None:
    schema = unpack_schema(pack_schema(SCHEMA))
    event = replace(EVENT, quality=(*[""] * 7, ABSENT), values=(*EVENT.values[:7], None), full=True, lag_ns=5)

    assert schema.events
    assert schema.stores == SCHEMA.stores
    kept = record.decode(schema, event.time_ns + 5, record.encode(event))
    assert told(kept) == told(event)


@pytest.mark.parametrize("document", [DOCUMENT, b"{}", canonical({"groups": {}})])
def test_a_record_of_tags_is_none(document: bytes) -> None:
    tags = Schema("press", "fast", (Column("force", "f"),), document, short_name(document))

    assert not unpack_schema(pack_schema(tags)).events


def test_every_event_is_reported_as_it_is_and_none_by_itself() -> None:
    reporter = Everything()
    reporter.renew()

    assert reporter.report(EVENT) is EVENT
    assert reporter.report(EVENT) is EVENT
    assert reporter.confirm(EVENT.time_ns) is None
    assert list(reporter.quality) == []


def test_the_source_is_the_server_unless_written() -> None:
    assert EventSource().node == SERVER == Spot("", "i=2253")


def test_columns_of_all_events_come_first() -> None:
    names = [column.name for column in EventSource(fields=CONDITION).columns]

    assert names[:5] == ["id", "type", "severity", "source", "message"]
    assert names[5:] == ["condition_id", "condition_name", "branch_id", "active", "acked", "retain"]
