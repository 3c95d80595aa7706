"""JSON Schemas of the files, made from the very models that check them: for editors that complete.

They know less than the loader (what belongs together, what a name stands for), and refuse nothing it takes.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema

from edge_agent.config.extends import OWN
from edge_agent.config.gateway_keys import GatewayFile
from edge_agent.config.kinds import Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PLACEHOLDER: JsonSchemaValue = {
    "type": "string",
    "pattern": r"\{",
    "description": "a text with {placeholders}",
}
_LITERAL = frozenset({*OWN, "protocol", "params"})
"""Keys of a profile in which a brace is a brace."""


def gateway_schema(kinds: Mapping[str, Kind]) -> JsonSchemaValue:
    """Of `agent.yaml` and the files of `conf.d`."""
    schema = _schema_of(GatewayFile)
    # A file of conf.d says no gateway; it is told the rest by `check`.
    schema["required"] = ["schema"]
    keys = schema["properties"]
    keys["connections"]["additionalProperties"] = {
        "type": "object",
        "description": "one socket or session, with its protocol",
        "properties": {name: _schema_of(kind.connection_model) for name, kind in kinds.items()},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    device = keys["devices"]["additionalProperties"]
    device["properties"]["groups"]["additionalProperties"] = _any_of(
        [_schema_of(model) for model in dict.fromkeys(kind.group_model for kind in kinds.values())]
    )
    keys["devices"]["additionalProperties"] = _with_placeholders(device)
    return {
        "$schema": DIALECT,
        "$id": "edge-agent/gateway/1",
        "title": "edge_agent configuration of a gateway",
        **schema,
    }


def profile_schema(kinds: Mapping[str, Kind]) -> JsonSchemaValue:
    """Of a device profile, of every protocol."""
    wholes = {name: _profile(kind) for name, kind in kinds.items()}
    return {
        "$schema": DIALECT,
        "$id": "edge-agent/profile/1",
        "title": "edge_agent device profile",
        "type": "object",
        "required": ["schema", "id", "version"],
        "if": {"required": ["extends"]},
        "then": {"anyOf": [_change(whole) for whole in wholes.values()]},
        "else": {
            "required": ["protocol"],
            "properties": {"protocol": {"enum": list(kinds)}},
            "allOf": [
                {"if": {"properties": {"protocol": {"const": name}}}, "then": whole}
                for name, whole in wholes.items()
            ],
        },
    }


def in_json(schema: JsonSchemaValue) -> str:
    """The text of a schema as it stands in a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _profile(kind: Kind) -> JsonSchemaValue:
    schema = _schema_of(kind.profile_model)
    keys = schema["properties"]
    keys["groups"]["additionalProperties"] = _schema_of(kind.group_model)
    keys["tags"]["additionalProperties"] = _schema_of(kind.tag_model)
    schema["properties"] = {
        name: each if name in _LITERAL else _with_placeholders(each) for name, each in keys.items()
    }
    return schema


class _Plainly(GenerateJsonSchema):
    """Without a title made from the name of each key: the key says as much."""

    def field_title_should_be_set(self, schema: object) -> bool:  # type: ignore[explicit-override]
        """Never."""
        del schema
        return False


def _schema_of(model: type[BaseModel]) -> JsonSchemaValue:
    """The schema of a model, written out: it refers to nothing, and says nothing of null."""
    references, found = models_json_schema([(model, "validation")], schema_generator=_Plainly)
    definitions: Mapping[str, JsonSchemaValue] = found.get("$defs", {})
    schema: JsonSchemaValue = _written_out(references[model, "validation"], definitions)
    return schema


def _written_out(node: Any, definitions: Mapping[str, JsonSchemaValue]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(node, list):
        return [_written_out(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        meant = definitions[node["$ref"].rpartition("/")[2]]
        return _written_out(
            {**meant, **{key: each for key, each in node.items() if key != "$ref"}}, definitions
        )
    made = {key: _written_out(each, definitions) for key, each in node.items() if key != "properties"}
    if "properties" in node:
        made.pop("title", None)
        keys = node["properties"]
        made["properties"] = {name: _written_out(each, definitions) for name, each in keys.items()}
    if made.get("default") is None or isinstance(made["default"], dict):
        made.pop("default", None)
    if isinstance(made.get("anyOf"), list):
        left = [each for each in made.pop("anyOf") if each != {"type": "null"}]
        made = {**_any_of(left), **made}
    return made


def _any_of(choices: list[JsonSchemaValue]) -> JsonSchemaValue:
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _with_placeholders(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The schema with a text that has a brace in it allowed wherever a text could become what is wanted."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*map(_with_placeholders, schema["anyOf"])]}
    if schema.get("type") in ("object", "array"):
        return _inside(schema, _with_placeholders)
    free = schema.get("type") == "string" and not {"pattern", "enum", "const"} & schema.keys()
    if free or isinstance(schema.get("type"), list):
        return schema
    return _or(schema, _PLACEHOLDER)


def _change(whole: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a profile that is put over another: nothing has to be there, and null deletes."""
    changed = _loosened(whole)
    own = {name: whole["properties"][name] for name in OWN}
    return {**changed, "properties": {**changed["properties"], **own}, "required": [*OWN[:4]]}


def _loosened(schema: JsonSchemaValue) -> JsonSchemaValue:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*map(_loosened, schema["anyOf"])]}
    if schema.get("type") != "object":
        return schema
    made = _inside(schema, lambda each: _or(_loosened(each), {"type": "null"}))
    made.pop("required", None)
    made.pop("minProperties", None)
    return made


def _or(schema: JsonSchemaValue, other: JsonSchemaValue) -> JsonSchemaValue:
    """Either of two, with what the first says to people outside of both."""
    said = ("description", "default")
    outer: JsonSchemaValue = {key: each for key, each in schema.items() if key in said}
    inner = {key: each for key, each in schema.items() if key not in said}
    return {**outer, "anyOf": [inner, other]}


def _inside(schema: JsonSchemaValue, change: Callable[[JsonSchemaValue], JsonSchemaValue]) -> JsonSchemaValue:
    """The schema of a mapping or list, with what is in it changed."""
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: change(each) for name, each in made["properties"].items()}
    for key in ("additionalProperties", "items"):
        if isinstance(made.get(key), dict):
            made[key] = change(made[key])
    return made
