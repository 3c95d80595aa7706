import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edge_agent import cli
from edge_agent.config.schema import gateway_schema, profile_schema
from edge_agent.config.shelf import shipped_profiles
from edge_agent.config.yaml_nodes import read
from edge_agent.drivers.kinds import kinds

PROFILE = Draft202012Validator(profile_schema(kinds()))
GATEWAY = Draft202012Validator(gateway_schema(kinds()))
SHIPPED = sorted(shipped_profiles().glob("*/*.yaml"))
BROKEN = Path(__file__).with_name("broken-profile.yaml")
PAGES = [Path(__file__).parents[2] / name for name in ("README.md", "docs/gateway.md")]
EXAMPLES = [text for page in PAGES for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]

HEAD = "schema: edge-agent/profile/1\nid: acme/press\nversion: 1.0.0\n"
DEVICES = "schema: edge-agent/gateway/1\ndevices:\n  m: {profile: a/b@1, connection: plc, "
PRESS = HEAD + "protocol: modbus\ntitle: A press\n"


@pytest.mark.parametrize("validator", [PROFILE, GATEWAY])
def test_a_schema_is_a_schema(validator: Draft202012Validator) -> None:
    Draft202012Validator.check_schema(validator.schema)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_profile_is_valid(path: Path) -> None:
    assert _faults(PROFILE, path.read_text()) == []


@pytest.mark.parametrize("text", EXAMPLES, ids=["readme", "gateway"])
def test_a_configuration_in_the_docs_is_valid(text: str) -> None:
    assert _faults(GATEWAY, text) == []


def test_seeded_mistakes_are_seen_as_far_as_a_schema_can_see_them() -> None:
    assert set(_faults(PROFILE, BROKEN.read_text())) == {
        "id",
        "version",
        "groups.fast.interval",
        "groups.slow",
        "tags.force",
        "tags.oil.type",
        "limits.max_registers",
    }


@pytest.mark.parametrize(
    "text",
    [
        PRESS
        + 'tags: {"a_{n}": {address: "{n}", for: {n: "0..7"}, type: "{t}", length: "{n+1}", deadband: 2%}}',
        PRESS + "tags: {a: {address: 1, bits: {x: 0, y: {bits: [1, 2]}}, enum: {1: x}}}",
        PRESS + 'tags: {}\nidentify: [{object: vendor, one_of: [a, "{b}"]}, {read: {address: 1}, equals: 5}]',
        PRESS + 'tags: {}\nparams: {n: {type: int, default: 5}}\ngroups: {g: {interval: "{n}s"}}',
        HEAD
        + "extends: a/b@1\ntags: {a: {unit: V}, b: null, c: {enum: {1: null}}}\nlimits: {max_gap: null}\n",
        HEAD + "extends: a/b@1\nparams: {db: {default: x}}\ntitle: null\n",
    ],
)
def test_what_a_profile_may_say_is_valid(text: str) -> None:
    assert _faults(PROFILE, text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (PRESS, ""),
        (HEAD + "title: x\ntags: {}\n", ""),
        (PRESS.replace("modbus", "modbsu") + "tags: {}\n", "protocol"),
        (PRESS + "tags: {a: {}}", "tags.a"),
        (PRESS + "tags: {a: {address: 1, unit: null}}", "tags.a.unit"),
        (PRESS + "tags: {a: {address: 1, bits: {x: z}}}", "tags.a.bits.x"),
        (PRESS + "tags: {}\nparams: {a: {type: integer}}", "params.a.type"),
        (PRESS + "tags: {}\nidentify: [{object: vendro, equals: a}]", "identify.0.object"),
        (PRESS + "tags: {}\nidentify: [{read: {adress: 1}, equals: 5}]", "identify.0.read"),
        (PRESS + "tags: {}\ntests: [{registers: {holdin: {}}, expect: {a: 1}}]", "tests.0.registers"),
        (PRESS + "tags: {}\ntests: [{name: x, registers: {}, expect: {a: {adress: 1}}}]", "tests.0.expect.a"),
        (HEAD + "extends: a/b@1\ntags: {a: {adress: 1}}\n", ""),
        (HEAD.replace("version: 1.0.0\n", "") + "extends: a/b@1\n", ""),
    ],
)  # fmt: skip
def test_what_a_profile_may_not_say_is_seen_at_its_place(text: str, place: str) -> None:
    assert place in _faults(PROFILE, text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (DEVICES + 'for: {n: "1..3"}, unit: "{n}", params: {db: X}, groups: {fast: {interval: 5s}}}', None),
        (DEVICES + "groups: {fast: {intervall: 5s}}}", "devices.m.groups.fast"),
        (DEVICES + "unit: 300}", "devices.m.unit"),
        (DEVICES + "unti: 3}", "devices.m"),
        ("schema: edge-agent/gateway/1\nconnections: {a: {modbus: {tpc: x}}}", "connections.a.modbus"),
        ("schema: edge-agent/gateway/1\nconnections: {a: {modbsu: {tcp: x}}}", "connections.a"),
        ("schema: edge-agent/gateway/1\ngateway: {id: x}\nbuffer: {commit: 5}", "buffer.commit"),
        (
            "schema: edge-agent/gateway/1\ndestinations: {a: {mqtt: {url: http://x}}}",
            "destinations.a.mqtt.url",
        ),
    ],
)
def test_a_gateway_is_seen_into(text: str, place: str | None) -> None:
    faults = _faults(GATEWAY, text)

    assert (place in faults) if place else faults == []


@pytest.mark.parametrize("validator", [PROFILE, GATEWAY])
def test_every_key_says_what_it_means(validator: Draft202012Validator) -> None:
    silent = {name for name, schema in _keys(validator.schema) if not schema.get("description")}

    # The protocol of a connection has its keys, and the else-branch of a profile the names of protocols.
    assert silent <= {"protocol"}


def test_no_place_is_left_open() -> None:
    anything = {
        name
        for validator in (PROFILE, GATEWAY)
        for name, schema in _keys(validator.schema)
        if not {"type", "anyOf", "enum", "const"} & schema.keys()
        or schema.get("additionalProperties") is True
    }

    assert anything == set()


@pytest.mark.parametrize(("kind", "expected"), [("profile", PROFILE.schema), ("gateway", GATEWAY.schema)])
def test_the_command_prints_the_schema(
    kind: str, expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out) == expected


def _keys(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a schema describes, at any depth."""
    if isinstance(schema, list):
        for each in schema:
            yield from _keys(each)
    if isinstance(schema, dict):
        for name, each in schema.get("properties", {}).items():
            yield name, each
        for each in schema.values():
            yield from _keys(each)


def _faults(validator: Draft202012Validator, text: str) -> list[str]:
    value = _in_json(read(text.encode(), Path("a.yaml")).value)
    return [".".join(str(key) for key in fault.absolute_path) for fault in validator.iter_errors(value)]


def _in_json(value: object) -> Any:
    """The value as an editor sees it: every key is a text."""
    if isinstance(value, dict):
        return {str(key): _in_json(each) for key, each in value.items()}
    return [_in_json(each) for each in value] if isinstance(value, list) else value
