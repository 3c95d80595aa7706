"""What lies on the shelf for the next life: only what is ours, and only what says something."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from edge_agent.drivers.opcua.left import Left, Shelf

LEFT = Left("ns=1;i=7", "bm9uY2U=", ((0, "anonymous", ""),))


def shelf_in(folder: Path) -> Shelf:
    return Shelf(folder, "plc", "opc.tcp://127.0.0.1:4840")


def file_in(folder: Path) -> Path:
    shelf_in(folder).put(LEFT)
    (file,) = folder.iterdir()
    return file


def test_what_was_laid_there_is_taken_once(tmp_path: Path) -> None:
    file = file_in(tmp_path)

    assert file.stat().st_mode & 0o777 == 0o600
    assert shelf_in(tmp_path).take() == LEFT
    assert shelf_in(tmp_path).take() is None


@pytest.mark.parametrize(
    "odd",
    [
        {"token": 5},
        {"token": "no node"},
        {"nonce": "?"},
        {"nonce": 5},
        {"server_certificate": ["a"]},
        {"logins": [[99, "a", ""]]},
        {"logins": [[0]]},
        {"more": 1},
    ],
    ids=str,
)
def test_fields_that_are_none_are_as_good_as_nothing(tmp_path: Path, odd: dict[str, object]) -> None:
    file_in(tmp_path).write_text(json.dumps({**asdict(LEFT), **odd}))

    assert shelf_in(tmp_path).take() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[]", "5", "", "{", "[" * 100_000])
def test_text_that_is_none_is_as_good_as_nothing(tmp_path: Path, text: str) -> None:
    file_in(tmp_path).write_text(text)

    assert shelf_in(tmp_path).take() is None


def test_link_that_somebody_has_laid_is_not_followed(tmp_path: Path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    folder.mkdir()
    file = file_in(folder)
    other.write_text(json.dumps(asdict(LEFT)))
    file.unlink()
    file.symlink_to(other)
    file.with_suffix(".new").symlink_to(other)

    assert shelf_in(folder).take() is None
    shelf_in(folder).put(Left("i=1", "", ()))
    assert json.loads(other.read_text())["token"] == LEFT.token
