"""The profiles that devices name, each made once for the same parameters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_agent.config.extends import Blueprint, blueprint
from edge_agent.config.folders import Folders, shipped_profiles
from edge_agent.config.kinds import Kind
from edge_agent.config.params import Param, fingerprint, given, usual
from edge_agent.config.placeholders import Value
from edge_agent.config.problems import Problem, has_errors
from edge_agent.config.profile import declared_in, made
from edge_agent.config.section import Section
from edge_agent.config.settings import Profile
from edge_agent.config.syntax import Surroundings, quoted

__all__ = ["Shelf", "shipped_profiles"]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A profile as its files say it, with what it leaves open."""

    drawing: Blueprint
    params: Mapping[str, Param | None]

    @property
    def usual(self) -> dict[str, Value | None]:
        """Parameters to look at the profile with when no device says any."""
        return usual(self.params)

    @property
    def closed(self) -> bool:
        """Whether a device need not say any parameter."""
        return all(param is not None and param.default is not None for param in self.params.values())

    @property
    def id(self) -> str:
        """What the file calls itself."""
        return str(self.drawing.section.inside("id").value)


@dataclass(slots=True)
class Shelf:
    """The profiles that a gateway's file can name; devices with equal parameters share one."""

    folders: Sequence[Path]
    kinds: Mapping[str, Kind]
    surroundings: Surroundings
    problems: list[Problem] = field(default_factory=list)
    _files: Folders = field(init=False)
    _opened: dict[Path, _Opened] = field(default_factory=dict)
    _made: dict[tuple[Path, str], Profile | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._files = Folders(self.folders)

    def take(self, reference: str, device: Section | None = None) -> Profile | None:
        """The newest profile that `vendor/model@1`, `@1.2` or `@1.2.3` stands for; None when it has mistakes.

        `device` is the section with the parameters; mistakes in them are noted there, and what can be looked
        at is then the profile with its defaults.
        Raises ValueError, in words, when there is no such profile.
        """
        path = self._files.find(reference)
        opened = self._opened.get(path) or self._open(path)
        usual = self._variant(path, opened.usual) if device is None or opened.closed else None
        if device is None or not opened.drawing.whole:
            return usual
        values = given(device, opened.id, opened.params)
        return usual if values is None else self._variant(path, values)

    @property
    def usual(self) -> dict[Path, Profile]:
        """What has been taken, by file, with default parameters: so its golden tests hold.

        A profile with a parameter that has no default is not among them: its tests are for its own check.
        """
        variants = {
            path: self._variant(path, opened.usual) for path, opened in self._opened.items() if opened.closed
        }
        return {path: profile for path, profile in variants.items() if profile is not None}

    def _open(self, path: Path) -> _Opened:
        drawing = blueprint(path, self._files, self.surroundings)
        opened = self._opened[path] = _Opened(drawing, declared_in(drawing))
        self._tell(drawing.section.document.problems)
        return opened

    def _variant(self, path: Path, values: Mapping[str, Value | None]) -> Profile | None:
        key = path, fingerprint(values)
        if key not in self._made:
            opened = self._opened[path]
            unusual = dict(values) != opened.usual
            profile, problems = made(opened.drawing, values, self.kinds, tests=not unusual)
            self._made[key] = None if has_errors(problems) else profile
            # What is wrong whatever the parameters is told of the usual ones; the rest says with which.
            spots = {_spot(each) for each in self.problems} if unusual else set()
            new = [each for each in problems if _spot(each) not in spots]
            self._tell([_with(each, values) for each in new] if unusual else new)
        return self._made[key]

    def _tell(self, problems: Iterable[Problem]) -> None:
        self.problems += [each for each in problems if each not in self.problems]


def _spot(problem: Problem) -> tuple[Path, int, int, str]:
    return problem.file, problem.line, problem.column, problem.severity


def _with(problem: Problem, values: Mapping[str, Value | None]) -> Problem:
    shown = ", ".join(f"{name}: {quoted(value)}" for name, value in values.items())
    return replace(problem, message=f"{problem.message} (with {shown})")
