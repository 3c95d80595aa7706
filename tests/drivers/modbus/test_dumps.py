# ruff: noqa: E501 - a table of mistakes is read one per line
from pathlib import Path

import pytest

from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Expected, GoldenTest
from edge_agent.drivers.kinds import kinds

PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.0.0
protocol: modbus
title: A press
addressing: STYLE
defaults: {table: holding, type: uint16, group: fast}
groups: {fast: {interval: 1s}}
tags:
  t: TAG
"""


def test_a_dump_becomes_contents_by_address(tmp_path: Path) -> None:
    test = _golden(
        tmp_path,
        'registers: {holding: {1: "0001 86A0", 9: 7}, coil: {3: "0b011", 9: 1}}\n    expect: {t: 1}',
    )

    assert test == GoldenTest(
        "x", {"holding": {1: 1, 2: 0x86A0, 9: 7}, "coil": {3: 1, 4: 1, 5: 0, 9: 1}}, {"t": Expected(1)}
    )


def test_expectations_may_be_full(tmp_path: Path) -> None:
    test = _golden(
        tmp_path,
        "registers: {holding: {1: 1}}\n    expect: {t: {value: 1, quality: uncertain, reason: out_of_range, text: a}}",
    )

    assert test.expect == {"t": Expected(1, "uncertain", "out_of_range", "a")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'registers: {holding: {1: "12"}}',
            "'12' is not a dump; write 4 hex digits for each register: \"4366 3333\"",
        ),
        ("registers: {holding: {1: 65536}}", "65536 is no content of a register; it goes from 0 to 65535"),
        (
            'registers: {coil: {1: "01"}}',
            "'01' is not a row of bits; write \"0b0101\", the first address on the right",
        ),
        ('registers: {holding: {65535: "0000 0000"}}', "65535 to 65536 is not within 0 to 65535"),
        ('registers: {holding: {1: "0000 0000", 2: 1}}', "holding 2 is in this dump already"),
        ("registers: {holdin: {1: 1}}", "unknown key 'holdin' - did you mean 'holding'?"),
        ("expect: {tt: 1}", "unknown tag 'tt' - did you mean 't'?"),
        ("expect: {t: {quality: good}}", "a good value is expected, but not which; write value:"),
        ("expect: {t: {quality: bad, value: 1}}", "what is bad has no value; leave it out"),
        ("expect: {t: {quality: awful}}", "unknown quality 'awful'; there are: good, uncertain, bad"),
        (
            "expect: {t: [a]}",
            "one value is expected here: a number, a text, true or false, or for an array a list of numbers",
        ),
        ("expect: {t: {text: 5}}", "a text is expected here, or a list of texts for flags"),
        ("expect: {}", "too few entries: at least 1"),
    ],
)
def test_a_golden_test_is_refused_with(tmp_path: Path, text: str, message: str) -> None:
    lines = {"registers": "registers: {holding: {1: 1}}", "expect": "expect: {t: 1}"}
    lines[text.partition(":")[0]] = text

    _, problems = _with_test(tmp_path, "\n    ".join(lines.values()))

    assert problems[0].message == message


def test_a_tag_that_sends_its_bits_only_cannot_be_expected(tmp_path: Path) -> None:
    _, problems = _with_test(
        tmp_path, "registers: {holding: {1: 1}}\n    expect: {t: 1}", "{address: 1, bits: {a: 0}}"
    )

    assert [problem.message for problem in problems] == ["'t' sends its bits only; expect 't.<bit>'"]


def test_an_array_is_expected_number_by_number(tmp_path: Path) -> None:
    tests, problems = _with_test(
        tmp_path,
        'registers: {holding: {1: "0001 0002"}}\n    expect: {t: [1, 2.5]}',
        '{address: 1, type: "uint16[2]"}',
    )

    assert problems == (), render(problems)
    assert tests[0].expect == {"t": Expected((1, 2.5))}


def _with_test(
    folder: Path, test: str, tag: str = "{address: 1}"
) -> tuple[list[GoldenTest], tuple[Problem, ...]]:
    path = folder / "press.yaml"
    text = PRESS.replace("STYLE", "protocol").replace("TAG", tag)
    path.write_text(f"{text}tests:\n  - name: x\n    {test}\n")
    profile, problems = load_profile(path, kinds())
    return list(profile.tests) if profile else [], problems


def _golden(folder: Path, test: str) -> GoldenTest:
    tests, problems = _with_test(folder, test)
    assert problems == (), render(problems)
    return tests[0]
