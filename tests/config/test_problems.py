import json
from pathlib import Path

import pytest

from edge_agent.config.problems import InvalidConfig, Problem, has_errors, render, to_json
from edge_agent.errors import ConfigError

TYPO = Problem(
    Path("profiles/press.yaml"), 7, 5, "error", "unknown key 'adress' - did you mean 'address'?", 6,
    "    adress: 40001",
)  # fmt: skip
DOUBT = Problem(Path("profiles/press.yaml"), 2, 1, "warning", "a doubt", 1, "id: x")


def test_a_problem_shows_its_line_with_a_caret() -> None:
    assert render([TYPO]) == (
        "profiles/press.yaml:7:5: error: unknown key 'adress' - did you mean 'address'?\n"
        "     7 |     adress: 40001\n"
        "       |     ^^^^^^\n"
        "1 error"
    )


def test_problems_are_sorted_by_position_and_counted() -> None:
    lines = render([TYPO, DOUBT, TYPO]).splitlines()

    assert lines[0] == "profiles/press.yaml:2:1: warning: a doubt"
    assert lines[-1] == "2 errors, 1 warning"


def test_without_problems_there_is_nothing_to_say() -> None:
    assert render([]) == ""


def test_paths_below_the_current_folder_are_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    below = render([Problem(tmp_path / "conf.d" / "a.yaml", 1, 1, "error", "x")])
    beside = render([Problem(tmp_path.parent / "a.yaml", 1, 1, "error", "x")])

    assert below.startswith("conf.d/a.yaml:1:1: error: x\n")
    assert beside.startswith(f"{tmp_path.parent}/a.yaml:1:1: error: x\n")


def test_a_problem_of_the_whole_file_has_no_position() -> None:
    assert render([Problem(Path("a.yaml"), 0, 0, "error", "x")]) == "a.yaml: error: x\n1 error"


def test_the_caret_stands_under_wide_characters_and_tabs() -> None:
    line = "\t\u6e29\u5ea6: e\u0301x on"

    text = render([Problem(Path("a.yaml"), 1, 10, "error", "x", 2, line)])

    assert text.splitlines()[2] == "       | \t         ^^"


def test_a_long_line_is_cut_around_the_place() -> None:
    text = render([Problem(Path("a.yaml"), 1, 501, "error", "x", 3, "a" * 500 + "bad" + "c" * 500)])

    _, excerpt, caret, _ = text.splitlines()
    assert len(excerpt) == len("     1 | ") + 120
    assert excerpt[caret.index("^") :].startswith("bad")


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in render([Problem(Path("a.yaml"), 1, 1, "error", "x", 1, "a: \x1b[31m")])


def test_json_says_the_same() -> None:
    assert json.loads(to_json([TYPO])) == [
        {
            "file": "profiles/press.yaml",
            "line": 7,
            "column": 5,
            "severity": "error",
            "message": "unknown key 'adress' - did you mean 'address'?",
            "width": 6,
        }
    ]


def test_warnings_alone_stop_nothing() -> None:
    assert not has_errors([DOUBT])
    assert has_errors([DOUBT, TYPO])


def test_an_invalid_configuration_carries_its_problems_and_prints_them() -> None:
    error = InvalidConfig([TYPO])

    assert isinstance(error, ConfigError)
    assert error.problems == (TYPO,)
    assert str(error) == render([TYPO])
