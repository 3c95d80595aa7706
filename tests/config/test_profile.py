# ruff: noqa: E501 - a table of mistakes is read one per line
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import in_group, load_profile, profile_of
from edge_agent.config.section import Section
from edge_agent.config.settings import Group, Profile
from edge_agent.config.syntax import Origin, Surroundings
from edge_agent.config.units import SLIPS, unit_fault
from edge_agent.config.yaml_nodes import read
from edge_agent.drivers.kinds import kinds

BROKEN = Path(__file__).with_name("broken-profile.yaml")

HEAD = """\
schema: edge-agent/profile/1
id: acme/press
version: 1.2.3
protocol: modbus
title: A press
"""
PRESS = (
    HEAD
    + """\
addressing: protocol
defaults: {table: holding, type: uint16, group: fast}
groups:
  fast: {interval: 1s}
tags:
  force: {address: 1}
"""
)


def test_a_profile_becomes_settings(tmp_path: Path) -> None:
    profile, problems = _load(tmp_path, PRESS)

    assert problems == ()
    assert profile is not None
    assert (profile.id, profile.version, profile.protocol, profile.title) == (
        "acme/press",
        "1.2.3",
        "modbus",
        "A press",
    )
    assert profile.digest == hashlib.sha256(PRESS.encode()).hexdigest()
    assert profile.groups == {"fast": Group("fast", 1.0)}


def test_a_group_takes_what_is_written(tmp_path: Path) -> None:
    text = PRESS.replace(
        "{interval: 1s}",
        "{interval: 2s, phase: 500ms, report: on_change, heartbeat: 1min, time_resolution: 50ms}",
    )

    profile, _ = _load(tmp_path, text)

    assert profile is not None
    assert profile.groups["fast"] == Group("fast", 2.0, 0.5, "on_change", 60.0, 0.05)


def test_a_typo_is_shown_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    _, problems = _load(tmp_path, PRESS.replace("{address: 1}", "\n    adress: 40001"))

    assert render(problems) == (
        "press.yaml:12:5: error: unknown key 'adress' - did you mean 'address'?\n"
        "    12 |     adress: 40001\n"
        "       |     ^^^^^^\n"
        "1 error"
    )


def test_twenty_mistakes_are_all_reported_at_their_places() -> None:
    profile, problems = load_profile(BROKEN, kinds())

    assert profile is None
    assert [(problem.line, problem.column) for problem in problems] == [
        (3, 5), (4, 10), (9, 25), (11, 20), (12, 10), (14, 11), (15, 21), (16, 27), (17, 3), (18, 28), (19, 3),
        (20, 43), (20, 59), (21, 41), (22, 20), (23, 44), (24, 45), (25, 37), (26, 48), (29, 30),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version: 1.2.3\n", "", (1, 1, "missing key 'version'")),
        ("profile/1", "profile/2", (1, 9, "unknown schema 'edge-agent/profile/2' - did you mean 'edge-agent/profile/1'?")),
        ("protocol: modbus", "protocol: modbsu", (4, 11, "unknown protocol 'modbsu' - did you mean 'modbus'?")),
        ("protocol: modbus", "protocol: bacnet", (4, 11, "unknown protocol 'bacnet'; there are: modbus, opcua")),
        ("protocol: modbus\n", "", (1, 1, "missing key 'protocol'")),
        ("title: A press", "title: 5", (5, 8, '5 is not a text; write "5" in quotes')),
        ("title: A press", "title:", (5, 1, "'title' has no value; write one, or leave it out")),
        ("title: A press", "title: [a]", (5, 1, "a text is expected here, not a list")),
        ("{interval: 1s}", "{}", (9, 3, "group 'fast' has no interval; write for example interval: 1s")),
        ("{interval: 1s}", "{interval: 1ms}", (9, 20, "'1ms' is too small; at least 0.01s")),
        ("{interval: 1s}", "1s", (9, 9, "keys with values are expected here, not '1s'")),
        (
            "{interval: 1s}",
            "{interval: 1s, phase: 1s}",
            (9, 31, "the phase is 1 s; it lies within the interval of 1 s"),
        ),
        (
            "{interval: 1s}",
            "{interval: 1s, report: onchange}",
            (9, 32, "unknown report 'onchange' - did you mean 'on_change'?"),
        ),
        ("{address: 1}", "{address: 1, for_: {n: 1}}", (11, 23, "unknown key 'for_' - did you mean 'for'?")),
        ("  force:", "  a.b:", (11, 3, "'a.b' cannot name a tag: the dot stands between a tag and its parts; use '_'")),
        ("  force:", "  5:", (11, 3, '5 is not a text; write "5" in quotes')),
        ("tags:\n  force: {address: 1}", "tags: [a]", (10, 1, "keys with values are expected here, not a list")),
        ("title: A press", "title: x\nmodels: M1", (6, 9, "a list such as [a, b] is expected here, not 'M1'")),
        ("title: A press", "title: x\nsources: [{url: a}]", (6, 11, "missing key 'title'")),
        ("title: A press", "title: x\nsources: [{title: a, page: '5'}]", (6, 28, "'5' is a text; write the number without quotes")),
        ("title: A press", "title: x\nextends: a/b@1", (6, 10, "unknown profile 'a/b'; there are: eastron/sdm630-v2, edge-agent/io-demo, moxa/iologik-e1212, siemens/s7-1500-press")),
    ],
)  # fmt: skip
def test_a_mistake_has_its_message(tmp_path: Path, old: str, new: str, problem: tuple[int, int, str]) -> None:
    profile, problems = _load(tmp_path, PRESS.replace(old, new))

    assert profile is None
    assert _first(problems) == problem


def test_the_id_is_the_path_below_a_folder_of_profiles(tmp_path: Path) -> None:
    folder = tmp_path / "profiles" / "acme"
    folder.mkdir(parents=True)

    _, right = _load(folder, PRESS)
    _, wrong = _load(folder, PRESS.replace("acme/press", "acme/pump"))

    assert right == ()
    assert _first(wrong) == (
        2,
        5,
        "id is 'acme/pump', but the file lies at acme/press.yaml; make them the same",
    )


def test_a_file_of_one_version_may_name_it(tmp_path: Path) -> None:
    folder = tmp_path / "profiles" / "acme"
    folder.mkdir(parents=True)
    path = folder / "press@1.yaml"
    path.write_text(PRESS)

    assert load_profile(path, kinds())[1] == ()


@pytest.mark.parametrize(
    "text", ["", "- a", "just text", "null", "a: [", "tags: 5", "tags: {a: }", "tests: 1", "limits: 5"]
)
def test_a_file_that_is_no_profile_gives_problems(tmp_path: Path, text: str) -> None:
    profile, problems = _load(tmp_path, text)

    assert profile is None
    assert problems


@pytest.mark.parametrize(
    ("tag", "group", "expected"),
    [
        ("", "", False),
        (", report: on_change", "", True),
        (", deadband: 0.5", "", True),
        ("", ", report: on_change", True),
        (", report: always", ", report: on_change", False),
    ],
)
def test_a_tag_is_reported_on_change_when(tmp_path: Path, tag: str, group: str, expected: bool) -> None:
    text = PRESS.replace("{address: 1}", f"{{address: 1{tag}}}").replace("1s}", f"1s{group}}}")

    profile, problems = _load(tmp_path, text)

    assert profile is not None, render(problems)
    assert profile.tags[0].address.on_change is expected


def test_a_tag_follows_its_group_when_that_changes(tmp_path: Path) -> None:
    profile, _ = _load(tmp_path, PRESS)

    assert profile is not None
    assert in_group(profile.tags[0], Group("fast", 1.0, report="on_change")).address.on_change


@pytest.mark.parametrize(
    "unit",
    ["kW.h", "Cel", "%", "1", "m3/h", "/min", "kg.m/s2", "[psi]", "10*3/uL", "{cycles}", "mm[Hg]", "Ohm"],
)
def test_ucum_units_may_stand(unit: str) -> None:
    assert unit_fault(unit) is None


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("°C", "'°C' is not a UCUM unit; write Cel"),
        ("kWh", "'kWh' is not a UCUM unit; write kW.h"),
        ("-", "'-' is not a UCUM unit; write 1 in quotes: \"1\""),
        ("k Wh", "'k Wh': a unit has no spaces; write kW.h"),
        ("kg m", "'kg m': a unit has no spaces; write kg.m"),
        ("m//s", "'m//s' is not a UCUM unit; write for example kW.h, Cel, m3/h, % or \"1\""),
    ],
)
def test_other_units_are_refused_with_what_to_write(unit: str, message: str) -> None:
    assert unit_fault(unit) == message


def test_every_correction_of_a_unit_may_stand() -> None:
    assert [unit for unit in SLIPS.values() if unit_fault(unit) is not None] == []


ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False),
        st.sampled_from(["", "1s", "uint16", "string", "bool", "holding", "coil", "fast", "0b1", "4366 3333", "°C", "a/b", "force"]),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.integers(-1, 70000),
                st.sampled_from(["address", "type", "bits", "enum", "flags", "interval", "fast", "input", "holding",
                                 "name", "registers", "expect", "value", "text", "length", "valid", "tags", "a"]),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)  # fmt: skip

JARGON = (
    "Input should",
    "Value error",
    "valid dictionary",
    "Field required",
    "pydantic",
    "Extra inputs",
    "NoneType",
)


@settings(max_examples=300)
@given(
    key=st.sampled_from(
        [
            "id",
            "version",
            "models",
            "sources",
            "limits",
            "addressing",
            "identify",
            "defaults",
            "groups",
            "tags",
            "tests",
            "title",
        ]
    ),
    value=ANYTHING,
)
def test_whatever_stands_under_a_key_the_loader_answers_in_its_own_words(key: str, value: object) -> None:
    _answers({key: value})


@settings(max_examples=300)
@given(
    tag=st.dictionaries(
        st.sampled_from(
            ["address", "type", "table", "order", "length", "encoding", "pad", "bits", "enum", "enum_else", "flags",
             "scale", "offset", "scale_from", "sentinels", "nan", "valid", "unit", "kind", "access", "deadband", "report", "group"]
        ),
        ANYTHING,
        max_size=5,
    ),
    style=st.sampled_from(["protocol", "one_based", "modicon"]),
    test=st.fixed_dictionaries({}, optional={"name": ANYTHING, "registers": ANYTHING, "expect": ANYTHING}),
)  # fmt: skip
def test_whatever_a_tag_says_the_loader_answers_in_its_own_words(
    tag: dict[str, object], style: str, test: dict[str, object]
) -> None:
    _answers({"tags": {"force": {"address": 1, **tag}}, "addressing": style, "tests": [test]})


@settings(max_examples=300)
@given(
    claim=st.dictionaries(st.sampled_from(["read", "object", "equals", "one_of", "contains"]), ANYTHING),
    read=st.fixed_dictionaries(
        {"address": st.integers(0, 65535)}, optional={"type": ANYTHING, "table": ANYTHING, "length": ANYTHING}
    ),
)
def test_whatever_a_claim_says_the_loader_answers_in_its_own_words(
    claim: dict[str, object], read: dict[str, object]
) -> None:
    _answers({"identify": [claim, {**claim, "read": read}]})


def _answers(changes: dict[str, object]) -> None:
    document = read(PRESS.encode(), Path("press.yaml"))
    assert isinstance(document.value, dict)
    document.value.update(changes)
    section = Section(document, Origin(Path(), Surroundings({}, "box")))

    profile = profile_of(section, kinds(), "")

    assert profile is not None or document.problems
    for problem in document.problems:
        assert not any(word in problem.message for word in JARGON), problem.message


def _load(folder: Path, text: str) -> tuple[Profile | None, tuple[Problem, ...]]:
    path = folder / "press.yaml"
    path.write_text(text)
    return load_profile(path, kinds())


def _first(problems: tuple[Problem, ...]) -> tuple[int, int, str]:
    return problems[0].line, problems[0].column, problems[0].message
