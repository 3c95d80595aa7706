"""Asks or follows simulated devices that fail at random, and judges every value that comes as good.

usage: ./dev truth modbus [--reads 1000000] [--chance 0.01] [--seed 1]
       ./dev truth opcua [--values 1000000] [--seed 1]

Modbus: a read is one request for a block, answered or not. All framings run, two at a time, each over several
connections with three units each. The exit code is 1 when a good value was not what the device held.

OPC UA: servers of 200 tags whose links, sessions, subscriptions and nodes fail every few seconds are followed
as the agent does, ten at a time in two processes, for four minutes at most. The exit code is 1 as well when a
step of a tag is missing without a gap or a bad quality, or when the judge does not see planted faults.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from tests.truth import opcua
from tests.truth.followed import PLANTED
from tests.truth.modbus import PLACES, Result, run

AT_A_TIME = 2
"""Processes side by side: one for each core of the smallest machine."""
SERVERS = 10
"""Servers that are followed at a time."""
LONGEST_S = 240.0


ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Run and print the table; 0 when every good value was true, and nothing was lost without a word."""
    options = _options(arguments)
    return _modbus(options) if options.protocol == "modbus" else _opcua(options)


def _modbus(options: argparse.Namespace) -> int:
    each = -(-options.reads // len(PLACES))
    began = perf_counter()
    with ProcessPoolExecutor(AT_A_TIME, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(run, place, each, options.chance, options.seed) for place in PLACES]
        results = [job.result() for job in jobs]
    _print(results)
    print(f"\n{sum(result.reads for result in results)} reads in {perf_counter() - began:.0f} s")
    for example in [example for result in results for example in result.examples][:20]:
        print(f"FALSE GOOD  {example}")
    return 1 if any(result.false_good for result in results) else 0


def _print(results: list[Result]) -> None:
    """A row for each framing and their sum; below it what was injected."""
    print(f"{'framing':<16}{'reads':>10}{'values':>12}{'good':>12}{'bad':>10}{'false good':>12}{'faults':>9}")
    rows = [(result.place, result) for result in results]
    for name, result in [*rows, ("in all", _sum(results))]:
        faults = sum(result.injected.values())
        print(
            f"{name:<16}{result.reads:>10}{result.good + result.bad:>12}{result.good:>12}{result.bad:>10}"
            f"{result.false_good:>12}{faults:>9}"
        )
    total = _sum(results)
    print("\ninjected: " + ", ".join(f"{kind} {count}" for kind, count in sorted(total.injected.items())))
    print("bad: " + ", ".join(f"{reason} {count}" for reason, count in sorted(total.reasons.items())))


def _sum(results: list[Result]) -> Result:
    total = Result("in all")
    for result in results:
        total.add(result)
    return total


def _opcua(options: argparse.Namespace) -> int:
    began = perf_counter()
    numbers = [list(range(first, SERVERS, AT_A_TIME)) for first in range(AT_A_TIME)]
    each = -(-options.values // SERVERS)
    with ProcessPoolExecutor(AT_A_TIME, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(opcua.run, part, each, options.seed, LONGEST_S) for part in numbers]
        results = [result for job in jobs for result in job.result()]
    _print_followed(results)
    total = _all(results)
    print(f"\n{total.tally.values} values in {perf_counter() - began:.0f} s")
    for example in total.tally.examples[:20]:
        print(example)
    for result in results:
        if result.trace:
            path = ROOT / "build" / f"truth-{result.name.replace(' ', '-')}.log"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(result.trace) + "\n")
            print(f"what {result.name} told, by ticks: {path.relative_to(ROOT)}")
    blind = sorted({each for result in results for each in result.blind})
    print(
        f"planted faults that the judge did not see: {', '.join(blind) or 'none'} (of {', '.join(PLANTED)})"
    )
    return 0 if total.tally.right and not blind else 1


def _print_followed(results: Sequence[opcua.Result]) -> None:
    """A row for each server and their sum; below it what was injected, and how it was got over."""
    heads = ("values", "good", "bad", "false good", "in gaps", "told bad", "silent", "gaps", "faults")
    print(f"{'server':<10}" + "".join(f"{head:>12}" for head in heads))
    for result in [*results, _all(results)]:
        its = result.tally
        row = (its.values, its.good, its.bad, its.false_good, its.named, its.told, its.unnamed)
        counts = (*row, sum(its.gaps.values()), sum(result.faults.values()))
        print(f"{result.name:<10}" + "".join(f"{count:>12}" for count in counts))
    total = _all(results)
    for name, counted in (
        ("injected", total.faults),
        ("gaps", total.tally.gaps),
        ("bad", total.tally.reasons),
        ("subscriptions", total.events),
    ):
        print(f"{name}: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counted.items())))
    print("silent: steps of tags that never came, and that neither a gap nor a bad quality names")
    print(f"the process was late by {total.late_ms:.0f} ms at most")


def _all(results: Sequence[opcua.Result]) -> opcua.Result:
    total = opcua.Result("in all")
    for result in results:
        total.tally.add(result.tally)
        total.faults.update(result.faults)
        total.events.update(result.events)
        total.late_ms = max(total.late_ms, result.late_ms)
    return total


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev truth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    protocols = parser.add_subparsers(dest="protocol", required=True)
    modbus = protocols.add_parser("modbus", help="devices that are asked")
    modbus.add_argument("--reads", type=int, default=1_000_000, help="requests in all (%(default)d)")
    modbus.add_argument("--chance", type=float, default=0.01, help="of a fault per request (%(default)g)")
    followed = protocols.add_parser("opcua", help="servers that are followed")
    followed.add_argument("--values", type=int, default=1_000_000, help="values in all (%(default)d)")
    for each in (modbus, followed):
        each.add_argument("--seed", type=int, default=1, help="makes the same faults again (%(default)d)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
