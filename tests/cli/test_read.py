import asyncio
import fcntl
import json
from functools import partial
from pathlib import Path

import pytest

from edge_agent.cli import read
from edge_agent.demo.programs import free_port
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from tests.brokers import Mosquitto
from tests.cli.gateway import Terminal, add_device, config
from tests.e2e.disk import durable
from tests.e2e.plant import plant, tags

PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: modbus
title: A press that has less than its profile says
groups: {fast: {interval: 1s}}
defaults: {table: input, type: uint16, group: fast}
tags: {there: {address: 0}, absent: {address: 60000}}
"""


async def test_all_tags_are_shown_with_unit_and_quality(tmp_path: Path, terminal: Terminal) -> None:
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"meter": plc.port})

        assert await terminal.type("read", "meter", "--config", str(path)) == 0

    head, *rows, _, books = terminal.out.splitlines()
    assert head.split() == ["TAG", "VALUE", "UNIT", "QUALITY", "AGE"]
    assert [row.split()[0] for row in rows] == [tag.name for tag in tags("meter")]
    assert rows[0].split()[2:4] == ["V", "good"]
    assert books.startswith("meter: 12 values, 0 bad; fast in ")
    assert terminal.err == ""


def test_of_a_long_array_the_first_numbers_are_shown_and_how_many_there_are() -> None:
    assert read._value([*range(16)]) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]"
    assert read._value([*range(1024)]) == "[0, 1, 2, 3, ... 1024 in all]"
    assert read._value(7) == "7"


async def test_named_tags_alone_are_shown_as_json(tmp_path: Path, terminal: Terminal) -> None:
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"meter": plc.port})

        code = await terminal.type("read", "meter", "frequency", "--config", str(path), "--json")

    answer = json.loads(terminal.out)
    assert code == 0
    assert [(row["tag"], row["unit"], row["quality"]) for row in answer["rows"]] == [
        ("frequency", "Hz", "good")
    ]
    assert [each["group"] for each in answer["groups"]] == ["fast"]


async def test_bad_values_are_a_problem_and_have_a_dash(tmp_path: Path, terminal: Terminal) -> None:
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"meter": plc.port})
        folder = tmp_path / "profiles" / "acme"
        folder.mkdir(parents=True)
        (folder / "press.yaml").write_text(PRESS)
        path.write_text(path.read_text().replace("eastron/sdm630-v2", "acme/press"))

        code = await terminal.type("read", "meter", "--config", str(path))

    assert code == 1
    there, absent = (line.split() for line in terminal.out.splitlines()[1:3])
    assert (there[0], there[2]) == ("there", "good")
    assert absent == ["absent", "-", "bad:illegal_address"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("metr",), "there is no device 'metr' - did you mean 'meter'?"),
        (("meter", "frequenzy"), "meter has no tag 'frequenzy' - did you mean 'frequency'?"),
    ],
)
async def test_wrong_names_are_wrong_usage_with_the_name_that_was_meant(
    tmp_path: Path, terminal: Terminal, words: tuple[str, ...], said: str
) -> None:
    path = config(tmp_path, {"meter": free_port()})

    assert await terminal.type("read", *words, "--config", str(path)) == 2
    assert terminal.err == f"edge-agent: {said}\n"


async def test_absent_device_is_unreachable_in_one_sentence(tmp_path: Path, terminal: Terminal) -> None:
    port = free_port()
    path = config(tmp_path, {"meter": port})

    assert await terminal.type("read", "meter", "--config", str(path)) == 3
    assert terminal.out == ""
    assert terminal.err == (
        f"edge-agent: meter: connection refused by 127.0.0.1:{port}: is it on, is the port right?\n"
    )


async def test_silent_device_is_unreachable_also_as_json(tmp_path: Path, terminal: Terminal) -> None:
    async with ModbusPlc(tags("meter")) as plc:
        await plc.switch(Faults(silence=True))
        path = config(tmp_path, {"meter": plc.port})

        assert await terminal.type("read", "meter", "--config", str(path), "--json") == 3

    assert {row["quality"] for row in json.loads(terminal.out)["rows"]} == {"bad:timeout"}
    assert "no answer from unit 1 at" in terminal.err


async def test_running_agent_reads_over_its_own_connection_and_stores_nothing_of_it(
    tmp_path: Path, terminal: Terminal, mosquitto: Mosquitto
) -> None:
    async with plant(tmp_path, mosquitto.port) as site:
        site.agent.start()
        await site.agent.tells("device answers")
        path = str(tmp_path / "agent.yaml")
        for _ in range(3):
            assert await terminal.type("read", "meter", "--config", path) == 0
        meter = site.plcs["meter"]
        assert isinstance(meter, ModbusPlc)
        connections = meter.connections
        (tmp_path / "agent.yaml").write_text((tmp_path / "agent.yaml").read_text() + "log: {level: error}\n")
        assert await terminal.type("read", "meter", "frequency", "--config", path) == 0
        await site.agent.stop()
        read = meter.requests
        stored = durable(site.agent.segments)

    assert connections == 1
    assert "does not use" in terminal.err
    # Each reading of the meter takes two requests a group; those of ours are in none of its streams.
    assert 2 * sum(stored.values()) < read


async def test_running_agent_says_what_it_does_not_know(
    tmp_path: Path, terminal: Terminal, mosquitto: Mosquitto
) -> None:
    async with plant(tmp_path, mosquitto.port) as site:
        site.agent.start()
        await site.agent.tells("device answers")
        add_device(tmp_path / "agent.yaml", "new", "meter")

        assert await terminal.type("read", "new", "--config", str(tmp_path / "agent.yaml")) == 3
        await site.agent.stop()

    assert "the running agent has no device 'new'; was it configured later?" in terminal.err


async def test_running_agent_reads_for_one_at_a_time_and_says_what_it_cannot_take(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with plant(tmp_path, mosquitto.port) as site:
        site.agent.start()
        await site.agent.tells("device answers")
        await site.plcs["meter"].switch(Faults(silence=True))
        ask = partial(control.ask, tmp_path / "state" / "control.sock", "read", device="meter")
        both = [asyncio.to_thread(ask), asyncio.to_thread(ask)]
        answers = await asyncio.gather(*both, return_exceptions=True)
        told = []
        for arguments in ({"tags": ["frequenzy"]}, {"tags": "frequency"}, {"device": 5}):
            with pytest.raises(EdgeAgentError) as refused:
                await asyncio.to_thread(partial(ask, **arguments))
            told.append(str(refused.value))
        await site.agent.stop()

    (read,) = (each for each in answers if isinstance(each, dict))
    (busy,) = (each for each in answers if isinstance(each, EdgeAgentError))
    assert {row["quality"] for row in read["rows"]} == {"bad:timeout"}
    assert str(busy) == "meter is being read for somebody else; ask again"
    assert told[0] == "the running agent has no tag 'frequenzy' in meter"
    assert told[1].startswith("ask with a line like")
    assert told[2] == "the running agent has no device '5'; was it configured later?"


async def test_device_that_is_back_is_read_at_once_though_polls_still_wait(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with plant(tmp_path, free_port()) as site:
        meter, path = site.plcs["meter"], str(tmp_path / "agent.yaml")
        await meter.switch(Faults(refuse=True))
        site.agent.start()
        await site.agent.tells("device down")
        absent = await terminal.type("read", "meter", "--config", path)
        await meter.switch(Faults())

        assert (absent, await terminal.type("read", "meter", "--config", path)) == (3, 0)


async def test_killed_agent_is_not_in_the_way(tmp_path: Path, terminal: Terminal) -> None:
    async with plant(tmp_path, free_port()) as site:
        site.agent.start()
        await site.agent.tells("device answers")
        site.agent.kill()
        assert (tmp_path / "state" / "control.sock").exists()

        assert await terminal.type("read", "meter", "--config", str(tmp_path / "agent.yaml")) == 0


async def test_nothing_is_opened_beside_an_agent_that_cannot_be_asked(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"meter": plc.port})
        (tmp_path / "state" / "buffer").mkdir(parents=True)
        with (tmp_path / "state" / "buffer" / "lock").open("w") as lock:
            lock.write("4711\n")
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)

            assert await terminal.type("read", "meter", "--config", str(path)) == 3

        assert plc.requests == 0
    assert "an agent runs (process 4711), but not with its control socket there" in terminal.err


async def test_where_it_cannot_be_told_whether_an_agent_runs_nothing_is_opened(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"meter": plc.port})
        folder = tmp_path / "state" / "buffer"
        folder.mkdir(parents=True)
        (folder / "lock").symlink_to("lock")

        assert await terminal.type("read", "meter", "--config", str(path)) == 3

        assert plc.requests == 0
    assert "whether an agent runs cannot be told" in terminal.err


async def test_configuration_that_is_not_there_or_wrong_is_said(tmp_path: Path, terminal: Terminal) -> None:
    path = tmp_path / "agent.yaml"

    absent = await terminal.type("read", "meter", "--config", str(path)), terminal.err
    path.write_text("gateway: 5\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "more.yaml").mkdir()
    unreadable = await terminal.type("read", "meter", "--config", str(path)), terminal.err
    (tmp_path / "conf.d" / "more.yaml").rmdir()
    wrong = await terminal.type("read", "meter", "--config", str(path)), terminal.err

    assert absent[0] == 2
    assert "no such file" in absent[1]
    assert unreadable[0] == 2
    assert unreadable[1].endswith("/conf.d/more.yaml: is a directory\n")
    assert wrong[0] == 1
    assert "has mistakes; see edge-agent check" in wrong[1]
