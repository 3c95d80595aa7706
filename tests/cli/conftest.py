"""A terminal for commands."""

import pytest

from tests.cli.gateway import Terminal


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Where a test types commands."""
    return Terminal(capsys)
