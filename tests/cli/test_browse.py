import asyncio
import io
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_agent import cli
from edge_agent.cli.browse import _Progress
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Tag
from edge_agent.core.nodes import Node
from edge_agent.demo.programs import free_port
from edge_agent.drivers.kinds import kinds
from edge_agent.sim.faults import Faults
from edge_agent.sim.opcua import OpcUaPlc
from tests.brokers import Mosquitto
from tests.cli.gateway import Terminal
from tests.e2e.plant import plant

URI = "http://acme.example/press"
TAGS = (
    Tag("force", "fast", "Float", Node("force", URI, 's="DB"."Force"', "Float")),
    Tag("recipe", "fast", "String", Node("recipe", URI, "s=Recipe", "String")),
)


@asynccontextmanager
async def press() -> AsyncIterator[OpcUaPlc]:
    async with OpcUaPlc(TAGS) as plc:
        yield plc


async def test_a_server_is_shown_as_a_tree(terminal: Terminal) -> None:
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint) == 0

    head, *rows = terminal.out.splitlines()
    assert head.split() == ["NAME", "TYPE", "ACCESS", "NODE"]
    assert [row.split() for row in rows[:2]] == [
        ["Objects", "object", "i=85"],
        ["Server", "object", "i=2253"],
    ]
    assert '  force   Float   r       press:s="DB"."Force"' in rows
    assert rows[-2] == f"press: {URI}"
    assert rows[-1] == "edge_agent simulated PLC 1.0: 4 nodes, 2 variables"
    assert terminal.err == ""


async def test_values_are_those_of_now(terminal: Terminal) -> None:
    async with press() as plc:
        await plc.switch(Faults(bad=frozenset({"recipe"})))

        assert await terminal.type("browse", plc.endpoint, "--values") == 0

    (force,) = [line.split() for line in terminal.out.splitlines() if "force" in line]
    (recipe,) = [line.split() for line in terminal.out.splitlines() if "recipe" in line]
    assert float(force[-1]) >= 0
    assert recipe[-1] == "bad:BadDeviceFailure"


async def test_the_server_itself_is_looked_into_when_it_is_named(terminal: Terminal) -> None:
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "Server", "--depth", "1") == 0

    assert "  ServerStatus" in terminal.out
    assert "force" not in terminal.out


async def test_json_is_one_line_a_node_and_stands_for_itself(terminal: Terminal) -> None:
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "--json", "--filter", "FORCE") == 0

    root, force = map(json.loads, terminal.out.splitlines())
    assert (root["name"], root["node"], root["class"]) == ("Objects", "i=85", "object")
    assert force == {
        "path": "force",
        "name": "force",
        "class": "variable",
        "node": f'nsu={URI};s="DB"."Force"',
        "alias": 'press:s="DB"."Force"',
        "type": "Float",
        "sent_as": "Float",
        "access": "r",
        "value": None,
        "quality": "",
    }


async def test_a_connection_of_the_configuration_is_asked(tmp_path: Path, terminal: Terminal) -> None:
    async with press() as plc:
        config = gateway(tmp_path, plc.endpoint)

        assert await terminal.type("browse", "press", "--config", str(config)) == 0

    assert "force" in terminal.out


async def test_a_running_agent_is_not_disturbed(
    tmp_path: Path, terminal: Terminal, mosquitto: Mosquitto
) -> None:
    async with plant(tmp_path, mosquitto.port, "press") as site:
        site.agent.start()
        await site.agent.tells("device answers")

        assert await terminal.type("browse", "press", "--config", str(tmp_path / "agent.yaml")) == 0
        assert site.agent.events("device down") == []
        await site.agent.stop()

    assert 'simatic_s7_opcua:s="DB_Press"."Force"' in terminal.out


# --- a draft ------------------------------------------------------------------------------


async def test_a_draft_is_written_where_it_belongs_and_checked(tmp_path: Path, terminal: Terminal) -> None:
    path = tmp_path / "profiles" / "acme" / "press.yaml"
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "--profile", str(path)) == 0

    assert terminal.out.splitlines() == [
        f"{path}: acme/press 0.1.0, 2 tags",
        "ok: 2 tags, 0 golden tests passed",
    ]
    profile, problems = load_profile(path, kinds())
    assert profile is not None
    assert problems == ()
    assert [(tag.name, tag.type, tag.opcua.namespace, tag.opcua.id) for tag in profile.tags] == [
        ("force", "Float", URI, 's="DB"."Force"'),
        ("recipe", "String", URI, "s=Recipe"),
    ]


async def test_filter_that_nothing_fits_says_so(terminal: Terminal) -> None:
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "--filter", "*nix*") == 1

    assert terminal.err == "edge-agent: nothing below Objects fits '*nix*'\n"


async def test_elsewhere_its_maker_and_the_file_name_it(tmp_path: Path, terminal: Terminal) -> None:
    path = tmp_path / "My Press.yaml"
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "--filter", "force", "--profile", str(path)) == 0

    assert f"{path}: edge_agent/my_press 0.1.0, 1 tag" in terminal.out


async def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path, terminal: Terminal) -> None:
    path = tmp_path / "press.yaml"
    path.write_text("mine")
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "--profile", str(path)) == 2
        assert (path.read_text(), terminal.err) == (
            "mine",
            f"edge-agent: {path}: there is a file; --force writes over it\n",
        )

        assert await terminal.type("browse", plc.endpoint, "--profile", str(path), "--force") == 0

    assert "tags:" in path.read_text()


async def test_nothing_that_can_be_a_tag_is_a_problem_and_no_file(tmp_path: Path, terminal: Terminal) -> None:
    path = tmp_path / "press.yaml"
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "--filter", "Server", "--profile", str(path)) == 1

    assert "nothing can be a tag" in terminal.err
    assert not path.exists()


# --- what goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["opc.tcp://10.3.7.12"],
            "opc.tcp://10.3.7.12: nothing would be signed or encrypted; write --insecure when",
        ),
        (["http://10.3.7.12"], "'http://10.3.7.12' is not an endpoint"),
        (
            ["press1"],
            "there is no connection 'press1' - did you mean 'press'?; an address begins with opc.tcp://",
        ),
        (["meter"], "meter is no OPC UA connection"),
        (["press", "--insecure"], "--insecure is for an address"),
        (["press", "--profile", "profiles/Acme/press.yaml"], "the folder and the file become the id"),
    ],
)
async def test_wrong_usage_is_said(tmp_path: Path, terminal: Terminal, words: list[str], said: str) -> None:
    config = gateway(tmp_path, "opc.tcp://127.0.0.1:1")

    assert await terminal.type("browse", *words, "--config", str(config)) == 2
    assert said in terminal.err


async def test_a_place_that_is_not_there_is_said_with_the_one_that_was_meant(terminal: Terminal) -> None:
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "forc") == 2

    assert terminal.err == "edge-agent: there is no 'forc' below Objects - did you mean 'force'?\n"


async def test_an_absent_server_is_unreachable(terminal: Terminal) -> None:
    port = free_port()

    assert await terminal.type("browse", f"opc.tcp://127.0.0.1:{port}") == 3
    assert f"connection refused by opc.tcp://127.0.0.1:{port}" in terminal.err


async def test_more_nodes_than_wanted_are_a_problem(terminal: Terminal) -> None:
    async with press() as plc:
        assert await terminal.type("browse", plc.endpoint, "--most", "3") == 1

    assert terminal.err == "note: there are more than 3 nodes; name a PATH, or --most\n"


async def test_an_interrupt_ends_it_without_more_words() -> None:
    asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        while await reader.read(4096):
            pass
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as silent:
        place = f"opc.tcp://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge_agent", "browse", place, stderr=subprocess.PIPE
        )
        await asked.wait()  # what it says is never answered
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()

    assert (process.returncode, said) == (130, b"")


@pytest.mark.parametrize("count", ["0", "-1", "x", "²"])
def test_a_depth_is_a_number_from_one_on(count: str) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["browse", "press", "--depth", count])

    assert stop.value.code == 2


# --- how far it is ------------------------------------------------------------------------


class Screen(io.StringIO):
    def isatty(self) -> bool:  # type: ignore[explicit-override]  # typing has it from 3.12 on
        return True


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (io.StringIO(), "2 nodes\n5 nodes\n"),
        (Screen(), "".join(f"\r{n} nodes{'':<53}" for n in (2, 3, 4, 5)) + f"\r{'':<60}\r"),
    ],
)
def test_long_work_says_how_far_it_is(stream: io.StringIO, said: str) -> None:
    now = 0.0
    progress = _Progress(stream, lambda: now)
    for at, text in [
        (0.5, "1 nodes"),
        (1.0, "2 nodes"),
        (2.0, "3 nodes"),
        (3.0, "4 nodes"),
        (11.0, "5 nodes"),
    ]:
        now = at
        progress.tell(text)
    progress.end()

    assert stream.getvalue() == said


def test_short_work_says_nothing() -> None:
    screen = Screen()
    progress = _Progress(screen, lambda: 0.0)
    progress.tell("1 nodes")
    progress.end()

    assert screen.getvalue() == ""


# --- helpers ------------------------------------------------------------------------------


def gateway(folder: Path, endpoint: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(
        "schema: edge-agent/gateway/1\ngateway: {id: gw17}\n"
        "connections:\n"
        f'  press: {{opcua: {{endpoint: "{endpoint}", security: {{policy: "None", mode: none}}}}}}\n'
        '  meter: {modbus: {tcp: "127.0.0.1:1"}}\n'
        "buffer: {path: ./state/buffer}\n"
    )
    return path
