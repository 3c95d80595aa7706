import pytest

from edge_agent.core.cost import FRAMES, Cost, network, serial


def test_ten_registers_over_rtu_take_33_characters_an_answer_and_a_pause() -> None:
    # 8 of request, 5 + 20 of answer; 11 bits each at 9600 bit/s are 1.1458 ms.
    cost = serial(11 / 9600, FRAMES["rtu"], turnaround_s=0.009, latency_s=0.020)

    assert cost.of(20) == pytest.approx(0.0378125 + 0.020 + 0.009)


def test_ten_registers_over_ascii_take_68_characters() -> None:
    # ":0103006B000A87" CR LF are 17, ":010314" + 40 + "xx" CR LF are 51.
    cost = serial(0.001, FRAMES["ascii"], turnaround_s=0.0, latency_s=0.0)

    assert cost.of(20) == pytest.approx(0.068)


def test_a_device_that_was_not_measured_answers_after_10_ms_on_a_line_and_2_ms_on_a_network() -> None:
    assert serial(0.0, FRAMES["rtu"], turnaround_s=0.0).of(250) == 0.010
    assert network().of(0) == 0.002


def test_on_a_network_data_cost_next_to_nothing() -> None:
    assert network(turnaround_s=0.005, latency_s=0.001).of(250) == pytest.approx(0.00625)


def test_bytes_are_paid_for_one_by_one() -> None:
    assert Cost(1.0, 0.5).of(3) == 2.5
