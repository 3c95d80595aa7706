# ruff: noqa: E501 - a table of mistakes is read one per line
from pathlib import Path

import pytest

from edge_agent.config.problems import Problem
from edge_agent.config.section import Section
from edge_agent.config.settings import ModbusConnection, SerialLine, Tls
from edge_agent.config.syntax import Origin, Surroundings
from edge_agent.config.yaml_nodes import read
from edge_agent.drivers.modbus.connection import connection, silence_s


def test_a_tcp_connection_has_defaults() -> None:
    made, problems = _connection('{tcp: "10.3.7.20"}')

    assert made == ModbusConnection("plc", "10.3.7.20", 502, 1.0, 3.0)
    assert problems == []


def test_a_tcp_connection_takes_what_is_written() -> None:
    made, _ = _connection(
        '{tcp: "plc7:1502", mode: tcp, timeout: 250ms, connect_timeout: 5s, retries: 2, turnaround: 20ms, '
        "connect_delay: 500ms, quiet_after_timeout: 1s, max_in_flight: 4}"
    )

    assert made == ModbusConnection(
        "plc",
        "plc7",
        1502,
        0.25,
        5.0,
        retries=2,
        turnaround_s=0.02,
        connect_delay_s=0.5,
        quiet_s=1.0,
        max_in_flight=4,
    )


def test_rtu_over_tcp_waits_for_late_answers() -> None:
    made, problems = _connection("{tcp: gateway, mode: rtu}")

    assert made == ModbusConnection("plc", "gateway", 502, framing="rtu", quiet_s=0.1)
    assert problems == []


def test_a_udp_connection_repeats_what_was_lost_once() -> None:
    made, _ = _connection("{udp: meter}")

    assert made == ModbusConnection("plc", "meter", 502, transport="udp", retries=1)


def test_a_tls_connection_has_its_own_port_and_certificates(tmp_path: Path) -> None:
    for name in ("ca.pem", "gw.pem", "gw.key"):
        (tmp_path / name).touch()

    made, problems = _connection("{tls: plc, ca: ca.pem, cert: gw.pem, key: gw.key}", tmp_path)

    tls = Tls(tmp_path / "ca.pem", tmp_path / "gw.pem", tmp_path / "gw.key")
    assert made == ModbusConnection("plc", "plc", 802, transport="tls", tls=tls)
    assert problems == []


def test_a_serial_connection_is_rtu_with_even_parity() -> None:
    made, problems = _connection("{serial: /dev/serial/by-id/usb-FTDI-port0}")

    assert made is not None
    assert made.line == SerialLine("/dev/serial/by-id/usb-FTDI-port0", 9600, "even", 1, 8)
    assert (made.transport, made.framing, made.retries, made.quiet_s) == ("serial", "rtu", 1, 0.1)
    assert problems == []


def test_ascii_has_characters_of_seven_bits() -> None:
    made, _ = _connection("{serial: /dev/ttyS0, mode: ascii, baudrate: 19200, parity: none, stopbits: 2}")

    assert made is not None
    assert made.framing == "ascii"
    assert made.line == SerialLine("/dev/ttyS0", 19200, "none", 2, 7)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # 11 bits at 9600 bit/s are 1.1458 ms; 3.5 of them 4.0104 ms; and 5 ms.
        (SerialLine("", 9600, "even", 1, 8), 0.0090104),
        # 10 bits
        (SerialLine("", 9600, "none", 1, 8), 0.0086458),
        # above 19200 bit/s 1.75 ms, whatever the speed
        (SerialLine("", 115200, "even", 1, 8), 0.00675),
    ],
)
def test_frames_on_a_line_are_apart_by_the_silence_of_the_standard(line: SerialLine, expected: float) -> None:
    assert silence_s(line) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "{}",
            ['nothing says where it leads; write tcp: "10.3.7.20:502", or udp, tls, or serial: with a path'],
        ),
        ("{tcp: a, serial: /dev/ttyS0}", ["a connection leads to one place; 'tcp' says it already"]),
        ("{tcp: 502}", ['502 is not a text; write "502" in quotes']),
        ('{tcp: "a b"}', ["'a b' is not an address; write for example \"10.3.7.20:502\""]),
        ('{tls: "a b"}', ["'a b' is not an address; write for example \"10.3.7.20:802\""]),
        ("{tcp: a, time_out: 1s}", ["unknown key 'time_out' - did you mean 'timeout'?"]),
        ("{tcp: a, timeout: 2min}", ["'2min' is too large; at most 60s"]),
        ("{tcp: a, mode: rtuu}", ["unknown mode 'rtuu' - did you mean 'rtu'?"]),
        ("{tls: a, mode: rtu}", ["Modbus/TCP Security knows mode tcp only; leave it out"]),
        (
            "{serial: /dev/ttyS0, mode: tcp}",
            ["frames of mode tcp do not go over a serial port; write rtu or ascii"],
        ),
        (
            "{serial: ttyS0}",
            ["'ttyS0' is not the path of a serial port; write for example /dev/serial/by-id/..."],
        ),
        ("{serial: /dev/ttyS0, databits: 7}", ["bytes of mode rtu have 8 bits; leave it out"]),
        ("{tcp: a, baudrate: 9600}", ["'baudrate' has no effect with 'tcp'; leave it out"]),
        (
            "{tcp: a, mode: rtu, max_in_flight: 2}",
            ["answers of mode rtu have no numbers: one request at a time"],
        ),
    ],
)
def test_a_connection_is_refused_with(text: str, messages: list[str]) -> None:
    made, problems = _connection(text)

    assert made is None
    assert [problem.message for problem in problems] == messages


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gw.pem").touch()

    made, problems = _connection("{tls: plc, cert: gw.pem}", tmp_path)

    assert made is None
    assert [each.message for each in problems] == ["'cert' needs its private key; write key: beside it"]


def test_a_number_of_an_adapter_is_warned_of() -> None:
    made, problems = _connection("{serial: /dev/ttyUSB7}")

    assert made is not None
    assert [(each.severity, each.message) for each in problems] == [
        (
            "warning",
            "/dev/ttyUSB7 may be another adapter after the next start; write its name in /dev/serial/by-id, which does not change",
        )
    ]


def _connection(text: str, folder: Path = Path()) -> tuple[ModbusConnection | None, list[Problem]]:
    document = read(f"plc: {text}".encode(), folder / "agent.yaml")
    section = Section(document, Origin(folder, Surroundings({}, "box")))
    return connection("plc", section.inside("plc")), document.problems
