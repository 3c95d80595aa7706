import fcntl
import json
from pathlib import Path

import pytest

from edge_agent import cli
from edge_agent.core.gap import Gap
from tests.buffer.conftest import Bench, acknowledge
from tests.cli.gateway import config


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    """Exit code, lines and errors of `edge-agent buffer`."""
    code = cli.main(["buffer", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A log of three records, of which the first has been delivered, and a gap."""
    bench = Bench(tmp_path / "buffer" / "data")
    log = bench.open()
    log.write(bench.entries(1, 3))
    _, records, _ = log.read("cloud", 1 << 20)
    acknowledge(log, records[0])
    log.lose([Gap(log.state.life, "press", "fast", "overrun", None, None, 1, 2, 7)], ["cloud"])
    log.sync()
    return bench


def test_what_waits_is_shown_with_its_age_and_its_gaps(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, _ = said(capsys, "--path", bench.folder.parent)

    assert code == 0
    assert lines[0] == f"{bench.folder}: not ended in order (killed, power cut, or a copy)"
    assert lines[1:4] == ["life 0000000000000001", "1 segment, 4.0 KiB, 3 records of 1 stream", ""]
    assert lines[4].split() == ["DESTINATION", "STANDS", "AT", "WAITING", "OLDEST", "AGE", "GAPS"]
    assert lines[5].split()[0] == "cloud"
    assert lines[5].split()[2:5] == ["2", "1970-01-01", "00:00:02Z"]
    assert lines[5].split()[-1] == "1"
    assert lines[7:] == [
        "GAP FOR  REASON   DEVICE  GROUP  SCANS",
        "cloud    overrun  press   fast       7",
    ]


def test_segments_and_streams_are_listed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = said(capsys, "ls", "--path", bench.folder)

    assert code == 0
    assert lines == [
        "SEGMENT               GEN  CREATED               SIZE     FRAMES  RECORDS",
        "0000000000000001.seg    1  1970-01-01 00:16:40Z  4.0 KiB       7        3",
        "",
        "DEVICE  GROUP  NEXT  RECORDS  OLDEST                NEWEST",
        "press   fast      4        3  1970-01-01 00:00:01Z  1970-01-01 00:00:03Z",
    ]


def test_json_has_all_of_it(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = said(capsys, "--path", bench.folder, "--json")

    answer = json.loads(lines[0])
    assert code == 0
    assert (answer["life"], answer["closed"], answer["torn"], answer["damaged"]) == (
        "0000000000000001",
        False,
        False,
        0,
    )
    assert answer["streams"] == [
        {
            "life": "0000000000000001",
            "device": "press",
            "group": "fast",
            "next": 4,
            "records": 3,
            "oldest_ns": 10**9,
            "newest_ns": 3 * 10**9,
        }
    ]
    cloud = answer["destinations"]["cloud"]
    assert (cloud["waiting"], cloud["oldest_ns"], cloud["gaps"][0]["reason"]) == (2, 2 * 10**9, "overrun")
    assert answer["segments"][0]["records"] == 3


def test_buffer_of_a_configuration_is_found_and_whose_it_is(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, {"meter": 502})
    (tmp_path / "state").mkdir()
    bench.folder.parent.rename(tmp_path / "state" / "buffer")
    with (tmp_path / "state" / "buffer" / "lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)

        code, lines, _ = said(capsys, "--config", path)

    assert code == 0
    assert lines[0].endswith("/state/buffer/data: in use by process 4711")


def test_damage_and_strangers_are_a_problem_in_words(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    file = bench.folder / "0000000000000001.seg"
    data = bytearray(file.read_bytes())
    data[64 + 36 + 5] ^= 0xFF  # in the payload of the first frame
    file.write_bytes(bytes(data))
    (bench.folder / "00000000000000ff.seg").write_bytes(b"no segment")
    (bench.folder / "photo.jpg").write_bytes(b"")

    code, lines, _ = said(capsys, "--path", bench.folder)

    assert code == 1
    assert lines[3:6] == [
        "damaged: 1 place in 0000000000000001.seg",
        "no segments in spite of their names: 00000000000000ff.seg",
        "not of the log: photo.jpg",
    ]


def test_several_lives_are_told_apart(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    again = bench.open()
    again.write(bench.entries(1, 1))
    again.close("0123")

    _, stat, _ = said(capsys, "--path", bench.folder)
    _, lines, _ = said(capsys, "ls", "--path", bench.folder)

    assert stat[0].endswith(": ended in order")
    assert stat[1] == "life 0000000000000002, before it 0000000000000001"
    assert [line.split()[-1] for line in lines[1:3]] == ["0000000000000001", "0000000000000002"]
    assert sorted(line.split()[2:] for line in lines[5:]) == [
        ["2", "1", "1970-01-01", "00:00:01Z", "1970-01-01", "00:00:01Z", "0000000000000002"],
        ["3", "1970-01-01", "00:00:01Z", "1970-01-01", "00:00:03Z", "0000000000000001"],
    ]


def test_torn_end_and_spares_are_said(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    file = bench.folder / "0000000000000001.seg"
    data = file.read_bytes().rstrip(b"\0")
    file.write_bytes(data[:-3])
    (bench.folder / "spare-0000000000000009").write_bytes(bytes(2048))

    code, lines, _ = said(capsys, "--path", bench.folder)

    assert code == 0
    assert ", 0.4 KiB and 2.0 KiB spare, " in lines[2] or " and 2.0 KiB spare, " in lines[2]
    assert lines[3] == "torn end: the last write was cut off"


def test_log_that_nobody_reads_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(tmp_path / "data")
    log = bench.open(destinations=())
    log.write(bench.entries(1, 1))
    log.close("0123")

    code, lines, _ = said(capsys, "--path", tmp_path)

    assert code == 0
    assert lines[-1] == "no destination has ever read it"


def test_destination_that_has_all_has_nothing_that_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path / "data")
    log = bench.open()
    log.write(bench.entries(1, 9))
    _, records, _ = log.read("cloud", 1 << 20)
    acknowledge(log, records[-1])

    _, lines, _ = said(capsys, "--path", tmp_path)

    assert lines[-2] == "DESTINATION  STANDS AT  WAITING  GAPS"
    assert lines[-1].split() == ["cloud", f"1+{records[-1].end[1]}", "0", "0"]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("nowhere", 2, "there is no such folder"),
        ("file", 2, "is not a folder"),
        ("empty", 1, "there is no log in this folder"),
        ("loop", 2, "too many levels of symbolic links"),
    ],
)
def test_folder_that_is_no_buffer_is_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, code: int, words: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "lock").symlink_to("lock")
    bench = Bench(tmp_path / "loop" / "data")
    bench.open().write(bench.entries(1, 1))

    ended, lines, err = said(capsys, "--path", tmp_path / name)

    assert (ended, lines) == (code, [])
    assert words in err
    assert err.count("\n") == 1
