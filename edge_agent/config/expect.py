"""What a golden test expects of a column, as it is written."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

from pydantic import Field as Key
from pydantic import WithJsonSchema

from edge_agent.config.forms import CheckedAs
from edge_agent.config.hints import hint
from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import Expected
from edge_agent.config.syntax import Text, quoted
from edge_agent.core.model import Value

NUMBER, TEXT, BOOL = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
"""Forms of a value, for the JSON Schema."""

NUMBERS = {"type": "array", "items": {"anyOf": [NUMBER, BOOL]}, "title": "list of number"}

ValueForm = Annotated[object, WithJsonSchema({"title": "value", "anyOf": [NUMBER, TEXT, BOOL]})]
_EXPECTED = WithJsonSchema({"title": "value", "anyOf": [NUMBER, TEXT, BOOL, NUMBERS]})
_TEXTS = {"type": "array", "items": TEXT}
_SHOWN = WithJsonSchema({"title": "text", "anyOf": [TEXT, _TEXTS]})


class ExpectKeys(Keys):
    """What must come of one tag, in full."""

    value: Annotated[object, _EXPECTED] = Key(None, description="the value; what is bad has none")
    quality: Literal["good", "uncertain", "bad"] = Key("good", description="how far it is to be believed")
    reason: Text | None = Key(None, description="why it is not good, such as out_of_range")
    text: Annotated[object, _SHOWN] = Key(
        None, description="the text of an enum, or the list of texts of the flags that are set"
    )


Expectations = Annotated[
    dict[str, Annotated[object, CheckedAs(ExpectKeys, (NUMBER, TEXT, BOOL, NUMBERS))]],
    Key(min_length=1, description="the value of each tag or tag.part, or what is expected of it in full"),
]
"""What a golden test expects, by column."""


def expected(
    section: Section, name: str, columns: Sequence[str], whole: Mapping[str, bool]
) -> Expected | None:
    """What a golden test expects of a column; `whole` is false for tags that send their bits only.

    None with mistakes, which are noted.
    """
    if name not in columns:
        section.error_at_key(f"unknown tag {quoted(name)}{hint(name, list(columns))}")
        return None
    if not whole.get(name, True):
        section.error_at_key(f"'{name}' sends its bits only; expect '{name}.<bit>'")
        return None
    value = section.value
    if not isinstance(value, dict):
        return Expected(_scalar(section))
    keys = section.check(ExpectKeys)
    if keys is None:
        return None
    expected = Expected(
        _scalar(section.inside("value")), keys.quality, keys.reason, _text(section.inside("text"))
    )
    told = section.inside("value").present or section.inside("text").present
    if keys.quality == "good" and not told:
        section.error_at_key("a good value is expected, but not which; write value:")
    if keys.quality == "bad" and section.inside("value").present:
        section.error("what is bad has no value; leave it out", "value")
    return expected


def _scalar(section: Section) -> Value:
    value = section.value
    if isinstance(value, list) and value and all(isinstance(each, int | float) for each in value):
        return tuple(float(each) if isinstance(each, float) else each for each in value)
    if isinstance(value, dict | list):
        section.error(
            "one value is expected here: a number, a text, true or false, or for an array a list of numbers"
        )
        return None
    if isinstance(value, float):
        return float(value)
    if value is None and section.present:
        section.error("there is no value; write one, or {quality: bad}")
    return cast("Value", value)


def _text(section: Section) -> str | tuple[str, ...] | None:
    value = section.value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if value is None or isinstance(value, str):
        return value
    section.error("a text is expected here, or a list of texts for flags")
    return None
