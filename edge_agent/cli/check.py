"""`edge-agent check`: everything that is wrong with a gateway's file or a profile, and its golden tests."""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.cli import online
from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, USAGE, Ended
from edge_agent.cli.configured import note_other
from edge_agent.config.gateway import load
from edge_agent.config.golden import failures
from edge_agent.config.problems import Problem, counted, has_errors, render, shown, to_json
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Gateway, Profile
from edge_agent.config.yaml_nodes import Document, read
from edge_agent.drivers.kinds import kinds
from edge_agent.errors import EdgeAgentError

EPILOG = """\
With --online, after a check without errors, every device is asked once for all
its tags: whether it can be reached, what it says it is, whether its profile is
for such a device, which values are bad, and what to do about it. When an agent
of the same configuration runs, it asks for us, over the connections that it has.
Nothing is stored or sent.

  edge-agent check agent.yaml
  edge-agent check --online agent.yaml

exit codes: 0 all is well, 1 mistakes, or a device with bad values, no answer or
            another identity, 2 no such file, 3 no device answers
"""


@dataclass(slots=True)
class _Verdict:
    """What has been seen so far, over all files."""

    problems: list[Problem] = field(default_factory=list)
    profiles: dict[Path, Profile] = field(default_factory=dict)
    gateways: dict[Path, Gateway] = field(default_factory=dict)
    devices: int | None = None
    tags: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `edge-agent check`."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="an agent.yaml or a device profile"
    )
    parser.add_argument("--online", action="store_true", help="then ask every device once")
    parser.add_argument("--json", action="store_true", help="print the problems as a JSON list")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Check files and print what is wrong; 0 for nothing, 1 for problems, 2 for a missing file."""
    if args.online:
        return check_online(args.files, as_json=args.json)
    return check(args.files, as_json=args.json)


def check(paths: Sequence[Path], *, as_json: bool = False) -> int:
    """What `run` does, without a command line."""
    verdict = _judged(paths)
    if as_json:
        print(to_json(verdict.problems))
    else:
        _tell(verdict)
    return PROBLEM if has_errors(verdict.problems) else OK


def check_online(paths: Sequence[Path], *, as_json: bool = False) -> int:
    """The same, and then every device of the gateways once: `problems` and `devices` in one JSON object."""
    verdict = _judged(paths)
    faulty = has_errors(verdict.problems)
    if not faulty and not verdict.gateways:
        raise Ended("--online needs the agent.yaml of a gateway", USAGE)
    if not as_json:
        _tell(verdict)
    found = [] if faulty else [each for at in verdict.gateways.items() for each in _seen(*at)]
    if as_json:
        problems = json.loads(to_json(verdict.problems))
        print(json.dumps({"problems": problems, "devices": online.document(found)}))
    elif found:
        print("\n".join(online.lines(found)))
    return PROBLEM if faulty else online.code(found)


def _seen(path: Path, gateway: Gateway) -> Sequence[online.Seen]:
    try:
        found = online.seen(gateway)
    except EdgeAgentError as error:
        raise Ended(f"no device was asked: {error}", UNREACHABLE) from error
    if online.by_another_configuration(gateway, found):
        note_other(path)
    return found


def _judged(paths: Sequence[Path]) -> _Verdict:
    """All that is wrong in the files. Raises Ended when one cannot be read."""
    verdict = _Verdict()
    for path in paths:
        try:
            _look_at(path, verdict)
        except OSError as error:
            raise Ended(f"{shown(path)}: {(error.strerror or str(error)).lower()}", USAGE) from error
    for path, profile in verdict.profiles.items():
        verdict.problems += _golden(path, profile)
    verdict.problems = list(dict.fromkeys(verdict.problems))
    return verdict


def _tell(verdict: _Verdict) -> None:
    if verdict.problems:
        print(render(verdict.problems))
    if not has_errors(verdict.problems):
        print(_summary(verdict))


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
        verdict.gateways[path] = loaded.gateway
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
