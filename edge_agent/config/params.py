"""Parameters: what a profile leaves open and a device fills in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

from pydantic import Field as Key
from pydantic import PlainValidator, WithJsonSchema

from edge_agent.config.hints import hint
from edge_agent.config.placeholders import Filled, Value, is_name
from edge_agent.config.section import Keys, Section
from edge_agent.config.syntax import Number, Text, quoted
from edge_agent.core.metadata import canonical

Type = Literal["int", "float", "string", "bool"]


def param_name(value: object) -> str:
    """What placeholders call a parameter."""
    if not isinstance(value, str) or not is_name(value) or len(value) > 64:
        raise ValueError(
            f"{quoted(value)} cannot name a parameter; begin with a letter, go on with letters, digits, '_'"
        )
    return value


ParamName = Annotated[str, PlainValidator(param_name), WithJsonSchema({"type": "string"})]


_VALUE = WithJsonSchema(
    {"title": "value", "anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]}
)


class ParamKeys(Keys):
    """One parameter of a profile: what a device may set, and what holds when it does not."""

    type: Type = Key(description="what its values are")
    default: Annotated[object, _VALUE] = Key(
        None, description="the value of a device that gives none; without it every device must give one"
    )
    min: Number | None = Key(None, description="the smallest value of an int or float")
    max: Number | None = Key(None, description="the largest value of an int or float")
    choice: Annotated[list[Annotated[object, _VALUE]], Key(min_length=1)] | None = Key(
        None, description="the values there are; without it everything of the type"
    )
    help: Text | None = Key(None, description="what it is, for whoever writes the device's entry")


@dataclass(frozen=True, slots=True)
class Param:
    """A declared parameter. `default` None: every device must say it."""

    name: str
    type: Type
    default: Value | None = None
    low: float | None = None
    high: float | None = None
    choice: tuple[Value, ...] = ()

    @property
    def usual(self) -> Value:
        """The default; else a value to look at the profile with when there is no device."""
        if self.default is not None:
            return self.default
        if self.choice:
            return self.choice[0]
        bound = self.high if self.low is None else self.low
        if bound is not None and self.type == "int":
            return int(bound)
        plain: Mapping[Type, Value] = {"int": 1, "float": 1, "string": self.name, "bool": False}
        return plain[self.type]


def declared(section: Section) -> dict[str, Param | None]:
    """The parameters that a profile declares under `params`; None for one with a mistake, which is noted."""
    return {
        name: None if (keys := entry.check(ParamKeys)) is None else _param(name, entry, keys)
        for name, entry in section.entries()
    }


def usual(params: Mapping[str, Param | None]) -> dict[str, Value | None]:
    """Values to look at a profile with when there is no device; None for what has a mistake."""
    return {name: None if param is None else param.usual for name, param in params.items()}


def given(
    device: Section, profile: str, params: Mapping[str, Param | None]
) -> dict[str, Value | None] | None:
    """The value of every parameter for a device; None with mistakes, which are noted at the device.

    A parameter whose declaration has a mistake is None.
    """
    section = device.inside("params")
    right = _are_known(section, profile, params)
    values: dict[str, Value | None] = {}
    for name, param in params.items():
        values[name] = None if param is None else param.default
        written = section.inside(name)
        if param is None:
            continue
        if written.present:
            values[name] = _value(written, param)
            right = right and values[name] is not None
        elif param.default is None:
            (section if section.present else device).error_at_key(
                f"profile {profile} needs a value for '{name}'; write params: {{{name}: ...}}"
            )
            right = False
    return values if right else None


def fingerprint(values: Mapping[str, Value | None]) -> str:
    """The same text for the same values."""
    return canonical({name: quoted(value) for name, value in values.items()}).decode()


def _are_known(section: Section, profile: str, params: Mapping[str, Param | None]) -> bool:
    unknown = [name for name, _ in section.entries() if name not in params]
    for name in unknown:
        what = f"has no parameter {quoted(name)}" if params else "has no parameters"
        section.error_at_key(f"profile {profile} {what}{hint(name, list(params))}", name)
    return not unknown


def _value(section: Section, param: Param) -> Value | None:
    """The value a device gives; None when it does not fit, which is noted."""
    value = section.value
    if value is None:
        section.error_at_key(f"'{param.name}' has no value; write one, or leave it out")
        return None
    if isinstance(value, Filled):
        value = str(value) if param.type == "string" else value.value
    if message := _misfit(value, param):
        section.error(message)
        return None
    return cast("Value", value)


def _param(name: str, section: Section, keys: ParamKeys) -> Param | None:
    """The parameter; None when what it says cannot hold, which is noted."""
    before = len(section.document.problems)
    _check_bounds(section, keys)
    bare = Param(name, keys.type, low=keys.min, high=keys.max)
    for index, value in enumerate(keys.choice or ()):
        if message := _misfit(value, bare):
            section.error(message, "choice", index)
    param = replace(bare, choice=cast("tuple[Value, ...]", tuple(keys.choice or ())))
    if section.inside("default").present and (message := _misfit(keys.default, param)):
        section.error(message, "default")
    if len(section.document.problems) > before:
        return None
    return replace(param, default=cast("Value | None", keys.default))


def _check_bounds(section: Section, keys: ParamKeys) -> None:
    if keys.type not in ("int", "float"):
        for key in ("min", "max"):
            if getattr(keys, key) is not None:
                section.error_at_key(f"'{key}' is for numbers; this is {keys.type}", key)
    if keys.min is not None and keys.max is not None and keys.min > keys.max:
        section.error(f"the largest value {keys.max:g} is below the smallest, {keys.min:g}", "max")


def _misfit(value: object, param: Param) -> str | None:
    """Why a value cannot be one of a parameter, in words."""
    if message := _foreign(value, param.type):
        return message
    if isinstance(value, int | float):
        if param.low is not None and value < param.low:
            return f"{quoted(value)} is too small for '{param.name}'; at least {param.low:g}"
        if param.high is not None and value > param.high:
            return f"{quoted(value)} is too large for '{param.name}'; at most {param.high:g}"
    if param.choice and value not in param.choice:
        known = [str(each) if isinstance(each, str) else quoted(each) for each in param.choice]
        return f"{quoted(value)} cannot be used for '{param.name}'{hint(value, known)}"
    return None


def _foreign(value: object, type_: Type) -> str | None:
    """Why a value is none of a type, in words."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_ == "bool":
        return None if isinstance(value, bool) else f"{quoted(value)} is neither true nor false"
    if type_ == "string":
        return _not_a_line(value)
    if number and (type_ == "float" or isinstance(value, int)):
        return None
    what = "a whole number" if type_ == "int" else "a number"
    return f"{quoted(value)} is not {what}"


def _not_a_line(value: object) -> str | None:
    if not isinstance(value, str):
        return f'{quoted(value)} is not a text; write "{quoted(value)}" in quotes'
    if not value.isprintable():
        return "the text has a line break or a control character in it"
    return None
