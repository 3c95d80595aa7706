"""Measures the agent beside a straight C loop, one after the other, on this machine.

Both read the same simulated devices and publish with QoS 1 to a Mosquitto of their own. The C loop needs a
C compiler and the headers of libmodbus, libmosquitto and SQLite; without them the agent is measured alone.
Compare ratios of one run; absolute times belong to one machine at one time.
"""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.measure import NoFigures, measure
from tests.bench.report import document, table
from tests.bench.scenario import SCENARIOS, Scenario
from tests.bench.subjects import AGENT, Subject, compiled


def main(arguments: list[str]) -> int:
    """Run the scenarios; the exit code is 1 when a run gave no figures."""
    options = _options(arguments)
    chosen = [scenario for scenario in SCENARIOS if options.only in (None, scenario.name)]
    with TemporaryDirectory(prefix="edge-agent-bench-") as folder:
        simulator, loop = compiled(Path(folder))
        subjects = [
            subject for subject in (AGENT, loop) if subject and options.subject in (None, subject.name)
        ]
        kind = "Python, as there is no C compiler" if simulator[0] == sys.executable else "C"
        if loop is None:
            print(
                "the C loop is left out: it needs cc, pkg-config, libmodbus, libmosquitto, sqlite3 (headers)"
            )
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"simulator in {kind}; {options.seconds:g} s each after {options.warm:g} s",
            flush=True,
        )
        results = []
        try:
            for scenario in chosen:
                runs = [
                    measure(subject, scenario, simulator, warm_s=options.warm, seconds=options.seconds)
                    for subject in _order(able(subjects, scenario), options.pairs)
                ]
                print(f"\n{table(scenario, runs)}", flush=True)
                results.append(document(scenario, runs))
        except NoFigures as reason:
            print(f"bench: {reason}", file=sys.stderr)
            return 1
    if options.json:
        machine = {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "simulator": kind,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        options.json.write_text(json.dumps(machine | {"results": results}, indent=2) + "\n")
    return 0


def able(subjects: list[Subject], scenario: Scenario) -> list[Subject]:
    """The subjects that speak the protocol of a scenario: the C loop has Modbus only."""
    return [each for each in subjects if each is AGENT or scenario.protocol == "modbus"]


def _order(subjects: list[Subject], pairs: int) -> list[Subject]:
    """A B A B: what changes on the machine meanwhile meets both."""
    return [subject for _ in range(pairs) for subject in subjects]


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the window (%(default)g)")
    parser.add_argument("--warm", type=float, default=8.0, help="seconds before the window (%(default)g)")
    parser.add_argument("--pairs", type=int, default=1, help="how often each is measured (%(default)d)")
    parser.add_argument("--only", choices=[scenario.name for scenario in SCENARIOS], help="one scenario")
    parser.add_argument("--subject", choices=["agent", "C loop"], help="one of the two")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
