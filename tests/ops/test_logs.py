import json
import subprocess
import sys

from edge_agent.ops.machine import machine_name

LOG = """
import asyncio, logging, structlog
from edge_agent.ops import logs
logs.set_up("info", json={json})
log = structlog.get_logger()
log.debug("unheard")
log.warning("device silent", device="press", after_s=3.0)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("bug")
logging.getLogger("asyncio").error("Fatal error on transport %s", "x")
logging.getLogger("pymodbus").error("noise")
"""


def said(*, as_json: bool) -> list[str]:
    code = LOG.format(json=as_json)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    return run.stderr.splitlines()


def test_events_are_json_lines_with_a_priority_for_the_journal() -> None:
    lines = said(as_json=True)

    assert [line[:3] for line in lines] == ["<4>", "<3>", "<3>"]
    first, second, third = (json.loads(line[3:]) for line in lines)
    assert (first["event"], first["device"], first["after_s"]) == ("device silent", "press", 3.0)
    assert first["timestamp"].endswith("Z")
    assert "ZeroDivisionError" in second["exception"]
    assert third["event"] == "Fatal error on transport x"


def test_terminal_gets_readable_lines() -> None:
    assert any(
        "device silent" in line and "press" in line and not line.startswith("<")
        for line in said(as_json=False)
    )


def test_machine_has_a_name_or_none() -> None:
    assert machine_name() == machine_name()
