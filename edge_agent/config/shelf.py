"""Where profiles are found: beside the gateway's file first, then those that come with the agent."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.config.kinds import Kind
from edge_agent.config.problems import Problem
from edge_agent.config.profile import head, load_profile
from edge_agent.config.settings import Profile
from edge_agent.config.syntax import Surroundings, hint, quoted
from edge_agent.config.yaml_nodes import read

_REFERENCE = re.compile(r"([a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*)(?:@([0-9]{1,6}(?:\.[0-9]{1,6}){0,2}))?")


def shipped_profiles() -> Path:
    """The folder of the profiles that come with the agent: in the package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "device_profiles"
    return installed if installed.is_dir() else package.parent / "device_profiles"


@dataclass(slots=True)
class Shelf:
    """The profiles that a gateway's file can name; each file is read once."""

    folders: Sequence[Path]
    kinds: Mapping[str, Kind]
    surroundings: Surroundings
    problems: list[Problem] = field(default_factory=list)
    _loaded: dict[Path, Profile | None] = field(default_factory=dict)

    def take(self, reference: str) -> Profile | None:
        """The newest profile that `vendor/model@1`, `@1.2` or `@1.2.3` stands for; None when it has mistakes.

        Raises ValueError, in words, when there is no such profile.
        """
        path = self._find(*_parsed(reference))
        if path not in self._loaded:
            profile, problems = load_profile(path, self.kinds, surroundings=self.surroundings)
            self._loaded[path] = profile
            self.problems += problems
        return self._loaded[path]

    @property
    def files(self) -> dict[Path, Profile | None]:
        """What has been taken so far, by file."""
        return dict(self._loaded)

    def _find(self, name: str, version: str | None) -> Path:
        there: list[str] = []
        for folder in self.folders:
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
                found = head(read(path.read_bytes(), path))
                yield (found[1] if found else ""), path

    def _names(self) -> list[str]:
        return sorted(
            {
                f"{path.parent.name}/{path.stem.partition('@')[0]}"
                for folder in self.folders
                for path in folder.glob("*/*.yaml")
            }
        )


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
