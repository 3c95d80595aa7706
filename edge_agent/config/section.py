"""One place of a configuration file, where values are checked against a model and mistakes are noted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import ErrorDetails

from edge_agent.config.forms import bare, settled
from edge_agent.config.hints import hint, nearest
from edge_agent.config.syntax import Origin, quoted
from edge_agent.config.yaml_nodes import At, Document, Mark

M = TypeVar("M", bound=BaseModel)


class Keys(BaseModel):
    """The keys of one mapping in a file: no others, no conversions, no empty values."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @field_validator("*", mode="before")
    @classmethod
    def _present(cls, value: object) -> object:
        if value is None:
            raise ValueError("no value")
        return value


@dataclass(frozen=True, slots=True)
class Section:
    """A value of a document with its place; `at` leads there from the top."""

    document: Document
    origin: Origin
    at: At = ()

    def inside(self, *keys: str | int) -> "Section":
        """The section below some keys, whether or not anything stands there."""
        return Section(self.document, self.origin, (*self.at, *keys))

    @property
    def value(self) -> object:
        """What stands here; None when nothing does."""
        found: object = self.document.value
        for key in self.at:
            if isinstance(found, dict):
                found = found.get(key)
            elif isinstance(found, list) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                return None
        return found

    @property
    def present(self) -> bool:
        """Whether the file says anything here."""
        return self.at in self.document.places

    @property
    def spoiled(self) -> bool:
        """Whether a problem of syntax already speaks of this place or one around it."""
        return any(self.at[:length] in self.document.spoiled for length in range(len(self.at) + 1))

    def entries(self) -> Iterator[tuple[str, "Section"]]:
        """The named sections of a mapping; nothing when this is not one."""
        value = self.value
        if isinstance(value, dict):
            yield from ((key, self.inside(key)) for key in value if isinstance(key, str))

    def error(self, message: str, *keys: str | int) -> None:
        """Note a mistake in the value here, or below some keys."""
        section = self.inside(*keys)
        if not section.spoiled:
            self.document.note(message, _value_mark(section))

    def error_at_key(self, message: str, *keys: str | int) -> None:
        """Note a mistake that is said of the key rather than of its value."""
        section = self.inside(*keys)
        if not section.spoiled:
            self.document.note(message, _key_mark(section))

    def warning(self, message: str, *keys: str | int) -> None:
        """Note a doubt that stops nothing."""
        self.document.note(message, _value_mark(self.inside(*keys)), "warning")

    def where(self) -> str:
        """File and line of this section, to be named in a message about another one."""
        mark = _key_mark(self)
        return f"{(mark.source or self.document).file.name}:{mark.line}"

    def check(self, model: type[M]) -> M | None:
        """The value here as a model; None when it has mistakes, which are then all noted."""
        try:
            return model.model_validate(settled(self.value, model), context=self.origin)
        except ValidationError as error:
            self._note_all(error.errors(include_url=False), model)
            return None

    def _note_all(self, details: list[ErrorDetails], model: type[BaseModel]) -> None:
        meant = {
            (*detail["loc"][:-1], nearest(detail["loc"][-1], _known(model, detail["loc"][:-1])))
            for detail in details
            if detail["type"] == "extra_forbidden"
        }
        for detail in details:
            at = detail["loc"]
            if detail["type"] == "missing":
                # 'adress' is one mistake, not an unknown key and a missing one.
                if at not in meant:
                    self.error_at_key(f"missing key '{at[-1]}'", *at[:-1])
            elif detail["type"] == "extra_forbidden":
                self.error_at_key(f"unknown key '{at[-1]}'{hint(at[-1], _known(model, at[:-1]))}", *at)
            elif at and at[-1] == "[key]":
                self.error_at_key(_in_words(detail, model), *at[:-1])
            elif detail["input"] is None:
                self.error_at_key(_missing_value(self.inside(*at).at), *at)
            else:
                self.error(_in_words(detail, model), *at)


def _missing_value(at: At) -> str:
    return f"'{at[-1]}' has no value; write one, or leave it out" if at else "the file has nothing in it"


def _value_mark(section: Section) -> Mark:
    place = section.document.place(section.at)
    # A whole mapping or list is best pointed at by its key.
    if place.key is not None and isinstance(section.value, dict | list):
        return place.key
    return place.value


def _key_mark(section: Section) -> Mark:
    place = section.document.place(section.at)
    if not section.at or (place.key is None and isinstance(section.value, dict)):
        return replace(place.value, width=1)
    return place.key or place.value


def _in_words(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """A mistake in the words of whoever wrote the file; pydantic's own text never appears."""
    value, kind, at = detail["input"], detail["type"], detail["loc"]
    context = detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _wrong_word(value, at, model)
    return _WORDS.get(kind, _unexpected)(value, context)


def _wrong_word(value: object, at: At, model: type[BaseModel]) -> str:
    allowed = [choice for part in _annotations(model, at) for choice in get_args(part)]
    if not all(isinstance(choice, str) for choice in allowed):
        return f"{quoted(value)} is not supported; write {' or '.join(str(choice) for choice in allowed)}"
    words = [choice for choice in allowed if isinstance(choice, str)]
    if len(words) == 1 and not nearest(value, words):
        return f"{quoted(value)} cannot be used for '{at[-1]}'; write {words[0]}"
    what = "key" if at[-1] == "[key]" else at[-1]
    return f"unknown {what} {quoted(value)}{hint(value, words)}"


def _not_a_text(value: object, _context: Mapping[str, Any]) -> str:
    if isinstance(value, dict | list):
        return f"a text is expected here, not {quoted(value)}"
    return f'{quoted(value)} is not a text; write "{quoted(value)}" in quotes'


def _not_whole(value: object, _context: Mapping[str, Any]) -> str:
    if isinstance(value, str) and value.lstrip("-").isdecimal():
        return f"{quoted(value)} is a text; write the number without quotes"
    return f"{quoted(value)} is not a whole number"


def _unexpected(value: object, _context: Mapping[str, Any]) -> str:
    return f"{quoted(value)} cannot be used here"


_WORDS: Mapping[str, Callable[[object, Mapping[str, Any]], str]] = {
    "string_type": _not_a_text,
    "int_type": _not_whole,
    "bool_type": lambda value, _: f"{quoted(value)} is neither true nor false",
    "list_type": lambda value, _: f"a list such as [a, b] is expected here, not {quoted(value)}",
    "dict_type": lambda value, _: f"keys with values are expected here, not {quoted(value)}",
    "model_type": lambda value, _: f"keys with values are expected here, not {quoted(value)}",
    "greater_than": lambda value, context: (
        f"{quoted(value)} is too small; more than {_limit(value, context['gt'])} is needed"
    ),
    "greater_than_equal": lambda value, context: (
        f"{quoted(value)} is too small; at least {_limit(value, context['ge'])}"
    ),
    "less_than_equal": lambda value, context: (
        f"{quoted(value)} is too large; at most {_limit(value, context['le'])}"
    ),
    "too_short": lambda _, context: f"too few entries: at least {context['min_length']}",
    "too_long": lambda _, context: f"too many entries: at most {context['max_length']}",
}


def _limit(value: object, bound: float) -> str:
    """A bound as it is to be written: what stands there as a text is a duration (float) or a size (int)."""
    if isinstance(value, str):
        return f"{bound:g}s" if isinstance(bound, float) else f"{bound}B"
    return str(bound)


def _known(model: type[BaseModel], at: At) -> list[str]:
    """The keys that may stand at a place of a model."""
    return [
        info.alias or name
        for part in _annotations(model, at)
        if isinstance(part, type) and issubclass(part, BaseModel)
        for name, info in part.model_fields.items()
    ]


def _annotations(model: object, at: At) -> list[object]:
    """The types that a model allows at a place, without Annotated and Optional around them."""
    if at and at[-1] == "[key]":
        return [each for part in _annotations(model, at[:-2]) for each in bare(get_args(part)[0])]
    found: list[object] = [model]
    for key in at:
        found = [inner for part in found for inner in _step(part, key)]
    return found


def _step(part: object, key: str | int) -> list[object]:
    if isinstance(part, type) and issubclass(part, BaseModel):
        for name, info in part.model_fields.items():
            if key == (info.alias or name):
                return bare(info.annotation)
        return []
    arguments = get_args(part)
    if get_origin(part) not in (dict, list):
        return []
    return bare(arguments[-1])
