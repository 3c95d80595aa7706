"""Profile files: what a type of device offers, checked as far as any protocol has it."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from edge_agent.config.extends import Blueprint, blueprint
from edge_agent.config.families import profile_filled
from edge_agent.config.folders import ID, VERSION, Folders, profile_id, profile_version, shipped_profiles
from edge_agent.config.forms import CheckedAs
from edge_agent.config.groups import GroupKeys, on_change
from edge_agent.config.hints import hint, nearest
from edge_agent.config.kinds import Kind
from edge_agent.config.params import Param, ParamKeys, ParamName, declared, fingerprint, usual
from edge_agent.config.placeholders import Value
from edge_agent.config.problems import Problem, has_errors, ordered
from edge_agent.config.section import Keys, Section
from edge_agent.config.settings import Group, Profile, Tag
from edge_agent.config.syntax import Name, Surroundings, TagName, Text, quoted

SCHEMA = "edge-agent/profile/1"

ProfileId = Annotated[
    str,
    PlainValidator(profile_id),
    WithJsonSchema({"type": "string", "title": "vendor/model", "pattern": f"^{ID}$"}),
]
Version = Annotated[
    str,
    PlainValidator(profile_version),
    WithJsonSchema({"type": "string", "title": "version", "pattern": f"^{VERSION}$"}),
]


class SourceKeys(Keys):
    """Where the map of a device is published."""

    title: Text = Field(description="the document, as its maker calls it")
    section: Text | None = Field(None, description="the chapter or table in it")
    page: int | None = Field(None, description="the page in it")
    url: Text | None = Field(None, description="where it can be had")


class ProfileFile(Keys):
    """The keys that profiles of every protocol share; what is `object` here has a model of its own."""

    schema_: Literal["edge-agent/profile/1"] = Field(alias="schema", description="the format of this file")
    id: ProfileId = Field(description="vendor/model in small letters, also the path of the file")
    version: Version = Field(
        description="three numbers; devices and `extends` name the first, or more of them"
    )
    extends: Text | None = Field(
        None,
        description="the profile this one is put over, such as `eastron/sdm630-v2@1`: what is written here "
        "counts, mappings are merged key by key, null deletes; tests are not taken over",
    )
    protocol: Text = Field(description="how devices of this type are talked to")
    title: Text = Field(description="what the device is, in one line")
    models: list[Text] = Field(default_factory=list, description="type plates that this profile fits")
    sources: list[SourceKeys] = Field(
        default_factory=list, description="where its maker says what stands here, so that others can check it"
    )
    params: dict[ParamName, Annotated[object, CheckedAs(ParamKeys)]] = Field(
        default_factory=dict, description="what devices may set; texts use it as `{name}`"
    )
    groups: dict[Name, Annotated[object, CheckedAs(GroupKeys)]] = Field(
        default_factory=dict, description="tags that are read together, each group under its name"
    )
    tags: dict[TagName, object] = Field(description="the values the device offers, each under its name")
    tests: list[object] = Field(
        default_factory=list,
        description="golden tests: what the device answers and what must come of it, with default parameters",
    )


def load_profile(
    path: Path, kinds: Mapping[str, Kind], *, surroundings: Surroundings | None = None
) -> tuple[Profile | None, tuple[Problem, ...]]:
    """The profile in a file, and all its problems; None exactly when one of them is an error.

    Raises OSError when the file cannot be read at all.
    """
    folders = Folders((_beside(path), shipped_profiles()))
    drawing = blueprint(path, folders, surroundings or Surroundings())
    params = declared_in(drawing)
    profile, problems = made(drawing, usual(params), kinds)
    return (None if has_errors(problems) else profile), tuple(ordered(problems))


def declared_in(drawing: Blueprint) -> dict[str, Param | None]:
    """The parameters of a profile; None for one with a mistake, which is noted."""
    return declared(drawing.section.inside("params")) if drawing.whole else {}


def made(
    drawing: Blueprint, values: Mapping[str, Value | None], kinds: Mapping[str, Kind], *, tests: bool = True
) -> tuple[Profile | None, list[Problem]]:
    """The profile with parameters filled in, as far as it could be made, and the problems there are.

    Golden tests hold for the usual parameters; without `tests` they are not looked at.
    """
    if not drawing.whole:
        return None, drawing.section.document.problems
    expanded = profile_filled(drawing.section, values)
    document = expanded.section.document
    if isinstance(document.value, dict) and (expanded.broken or not tests):
        document.value.pop("tests", None)
    digest = drawing.digest
    if values:
        digest = hashlib.sha256(f"{digest} {fingerprint(values)}".encode()).hexdigest()
    profile = profile_of(expanded.section, kinds, digest)
    if profile is not None:
        profile = replace(profile, families=expanded.families)
    return profile, document.problems


def _beside(path: Path) -> Path:
    """The folder of profiles that a file lies in, or that lies beside it."""
    around = path.absolute().parent.parent
    return around if around.name in ("profiles", "device_profiles") else path.absolute().parent / "profiles"


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
        identify=contents.identify,
        methods=contents.methods,
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
