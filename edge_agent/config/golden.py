"""Golden tests: what a profile says a device answers is decoded by the very code that polls, and compared."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edge_agent.config.kinds import Decoded
from edge_agent.config.settings import Expected, GoldenTest, Profile, Tag
from edge_agent.core.claims import judged
from edge_agent.core.model import Value
from edge_agent.core.registers import Field


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold: of test number `test`, for `column`."""

    test: int
    column: str
    message: str


def run(profile: Profile, decoded: Decoded) -> list[str]:
    """What fails of a profile's golden tests, in words; empty when all hold."""
    return [
        f"test '{profile.tests[failure.test].name}': {failure.column}: {failure.message}"
        for failure in failures(profile, decoded)
    ]


def failures(profile: Profile, decoded: Decoded) -> list[Failure]:
    """Every expectation that does not hold; `decoded` is what the profile's protocol makes of a test."""
    return [
        Failure(number, column, message)
        for number, test in enumerate(profile.tests)
        for column, message in _mismatches(profile, test, decoded)
    ]


def _mismatches(profile: Profile, test: GoldenTest, decoded: Decoded) -> Iterator[tuple[str, str]]:
    tags = {tag.name: tag for tag in profile.tags}
    got = decoded(profile, test)
    yield from _contradictions(profile, test, decoded)
    for column, expected in test.expect.items():
        name, _, part = column.partition(".") if column not in tags else (column, "", "")
        if column not in got:
            yield column, "the test gives nothing for it"
        elif message := _mismatch(expected, *got[column], tags[name], part):
            yield column, message


def _contradictions(profile: Profile, test: GoldenTest, decoded: Decoded) -> Iterator[tuple[str, str]]:
    """What a dump that holds the registers of a claim says against it."""
    fields = {claim.name: claim.place for claim in profile.identify if isinstance(claim.place, Field)}
    tags = tuple(Tag(name, "identify", field.type, field) for name, field in fields.items())
    got = decoded(replace(profile, tags=tags), test) if tags else {}
    told = judged("", profile.identify, {fields[name]: value for name, (value, _) in got.items()})
    if told.mismatch is not None:
        yield told.mismatch.place, f"identify expects {told.mismatch.expected}, got {told.mismatch.found}"


def _mismatch(expected: Expected, value: Value, quality: str, tag: Tag, part: str) -> str | None:
    level, _, reason = quality.partition(":")
    want = f"{expected.quality}{':' if expected.reason else ''}{expected.reason or ''}"
    if (level or "good") != expected.quality or expected.reason not in (None, reason):
        return f"expected {want}, got {quality or 'good'} ({_shown(value)})"
    if expected.value is not None and not _same(expected.value, value, tag):
        return f"expected {_shown(expected.value)}, got {_shown(value)}"
    if expected.text is not None and expected.text != (text := tag.text(value, part)):
        return f"expected the text {_shown(expected.text)}, got {_shown(text)}"
    return None


def _same(expected: Value, value: Value, tag: Tag) -> bool:
    if isinstance(expected, bool | str) or isinstance(value, bool | str) or None in (expected, value):
        return type(expected) is type(value) and expected == value
    if isinstance(expected, tuple) or isinstance(value, tuple):
        return _all_same(expected, value, tag)
    form = _FORMS.get(tag.type.partition("[")[0])
    return expected == value if form is None else _held(expected, form) == _held(value, form)


def _all_same(expected: Value, value: Value, tag: Tag) -> bool:
    if not isinstance(expected, tuple) or not isinstance(value, tuple) or len(expected) != len(value):
        return False
    return all(_same(one, other, tag) for one, other in zip(expected, value, strict=True))


_FORMS = {"float16": "e", "float32": "f", "Float": "f"}
"""What is expected of narrow floats is the decimal that people write."""


def _held(value: Value, form: str) -> bytes:
    try:
        return struct.pack(form, value)
    except (OverflowError, struct.error):
        return repr(value).encode()


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "no value" if value is None else str(value)
