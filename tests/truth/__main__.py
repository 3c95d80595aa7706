"""Reads simulated devices that fail at random, and judges every value that comes as good.

usage: ./dev truth modbus [--reads 1000000] [--chance 0.01] [--seed 1]

A read is one request for a block, answered or not. All framings run, two at a time, each over several
connections with three units each. The exit code is 1 when a good value was not what the device held.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter

from tests.truth.modbus import PLACES, Result, run

PROTOCOLS = ("modbus",)
AT_A_TIME = 2
"""Framings that run side by side: one for each core of the smallest machine."""


def main(arguments: list[str]) -> int:
    """Run and print the table; 0 when every good value was true."""
    options = _options(arguments)
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


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev truth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("protocol", choices=PROTOCOLS)
    parser.add_argument("--reads", type=int, default=1_000_000, help="requests in all (%(default)d)")
    parser.add_argument("--chance", type=float, default=0.01, help="of a fault per request (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="makes the same faults again (%(default)d)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
