import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from edge_agent import cli
from edge_agent.config.settings import Destination, Login, Tls
from edge_agent.mqtt.link import MqttLink
from edge_agent.ports import Message
from tests.brokers import Certificates, Mosquitto, free_port, password_file
from tests.cli.gateway import config
from tests.core.test_arrivals import META, data, gap

WAIT_S = 60.0  # for a child process on a busy machine
DATA = "edge/gw/press/fast"

WELL = [data(1, 3), data(4, 6, 3)]
CASES = [
    pytest.param(WELL, 0, "ok: nothing lost; 6 scans of 1 stream arrived", id="all well"),
    pytest.param(
        [*WELL, data(4, 6, 3)], 0, "ok: nothing lost; 6 scans of 1 stream arrived, 3 twice", id="a duplicate"
    ),
    pytest.param(
        [*WELL, gap(7, 9), data(10, 10, 9)],
        0,
        "ok: nothing lost; 7 scans of 1 stream arrived, 3 named in gaps",
        id="an announced gap",
    ),
    pytest.param(
        [*WELL, data(10, 10, 9)],
        1,
        "FAILED: 3 scans lost without a word; 7 scans of 1 stream arrived",
        id="an unannounced hole",
    ),
    pytest.param(
        [*WELL, data(10, 10, 6)],
        0,
        "ok: nothing lost; 7 scans of 1 stream arrived, 3 pending",
        id="pending above c",
    ),
    pytest.param(
        [*WELL, data(7, 7, n=[7, 8])],
        1,
        "FAILED: 1 message that cannot be read; 6 scans of 1 stream arrived",
        id="numbers that do not count the scans",
    ),
    pytest.param([], 1, "nothing proven: no data arrived", id="nothing"),
    pytest.param([b"{}"], 1, "nothing proven: no data arrived, only 1 other message", id="others"),
]


@pytest.mark.parametrize(("payloads", "code", "verdict"), CASES)
def test_a_recording_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], payloads: list[bytes], code: int, verdict: str
) -> None:
    ended, lines, _ = said(capsys, recording(tmp_path, payloads))

    assert (ended, lines[-1]) == (code, verdict)


def test_the_report_names_streams_gaps_and_what_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    payloads = [META, data(4, 6), gap(7, 9), data(12, 12, 11), gap(None, reason="overrun")]
    code, lines, _ = said(capsys, recording(tmp_path, payloads))

    assert code == 1
    assert lines == [
        "GATEWAY  DEVICE  GROUP  LIFE  FROM  UP TO  SCANS  NAMED  LOST  LATE S",
        "gw       press   fast   b1       4      9      4      3     2      16",
        "",
        "GATEWAY  DEVICE  GROUP  LIFE  GAP         TIMES  SCANS",
        "gw       press   fast   b1    unreadable      1      3",
        "gw       press   fast   b1    overrun         1",
        "",
        "LOST gw press/fast in life b1: 10-11",
        "FAILED: 2 scans lost without a word; 4 scans of 1 stream arrived",
    ]


def test_a_stream_whose_metadata_did_not_come_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, _ = said(capsys, recording(tmp_path, WELL, meta=False))

    assert code == 0
    assert any(line.startswith("note: gw press/fast in life b1: no metadata ") for line in lines)


def test_a_line_that_is_no_message_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recording(tmp_path, WELL)
    path.write_text(path.read_text() + '{"at": 1, "topic": "x"}\n')

    code, _, err = said(capsys, path)

    assert code == 2
    assert f'{path}:4:1: not a recorded message; each line is {{"at": ms' in err


@pytest.mark.parametrize(("payloads", "code", "verdict"), CASES[:5])
def test_what_a_broker_delivers_is_judged_and_recorded(
    mosquitto: Mosquitto,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    payloads: list[bytes],
    code: int,
    verdict: str,
) -> None:
    record = tmp_path / "record.jsonl"
    sent = [META, *payloads, b"\xff"]
    with Listening(f"mqtt://127.0.0.1:{mosquitto.port}", "--record", record) as listening:
        publish(mosquitto.port, sent)
        listening.until_recorded(record, len(sent))
        ended, lines = listening.interrupted()

    assert (ended, lines[-1]) == (code, verdict)
    assert said(capsys, record) == (code, lines, "")


def test_a_broker_that_goes_away_ends_it_with_the_report(mosquitto: Mosquitto, tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    with Listening(f"mqtt://127.0.0.1:{mosquitto.port}", "--record", record) as listening:
        publish(mosquitto.port, [META, *WELL])
        listening.until_recorded(record, 3)
        mosquitto.kill()
        code, lines = listening.ended()

    assert code == 3
    assert lines[-1] == "ok: nothing lost; 6 scans of 1 stream arrived"


def test_a_record_that_cannot_be_written_ends_it_with_the_report(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    record, url = tmp_path / "record.jsonl", f"mqtt://127.0.0.1:{mosquitto.port}"
    no_room = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")
    with Listening(url, "--record", record, before=no_room) as listening:
        publish(mosquitto.port, [META])
        code, lines = listening.ended()

    assert (code, lines) == (1, ["nothing proven: no data arrived"])


def test_login_and_authority_open_a_secured_broker(
    tmp_path: Path, certificates: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    passwords = password_file(tmp_path, "audit", "s3cret")
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    lines = (*certificates.listener(certificates.server), f"password_file {passwords}")
    with Mosquitto(tmp_path, *lines) as broker:
        publish(broker.port, WELL[:1], Tls(certificates.ca), Login("audit", "s3cret"))
        url = f"mqtts://localhost:{broker.port}"
        login = ("--user", "audit", "--password-file", secret)

        code, out, _ = said(capsys, url, "--ca", certificates.ca, *login, "--for", "1s", "--json")
        assert code == 0
        assert json.loads("\n".join(out))["streams"][0]["scans"] == 3

        code, _, err = said(capsys, url, *login)
        assert (code, "is not trusted by the system authorities" in err) == (3, True)
        code, _, err = said(capsys, url, "--ca", certificates.ca)
        assert (code, "not_authorized" in err or "bad_user_name" in err) == (3, True)


def test_the_broker_of_a_configuration_is_taken_with_its_topics(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path, {"line": free_port()})
    own = f'destinations: {{cloud: {{mqtt: {{url: "mqtt://127.0.0.1:{mosquitto.port}"}}}}}}'
    path.write_text(
        "\n".join(own if line.startswith("destinations") else line for line in path.read_text().split("\n"))
    )
    publish(mosquitto.port, WELL[:1])

    code, lines, err = said(capsys, "--config", path, "--for", "500ms")

    assert (code, lines) == (1, ["nothing proven: no data arrived"])  # edge/gw/... is another gateway
    assert err.startswith("listening to edge/gw17/+/+ edge/gw17/_agent/# at 127.0.0.1:")
    assert said(capsys, "--config", path, "--destination", "clod")[2] == (
        "edge-agent: there is no destination 'clod' - did you mean 'cloud'?\n"
    )


def test_a_topic_that_the_broker_refuses_is_told(
    capsys: pytest.CaptureFixture[str], mosquitto: Mosquitto
) -> None:
    code, _, err = said(capsys, f"mqtt://127.0.0.1:{mosquitto.port}", "--topic", "a/#/b")

    assert (code, "topic_filter_invalid" in err) == (3, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name a broker (mqtts://host:port), a recorded file, or --config agent.yaml"),
        (["mqtt://broker.example"], "sends everything unencrypted to broker.example"),
        (["mqtts://broker.example", "--insecure"], "--insecure has no effect with mqtts://"),
        (["mqtt://localhost", "--ca", "x.pem"], "certificates have no effect with mqtt://"),
        (["mqtts://localhost", "--cert", "x.pem"], "--cert and --key belong together"),
        (["mqtts://localhost", "--user", "x"], "--user and --password-file belong together"),
        (["mqtts://localhost", "--user", "x", "--password-file", "/none"], "/none: no such file"),
        (["mqtts://a:b@localhost"], "give --user and --password-file"),
        (["http://localhost"], "is not a broker; write for example mqtts://"),
        (["mqtts://localhost", "--destination", "x"], "--destination needs --config"),
        (["mqtts://localhost", "--config", "x"], "either mqtts://localhost or --config, not both"),
        (["--config", "x", "--insecure"], "login and certificates are those of the configuration"),
        (["x.jsonl", "--topic", "x"], "only --whole and --json have an effect"),
        (["/none.jsonl"], "/none.jsonl: no such file or directory; a broker is written mqtts://host:port"),
        (["mqtt://localhost", "--record", "/none/x"], "/none/x: no such file"),
        (["mqtt://localhost", "--record", "/dev/null"], "/dev/null is there already"),
    ],
)
def test_wrong_usage_is_told_with_the_way_out(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    code, _, err = said(capsys, *words)

    assert (code, told in err) == (2, True), err


def test_a_broker_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, f"mqtt://127.0.0.1:{free_port()}")

    assert (code, "connection refused" in err) == (3, True)


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    """Exit code, lines and errors of `edge-agent audit`."""
    capsys.readouterr()
    code = cli.main(["audit", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


def recording(folder: Path, payloads: Sequence[bytes], *, meta: bool = True) -> Path:
    """A file with these messages, as --record writes it, after the metadata unless told otherwise."""
    path = folder / "recording.jsonl"
    messages = [(topic(each), each) for each in payloads]
    lines: list[dict[str, Any]] = [
        {"at": 20_000.0, "topic": where, "payload": payload.decode()}
        for where, payload in ([("edge/gw/_agent/meta/press", META)] if meta else []) + messages
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def topic(payload: bytes) -> str:
    """Where the agent sends a payload."""
    if payload == META:
        return "edge/gw/_agent/meta/press"
    return "edge/gw/_agent/gap" if b'"reason"' in payload else DATA


def publish(port: int, payloads: Sequence[bytes], tls: Tls | None = None, login: Login | None = None) -> None:
    """Send these one after the other; the broker keeps the last of each topic."""

    async def send() -> None:
        destination = Destination("cloud", "localhost", port, "sender", tls, login)
        async with MqttLink(destination).open() as publisher:
            for payload in payloads:
                await publisher.publish(Message(topic(payload), payload, retain=True))

    asyncio.run(send())


class Listening:
    """`edge-agent audit` as a child process, from when it has subscribed."""

    def __init__(self, *words: object, before: Sequence[str] = ()) -> None:
        self._words = [*before, sys.executable, "-m", "edge_agent", "audit", *map(str, words)]

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            self._words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
        )
        assert self._process.stderr is not None
        first = self._process.stderr.readline()
        assert first.startswith("listening to edge/# at "), first
        return self

    def __exit__(self, *_: object) -> None:
        """End it if it still runs."""
        self._process.kill()
        self._process.communicate()

    def until_recorded(self, record: Path, messages: int) -> None:
        """Wait until so many lines are in its recording."""
        deadline = time.monotonic() + WAIT_S
        while record.read_bytes().count(b"\n") < messages:
            assert time.monotonic() < deadline, record.read_text()
            time.sleep(0.01)

    def interrupted(self) -> tuple[int, list[str]]:
        """Exit code and lines after Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self) -> tuple[int, list[str]]:
        """Exit code and lines when it ends by itself."""
        out, _ = self._process.communicate(timeout=WAIT_S)
        return self._process.returncode, out.splitlines()
