"""Where profiles are found: beside the gateway's file first, then those that come with the agent."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.config.hints import hint
from edge_agent.config.syntax import quoted
from edge_agent.config.yaml_nodes import Document, read

ID = r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*"
VERSION = r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}"

_REFERENCE = re.compile(rf"({ID})(?:@([0-9]{{1,6}}(?:\.[0-9]{{1,6}}){{0,2}}))?")


def shipped_profiles() -> Path:
    """The folder of the profiles that come with the agent: in the package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "device_profiles"
    return installed if installed.is_dir() else package.parent / "device_profiles"


def profile_id(value: object) -> str:
    """`vendor/model` in lower case: also the path of the file."""
    if not isinstance(value, str) or not re.fullmatch(ID, value):
        raise ValueError(
            f"{quoted(value)} is not an id; write vendor/model in small letters, such as eastron/sdm630-v2"
        )
    return value


def profile_version(value: object) -> str:
    """A version of three numbers."""
    if not isinstance(value, str) or not re.fullmatch(VERSION, value):
        raise ValueError(f"{quoted(value)} is not a version; write three numbers such as 1.0.0")
    return value


@dataclass(slots=True)
class Folders:
    """The folders that a profile is looked for in, in order; each file is read once."""

    paths: Sequence[Path]
    _read: dict[Path, tuple[Document, str]] = field(default_factory=dict)

    def read(self, path: Path) -> tuple[Document, str]:
        """A file as values, and the SHA-256 of its bytes in hex. OSError when it cannot be read."""
        if path not in self._read:
            data = path.read_bytes()
            self._read[path] = read(data, path), hashlib.sha256(data).hexdigest()
        return self._read[path]

    def find(self, reference: str) -> Path:
        """The file with the newest version that `vendor/model@1`, `@1.2` or `@1.2.3` stands for.

        Raises ValueError, in words, when there is no such profile.
        """
        name, version = _parsed(reference)
        there: list[str] = []
        for folder in self.paths:
            versions = dict(self._versions(folder, name))
            fitting = [each for each in versions if version and _fits(each, version)]
            if fitting:
                return versions[max(fitting, key=_numbers)]
            there += [each for each in versions if each]
            if "" in versions and not there:
                # A file without a readable head is opened all the same: its own mistakes say the most.
                return versions[""]
        if there:
            newest = max(there, key=_numbers)
            major = newest.partition(".")[0]
            wanted = f"has no version {version}" if version else "is named without a version"
            raise ValueError(f"profile '{name}' {wanted}; write {name}@{major} for {newest}")
        raise ValueError(f"unknown profile '{name}'{hint(name, self._names())}")

    def _versions(self, folder: Path, name: str) -> Iterator[tuple[str, Path]]:
        vendor, _, model = name.partition("/")
        for path in [folder / vendor / f"{model}.yaml", *sorted((folder / vendor).glob(f"{model}@*.yaml"))]:
            if path.is_file():
                yield _version_in(self.read(path)[0]), path

    def _names(self) -> list[str]:
        return sorted(
            {
                f"{path.parent.name}/{path.stem.partition('@')[0]}"
                for folder in self.paths
                for path in folder.glob("*/*.yaml")
            }
        )


def _version_in(document: Document) -> str:
    """The version of a profile file; empty when its head is not to be relied on."""
    value = document.value
    if not isinstance(value, dict):
        return ""
    try:
        profile_id(value.get("id"))
        return profile_version(value.get("version"))
    except ValueError:
        return ""


def _parsed(reference: str) -> tuple[str, str | None]:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(
            f"{quoted(reference)} is not a profile; write vendor/model@1, such as eastron/sdm630-v2@1"
        )
    return match[1], match[2]


def _fits(version: str, wanted: str) -> bool:
    return version == wanted or version.startswith(f"{wanted}.")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part]
