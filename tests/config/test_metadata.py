import json
from pathlib import Path

from edge_agent.config.metadata import device_document
from edge_agent.config.settings import BufferSettings, Device, Gateway, Group, Limits, Profile, Tag
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


def _tags(*tags: Tag) -> object:
    groups = {"fast": Group("fast", 1.0)}
    profile = Profile("a/b", "1.0.0", "", "modbus", "x", groups, tags, Limits())
    gateway = Gateway("gw17", {}, {}, {}, {}, BufferSettings(Path("buffer")))
    return json.loads(device_document(gateway, Device("d", profile, "plc", 1, groups, tags)))["tags"]
