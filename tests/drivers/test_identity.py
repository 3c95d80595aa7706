import pytest

from edge_agent.drivers.identity import LONGEST, named


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["Eastron", "SDM630-V2", "1.24"], "Eastron SDM630-V2 1.24"),
        (["  Siemens ", "", "V2.9"], "Siemens V2.9"),
        (["a\x1b[31mb", "c\nd\0"], "a [31mb c d"),
        (["x" * 300], "x" * LONGEST),
        (["", " "], ""),
        ([], ""),
    ],
)
def test_line_of_what_a_device_says_has_nothing_that_a_terminal_obeys(parts: list[str], words: str) -> None:
    assert named(parts) == words
