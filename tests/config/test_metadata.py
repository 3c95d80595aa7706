import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_agent.config.metadata import device_document
from edge_agent.config.settings import BufferSettings, Device, Gateway, Group, Limits, Profile, Tag
from edge_agent.core.events import EventField, EventSource
from edge_agent.core.nodes import Step
from edge_agent.core.registers import Field


def test_a_column_says_its_type_and_whether_its_numbers_may_be_texts() -> None:
    tags = (
        Tag("curve", "fast", "uint16[8]", Field("curve", "holding", 0, "uint16", elements=8), unit="A"),
        Tag("sums", "fast", "uint64[2]", Field("sums", "holding", 8, "uint64", elements=2)),
        Tag("total", "fast", "uint64", Field("total", "holding", 16, "uint64"), kind="counter"),
    )

    assert _tags(*tags) == {
        "curve": {"type": "uint16[8]", "group": "fast", "unit": "A", "report": "always"},
        "sums": {"type": "uint64[2]", "group": "fast", "report": "always", "wide": True},
        "total": {
            "type": "uint64",
            "group": "fast",
            "report": "always",
            "wide": True,
            "kind": "counter",
        },
    }


def test_a_source_of_events_names_its_fields_with_their_types() -> None:
    fields = (
        EventField("batch", (Step("urn:a", "Batch"),), "UInt64"),
        EventField("part", (Step("", "P"),), "String"),
    )
    groups = {
        "alarms": Group("alarms", 0.5, mode="events", events=EventSource(severity=300, fields=fields)),
        "fast": Group("fast", 1.0),
    }

    assert _document(groups)["groups"] == {
        "alarms": {
            "mode": "events",
            "interval_s": 0.5,
            "severity": 300,
            "fields": {"batch": {"type": "UInt64", "wide": True}, "part": {"type": "String"}},
        },
        "fast": {"interval_s": 1.0, "report": "always", "heartbeat_s": 300.0},
    }


def _tags(*tags: Tag) -> object:
    return _document({"fast": Group("fast", 1.0)}, *tags)["tags"]


def _document(groups: Mapping[str, Group], *tags: Tag) -> Any:
    profile = Profile("a/b", "1.0.0", "", "modbus", "x", groups, tags, Limits())
    gateway = Gateway("gw17", {}, {}, {}, {}, BufferSettings(Path("buffer")))
    return json.loads(device_document(gateway, Device("d", profile, "plc", 1, groups, tags)))
