import asyncio
import json
from pathlib import Path

from edge_agent.cli import online
from edge_agent.cli.configured import gateway_of
from edge_agent.cli.online import Seen
from edge_agent.demo.programs import free_port
from edge_agent.ops.reading import GroupRead, Reading, Row
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from tests.cli.gateway import Terminal, add_device, claim_vendor, config
from tests.cli.test_read import PRESS
from tests.e2e.plant import plant, tags


async def test_devices_that_answer_well_are_ok_with_a_value_of_each_group(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with ModbusPlc(tags("meter")) as one, ModbusPlc(tags("meter")) as two:
        path = config(tmp_path, {"one": one.port, "second": two.port})

        assert await terminal.type("check", "--online", str(path)) == 0

    checked, first, identity, fast, energy, second, *_ = terminal.out.splitlines()
    assert checked == "ok: 2 devices, 24 tags, 3 golden tests passed"
    assert first.startswith("ok    one     12 values, connected in ")
    assert identity == "      says it is edge_agent simulated PLC 1.0"
    assert fast.startswith("      fast: voltage_l1 ")
    assert " V, in " in fast
    assert energy.startswith("      energy: energy_import ")
    assert second.startswith("ok    second  12 values, connected in ")


async def test_device_that_is_absent_is_told_beside_those_that_answer(
    tmp_path: Path, terminal: Terminal
) -> None:
    port = free_port()
    async with ModbusPlc(tags("meter")) as one, ModbusPlc(tags("meter")) as mute:
        await mute.switch(Faults(silence=True))
        path = config(tmp_path, {"one": one.port, "gone": port, "mute": mute.port})

        assert await terminal.type("check", "--online", str(path)) == 1

    told = [line for line in terminal.out.splitlines() if line.startswith("FAIL")]
    assert told == [
        f"FAIL  gone  connection refused by 127.0.0.1:{port}: is it on, is the port right?",
        f"FAIL  mute  no answer from unit 1 at 127.0.0.1:{mute.port}: is the unit right, is it on?",
    ]


async def test_nothing_reachable_is_an_exit_code_of_its_own(tmp_path: Path, terminal: Terminal) -> None:
    path = config(tmp_path, {"one": free_port(), "two": free_port()})

    assert await terminal.type("check", "--online", "--json", str(path)) == 3

    answer = json.loads(terminal.out)
    assert answer["problems"] == []
    assert [(each["device"], each["verdict"]) for each in answer["devices"]] == [
        ("one", "FAIL"),
        ("two", "FAIL"),
    ]


async def test_device_with_bad_values_is_a_warning_that_names_them(
    tmp_path: Path, terminal: Terminal
) -> None:
    folder = tmp_path / "profiles" / "acme"
    folder.mkdir(parents=True)
    (folder / "press.yaml").write_text(PRESS)
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"press": plc.port})
        path.write_text(path.read_text().replace("eastron/sdm630-v2", "acme/press"))

        assert await terminal.type("check", "--online", str(path)) == 1

    assert "warn  press  1 of 2 values bad: absent bad:illegal_address, connected in" in terminal.out
    assert "it has no such address: does the profile fit the device and its firmware?" in terminal.out


async def test_device_that_is_another_one_is_a_warning_with_what_was_expected(
    tmp_path: Path, terminal: Terminal
) -> None:
    claim_vendor(tmp_path, "Eastron")
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"meter": plc.port})

        assert await terminal.type("check", "--online", str(path)) == 1
        told = terminal.out.splitlines()
        assert await terminal.type("check", "--online", "--json", str(path)) == 1

    assert told[1].startswith("warn  meter  12 values, connected in ")
    assert told[2] == "      says it is edge_agent simulated PLC 1.0"
    assert told[3] == (
        "      not what its profile is for: vendor is 'edge_agent' instead of 'Eastron'; "
        "is the unit right, is the profile?"
    )
    (seen,) = json.loads(terminal.out)["devices"]
    assert seen["reading"]["mismatch"] == "vendor is 'edge_agent' instead of 'Eastron'"


async def test_device_that_is_the_right_one_is_ok(tmp_path: Path, terminal: Terminal) -> None:
    claim_vendor(tmp_path, "edge_agent")
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"meter": plc.port})

        assert await terminal.type("check", "--online", str(path)) == 0

    assert "profile is for" not in terminal.out


async def test_running_agent_tells_of_another_device(tmp_path: Path, terminal: Terminal) -> None:
    claim_vendor(tmp_path, "Eastron")
    async with plant(tmp_path, free_port()) as site:
        site.agent.start()
        (told,) = await site.agent.tells("device is another one")

        assert await terminal.type("check", "--online", str(tmp_path / "agent.yaml")) == 1

        assert len(site.agent.events("device is another one")) == 1
    assert (told["device"], told["place"], told["expected"], told["found"]) == (
        "meter", "vendor", "'Eastron'", "'edge_agent'",
    )  # fmt: skip
    assert "warn  meter  12 values\n" in terminal.out
    assert "not what its profile is for: vendor is 'edge_agent' instead of 'Eastron'" in terminal.out


async def test_running_agent_is_asked_and_keeps_the_only_connection(
    tmp_path: Path, terminal: Terminal
) -> None:
    async with plant(tmp_path, free_port()) as site:
        site.agent.start()
        await site.agent.tells("device answers")
        path = tmp_path / "agent.yaml"
        add_device(path, "new", "meter")

        assert await terminal.type("check", "--online", str(path)) == 1

        meter = site.plcs["meter"]
        assert isinstance(meter, ModbusPlc)
        assert meter.connections == 1
    assert "FAIL  new    the running agent has no device 'new'; was it configured later?" in terminal.out
    assert "ok    meter  12 values\n      says it is edge_agent simulated PLC 1.0\n" in terminal.out
    assert "does not use" in terminal.err


async def test_agent_that_cannot_be_asked_keeps_its_devices_for_itself(
    tmp_path: Path, terminal: Terminal
) -> None:
    path = config(tmp_path, {"one": free_port()})
    (tmp_path / "state" / "buffer").mkdir(parents=True)
    (tmp_path / "state" / "buffer" / "lock").symlink_to("lock")

    assert await terminal.type("check", "--online", str(path)) == 3
    assert terminal.err.startswith("edge-agent: no device was asked: whether an agent runs cannot be told")


async def test_nothing_is_asked_before_the_mistakes_are_corrected(tmp_path: Path, terminal: Terminal) -> None:
    path = config(tmp_path, {"one": free_port()}, "devises: {}\n")

    assert await terminal.type("check", "--online", str(path)) == 1
    assert terminal.out.endswith("1 error\n")


async def test_profile_alone_cannot_be_asked(tmp_path: Path, terminal: Terminal) -> None:
    path = tmp_path / "press.yaml"
    path.write_text(PRESS)

    assert await terminal.type("check", "--online", str(path)) == 2
    assert terminal.err == "edge-agent: --online needs the agent.yaml of a gateway\n"


async def test_group_that_is_not_answered_is_a_warning_with_the_way_out(
    tmp_path: Path, terminal: Terminal
) -> None:
    folder = tmp_path / "profiles" / "acme"
    folder.mkdir(parents=True)
    (folder / "press.yaml").write_text(
        PRESS.replace("fast: {interval: 1s}", "fast: {interval: 1s}, slow: {interval: 9s}").replace(
            "60000}", "60000, group: slow}"
        )
    )
    async with ModbusPlc(tags("meter")) as plc:
        path = config(tmp_path, {"press": plc.port})
        path.write_text(path.read_text().replace("eastron/sdm630-v2", "acme/press"))

        assert await terminal.type("check", "--online", str(path)) == 1

    assert "warn  press  group slow: exception:2 from 127.0.0.1:" in terminal.out
    assert "it has no such address: does the profile fit the device and its firmware?" in terminal.out
    assert "      fast: there " in terminal.out


async def test_device_that_takes_too_long_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with ModbusPlc(tags("meter")) as slow, ModbusPlc(tags("meter")) as quick:
        await slow.switch(Faults(silence=True))
        path = config(tmp_path, {"slow": slow.port, "quick": quick.port})
        path.write_text(path.read_text().replace("timeout: 200ms", "timeout: 30s"))

        found = await asyncio.to_thread(online.seen, gateway_of(path), within_s=0.5)

    assert [(each.device, each.verdict) for each in found] == [("slow", "FAIL"), ("quick", "ok")]
    assert found[0].words == "not asked within 0.5 s: ask it alone with edge-agent read"


def test_gateway_without_devices_has_nothing_wrong() -> None:
    assert online.code([]) == 0
    assert list(online.lines([])) == []


def test_more_bad_values_than_a_line_holds_are_counted() -> None:
    rows = tuple(Row(f"t{i}", "g", None, None, "bad:nan", None, None, None) for i in range(5))
    seen = Seen("d", "warn", online.words_of(Reading("d", "", (GroupRead("g", 1.0),), rows)))

    assert list(online.lines([seen])) == [
        "warn  d  5 of 5 values bad: t0 bad:nan, t1 bad:nan, t2 bad:nan and 2 more"
    ]


def test_doubtful_values_are_named_and_no_problem() -> None:
    row = Row("t", "g", 600, "V", "uncertain:out_of_range", None, 1.0, 1.0)

    assert online.words_of(Reading("d", "", (GroupRead("g", 1.0),), (row,))) == (
        "1 value, doubtful: t uncertain:out_of_range"
    )
