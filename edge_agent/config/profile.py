"""Profile files: what a type of device offers, checked as far as any protocol has it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from edge_agent.config.groups import on_change
from edge_agent.config.kinds import Kind
from edge_agent.config.problems import Problem, has_errors, ordered
from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import Group, Profile, Tag
from edge_agent.config.syntax import (
    Name,
    Origin,
    Surroundings,
    TagName,
    Text,
    hint,
    nearest,
    quoted,
)
from edge_agent.config.yaml_nodes import Document, read

SCHEMA = "edge-agent/profile/1"


def profile_id(value: object) -> str:
    """`vendor/model` in lower case: also the path of the file."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*", value):
        raise ValueError(
            f"{quoted(value)} is not an id; write vendor/model in small letters, such as eastron/sdm630-v2"
        )
    return value


def profile_version(value: object) -> str:
    """A version of three numbers."""
    if not isinstance(value, str) or not re.fullmatch(
        r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}", value
    ):
        raise ValueError(f"{quoted(value)} is not a version; write three numbers such as 1.0.0")
    return value


_TEXT = WithJsonSchema({"type": "string"})
ProfileId = Annotated[str, PlainValidator(profile_id), _TEXT]
Version = Annotated[str, PlainValidator(profile_version), _TEXT]


class SourceKeys(Keys):
    """Where the map of a device is published."""

    title: Text
    section: Text | None = None
    page: int | None = None
    url: Text | None = None


class ProfileFile(Keys):
    """The keys that profiles of every protocol share; what is `object` here has a model of its own."""

    schema_: Literal["edge-agent/profile/1"] = Field(alias="schema")
    id: ProfileId
    version: Version
    protocol: Text
    title: Text
    models: list[Text] = Field(default_factory=list)
    sources: list[SourceKeys] = Field(default_factory=list)
    groups: dict[Name, object] = Field(default_factory=dict)
    tags: dict[TagName, object]
    tests: list[object] = Field(default_factory=list)


def load_profile(
    path: Path, kinds: Mapping[str, Kind], *, surroundings: Surroundings | None = None
) -> tuple[Profile | None, tuple[Problem, ...]]:
    """The profile in a file, and all its problems; None exactly when one of them is an error.

    Raises OSError when the file cannot be read at all.
    """
    data = path.read_bytes()
    document = read(data, path)
    profile = None
    if document.readable:
        section = Section(document, Origin(path.absolute().parent, surroundings or Surroundings()))
        profile = profile_of(section, kinds, hashlib.sha256(data).hexdigest())
    problems = tuple(ordered(document.problems))
    return (None if has_errors(problems) else profile), problems


def head(document: Document) -> tuple[str, str] | None:
    """Id and version of a profile file, when it has them."""
    value = document.value
    if not isinstance(value, dict):
        return None
    try:
        return profile_id(value.get("id")), profile_version(value.get("version"))
    except ValueError:
        return None


def in_group(tag: Tag, group: Group) -> Tag:
    """The tag as it reports in this form of its group: the very same one where nothing differs.

    So devices of a type share their tags; copies of 100 tags for 500 devices took 41 MB.
    """
    reports = on_change(tag.report, tag.deadband, group.report)
    if tag.address.on_change == reports:
        return tag
    return replace(tag, address=replace(tag.address, on_change=reports))


def profile_of(section: Section, kinds: Mapping[str, Kind], digest: str) -> Profile | None:
    """The profile in a document, as far as it could be made; every mistake is noted there."""
    kind = _kind(section, kinds)
    keys = section.check(kind.profile_model if kind else ProfileFile)
    if not isinstance(section.value, dict) or kind is None:
        return None
    _check_path(section)
    groups = {name: kind.group(entry, name, None) for name, entry in section.inside("groups").entries()}
    contents = kind.contents(section, groups)
    if not isinstance(keys, ProfileFile):
        return None
    return Profile(
        id=keys.id,
        version=keys.version,
        digest=digest,
        protocol=keys.protocol,
        title=keys.title,
        groups={name: group for name, group in groups.items() if group is not None},
        tags=contents.tags,
        limits=contents.limits,
        tests=contents.tests,
    )


def _kind(section: Section, kinds: Mapping[str, Kind]) -> Kind | None:
    """The protocol of a profile; the one that was probably meant when the word is wrong."""
    written = section.inside("protocol")
    if not isinstance(written.value, str):
        return next(iter(kinds.values()), None)
    if written.value in kinds:
        return kinds[written.value]
    written.error(f"unknown protocol {quoted(written.value)}{hint(written.value, list(kinds))}")
    return kinds.get(nearest(written.value, list(kinds)) or "")


def _check_path(section: Section) -> None:
    """A file below a folder `profiles` or `device_profiles` lies where its id says."""
    path = section.document.file.absolute()
    written = section.inside("id")
    if path.parent.parent.name not in ("profiles", "device_profiles") or not isinstance(written.value, str):
        return
    expected = f"{path.parent.name}/{path.stem.partition('@')[0]}"
    if written.value != expected:
        written.error(
            f"id is {quoted(written.value)}, but the file lies at {expected}{path.suffix}; make them the same"
        )
