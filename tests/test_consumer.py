"""docs/consumer.py, the consumer that cloud teams start from: it must keep what docs/payload.md promises."""

import importlib.util
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.brokers import Mosquitto
from tests.cli.test_audit import publish
from tests.core.test_arrivals import META, STREAM, data, gap

CONSUMER = Path(__file__).resolve().parents[1] / "docs" / "consumer.py"
TOPIC = "edge/gw/press/fast"
KEY = ("gw", "b1", "press", "fast")
WAIT_S = 60.0  # for a child process on a busy machine


class Consumer:
    """The consumer's functions on a database in memory."""

    def __init__(self) -> None:
        self.code = _loaded()
        self.db = sqlite3.connect(":memory:")
        self.db.executescript(self.code.TABLES)

    def enter(self, *payloads: bytes, topic: str = TOPIC) -> None:
        for payload in payloads:
            self.code.enter(self.db, topic, payload)

    def lost(self) -> list[tuple[int, int]]:
        return [tuple(row[4:]) for row in self.code.lost(self.db)]

    def numbers(self) -> list[int]:
        return [n for (n,) in self.db.execute("SELECT n FROM scans ORDER BY n")]

    def now(self) -> dict[str, tuple[Any, str]]:
        return {
            tag: (value, quality)
            for tag, value, quality in self.db.execute("SELECT tag, value, quality FROM now")
        }


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


def scans(first: int, *these: dict[str, Any], c: int = 0) -> bytes:
    return data(first, first + len(these) - 1, c, s=[{"ts": 1.0, **scan} for scan in these])


def test_a_scan_that_came_twice_is_kept_once(consumer: Consumer) -> None:
    consumer.enter(data(1, 3), data(2, 5), data(1, 3))

    assert consumer.numbers() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("payloads", "lost"),
    [
        ([data(1, 3), data(4, 6, 3)], []),
        ([data(1, 3), data(10, 10, 9)], [(4, 9)]),
        ([data(1, 3), data(10, 10, 5)], [(4, 5)]),
        ([data(1, 3), gap(4, 9), data(10, 10, 9)], []),
        ([data(1, 3), gap(None, reason="overrun"), gap(5, 9), data(10, 10, 9)], [(4, 4)]),
        ([data(1, 3), data(4, 4, 6)], [(5, 6)]),
        ([data(5, 6, 4)], []),
        ([data(5, 6, 9, h=1)], []),
    ],
)
def test_what_is_missing_up_to_c_and_not_named_is_lost(
    consumer: Consumer, payloads: list[bytes], lost: list[tuple[int, int]]
) -> None:
    consumer.enter(*payloads)

    assert consumer.lost() == lost


def test_a_tag_that_is_absent_is_unchanged_and_a_bad_one_has_no_value(consumer: Consumer) -> None:
    consumer.enter(scans(1, {"k": 1, "v": {"a": 1, "b": True}}, {"v": {"a": 2}, "q": {"a": "uncertain:x"}}))
    assert consumer.now() == {"a": ("2", "uncertain:x"), "b": ("true", "good")}

    consumer.enter(scans(3, {"q": {"*": "bad:timeout"}}))
    assert consumer.now() == {"a": (None, "bad:timeout"), "b": (None, "bad:timeout")}


def test_after_a_hole_every_tag_is_unknown_until_it_appears(consumer: Consumer) -> None:
    consumer.enter(scans(1, {"k": 1, "v": {"a": 1, "b": 1}}), scans(3, {"v": {"a": 2}}))

    assert consumer.now() == {"a": ("2", "good")}


def test_after_a_gap_without_numbers_every_tag_of_its_life_is_unknown(consumer: Consumer) -> None:
    consumer.enter(scans(1, {"k": 1, "v": {"a": 1}}))
    consumer.enter(gap(None, reason="restart:unclean", d=None, g=None, b="b0"))
    assert consumer.now() == {"a": ("1", "good")}

    consumer.enter(gap(None, reason="restart:unclean", d=None, g=None))
    assert consumer.now() == {}


def test_backlog_and_history_are_kept_and_say_nothing_of_the_present(consumer: Consumer) -> None:
    consumer.enter(scans(5, {"v": {"a": 5}}), data(1, 1, h=1, s=[{"ts": 0, "v": {"a": 1}}]))
    consumer.enter(scans(6, {"f": 1, "v": {"a": 6}}))

    assert consumer.numbers() == [1, 5, 6]
    assert consumer.now() == {"a": ("5", "good")}


def test_events_and_metadata_are_kept(consumer: Consumer) -> None:
    event = {**STREAM, "m": "0", "n": [1, 1], "c": 0, "e": [{"ts": 1, "id": "x"}]}
    consumer.enter(json.dumps(event).encode())
    consumer.enter(META, topic="edge/gw/_agent/meta/press")

    assert consumer.numbers() == [1]
    assert consumer.db.execute("SELECT count(*) FROM scans, meta").fetchone() == (1,)


def test_what_a_broker_delivers_is_in_the_database(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "plant.db"
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    with subprocess.Popen(
        [sys.executable, CONSUMER, url, path], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            publish(mosquitto.port, [META, data(1, 3), b"\xff", data(1, 3), gap(4, 5), data(8, 8, 7)])
            _until(path, 4)
        finally:
            process.kill()

    told = subprocess.run([sys.executable, CONSUMER, "--lost", path], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (1, f"{(*KEY, 6, 7)}\n")


def _until(path: Path, scans: int) -> None:
    db = sqlite3.connect(path)
    try:
        deadline = time.monotonic() + WAIT_S
        while db.execute("SELECT count(*) FROM scans").fetchone() != (scans,):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        db.close()


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("consumer", CONSUMER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
