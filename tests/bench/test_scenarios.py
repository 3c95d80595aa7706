"""What is measured is a configuration that the agent takes."""

from pathlib import Path

import pytest

from edge_agent.config.gateway import load
from edge_agent.drivers.kinds import kinds
from tests.bench.scenario import SCENARIOS, Scenario
from tests.bench.subjects import agent_command


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_configuration_of_a_scenario_is_sound(scenario: Scenario, tmp_path: Path) -> None:
    config = Path(agent_command(scenario, tmp_path, 1883, range(4840, 4840 + scenario.devices), 10)[-1])

    loaded = load(config, kinds())

    assert [each.message for each in loaded.problems if each.severity == "error"] == []
