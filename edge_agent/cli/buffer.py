"""`edge-agent buffer`: what lies in the log and what still waits in it, without touching it."""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from edge_agent.buffer.buffer import owner
from edge_agent.buffer.survey import Survey, Waiting, survey
from edge_agent.cli.codes import OK, PROBLEM, USAGE, Ended
from edge_agent.cli.configured import add_config, gateway_of
from edge_agent.cli.table import size, span, table, when
from edge_agent.config.problems import counted
from edge_agent.core.gap import Gap

EPILOG = """\
  edge-agent buffer                     the log of the configured agent
  edge-agent buffer ls                  its segments and its streams
  edge-agent buffer --path ./copied     a folder that somebody sent

It may be called whether the agent runs or not; nothing is changed. What is
damaged the forwarder will name as lost when it comes to it. A torn end is what a
power cut leaves of the last write: it had not been promised to anybody.

exit codes: 0 all of it can be read, 1 some cannot or there is no log, 2 no such
            folder
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `buffer`."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=("stat", "ls"),
        default="stat",
        help="a summary (default), or segments and streams",
    )
    add_config(parser, "the configuration whose buffer is meant")
    parser.add_argument("--path", type=Path, metavar="DIR", help="a buffer's folder, also a copied one")
    parser.add_argument("--json", action="store_true", help="one JSON object with all of it")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Count and print."""
    path: Path = args.path or gateway_of(args.config).buffer.path
    try:
        found, process = _look(path), owner(path)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Ended(f"{error.filename or path}: {why}", USAGE) from error
    now_ns = time.time_ns()
    if args.json:
        print(json.dumps(_document(found, process)))
    else:
        lines = _stat(found, process, now_ns) if args.what == "stat" else _ls(found)
        print("\n".join(lines))
    return PROBLEM if found.damaged or found.unreadable else OK


def _look(path: Path) -> Survey:
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "there is no such folder"
        raise Ended(f"{path}: {what}; name a buffer's folder with --path", USAGE)
    found = survey(path)
    if found is None:
        raise Ended(f"{path}: there is no log in this folder", PROBLEM)
    return found


def _stat(found: Survey, process: str | None, now_ns: int) -> Iterator[str]:
    records = sum(each.records for each in found.segments)
    sizes = size(sum(each.size_bytes for each in found.segments))
    yield f"{found.folder}: {_ending(found, process)}"
    yield f"life {found.life}" + (f", before it {found.previous_life}" if found.previous_life else "")
    spare = f" and {size(found.spare_bytes)} spare" if found.spare_bytes else ""
    yield (
        f"{counted(len(found.segments), 'segment')}, {sizes}{spare}, "
        f"{counted(records, 'record')} of {counted(len(found.streams), 'stream')}"
    )
    yield from _faults(found)
    yield ""
    if not found.destinations:
        yield "no destination has ever read it"
        return
    yield from table(
        ("DESTINATION", "STANDS AT", "WAITING", "OLDEST", "AGE", "GAPS"),
        [_destination(name, each, now_ns) for name, each in found.destinations.items()],
    )
    gaps = [(name, gap) for name, each in found.destinations.items() for gap in each.gaps]
    if gaps:
        yield ""
        yield from table(("GAP FOR", "REASON", "DEVICE", "GROUP", "SCANS"), [_gap(*each) for each in gaps])


def _ending(found: Survey, process: str | None) -> str:
    if process is not None:
        return f"in use by process {process}"
    return "ended in order" if found.closed else "not ended in order (killed, power cut, or a copy)"


def _faults(found: Survey) -> Iterator[str]:
    if found.damaged:
        where = ", ".join(each.file for each in found.segments if each.damaged)
        yield f"damaged: {counted(found.damaged, 'place')} in {where}"
    if found.torn:
        yield "torn end: the last write was cut off"
    if found.unreadable:
        yield f"no segments in spite of their names: {', '.join(found.unreadable)}"
    if found.foreign:
        yield f"not of the log: {', '.join(found.foreign)}"


def _destination(name: str, each: Waiting, now_ns: int) -> tuple[str | int, ...]:
    generation, offset = each.at
    oldest = ("", "")
    if each.oldest_ns is not None:
        oldest = when(each.oldest_ns / 1e6), span((now_ns - each.oldest_ns) / 1e9)
    return name, f"{generation}+{offset}", each.records, *oldest, len(each.gaps)


def _gap(name: str, gap: Gap) -> tuple[str | int, ...]:
    scans = "" if gap.scans is None else gap.scans
    return name, gap.reason, gap.device or "all", gap.group or "all", scans


def _ls(found: Survey) -> Iterator[str]:
    several = len({each.life for each in found.segments}) > 1
    yield from table(
        ("SEGMENT", "GEN", "CREATED", "SIZE", "FRAMES", "RECORDS", "DAMAGED", "LIFE"),
        [
            (
                each.file,
                each.generation,
                when(each.created_ns / 1e6),
                size(each.size_bytes),
                each.frames,
                each.records,
                each.damaged or "",
                each.life if several else "",
            )
            for each in found.segments
        ],
    )
    yield ""
    yield from table(
        ("DEVICE", "GROUP", "NEXT", "RECORDS", "OLDEST", "NEWEST", "LIFE"),
        [
            (
                device,
                group,
                each.next or "",
                each.records,
                _time(each.oldest_ns),
                _time(each.newest_ns),
                life if several else "",
            )
            for (life, device, group), each in found.streams.items()
        ],
    )


def _time(time_ns: int | None) -> str:
    return "" if time_ns is None else when(time_ns / 1e6)


def _document(found: Survey, process: str | None) -> dict[str, object]:
    return {
        "folder": str(found.folder),
        "process": process,
        "life": found.life,
        "previous_life": found.previous_life,
        "closed": found.closed,
        "torn": found.torn,
        "damaged": found.damaged,
        "bytes": sum(each.size_bytes for each in found.segments),
        "spare_bytes": found.spare_bytes,
        "unreadable": found.unreadable,
        "foreign": found.foreign,
        "segments": [asdict(each) for each in found.segments],
        "streams": [
            {"life": life, "device": device, "group": group, **asdict(each)}
            for (life, device, group), each in found.streams.items()
        ],
        "destinations": {
            name: {
                "at": each.at,
                "waiting": each.records,
                "oldest_ns": each.oldest_ns,
                "gaps": [asdict(gap) for gap in each.gaps],
            }
            for name, each in found.destinations.items()
        },
    }
