"""`edge-agent audit`: what of every stream arrived at a receiver, and what is missing without a word."""

import argparse
import asyncio
import contextlib
import json
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TextIO

from edge_agent.cli.codes import OK, PROBLEM, UNREACHABLE, USAGE, Ended
from edge_agent.cli.configured import gateway_of
from edge_agent.cli.table import Cell, shown, table
from edge_agent.config.hints import hint
from edge_agent.config.problems import counted
from edge_agent.config.settings import Destination, Login, Tls
from edge_agent.config.syntax import broker_url, duration
from edge_agent.core.arrivals import Arrivals, Finding, Named
from edge_agent.errors import EdgeAgentError
from edge_agent.mqtt.failure import where
from edge_agent.mqtt.receiver import receive

EPILOG = """\
  edge-agent audit mqtts://broker.example --user audit --password-file secret
  edge-agent audit --config agent.yaml --for 60s        the broker of the agent
  edge-agent audit mqtt://127.0.0.1 --record line3.jsonl
  edge-agent audit line3.jsonl                          the same books, later

It only listens. Ctrl-C ends with the report. A number up to the sender's `c` that
neither came nor stands in a gap is lost; beyond `c` it is pending. Of a stream
that ran before, only what follows the first live message is judged (FROM), unless
--whole says that all must be there. LATE is the longest time from scan to arrival,
by the clocks of the gateway and of this machine.

exit codes: 0 nothing is missing, 1 something is lost or cannot be read, or nothing
            arrived at all, 2 wrong usage, 3 broker unreachable, or it ended early
"""

SHOWN = 10  # ranges of lost numbers in words; --json has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `audit`."""
    parser.add_argument(
        "source", nargs="?", metavar="URL|FILE", help="mqtts://host:port, or what --record wrote"
    )
    parser.add_argument(
        "--topic",
        action="append",
        metavar="FILTER",
        help="what to listen to (default edge/#); may be repeated",
    )
    parser.add_argument("--for", dest="seconds", type=_seconds, metavar="TIME", help="how long, such as 60s")
    parser.add_argument("--user", metavar="NAME", help="the login, with --password-file")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="a file with the password")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates to trust instead of the system's"
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="the certificate to show, with --key")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the private key of --cert")
    parser.add_argument("--insecure", action="store_true", help="mqtt:// in the clear over a network")
    parser.add_argument("--config", type=Path, metavar="FILE", help="take the broker of an agent.yaml")
    parser.add_argument("--destination", metavar="NAME", help="which one of that configuration")
    parser.add_argument("--whole", action="store_true", help="all must be there from number 1 on")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write each message to a new file")
    parser.add_argument("--json", action="store_true", help="one JSON object with all of it")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Listen or read, and tell what was found."""
    books = Arrivals(whole=args.whole)
    why = None
    if args.source is not None and "://" not in args.source:
        _only_a_file(args)
        _play(Path(args.source), books)
    else:
        destination, filters = _broker(args)
        why = _listen(destination, filters, books, args)
    findings, gaps = books.findings(), books.gaps()
    verdict, code = _verdict(books, findings)
    if args.json:
        print(json.dumps(_document(books, findings, gaps, verdict, why)))
    else:
        print("\n".join([*_report(findings, gaps), verdict]))
    if why is not None:
        print(f"edge-agent: ended early: {why}", file=sys.stderr)
    return UNREACHABLE if why is not None and code == OK else code


def _seconds(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# --- where the messages come from -----------------------------------------------------------------


def _broker(args: argparse.Namespace) -> tuple[Destination, Sequence[str]]:
    """The broker that is meant, and what to listen to there."""
    client_id = f"edge-audit-{secrets.token_hex(4)}"
    if args.config is not None:
        destination, filters = _configured(args)
        return replace(destination, client_id=client_id), args.topic or filters
    if args.source is None:
        raise Ended("name a broker (mqtts://host:port), a recorded file, or --config agent.yaml", USAGE)
    if args.destination is not None:
        raise Ended("--destination needs --config", USAGE)
    return _written(args, client_id), args.topic or ["edge/#"]


def _configured(args: argparse.Namespace) -> tuple[Destination, Sequence[str]]:
    if args.source is not None:
        raise Ended(f"either {args.source} or --config, not both", USAGE)
    if args.insecure or any(getattr(args, name) for name in ("user", "password_file", "ca", "cert", "key")):
        raise Ended("with --config login and certificates are those of the configuration", USAGE)
    gateway = gateway_of(args.config)
    names = list(gateway.destinations)
    name = args.destination or (names[0] if len(names) == 1 else None)
    if name is None:
        raise Ended(f"choose one with --destination: {', '.join(names)}", USAGE)
    if name not in names:
        raise Ended(f"there is no destination '{name}'{hint(name, names)}", USAGE)
    found = gateway.destinations[name]
    return found, [_filter(found.topic, gateway.id), _filter(found.agent_topic, gateway.id) + "/#"]


def _filter(template: str, gateway: str) -> str:
    """What all topics of a template match, for one gateway."""
    levels = template.replace("{gateway}", gateway).split("/")
    return "/".join("+" if "{" in level else level for level in levels)


def _written(args: argparse.Namespace, client_id: str) -> Destination:
    """A destination as the command line says, under the rules of one in a configuration."""
    try:
        url = broker_url(args.source)
    except ValueError as error:
        words = re.sub(r"write user: .* beside it", "give --user and --password-file", str(error))
        raise Ended(words, USAGE) from error
    if not url.tls and not url.loopback and not args.insecure:
        raise Ended(
            f"mqtt:// sends everything unencrypted to {url.host}; write mqtts://, "
            "or add --insecure when that is wanted",
            USAGE,
        )
    if url.tls and args.insecure:
        raise Ended("--insecure has no effect with mqtts://; leave it out", USAGE)
    if not url.tls and (args.ca or args.cert or args.key):
        raise Ended("certificates have no effect with mqtt://; write mqtts://", USAGE)
    if (args.cert is None) != (args.key is None):
        raise Ended("--cert and --key belong together", USAGE)
    tls = Tls(args.ca, args.cert, args.key) if url.tls else None
    return Destination("audit", url.host, url.port, client_id, tls, _login(args))


def _login(args: argparse.Namespace) -> Login | None:
    if (args.user is None) != (args.password_file is None):
        raise Ended("--user and --password-file belong together", USAGE)
    if args.user is None:
        return None
    try:
        return Login(args.user, args.password_file.read_text().rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise Ended(f"{args.password_file}: {_reason(error)}", USAGE) from error


def _listen(
    destination: Destination, filters: Sequence[str], books: Arrivals, args: argparse.Namespace
) -> str | None:
    """Enter what comes until the time is over or somebody ends it; gives why it ended before that."""
    with ExitStack() as files:
        record, stop = _recording(args.record, files), asyncio.Event()
        failures: list[str] = []

        def arrived(topic: str, payload: bytes) -> None:
            now_ms = time.time_ns() / 1e6
            books.enter(topic, payload, now_ms)
            if record is None or failures:
                return
            line = {"at": now_ms, "topic": topic, "payload": payload.decode(errors="surrogateescape")}
            try:
                record.write(json.dumps(line) + "\n")
            except OSError as error:
                failures.append(f"{args.record}: {_reason(error)}")
                with contextlib.suppress(OSError):  # the same once more, of what is left to write
                    record.close()
                stop.set()

        try:
            why = asyncio.run(_received(destination, filters, arrived, stop, args.seconds))
        except EdgeAgentError as error:
            raise Ended(f"{where(destination)}: {error}", UNREACHABLE) from error
        return failures[0] if failures else why


def _recording(path: Path | None, files: ExitStack) -> TextIO | None:
    if path is None:
        return None
    try:
        return files.enter_context(path.open("x", buffering=1, encoding="ascii"))
    except FileExistsError:
        raise Ended(f"{path} is there already; name a new file", USAGE) from None
    except OSError as error:
        raise Ended(f"{path}: {_reason(error)}", USAGE) from error


async def _received(
    destination: Destination,
    filters: Sequence[str],
    arrived: Callable[[str, bytes], None],
    stop: asyncio.Event,
    seconds: float | None,
) -> str | None:
    loop = asyncio.get_running_loop()
    try:
        async with receive(destination, filters, arrived) as receiver:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop.set)
            ends = "" if seconds is not None else "; Ctrl-C ends with the report"
            print(f"listening to {' '.join(filters)} at {where(destination)}{ends}", file=sys.stderr)
            receiver.lost.add_done_callback(lambda _: stop.set())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stop.wait()
            return str(receiver.lost.exception()) if receiver.lost.done() else None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _only_a_file(args: argparse.Namespace) -> None:
    names = ("topic", "seconds", "user", "password_file", "ca", "cert", "key", "insecure", "config", "record")
    if any(getattr(args, name) for name in (*names, "destination")):
        raise Ended(f"with a file ({args.source}) only --whole and --json have an effect", USAGE)


def _play(path: Path, books: Arrivals) -> None:
    """Enter a recording."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                _enter(line, f"{path}:{number}:1", books)
    except OSError as error:
        raise Ended(f"{path}: {_reason(error)}; a broker is written mqtts://host:port", USAGE) from error


def _enter(line: bytes, place: str, books: Arrivals) -> None:
    try:
        each = json.loads(line)
        topic, at = str(each["topic"]), float(each["at"])
        payload = each["payload"].encode(errors="surrogateescape")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        form = '{"at": ms, "topic": "...", "payload": "..."}'
        raise Ended(f"{place}: not a recorded message; each line is {form}", USAGE) from error
    books.enter(topic, payload, at)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


# --- what is told ---------------------------------------------------------------------------------


def _report(findings: Sequence[Finding], gaps: Sequence[Named]) -> Iterator[str]:
    if findings:
        head = ("GATEWAY", "DEVICE", "GROUP", "LIFE", "FROM", "UP TO", "SCANS", "TWICE", "NAMED", "LOST")
        more = ("PENDING", "DISORDER", "LATE S", "BACKLOG LATE S")
        yield from table((*head, *more), [_row(each) for each in findings])
        yield ""
    if gaps:
        rows = [
            (*_whose(each), each.reason, each.gaps, "" if each.scans is None else each.scans) for each in gaps
        ]
        yield from table(("GATEWAY", "DEVICE", "GROUP", "LIFE", "GAP", "TIMES", "SCANS"), rows)
        yield ""
    for each in findings:
        yield from _complaints(each)


def _row(each: Finding) -> tuple[Cell, ...]:
    gateway, life, device, group = map(shown, each.key)
    return (
        *(gateway, device, group, life),
        *("?" if each.since is None else each.since, "-" if each.contiguous is None else each.contiguous),
        *(each.scans, each.duplicates or "", each.named or ""),
        *(_count(each.lost) or "", _count(each.pending) or "", each.out_of_order or ""),
        *("" if ms is None else ms / 1000 for ms in (each.late_ms, each.history_late_ms)),
    )


def _whose(each: Named) -> tuple[str, ...]:
    gateway, device, group = each.gateway, each.device or "all", each.group or "all"
    return shown(gateway), shown(device), shown(group), shown(each.life)


def _complaints(each: Finding) -> Iterator[str]:
    gateway, life, device, group = map(shown, each.key)
    stream = f"{gateway} {device}/{group} in life {life}"
    if each.lost:
        ranges = [str(first) if first == last else f"{first}-{last}" for first, last in each.lost]
        rest = f" and {len(ranges) - SHOWN} more" if len(ranges) > SHOWN else ""
        yield f"LOST {stream}: {', '.join(ranges[:SHOWN])}{rest}"
    if each.malformed:
        yield f"WRONG {stream}: {counted(each.malformed, 'message')} whose numbers do not count the scans"
    if each.unexplained:
        names = ", ".join(map(shown, each.unexplained))
        yield f"note: {stream}: no metadata {names} came; was it told before, to those who listened then?"


def _verdict(books: Arrivals, findings: Sequence[Finding]) -> tuple[str, int]:
    scans = sum(each.scans for each in findings)
    lost = sum(_count(each.lost) for each in findings)
    wrong = books.broken + sum(each.malformed for each in findings)
    if not findings and not wrong:
        others = f", only {counted(books.others, 'other message')}" if books.others else ""
        return f"nothing proven: no data arrived{others}", PROBLEM
    got = f"{counted(scans, 'scan')} of {counted(len(findings), 'stream')}"
    if lost or wrong:
        parts = [f"{counted(lost, 'scan')} lost without a word"] if lost else []
        parts += [f"{counted(wrong, 'message')} that cannot be read"] if wrong else []
        return f"FAILED: {', '.join(parts)}; {got} arrived", PROBLEM
    facts = {
        "twice": sum(each.duplicates for each in findings),
        "named in gaps": sum(each.named for each in findings),
        "pending": sum(_count(each.pending) for each in findings),
    }
    return f"ok: nothing lost; {got} arrived" + "".join(
        f", {number} {what}" for what, number in facts.items() if number
    ), OK


def _count(ranges: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _document(
    books: Arrivals, findings: Sequence[Finding], gaps: Sequence[Named], verdict: str, why: str | None
) -> dict[str, object]:
    return {
        "verdict": verdict,
        "ended_early": why,
        "messages": books.messages,
        "other_messages": books.others,
        "unreadable": books.broken,
        "streams": [_stream(each) for each in findings],
        "gaps": [asdict(each) for each in gaps],
    }


def _stream(each: Finding) -> dict[str, object]:
    facts = asdict(each)
    del facts["key"]
    return dict(zip(("gateway", "life", "device", "group"), each.key, strict=True)) | facts
