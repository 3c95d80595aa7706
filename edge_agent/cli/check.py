"""`edge-agent check`: everything that is wrong with a gateway's file or a profile, and its golden tests."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.config.gateway import load
from edge_agent.config.golden import failures
from edge_agent.config.problems import Problem, counted, has_errors, render, shown, to_json
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile
from edge_agent.config.yaml_nodes import Document, read
from edge_agent.drivers.kinds import kinds

OK, FAULTY, USAGE = 0, 1, 2


@dataclass(slots=True)
class _Verdict:
    """What has been seen so far, over all files."""

    problems: list[Problem] = field(default_factory=list)
    profiles: dict[Path, Profile] = field(default_factory=dict)
    devices: int | None = None
    tags: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `edge-agent check`."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="an agent.yaml or a device profile"
    )
    parser.add_argument("--json", action="store_true", help="print the problems as a JSON list")


def run(args: argparse.Namespace) -> int:
    """Check files and print what is wrong; 0 for nothing, 1 for problems, 2 for a missing file."""
    return check(args.files, as_json=args.json)


def check(paths: Sequence[Path], *, as_json: bool = False) -> int:
    """What `run` does, without a command line."""
    verdict = _Verdict()
    for path in paths:
        try:
            _look_at(path, verdict)
        except OSError as error:
            print(f"{shown(path)}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
            return USAGE
    for path, profile in verdict.profiles.items():
        verdict.problems += _golden(path, profile)
    problems = list(dict.fromkeys(verdict.problems))
    faulty = has_errors(problems)
    if as_json:
        print(to_json(problems))
        return FAULTY if faulty else OK
    if problems:
        print(render(problems))
    if not faulty:
        print(_summary(verdict))
    return FAULTY if faulty else OK


def _look_at(path: Path, verdict: _Verdict) -> None:
    schema = _schema(read(path.read_bytes(), path))
    if schema.startswith("edge-agent/profile/"):
        profile, problems = load_profile(path, kinds())
        verdict.problems += problems
        if profile is not None:
            verdict.profiles[path] = profile
            verdict.tags += len(profile.tags)
        return
    loaded = load(path, kinds())
    verdict.problems += loaded.problems
    verdict.profiles.update(loaded.profiles)
    if loaded.gateway is not None:
        verdict.devices = (verdict.devices or 0) + len(loaded.gateway.devices)
        verdict.tags += sum(len(device.tags) for device in loaded.gateway.devices.values())


def _schema(document: Document) -> str:
    """What kind of file this is; one that does not say so is taken for a gateway's."""
    value = document.value
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, str):
        return schema
    return "edge-agent/profile/" if isinstance(value, dict) and "tags" in value else ""


def _golden(path: Path, profile: Profile) -> Iterable[Problem]:
    """The golden tests that fail, each at its expectation."""
    failed = failures(profile, kinds()[profile.protocol].decoded)
    if not failed:
        return []
    document = read(path.read_bytes(), path)
    earlier = len(document.problems)
    for failure in failed:
        place = document.place(("tests", failure.test, "expect", failure.column))
        name = profile.tests[failure.test].name
        document.note(f"golden test '{name}': {failure.column}: {failure.message}", place.key or place.value)
    return document.problems[earlier:]


def _summary(verdict: _Verdict) -> str:
    tests = sum(len(profile.tests) for profile in verdict.profiles.values())
    devices = f"{counted(verdict.devices, 'device')}, " if verdict.devices is not None else ""
    return f"ok: {devices}{counted(verdict.tags, 'tag')}, {counted(tests, 'golden test')} passed"
