import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.core import record
from edge_agent.core.cursor import Cursor
from edge_agent.core.gap import Gap
from edge_agent.errors import StorageError
from tests.buffer.conftest import MACHINE, Bench, acknowledge, everything, mark, marked, numbers, schema


def segments(bench: Bench) -> list[Path]:
    return sorted(bench.folder.glob("*.seg"))


def test_scans_come_back_as_they_were(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 3))

    records, gaps = everything(log)

    assert gaps == []
    assert numbers(records) == [1, 2, 3]
    scan = record.decode(records[1].schema, records[1].time_ns, records[1].payload)
    assert scan.values == (2.0, 2.0, 2.0, 2.0)
    assert records[0].schema.names == bench.schema.names
    assert records[0].schema.document == bench.schema.document
    assert records[0].schema.m == bench.schema.m


def test_orderly_stop_keeps_life_and_numbers(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 5))
    life = log.state.life
    log.close(MACHINE)

    again = bench.open()

    assert again.state.life == life
    assert again.state.stream("press", "fast").next == 6
    again.write(bench.entries(6, 7))
    records, gaps = everything(again)
    assert numbers(records) == [1, 2, 3, 4, 5, 6, 7]
    assert {each.life for each in records} == {life}
    assert [(gap.reason, gap.life) for gap in gaps] == [("restart:clean", life)]


def test_unclean_stop_begins_a_new_life_and_says_so(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 5))
    old = log.state.life
    log.give_up()  # as a kill would

    again = bench.open()
    again.write(bench.entries(1, 1))

    assert again.state.life != old
    assert again.state.previous_life == old
    records, gaps = everything(again)
    assert [(each.life, each.n) for each in records] == [(old, n) for n in range(1, 6)] + [
        (again.state.life, 1)
    ]
    assert gaps == [Gap(old, None, None, "restart:unclean", None, None, 5 * 10**9, bench.now_ns)]


def test_log_of_another_machine_is_not_continued(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 2))
    log.close(MACHINE)

    again = bench.open(machine="4567")

    assert again.state.life != log.state.life


def test_machine_without_a_name_never_continues(bench: Bench) -> None:
    log = bench.open(machine="")
    log.write(bench.entries(1, 2))
    log.close("")

    assert bench.open(machine="").state.life != log.state.life


def test_acknowledged_is_not_read_again_after_a_kill(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 5))
    records, _ = everything(log)
    acknowledge(log, records[2])
    log.give_up()

    again = bench.open()

    assert numbers(everything(again)[0]) == [4, 5]


def test_acknowledged_above_the_cursor_is_not_read_again(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 5))
    records, _ = everything(log)
    log.acknowledge("cloud", Cursor(records[0].end, ((records[1].end, records[3].end),)), [])
    log.write_cursors()
    log.give_up()

    assert numbers(everything(bench.open())[0]) == [2, 5]


def test_segments_roll_and_are_freed_when_acknowledged(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 400))
    assert len(segments(bench)) > 4
    records, gaps = everything(log)
    assert numbers(records) == list(range(1, 401))
    assert gaps == []

    acknowledge(log, records[-1])

    assert len(segments(bench)) == 1
    assert len(list(bench.folder.glob("spare-*"))) == 2


def test_recycled_segment_never_shows_what_it_held_before(bench: Bench) -> None:
    log = bench.open()
    for first in range(1, 2000, 100):
        log.write(bench.entries(first, first + 99))
        records, gaps = everything(log)
        assert numbers(records) == list(range(first, first + 100))
        assert gaps == []
        acknowledge(log, records[-1])

    assert len(segments(bench)) + len(list(bench.folder.glob("spare-*"))) < 12


def test_numbers_survive_when_all_else_is_sent_and_freed(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 400))
    records, _ = everything(log)
    acknowledge(log, records[-1])
    log.close(MACHINE)

    again = bench.open()

    assert again.state.stream("press", "fast").next == 401


def test_slowest_destination_keeps_the_segments(bench: Bench) -> None:
    log = bench.open(destinations=("cloud", "plant"))
    log.write(bench.entries(1, 200))
    before = len(segments(bench))
    records, _ = everything(log)
    acknowledge(log, records[-1])

    assert len(segments(bench)) == before
    assert numbers(everything(log, "plant")[0]) == list(range(1, 201))


def test_new_destination_begins_at_the_head(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 3))
    log.close(MACHINE)

    again = bench.open(destinations=("cloud", "plant"))
    again.write(bench.entries(4, 5))

    assert numbers(everything(again, "plant")[0]) == [4, 5]
    assert numbers(everything(again)[0]) == [1, 2, 3, 4, 5]


def test_quota_evicts_the_oldest_and_names_it(bench: Bench) -> None:
    bench.max_bytes = 4 * 4096
    log = bench.open()
    log.write(bench.entries(1, 500))

    records, gaps = everything(log)

    assert log.size_bytes <= bench.max_bytes
    (gap,) = gaps
    assert (gap.reason, gap.first, gap.device, gap.group) == ("evicted:max_bytes", 1, "press", "fast")
    assert gap.last is not None
    assert gap.scans == gap.last
    assert (gap.start_ns, gap.end_ns) == (10**9, gap.last * 10**9)
    assert numbers(records) == list(range(gap.last + 1, 501))


def test_eviction_spares_what_was_acknowledged(bench: Bench) -> None:
    bench.max_bytes = 4 * 4096
    log = bench.open()
    log.write(bench.entries(1, 50))
    records, _ = everything(log)
    acknowledge(log, records[29])
    log.write(bench.entries(51, 500))

    _, gaps = everything(log)

    assert gaps[0].first == 31


def test_reader_within_an_evicted_segment_goes_on_without_a_second_gap(bench: Bench) -> None:
    bench.max_bytes = 4 * 4096
    log = bench.open()
    log.write(bench.entries(1, 10))
    assert numbers(everything(log)[0]) == list(range(1, 11))
    log.write(bench.entries(11, 500))

    records, gaps = everything(log)

    (gap,) = gaps
    assert gap.reason == "evicted:max_bytes"
    assert gap.last is not None
    assert numbers(records) == list(range(gap.last + 1, 501))


def test_evictions_are_told_after_a_restart_too(bench: Bench) -> None:
    bench.max_bytes = 4 * 4096
    log = bench.open()
    log.write(bench.entries(1, 500))
    log.close(MACHINE)

    records, gaps = everything(bench.open())

    evicted = [gap for gap in gaps if gap.reason == "evicted:max_bytes"]
    assert [gap.first for gap in evicted] == [1]
    assert evicted[0].last == records[0].n - 1
    assert {gap.reason for gap in gaps} == {"evicted:max_bytes", "restart:clean"}


def test_acknowledged_gap_is_not_told_again(bench: Bench) -> None:
    log = bench.open()
    log.lose((Gap("b", "press", "fast", "overrun", None, None, 1, 2, 1),), ("cloud",))
    log.write(bench.entries(1, 1))
    fresh, records, _ = log.read("cloud", 1)
    log.acknowledge("cloud", log.state.cursors["cloud"], [number for number, _ in fresh])
    acknowledge(log, records[-1])
    log.close(MACHINE)

    _, gaps = everything(bench.open())

    assert [gap.reason for gap in gaps] == ["restart:clean"]


def test_record_that_fits_no_segment_is_an_error_of_storage(bench: Bench) -> None:
    log = bench.open()
    wide = replace(bench.entries(1, 1)[0], payload=bytes(5000))

    with pytest.raises(StorageError, match="does not fit into a segment"):
        log.write([wide])


def test_stream_that_changes_its_columns_goes_on_counting(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 2))
    log.write(bench.entries(3, 4, of=schema(columns=2, document=b'{"x":2}')))

    records, _ = everything(log)

    assert [(each.n, len(each.schema.columns)) for each in records] == [(1, 4), (2, 4), (3, 2), (4, 2)]
    assert records[0].schema.m != records[3].schema.m


def test_failed_disk_ends_the_segment_and_a_new_one_is_begun(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = bench.open()
    log.write(bench.entries(1, 2))

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)  # the disk is the world's, not our code
        with pytest.raises(OSError, match="Input/output"):
            log.write(bench.entries(3, 4))
        log.give_up()
    gap = Gap(log.state.life, "press", "fast", "not_stored:disk", 3, 4, 3, 4, 2)
    log.lose((gap,), ("cloud",))
    log.write(bench.entries(5, 6))

    records, gaps = everything(log)

    assert numbers(records) == [1, 2, 5, 6]
    assert gaps == [gap]


STREAM = ("press", "fast")


@pytest.mark.parametrize("orderly", [True, False])
def test_newest_mark_of_each_stream_is_found_again(bench: Bench, *, orderly: bool) -> None:
    log = bench.open()
    log.write([*bench.entries(1, 2), marked(1), marked(8, "oven"), *bench.entries(3, 4), marked(2)])
    if orderly:
        log.close(MACHINE)
    else:
        log.give_up()

    assert bench.open().state.marks == {STREAM: mark(2), ("oven", "fast"): mark(8)}


def test_mark_is_no_record_and_takes_no_number(bench: Bench) -> None:
    log = bench.open()
    log.write([*bench.entries(1, 2), marked(1), *bench.entries(3, 3)])

    records, gaps = everything(log)

    assert numbers(records) == [1, 2, 3]
    assert gaps == []


def test_marks_are_kept_by_a_log_that_only_ever_gets_marks(bench: Bench) -> None:
    log = bench.open()
    log.write([marked(sequence) for sequence in range(1, 500)])
    assert len(segments(bench)) > 4
    log.give_up()

    assert bench.open().state.marks == {STREAM: mark(499)}


@pytest.mark.parametrize("orderly", [True, False])
def test_mark_outlives_the_segment_that_held_it(bench: Bench, *, orderly: bool) -> None:
    log = bench.open()
    log.write([*bench.entries(1, 10), marked(1), *bench.entries(11, 400)])
    first = segments(bench)[0]
    acknowledge(log, everything(log)[0][-1])
    assert not first.exists()
    if orderly:
        log.close(MACHINE)
    else:
        log.give_up()

    assert bench.open().state.marks == {STREAM: mark(1)}


def test_mark_outlives_the_eviction_of_its_scans(bench: Bench) -> None:
    bench.max_bytes = 4 * 4096
    log = bench.open()
    log.write([*bench.entries(1, 10), marked(1), *bench.entries(11, 500)])
    assert log.evicted > 1
    log.give_up()

    assert bench.open().state.marks == {STREAM: mark(1)}


def test_mark_goes_from_life_to_life(bench: Bench) -> None:
    log = bench.open()
    log.write([*bench.entries(1, 10), marked(1)])
    log.give_up()
    for _ in range(3):
        log = bench.open()
        log.write(bench.entries(1, 200))
        acknowledge(log, everything(log)[0][-1])
        log.give_up()

    assert bench.open().state.marks == {STREAM: mark(1)}
