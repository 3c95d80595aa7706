"""What a wire counts of itself."""

import pytest

from edge_agent.config.settings import ModbusConnection, SerialLine
from edge_agent.drivers.modbus.requests import on_line_s
from edge_agent.drivers.modbus.statistics import LEARNED, WINDOW_S, Statistics


def test_nothing_is_known_before_the_first_answer() -> None:
    told = Statistics().document(5.0)

    assert (told["latency_ms"], told["utilisation_percent"]) == (None, 0.0)


def test_the_latency_is_a_mean_that_forgets() -> None:
    statistics = Statistics()
    statistics.answered(0.010)
    assert statistics.document(0.0)["latency_ms"] == 10.0

    statistics.answered(0.060)

    assert statistics.document(0.0)["latency_ms"] == pytest.approx(10 + LEARNED * 50)


def test_a_wire_is_as_busy_as_its_requests_are_long() -> None:
    statistics = Statistics()
    for second in range(10):
        statistics.busy(100.0 + second, 100.25 + second)

    assert statistics.utilisation(110.0) == pytest.approx(0.25)


def test_what_was_busy_a_while_ago_is_forgotten() -> None:
    statistics = Statistics()
    for second in range(200):
        statistics.busy(100.0 + second, 101.0 + second if second < 50 else 100.0 + second)

    assert statistics.utilisation(300.0) == 0.0
    assert WINDOW_S == 60.0


def test_the_characters_of_a_read_take_their_time_on_a_line() -> None:
    line = ModbusConnection("line", framing="rtu", line=SerialLine("", 9600))

    # 8 + 5 + 20 characters of 11 bits at 9600 bit/s
    assert on_line_s(line, 20) == pytest.approx(33 * 11 / 9600)
    assert on_line_s(line, None) == 0.0
    assert on_line_s(ModbusConnection("plc", "a", 502), 20) == 0.0
