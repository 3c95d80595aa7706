import argparse
import json
from pathlib import Path

import pytest

from edge_agent.cli import main
from edge_agent.cli.check import add_arguments, check

GATEWAY = """\
schema: edge-agent/gateway/1
gateway: {id: gw17}
connections:
  plc: {modbus: {tcp: "10.3.7.20:502"}}
devices:
  meter-1: {profile: eastron/sdm630-v2@1, connection: plc}
  meter-2: {profile: eastron/sdm630-v2@1, connection: plc, unit: 2}
"""
PROFILE = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: modbus
title: A press
defaults: {table: holding, type: uint16, group: fast}
groups: {fast: {interval: 1s}}
tags: {force: {address: 1}}
tests:
  - name: at rest
    registers: {holding: {1: 5}}
    expect: {force: 5}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_right_gateway_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    status = _check(GATEWAY, "agent.yaml")

    assert status == 0
    assert capsys.readouterr().out == "ok: 2 devices, 24 tags, 3 golden tests passed\n"


def test_a_right_profile_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    status = _check(PROFILE, "press.yaml")

    assert status == 0
    assert capsys.readouterr().out == "ok: 1 tag, 1 golden test passed\n"


def test_a_wrong_gateway_is_shown_where_it_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    status = _check(GATEWAY.replace("unit: 2", "unti: 2"), "agent.yaml")

    assert status == 1
    assert capsys.readouterr().out == (
        "agent.yaml:7:60: error: unknown key 'unti' - did you mean 'unit'?\n"
        "     7 |   meter-2: {profile: eastron/sdm630-v2@1, connection: plc, unti: 2}\n"
        "       |                                                            ^^^^\n"
        "1 error\n"
    )


def test_a_golden_test_that_fails_is_shown_at_its_expectation(capsys: pytest.CaptureFixture[str]) -> None:
    status = _check(PROFILE.replace("force: 5", "force: 6"), "press.yaml")

    assert status == 1
    assert capsys.readouterr().out == (
        "press.yaml:12:14: error: golden test 'at rest': force: expected 6, got 5\n"
        "    12 |     expect: {force: 6}\n"
        "       |              ^^^^^\n"
        "1 error\n"
    )


def test_a_profile_of_the_gateway_is_checked_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("profiles/acme")
    folder.mkdir(parents=True)
    (folder / "press.yaml").write_text(PROFILE.replace("force: 5", "force: 6"))

    status = _check(GATEWAY.replace("eastron/sdm630-v2@1", "acme/press@1"), "agent.yaml")

    assert status == 1
    assert capsys.readouterr().out.startswith("profiles/acme/press.yaml:12:14: error: golden test 'at rest'")


def test_warnings_are_shown_and_stop_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    status = _check(
        PROFILE.replace("address: 1}", "address: 40001}").replace("{1: 5}", "{40001: 5}"), "press.yaml"
    )

    assert status == 0
    assert capsys.readouterr().out.endswith("1 warning\nok: 1 tag, 1 golden test passed\n")


def test_json_is_a_list_of_problems(capsys: pytest.CaptureFixture[str]) -> None:
    Path("agent.yaml").write_text(GATEWAY.replace("id: gw17", "id: gw 17"))

    assert check([Path("agent.yaml")], as_json=True) == 1
    assert [entry["line"] for entry in json.loads(capsys.readouterr().out)] == [2]


def test_json_of_a_right_file_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    Path("agent.yaml").write_text(GATEWAY)

    assert check([Path("agent.yaml")], as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_profile_without_its_schema_is_still_taken_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    status = _check(PROFILE.partition("\n")[2], "press.yaml")

    assert status == 1
    assert "press.yaml:1:1: error: missing key 'schema'\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_usage_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name]) == 2
    assert capsys.readouterr().err.startswith(f"edge-agent: {name}: ")


def test_the_arguments_are_files_and_a_form() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    arguments = parser.parse_args(["a.yaml", "b.yaml", "--json"])

    assert arguments.files == [Path("a.yaml"), Path("b.yaml")]
    assert arguments.json is True


def _check(text: str, name: str) -> int:
    Path(name).write_text(text)
    return check([Path(name)])
