"""A model as tables of its keys: name, type with range, default, meaning."""

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from edge_agent.config.forms import CheckedAs

WORDS: dict[object, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    "integer": "whole number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
}


def table(model: type[BaseModel], without: frozenset[str] = frozenset()) -> str:
    """The keys of a model, one a line."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in without:
            continue
        cells = f"`{key}`", _type(field), _default(field), _sentence(field.description or "")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def sections(path: str, model: type[BaseModel], without: frozenset[str] = frozenset()) -> Iterator[str]:
    """A table for a model and for every model inside it, each under its path; some keys may be left out."""
    yield f"`{path}`: {_sentence(model.__doc__ or '')}\n\n{table(model, without)}"
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in without:
            for more, inner in _inner(field.annotation, field.metadata):
                yield from sections(f"{path}.{key}{more}" if path else key + more, inner)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def _inner(annotation: object, metadata: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models that a key holds, with what the path to them has behind the key."""
    for each in metadata:
        if isinstance(each, CheckedAs):
            yield "", each.model
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    elif origin is Annotated:
        yield from _inner(arguments[0], arguments[1:])
    elif origin in (list, dict):
        step = "[]" if origin is list else ".<name>"
        yield from ((step + more, model) for more, model in _inner(arguments[-1], ()))
    elif origin in (Union, UnionType):
        for each in arguments:
            yield from _inner(each, ())


def _type(field: FieldInfo) -> str:
    return _words(field.annotation, field.metadata)


def _words(annotation: object, metadata: Sequence[Any]) -> str:
    """What may be written, in words."""
    flat = [part for each in metadata for part in (each.metadata if isinstance(each, FieldInfo) else (each,))]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0], arguments[1:])
    if told := _told(flat):
        return told
    if origin in (Union, UnionType):
        return " or ".join(_words(each, ()) for each in arguments if each is not type(None))
    if origin is not None:
        return _gathered(origin, arguments)
    return WORDS.get(annotation, "keys") + _range(flat, "")


def _told(metadata: Sequence[Any]) -> str:
    """What the model itself says of the form; empty when it says nothing."""
    for each in metadata:
        if isinstance(each, WithJsonSchema):
            words = _of_schema(each.json_schema or {})
            return words + _range(metadata, words)
        if isinstance(each, CheckedAs):
            return " or ".join([*(_of_schema(dict(other)) for other in each.others), "keys"])
    return ""


def _gathered(origin: object, arguments: Sequence[object]) -> str:
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is list:
        return f"list of {_words(arguments[0], ())}"
    return f"{_words(arguments[0], ())}: {_words(arguments[1], ())}"


def _of_schema(schema: dict[str, Any]) -> str:
    if "title" in schema:
        return str(schema["title"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_of_schema(each) for each in schema["anyOf"])
    return WORDS.get(schema["type"], str(schema["type"]))


def _range(metadata: Sequence[Any], words: str) -> str:
    low = next((_bound(each.ge, words) for each in metadata if hasattr(each, "ge")), None)
    high = next((_bound(each.le, words) for each in metadata if hasattr(each, "le")), None)
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", at least {low}" if low is not None else f", at most {high}" if high is not None else ""


def _bound(value: float, words: str) -> str:
    if words == "size":
        return f"{value} bytes"
    return f"{value:g}s" if words == "duration" else str(value)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if default is None or field.default_factory is not None or isinstance(default, BaseModel):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}s`"  # every key of this kind so far is a duration
    return f"`{default}`"
