"""A canary that stands for every secret must come out of nothing that is printed."""

import json
import pickle
from pathlib import Path

import pytest

from edge_agent import cli
from edge_agent.config.gateway import Loaded, load
from edge_agent.config.metadata import device_document
from edge_agent.config.problems import render, to_json
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds

CANARY = "tweety-4711"

GATEWAY = """\
schema: edge-agent/gateway/1
gateway: {id: gw17, labels: {site: wob}}
connections:
  plc: {modbus: {tcp: "10.3.7.20:502"}}
devices:
  m{n}: {for: {n: "1..2"}, profile: eastron/sdm630-v2@1, connection: plc, unit: "{n}"}
destinations:
  cloud:
    mqtt:
      url: "mqtts://broker.example"
      user: {name: gw, password: PASSWORD}
"""
REFERENCES = ['"${env:CANARY}"', '"${file:canary}"', '"${cred:canary}"']
PLAIN = [
    CANARY,
    f'"{CANARY}"',
    f"'{CANARY}'",
    f"\n        {CANARY}\n        ",
    f'"first\n        {CANARY}"',
    f"!secret {CANARY}",
    f"&a {CANARY}",
    f"on {CANARY}",
    f"[{CANARY}]",
    f"{{a: {CANARY}}}",
    f"0o17 {CANARY}",
]
MISTAKES = [
    ("", ""),
    ("password:", "password: x, password:"),
    ("password:", "passwordd:"),
    ("password:", "Passwort:"),
    ("user: {name: gw, ", "user: {nam_: gw, "),
    ("user: {name: gw, ", "user: {name: , "),
    ("user: {name: gw, ", "user: [name: gw, "),
    ("mqtts://broker", "mqtts://gw:tweety-4711@broker"),
    ("mqtts://broker", "mqtt://broker"),
    ("site: wob", "site: a/b"),
    ("cloud:", "clo ud:"),
]


@pytest.mark.parametrize("password", [*REFERENCES, *PLAIN])
@pytest.mark.parametrize(("old", "new"), MISTAKES)
def test_a_secret_is_printed_by_no_error_and_no_setting(
    tmp_path: Path, password: str, old: str, new: str
) -> None:
    text = GATEWAY.replace(old, new) if old else GATEWAY

    loaded = _load(tmp_path, text.replace("PASSWORD", password))

    for printed in (render(loaded.problems), to_json(loaded.problems), repr(loaded), str(loaded.gateway)):
        assert CANARY not in printed


@pytest.mark.parametrize("password", REFERENCES)
def test_a_secret_gets_to_where_it_is_used_and_not_to_the_cloud(tmp_path: Path, password: str) -> None:
    gateway = _load(tmp_path, GATEWAY.replace("PASSWORD", password)).gateway

    assert gateway is not None
    login = gateway.destinations["cloud"].login
    assert login is not None
    assert login.password == CANARY
    assert CANARY.encode() not in device_document(gateway, gateway.devices["m1"])
    assert CANARY not in gateway.digest
    assert CANARY.encode() in pickle.dumps(gateway)  # so that the tests above look at something that has it


@pytest.mark.parametrize("password", [*REFERENCES, CANARY])
@pytest.mark.parametrize("arguments", [["check"], ["check", "--json"]])
def test_a_secret_is_not_printed_by_check(
    tmp_path: Path,
    password: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in _environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "agent.yaml"
    path.write_text(GATEWAY.replace("PASSWORD", password))

    assert cli.main([*arguments, str(path)]) == 0

    out, err = capfd.readouterr()
    assert CANARY not in out + err
    assert out


def test_a_secret_is_not_printed_by_schema(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANARY", CANARY)

    cli.main(["schema", "gateway"])

    out = capfd.readouterr().out
    assert CANARY not in out
    assert json.loads(out)


def _environ(folder: Path) -> dict[str, str]:
    (folder / "canary").write_text(CANARY + "\n")
    return {"CANARY": CANARY, "CREDENTIALS_DIRECTORY": str(folder)}


def _load(folder: Path, text: str) -> Loaded:
    path = folder / "agent.yaml"
    path.write_text(text)
    return load(path, kinds(), surroundings=Surroundings(_environ(folder), "box7"))
