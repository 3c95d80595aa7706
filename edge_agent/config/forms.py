"""What the models say of the form of a value, beyond what pydantic makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema

from edge_agent.config.placeholders import Filled


@dataclass(frozen=True, slots=True)
class CheckedAs:
    """Says of an `object` in a model which model it is checked against later, at its own place.

    So that the JSON Schema knows what may stand there; `others` are forms beside the model.
    """

    model: type[BaseModel]
    others: tuple[Mapping[str, object], ...] = field(default=(), hash=False)  # mappings have no hash

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the model, or of any form."""
        model = handler(self.model.__pydantic_core_schema__)
        return {"anyOf": [*self.others, model]} if self.others else model


def bare(annotation: object) -> list[object]:
    """The types an annotation allows, without Annotated and Optional around them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return bare(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [each for part in get_args(annotation) for each in bare(part) if part is not type(None)]
    return [annotation]


def settled(value: object, annotation: object, metadata: Sequence[object] = ()) -> object:
    """The value with each lone placeholder as the number that its place wants, or as a text."""
    if isinstance(value, Filled):
        forms = _forms(annotation, metadata)
        wanted = {"boolean"} if isinstance(value.value, bool) else {"number"}
        if isinstance(value.value, int) and not isinstance(value.value, bool):
            wanted.add("integer")
        return value.value if forms & {"any", *wanted} else str(value)
    if isinstance(value, dict):
        return {key: settled(each, *_below(annotation, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [settled(each, *_below(annotation, 0)) for each in value]
    return value


def _below(annotation: object, key: object) -> tuple[object, Sequence[object]]:
    """What a model says of the value under a key; nothing for a key that it does not know."""
    for part in bare(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            for name, info in part.model_fields.items():
                if key == (info.alias or name):
                    return info.annotation, info.metadata
        elif get_origin(part) in (dict, list):
            return get_args(part)[-1], ()
    return None, ()


def _forms(annotation: object, metadata: Sequence[object]) -> set[str]:
    """The JSON types that may be written for an annotation; "any" where its model leaves it open."""
    for each in metadata:
        if isinstance(each, WithJsonSchema):
            return _types_of(each.json_schema or {})
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _forms(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return {form for each in arguments for form in _forms(each, ())}
    if origin is Literal:
        return {form for each in arguments for form in _forms(type(each), ())}
    return {_JSON_TYPES[annotation]} if annotation in (int, float, bool, object) else set()


_JSON_TYPES: Mapping[object, str] = {int: "integer", float: "number", bool: "boolean", object: "any"}


def _types_of(schema: JsonSchemaValue) -> set[str]:
    parts = [schema, *schema.get("anyOf", ())]
    return {part["type"] for part in parts if "type" in part}
