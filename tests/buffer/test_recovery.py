"""Whatever lies in the folder, the log opens; what cannot be read is named."""

import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.buffer.state import unpack_head
from edge_agent.core.frame import SEGMENT_HEAD_SIZE
from edge_agent.core.ranges import Ranges
from tests.buffer.conftest import MACHINE, Bench, acknowledge, everything, mark, marked, numbers


def filled(bench: Bench, last: int = 300, *, close: bool = True) -> list[Path]:
    """A log of several segments; gives their files, oldest first."""
    log = bench.open()
    log.write(bench.entries(1, last))
    if close:
        log.close(MACHINE)
    else:
        log.give_up()
    return sorted(bench.folder.glob("*.seg"))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def unreadable(bench: Bench) -> tuple[list[int], list[tuple[int | None, int | None]]]:
    """The numbers that can still be read, and those named as unreadable."""
    records, gaps = everything(bench.open())
    return numbers(records), [(gap.first, gap.last) for gap in gaps if gap.reason == "unreadable"]


def test_empty_folder_is_a_first_start_without_a_gap(bench: Bench) -> None:
    log = bench.open()

    assert everything(log) == ([], [])
    assert log.state.previous_life is None


def test_torn_tail_begins_a_new_life_and_keeps_what_is_whole(bench: Bench) -> None:
    newest = filled(bench, 10, close=False)[-1]
    data = newest.read_bytes()
    end = data.rstrip(b"\0")
    newest.write_bytes(end[:-3].ljust(len(data), b"\0"))

    records, gaps = everything(bench.open())

    assert numbers(records)[:9] == list(range(1, 10))
    assert "restart:unclean" in {gap.reason for gap in gaps}


def test_flipped_bit_in_a_payload_is_named_exactly(bench: Bench) -> None:
    files = filled(bench)
    at = files[1].read_bytes().index(b"\x00\x00\xfe\x42")  # 127.0, the first column of scan 127
    flip(files[1], at)

    read, lost = unreadable(bench)

    assert lost == [(127, 127)]
    assert read == [n for n in range(1, 301) if n != 127]


def test_flipped_bit_in_a_header_is_a_hole_and_named(bench: Bench) -> None:
    files = filled(bench)
    at = files[1].read_bytes().index(b"\x00\x00\xfe\x42")
    flip(files[1], at - 20)

    read, lost = unreadable(bench)

    assert lost == [(127, 127)]
    assert read == [n for n in range(1, 301) if n != 127]


def test_zeroed_middle_of_a_segment_is_named(bench: Bench) -> None:
    files = filled(bench)
    data = bytearray(files[1].read_bytes())
    data[2000:3500] = bytes(1500)
    files[1].write_bytes(data)

    read, lost = unreadable(bench)

    (first, last), *more = lost
    assert first is not None
    assert last is not None
    assert more == []
    assert read == [n for n in range(1, 301) if not first <= n <= last]


def test_missing_segment_is_named(bench: Bench) -> None:
    files = filled(bench)
    files[1].unlink()

    read, lost = unreadable(bench)

    (first, last), *more = lost
    assert more == []
    assert first is not None
    assert last is not None
    assert read == [n for n in range(1, 301) if not first <= n <= last]


def test_missing_oldest_segment_is_named_from_what_was_acknowledged(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 10))
    records, _ = everything(log)
    acknowledge(log, records[4])
    log.write(bench.entries(11, 300))
    log.close(MACHINE)
    min(bench.folder.glob("*.seg")).unlink()

    read, lost = unreadable(bench)

    assert lost == [(6, read[0] - 1)]


def test_missing_oldest_segment_is_named_from_the_start_when_nothing_was_acknowledged(bench: Bench) -> None:
    filled(bench)[0].unlink()

    read, lost = unreadable(bench)

    assert lost == [(1, read[0] - 1)]


def test_segment_with_a_damaged_head_is_set_aside_and_named(bench: Bench) -> None:
    files = filled(bench)
    flip(files[1], 3)

    read, lost = unreadable(bench)

    assert len(lost) == 1
    assert (bench.folder / "quarantine" / files[1].name).exists()
    assert len(read) + (lost[0][1] or 0) - (lost[0][0] or 0) + 1 == 300


def test_damaged_newest_head_begins_a_new_life(bench: Bench) -> None:
    files = filled(bench)
    flip(files[-1], 3)

    log = bench.open()

    assert log.state.previous_life is not None
    assert {gap.reason for gap in everything(log)[1]} >= {"restart:unclean"}


def test_damaged_state_of_the_newest_segment_is_taken_from_the_one_before(bench: Bench) -> None:
    files = filled(bench)
    flip(files[-1], SEGMENT_HEAD_SIZE + 40)

    log = bench.open()

    assert numbers(everything(log)[0]) == list(range(1, 301))


def test_segment_begun_behind_a_close_begins_a_new_life_even_with_nothing_in_it(bench: Bench) -> None:
    log = bench.open()
    log.write(bench.entries(1, 3))
    log.close(MACHINE)
    bench.open().ready()  # a segment with a head, and then the power is cut

    assert bench.open().state.life == "0000000000000002"


def test_damaged_close_begins_a_new_life(bench: Bench) -> None:
    files = filled(bench, 10)
    data = files[-1].read_bytes()
    flip(files[-1], data.index(b'{"machine"'))

    log = bench.open()

    assert log.state.previous_life is not None


def test_segment_begun_behind_an_orderly_end_begins_a_new_life(bench: Bench) -> None:
    filled(bench, 10)
    log = bench.open()
    log.ready()  # and killed before anything of it is durable
    log.give_up()

    again = bench.open()

    assert again.state.life != log.state.life
    assert numbers(everything(again)[0]) == list(range(1, 11))


def test_start_that_began_no_segment_leaves_the_end_before_it(bench: Bench) -> None:
    filled(bench, 10)
    log = bench.open()
    log.give_up()

    assert bench.open().state.life == log.state.life


def test_foreign_empty_and_misnamed_files_are_set_aside(bench: Bench) -> None:
    files = filled(bench, 10)
    (bench.folder / "holiday.seg").write_bytes(b"not ours")
    (bench.folder / "00000000000000ff.seg").write_bytes(b"")
    (bench.folder / "0000000000000004.seg").write_bytes(files[0].read_bytes())

    log = bench.open()

    assert numbers(everything(log)[0]) == list(range(1, 11))
    assert len(list((bench.folder / "quarantine").iterdir())) == 3
    assert log.state.previous_life is not None  # the newest name held no log: nothing proves where it ended


def test_nothing_but_rubbish_is_a_start_with_a_gap(bench: Bench) -> None:
    bench.folder.mkdir(parents=True)
    (bench.folder / "0000000000000001.seg").write_bytes(b"rubbish")

    _, gaps = everything(bench.open())

    assert [(gap.reason, gap.life) for gap in gaps] == [("restart:unclean", None)]


def test_generation_is_never_used_twice(bench: Bench) -> None:
    bench.folder.mkdir(parents=True)
    (bench.folder / "00000000000000ff.seg").write_bytes(b"rubbish")

    log = bench.open()
    log.write(bench.entries(1, 1))

    assert [each.generation for each in log.segments] == [0x100]


def test_mark_of_a_missing_segment_is_known_to_the_next(bench: Bench) -> None:
    log = bench.open()
    log.write([*bench.entries(1, 10), marked(1), *bench.entries(11, 300)])
    log.close(MACHINE)
    min(bench.folder.glob("*.seg")).unlink()

    assert bench.open().state.marks == {("press", "fast"): mark(1)}


def test_damaged_state_of_the_newest_segment_costs_no_mark(bench: Bench) -> None:
    log = bench.open()
    log.write([*bench.entries(1, 10), marked(1), marked(5, "oven"), *bench.entries(11, 100), marked(2)])
    log.give_up()
    flip(max(bench.folder.glob("*.seg")), SEGMENT_HEAD_SIZE + 40)

    assert bench.open().state.marks == {("press", "fast"): mark(2), ("oven", "fast"): mark(5)}


def test_damaged_mark_leaves_the_one_before(bench: Bench) -> None:
    log = bench.open()
    log.write([*bench.entries(1, 10), marked(1), *bench.entries(11, 12), marked(2), *bench.entries(13, 14)])
    log.give_up()
    (file,) = bench.folder.glob("*.seg")
    flip(file, file.read_bytes().rindex(b'["press","fast","opc.tcp'))

    log = bench.open()

    assert log.state.marks == {("press", "fast"): mark(1)}
    assert numbers(everything(log)[0]) == list(range(1, 15))


def test_state_of_before_there_were_marks_has_none() -> None:
    payload = b'{"streams":[[1,"press","fast",6]],"cursors":{},"gaps":{"cloud":[]},"prev":null,"gap":3}'

    state = unpack_head("0123", payload)

    assert state.marks == {}
    assert state.stream("press", "fast").next == 6


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**9))
def test_wherever_a_log_is_torn_a_mark_never_stands_without_the_scans_before_it(
    tmp_path_factory: object, seed: int
) -> None:
    chance = random.Random(seed)
    bench = Bench(tmp_path_factory.mktemp("log"))  # type: ignore[attr-defined]  # pytest's factory
    log = bench.open()
    for group in range(1, 10):  # each of them a notification of ten samples, and its mark
        log.write([*bench.entries(10 * group - 9, 10 * group), marked(group)])
    log.give_up()
    newest = max(bench.folder.glob("*.seg"))
    data = newest.read_bytes()
    newest.write_bytes(data[: chance.randrange(SEGMENT_HEAD_SIZE, len(data))].ljust(len(data), b"\0"))

    log = bench.open()

    known = log.state.marks.get(("press", "fast"))
    read = numbers(everything(log)[0])
    assert read == list(range(1, len(read) + 1))
    assert 10 * (0 if known is None else known.sequence) <= len(read)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**9))
def test_after_any_damage_every_number_is_read_or_named_or_newer_than_the_last_readable(
    tmp_path_factory: object, seed: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("log")  # type: ignore[attr-defined]  # pytest's factory
    bench = Bench(folder)
    files = filled(bench, chance.randrange(1, 400), close=chance.random() < 0.5)
    for _ in range(chance.randrange(1, 6)):
        damage(chance, chance.choice(files))

    log = bench.open()
    log.write(bench.entries(log.state.stream("press", "fast").next, 500))
    records, gaps = everything(log)

    old = [each for each in records if each.life == "0000000000000001"]
    books = Ranges()
    for each in old:
        assert record_is_true(bench, each.n, each.payload)
        assert books.add(each.n, each.n) == 1
    for gap in gaps:
        if gap.life == "0000000000000001" and gap.first is not None and gap.last is not None:
            books.add(gap.first, gap.last)
    assert books.missing(1, books.last or 0) == []
    if log.state.life != "0000000000000001":
        assert "restart:unclean" in {gap.reason for gap in gaps}


def damage(chance: random.Random, victim: Path) -> None:
    """Flip a bit, cut the file off, zero a stretch, or empty it."""
    data = bytearray(victim.read_bytes())
    start = chance.randrange(len(data) or 1)
    match chance.randrange(4):
        case 0:
            data[start : start + 1] = bytes(
                each ^ 1 << chance.randrange(8) for each in data[start : start + 1]
            )
        case 1:
            del data[start:]
        case 2:
            length = chance.randrange(1, 600)
            data[start : start + length] = bytes(len(data[start : start + length]))
        case _:
            data = bytearray()
    victim.write_bytes(data)


def record_is_true(bench: Bench, n: int, payload: bytes) -> bool:
    return payload == bench.entries(n, n)[0].payload
