import pytest

from edge_agent.cli.advice import advice
from edge_agent.config.settings import (
    Connection,
    Device,
    Limits,
    ModbusConnection,
    OpcUaConnection,
    Profile,
    SerialLine,
)
from edge_agent.ops.reading import GroupRead

PLC = ModbusConnection("plc", "10.3.7.20", 502)
PORT = "/dev/serial/by-id/usb-1"
LINE = ModbusConnection("line", transport="serial", framing="rtu", line=SerialLine(PORT, 19200))
DEVICE = Device("meter-1", Profile("a/b", "1.0.0", "", "modbus", "", {}, (), Limits()), "plc", 7, {}, ())


@pytest.mark.parametrize(
    ("reason", "detail", "words"),
    [
        (
            "disconnected",
            "10.3.7.20:502: Connection refused",
            "connection refused by 10.3.7.20:502: is it on, is the port right?",
        ),
        (
            "disconnected",
            "10.3.7.20:502: no answer within 3 s",
            "10.3.7.20:502 cannot be reached (no answer within 3 s): is the address right, is the cable in?",
        ),
        (
            "disconnected",
            "closed by the device",
            "10.3.7.20:502 closes the connection: does it take one client only, and has another?",
        ),
        (
            "disconnected",
            "10.3.7.20:502: No route to host",
            (
                "10.3.7.20:502 cannot be reached (No route to host): "
                "is the address right, does this gateway have a way there?"
            ),
        ),
        ("timeout", "", "no answer from unit 7 at 10.3.7.20:502: is the unit right, is it on?"),
        (
            "exception:2",
            "",
            (
                "exception:2 from 10.3.7.20:502: "
                "it has no such address: does the profile fit the device and its firmware?"
            ),
        ),
        (
            "exception:11",
            "",
            (
                "exception:11 from 10.3.7.20:502: "
                "unit 7 behind the gateway does not answer: is it on, is the unit right?"
            ),
        ),
        (
            "short_answer",
            "2 bytes instead of 4",
            (
                "short_answer (2 bytes instead of 4) from 10.3.7.20:502: "
                "the answer is too short: does the profile fit the device and its firmware?"
            ),
        ),
        ("exception:99", "", "exception:99 from 10.3.7.20:502"),
    ],
)
def test_a_failure_is_said_with_its_place_and_the_way_out(reason: str, detail: str, words: str) -> None:
    assert advice(GroupRead("fast", 0.0, reason, detail), DEVICE, PLC) == words


@pytest.mark.parametrize(
    ("reason", "detail", "words"),
    [
        (
            "disconnected",
            f"{PORT}: No such file or directory",
            f"{PORT} is not there: is the adapter plugged in? /dev/serial/by-id lists those that are",
        ),
        (
            "disconnected",
            f"{PORT}: Permission denied",
            f"{PORT} may not be opened by this user: is it in the group of the port, such as dialout?",
        ),
        (
            "disconnected",
            f"{PORT}: another program has it open",
            f"{PORT} is open in another program: stop that one; a line has one master",
        ),
        (
            "disconnected",
            f"{PORT}: Inappropriate ioctl for device",
            f"{PORT} cannot be opened (Inappropriate ioctl for device): is it a serial port?",
        ),
        (
            "timeout",
            "",
            f"no answer from unit 7 at {PORT}: is it on, are the unit, 19200 bit/s and parity even right?",
        ),
        (
            "unit_open",
            "silent 3 times; asked again in 2 s",
            (
                f"no answer from unit 7 at {PORT} (silent 3 times; asked again in 2 s): "
                "is it on, are the unit, 19200 bit/s and parity even right?"
            ),
        ),
        (
            "wrong_answer",
            "an answer of unit 8 instead of 7",
            (
                f"wrong_answer (an answer of unit 8 instead of 7) from {PORT}: "
                "what came answers something else: have two devices one unit, is there another master?"
            ),
        ),
    ],
)
def test_a_serial_line_is_looked_at_otherwise_than_a_network(reason: str, detail: str, words: str) -> None:
    assert advice(GroupRead("fast", 0.0, reason, detail), DEVICE, LINE) == words


def test_an_opc_ua_server_is_named_by_its_endpoint() -> None:
    connection: Connection = OpcUaConnection("press", "opc.tcp://10.3.7.12:4840")

    words = [advice(GroupRead("fast", 0.0, each), DEVICE, connection) for each in ("timeout", "BadNoMatch")]

    assert words == [
        "no answer from opc.tcp://10.3.7.12:4840: is it on?",
        "BadNoMatch from opc.tcp://10.3.7.12:4840",
    ]


def test_a_refusal_of_an_opc_ua_server_is_said_as_it_is() -> None:
    connection: Connection = OpcUaConnection("press", "opc.tcp://10.3.7.12:4840")
    failure = GroupRead("fast", 0.0, "BadCertificateUntrusted", "the server does not trust this gateway")

    assert advice(failure, DEVICE, connection) == (
        "opc.tcp://10.3.7.12:4840: the server does not trust this gateway"
    )
