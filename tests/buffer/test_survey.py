"""Counting a log gives what reading it gives, and says what cannot be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.buffer import segment, survey
from edge_agent.core.cursor import Cursor
from edge_agent.core.frame import HEADER_SIZE, Kind, scan
from tests.buffer.conftest import Bench, acknowledge, everything, schema

LIFE = "0000000000000001"


def frames_of(bench: Bench, generation: int = 1) -> Iterator[tuple[Kind, int, int]]:
    data = segment.path_of(bench.folder, generation).read_bytes()
    return ((found.kind, found.start, found.end) for found in scan(data, generation))


def spoil(bench: Bench, at: int, generation: int = 1) -> None:
    path = segment.path_of(bench.folder, generation)
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


def test_counts_are_those_of_the_reader_over_many_segments(bench: Bench) -> None:
    log = bench.open()
    other = schema("oven", columns=2)
    for n in range(1, 101):
        log.write([*bench.entries(n, n), *bench.entries(n, n, of=other)])
    _, records, _ = log.read("cloud", 1 << 20)
    acknowledge(log, records[49])

    found = survey.survey(bench.folder.parent)
    left, _ = everything(bench.open())

    assert found is not None
    assert len(found.segments) == 3
    assert found.destinations["cloud"].records == len(left) == 150
    assert found.destinations["cloud"].oldest_ns == min(each.time_ns for each in left)
    assert {key: (its.next, its.records) for key, its in found.streams.items()} == {
        (LIFE, "press", "fast"): (101, 100 - _freed(found, "press")),
        (LIFE, "oven", "fast"): (101, 100 - _freed(found, "oven")),
    }
    assert sum(each.records for each in found.segments) == sum(its.records for its in found.streams.values())
    assert not found.damaged


def _freed(found: survey.Survey, device: str) -> int:
    oldest = found.streams[LIFE, device, "fast"].oldest_ns
    return 0 if oldest is None else oldest // 10**9 - 1


def test_segments_behind_the_cursor_do_not_wait(bench: Bench) -> None:
    log = bench.open(destinations=("cloud", "plant"))
    for n in range(1, 201):
        log.write(bench.entries(n, n))
    _, records, _ = log.read("cloud", 1 << 20)
    acknowledge(log, records[-1])

    found = survey.survey(bench.folder)

    assert found is not None
    assert {name: its.records for name, its in found.destinations.items()} == {"cloud": 0, "plant": 200}
    assert (found.destinations["cloud"].oldest_ns, found.destinations["plant"].oldest_ns) == (None, 10**9)


def test_what_is_done_above_the_cursor_does_not_wait(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 4))
    _, records, _ = log.read("cloud", 1 << 20)
    first, second, third, _ = (each.end for each in records)
    log.acknowledge("cloud", Cursor(first, ((second, third),)), [])
    log.write_cursors()

    found = survey.survey(bench.folder)

    assert found is not None
    assert (found.destinations["cloud"].records, found.destinations["cloud"].oldest_ns) == (2, 2 * 10**9)


def test_record_with_a_damaged_payload_is_one_damaged_place(bench: Bench) -> None:
    bench.open().write(bench.entries(1, 3))
    _, start, _ = [each for each in frames_of(bench) if each[0] is Kind.DATA][1]
    spoil(bench, start + HEADER_SIZE)

    found = survey.survey(bench.folder)

    assert found is not None
    assert (found.damaged, found.segments[0].records, found.torn) == (1, 2, False)


def test_record_with_a_damaged_header_is_one_damaged_place(bench: Bench) -> None:
    bench.open().write(bench.entries(1, 3))
    _, start, _ = [each for each in frames_of(bench) if each[0] is Kind.DATA][1]
    spoil(bench, start + 8)

    found = survey.survey(bench.folder)

    assert found is not None
    assert (found.damaged, found.segments[0].records) == (1, 2)


def test_stream_whose_names_are_damaged_is_counted_under_its_number(bench: Bench) -> None:
    bench.open().write(bench.entries(1, 2))
    for kind, start, _ in list(frames_of(bench)):
        if kind in (Kind.HEAD, Kind.SCHEMA):
            spoil(bench, start + HEADER_SIZE)

    found = survey.survey(bench.folder)

    assert found is not None
    assert found.damaged == 2
    assert found.streams[LIFE, "?", "1"].records == 2


def test_stream_that_begins_within_a_segment_is_named_by_its_schema(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 1))
    log.write(bench.entries(1, 2, of=schema("oven", columns=2)))

    found = survey.survey(bench.folder)

    assert found is not None
    assert {key: its.records for key, its in found.streams.items()} == {
        (LIFE, "press", "fast"): 1,
        (LIFE, "oven", "fast"): 2,
    }


def test_torn_end_of_a_life_is_no_damage(bench: Bench) -> None:
    bench.open().write(bench.entries(1, 3))
    _, start, _ = list(frames_of(bench))[-1]
    spoil(bench, start + HEADER_SIZE)
    torn = survey.survey(bench.folder)
    log = bench.open()
    log.write(bench.entries(1, 1))
    log.close("0123")

    found = survey.survey(bench.folder)

    assert torn is not None
    assert (torn.torn, torn.closed, torn.damaged) == (True, False, 0)
    assert found is not None
    assert (found.torn, found.closed, found.damaged) == (False, True, 0)
    assert found.previous_life == LIFE
    assert found.streams[LIFE, "press", "fast"].next is None


def test_folder_without_a_log_has_none(tmp_path: Path) -> None:
    (tmp_path / "0000000000000001.seg").mkdir()

    assert survey.survey(tmp_path) is None


def test_count_begins_again_when_a_segment_was_freed_meanwhile() -> None:
    outcomes: list[int | None] = [None, None, 5]

    def count() -> int:
        outcome = outcomes.pop(0)
        if outcome is None:
            raise FileNotFoundError
        return outcome

    assert survey.unhurried(count) == 5


def test_count_does_not_begin_again_for_ever() -> None:
    attempts = 0

    def count() -> None:
        nonlocal attempts
        attempts += 1
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        survey.unhurried(count)
    assert attempts == survey.ATTEMPTS
