"""What `status` shows, and what it takes for well."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cli.status import lines, well
from edge_agent.demo.programs import free_port
from edge_agent.sim.faults import Faults
from tests.cli.gateway import Terminal, claim_vendor
from tests.e2e.plant import SOON_S, plant

NOW = 1_795_479_206_350
METER = {
    "state": "ok",
    "since": NOW - 200_000,
    "last_good": NOW - 900,
    "why": "",
    "identity": "Eastron SDM630 1.0",
    "confirmed": True,
    "mismatch": None,
    "refused": [],
}
BUS = {
    "place": "/dev/serial/by-id/usb-FTDI-if00",
    "connected": True,
    "requests": 1202,
    "failures": {},
    "probes": 0,
    "late_answers": 0,
    "opened": 1,
    "utilisation_percent": 41.2,
    "silent": [],
}
PRESS = {"place": "opc.tcp://10.3.7.12:4840", "connected": False, "opened": 2, "failures": {}}
CLOUD = {
    "connected": True,
    "why": "",
    "delivered_until": NOW - 2000,
    "waiting": 3,
    "more": False,
    "oldest": NOW - 800,
    "messages": 12,
    "scans": 300,
}


def answer(**changes: Any) -> dict[str, Any]:
    return {
        "gateway": "gw17",
        "version": "0.1.0",
        "now": NOW,
        "up_s": 200.0,
        "connections": {"bus": BUS},
        "devices": {"meter-1": METER},
        "buffer": {"b": "8349ec", "bytes": 2048, "evicted_segments": 0, "appended": 303, "failing": False},
        "destinations": {"cloud": CLOUD},
        **changes,
    }


def test_certificate_that_ends_soon_is_told_below_its_connection() -> None:
    shown = {"subject": "CN=press", "fingerprint": "sha256:AB", "until": NOW + 86_400_000}
    certificates = {"server": {**shown, "ends_soon": True}, "own": {**shown, "ends_soon": False}}
    told = answer(connections={"press": {**PRESS, "connected": True, "certificates": certificates}})

    assert "    the certificate of its server ends 2026-11-25" in list(lines(told))
    assert not well(told)


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [
        (3600.0, ["    the clock of its server is 1 h 0 min ahead"]),
        (-12.0, ["    the clock of its server is 12 s behind"]),
        (9.0, []),
        (None, []),
    ],
)
def test_clock_of_a_server_that_is_wrong_is_told_below_its_connection(
    offset_s: float | None, words: list[str]
) -> None:
    told = answer(connections={"press": {**PRESS, "clock_offset_s": offset_s}})

    assert [line for line in lines(told) if "clock" in line] == words


def test_all_is_well_in_one_line_each() -> None:
    assert list(lines(answer())) == [
        "gw17  edge-agent 0.1.0, up 3 min 20 s",
        "",
        "CONNECTION  LINK  BUSY %  REQUESTS  FAILED  OPENED  PLACE",
        "bus         up      41.2      1202       0       1  /dev/serial/by-id/usb-FTDI-if00",
        "",
        "DEVICE   STATE  FOR         LAST GOOD READ",
        "meter-1  ok     3 min 20 s  0 s ago",
        "",
        "DESTINATION  LINK  DELIVERED UNTIL  WAITING  OLDEST   SCANS  MESSAGES",
        "cloud        up    2 s ago          3        0 s ago    300        12",
        "",
        "buffer 8349ec: 2.0 KiB on disk, 303 scans stored, 0 segments evicted",
    ]
    assert well(answer())


def test_agent_without_devices_and_destinations_shows_its_buffer() -> None:
    assert len(list(lines(answer(connections={}, devices={}, destinations={})))) == 3


def test_failures_and_silent_units_stand_below_their_connection() -> None:
    silent = [{"unit": 7, "misses": 5, "next_probe_s": 31.4}, {"unit": 9, "misses": 2, "next_probe_s": 0.0}]
    bus = {**BUS, "failures": {"exception:2": 1, "timeout": 7}, "silent": silent}

    shown = list(lines(answer(connections={"bus": bus})))

    assert shown[3:7] == [
        "bus         up      41.2      1202       8       1  /dev/serial/by-id/usb-FTDI-if00",
        "    failed: 1 exception:2, 7 timeout",
        "    unit 7 is silent: 5 times; asked again in 31 s",
        "    unit 9 is silent: 2 times; asked again in 0 s",
    ]


def test_connection_that_cannot_be_opened_says_why() -> None:
    press = {**PRESS, "failures": {"BadTooManySessions": 3}, "why": "the server has no session left"}

    assert list(lines(answer(connections={"press": press})))[4:6] == [
        "    the server has no session left",
        "    failed: 3 BadTooManySessions",
    ]


def test_connection_of_a_protocol_without_requests_leaves_them_empty() -> None:
    shown = list(lines(answer(connections={"bus": BUS, "press": PRESS})))

    assert shown[4] == "press       down                         0       2  opc.tcp://10.3.7.12:4840"


def test_what_is_not_well_with_a_device_stands_below_it_in_80_columns() -> None:
    tags = [f"voltage_l{number}" for number in range(12)]
    mismatch = "product is 'SDM120-Modbus' instead of a text with 'SDM630'"
    meter = {**METER, "state": "failing", "why": "bad:exception:2", "mismatch": mismatch, "refused": tags}

    shown = list(lines(answer(devices={"meter-1": meter})))

    assert shown[6:12] == [
        "meter-1  failing  3 min 20 s  0 s ago",
        "    bad:exception:2",
        "    not what its profile is for: product is 'SDM120-Modbus' instead of a text",
        "      with 'SDM630'",
        "    12 tags refused: voltage_l0, voltage_l1, voltage_l2, voltage_l3, voltage_l4,",
        "      voltage_l5, voltage_l6, voltage_l7 and 4 more",
    ]


def test_device_that_never_answered_says_so() -> None:
    shown = list(lines(answer(devices={"meter-1": {**METER, "state": "starting", "last_good": None}})))

    assert shown[6] == "meter-1  starting  3 min 20 s  never"


def test_device_that_is_another_one_is_not_well_and_one_that_refuses_tags_is() -> None:
    other = {**METER, "mismatch": "vendor is 'Acme' instead of 'Eastron'"}

    assert not well(answer(devices={"meter-1": other}))
    assert well(answer(devices={"meter-1": {**METER, "refused": ["a"]}}))


def test_device_disk_and_destination_have_to_be_well() -> None:
    assert not well(answer(devices={"meter-1": {**METER, "state": "failing"}}))
    assert not well(answer(buffer={"failing": True}))
    assert not well(answer(destinations={"cloud": {**CLOUD, "connected": False}}))


async def test_running_agent_shows_its_connections_and_another_device(
    tmp_path: Path, terminal: Terminal
) -> None:
    claim_vendor(tmp_path, "Eastron")
    config = str(tmp_path / "agent.yaml")
    async with plant(tmp_path, free_port(), "meter", "io", "press") as site:
        site.agent.start()
        async with asyncio.timeout(SOON_S):
            while await identified(terminal, config) < 3:  # noqa: ASYNC110 - the agent tells nobody
                await asyncio.sleep(0.1)
        await site.plcs["io"].switch(Faults(silence=True))
        await site.agent.tells("unit silent")

        assert await terminal.type("status", "--config", config, "--json") == 1
        answer = json.loads(terminal.out)
        assert await terminal.type("status", "--config", config) == 1

    meter, io, press = (answer["connections"][name] for name in ("meter", "io", "press"))
    assert (meter["connected"], meter["opened"], meter["silent"]) == (True, 1, [])
    assert meter["requests"] > 0
    assert io["failures"]["timeout"] >= 2
    assert [each["unit"] for each in io["silent"]] == [1]
    assert (press["connected"], press["subscriptions"]) == (True, 2)
    assert answer["devices"]["meter"]["mismatch"] == "vendor is 'edge_agent' instead of 'Eastron'"
    assert answer["devices"]["io"]["confirmed"] is True
    assert "    not what its profile is for: vendor is 'edge_agent' instead of 'Eastron'\n" in terminal.out
    assert "    unit 1 is silent: " in terminal.out


async def identified(terminal: Terminal, config: str) -> int:
    """How many devices have said what they are; none while the agent is not there yet."""
    if await terminal.type("status", "--config", config, "--json") == 3:
        return 0
    return sum(1 for each in json.loads(terminal.out)["devices"].values() if each["identity"])
