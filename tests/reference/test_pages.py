from pathlib import Path

import pytest

from edge_agent.config.shelf import shipped_profiles
from tests.reference.pages import ROOT, files

GENERATED = files()
SHIPPED = sorted(shipped_profiles().glob("*/*.yaml"))


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_file_is_what_the_models_say(path: Path) -> None:
    assert path.read_text() == GENERATED[path], "run ./dev docs"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_profile_names_the_schema_that_ships(path: Path) -> None:
    first = path.read_text().partition("\n")[0]

    marker, _, target = first.partition("=")
    assert marker == "# yaml-language-server: $schema"
    assert (path.parent / target).resolve() == ROOT / "edge_agent" / "schemas" / "profile-1.schema.json"
