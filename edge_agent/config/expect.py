"""What a golden test expects of a column, as it is written."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import Expected
from edge_agent.config.syntax import Text, hint, quoted
from edge_agent.core.model import Value


class ExpectKeys(Keys):
    """What must come of one tag, in full."""

    value: object = None
    quality: Literal["good", "uncertain", "bad"] = "good"
    reason: Text | None = None
    text: object = None


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
    if isinstance(value, dict | list):
        section.error("one value is expected here: a number, a text, true or false")
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
