from pathlib import Path

import pytest

from edge_agent.config.golden import run
from edge_agent.config.problems import render
from edge_agent.config.profile import load_profile
from edge_agent.config.shelf import shipped_profiles
from edge_agent.drivers.kinds import kinds

FILES = sorted(shipped_profiles().glob("*/*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_profile_is_right_and_its_golden_tests_hold(path: Path) -> None:
    profile, problems = load_profile(path, kinds())

    assert render(problems) == ""
    assert profile is not None
    assert profile.tests
    assert run(profile, kinds()[profile.protocol].decoded) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_profile_expects_something_of_every_group(path: Path) -> None:
    profile, _ = load_profile(path, kinds())

    assert profile is not None
    expected = {column.partition(".")[0] for test in profile.tests for column in test.expect}
    assert {tag.group for tag in profile.tags if tag.name in expected} == set(profile.groups)


def test_the_profiles_of_the_first_devices_are_shipped() -> None:
    names = {f"{path.parent.name}/{path.stem}" for path in FILES}

    assert names >= {"eastron/sdm630-v2", "moxa/iologik-e1212", "edge-agent/io-demo"}
