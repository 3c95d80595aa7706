# ruff: noqa: E501 - a table of mistakes is read one per line
import pickle
from pathlib import Path

import pytest

from edge_agent.config.gateway import Loaded, load
from edge_agent.config.problems import Problem, render
from edge_agent.config.profile import load_profile
from edge_agent.config.settings import Profile
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds

RACK = """\
schema: edge-agent/profile/1
id: acme/rack
version: 1.0.0
protocol: modbus
title: A rack of inputs
params:
  channels: {type: int, default: 3, min: 0, max: 8}
addressing: modicon
defaults: {group: io}
groups: {io: {interval: 1s}}
tags:
  di_{n}: {address: "1{n+1:04}", type: bool, for: {n: "0..{channels-1}"}}
  rest: {address: 40001, type: uint16}
"""
GATEWAY = """\
schema: edge-agent/gateway/1
gateway: {id: gw17}
connections:
  bus: {modbus: {tcp: "10.3.7.20"}}
devices:
  meter-{n}: {for: {n: "1..3"}, profile: eastron/sdm630-v2@1, connection: bus, unit: "{n}", labels: {field: "{n:02}"}}
  last: {profile: eastron/sdm630-v2@1, connection: bus, unit: 9, labels: {text: "{n}"}}
destinations:
  cloud: {mqtt: {url: "mqtts://broker.example"}}
"""


# --- tags -------------------------------------------------------------------------------


def test_a_family_becomes_its_members_where_it_stands(tmp_path: Path) -> None:
    profile = _right(tmp_path, RACK)

    assert [(tag.name, tag.modbus.table, tag.modbus.address) for tag in profile.tags] == [
        ("di_0", "discrete", 0),
        ("di_1", "discrete", 1),
        ("di_2", "discrete", 2),
        ("rest", "holding", 0),
    ]
    assert profile.families == {"di_{n}": ("di_0", "di_1", "di_2")}


def test_several_names_count_each_for_each(tmp_path: Path) -> None:
    text = RACK.replace(
        '  di_{n}: {address: "1{n+1:04}", type: bool, for: {n: "0..{channels-1}"}}',
        '  ch_{bank}_{n}: {address: "1{bank*100+n:04}", type: bool, for: {bank: "1..2", n: "0..1"}}',
    )

    assert [(tag.name, tag.modbus.address) for tag in _right(tmp_path, text).tags[:4]] == [
        ("ch_1_0", 99),
        ("ch_1_1", 100),
        ("ch_2_0", 199),
        ("ch_2_1", 200),
    ]


def test_a_family_that_parameters_make_empty_has_no_members(tmp_path: Path) -> None:
    profile = _right(tmp_path, RACK.replace("default: 3", "default: 0"))

    assert [tag.name for tag in profile.tags] == ["rest"]
    assert profile.families == {"di_{n}": ()}


def test_a_lone_placeholder_becomes_the_number_its_place_wants(tmp_path: Path) -> None:
    text = RACK.replace("modicon", "protocol").replace(
        '{address: "1{n+1:04}", type: bool, for: {n: "0..{channels-1}"}}',
        '{address: "{n+40}", table: holding, type: string, length: "{channels}", pad: ["{n+1}"], enum_else: "{n}", for: {n: "0..1"}}',
    )
    text = text.replace('enum_else: "{n}", ', "").replace(
        "rest: {address: 40001,",
        'rest: {address: 1, unit: "1", table: holding, valid: ["{channels}", 9], bits: {low: "{channels}"},',
    )

    first, second, rest = _right(tmp_path, text).tags

    assert (first.modbus.address, second.modbus.address, second.modbus.length, second.modbus.pad) == (
        40,
        41,
        3,
        (2,),
    )
    assert rest.modbus.valid == (3.0, 9.0)
    assert [bit.shift for bit in rest.modbus.bits] == [3]


def test_a_lone_placeholder_stays_a_text_where_a_text_is_wanted(tmp_path: Path) -> None:
    text = RACK.replace("type: uint16", 'type: uint16, enum: {1: "{channels}"}, enum_else: "{channels}"')

    tag = _right(tmp_path, text).tags[-1]

    assert (tag.enum, tag.enum_else) == ({1: "3"}, "3")


def test_tests_of_a_profile_are_taken_as_they_stand(tmp_path: Path) -> None:
    profile = _right(
        tmp_path,
        RACK + 'tests: [{name: "{x} }", registers: {discrete: {1: 1}}, expect: {di_1: true}}]\n',
    )

    assert profile.tests[0].name == "{x} }"


def test_what_is_wrong_in_a_family_is_told_once(tmp_path: Path) -> None:
    text = RACK.replace("type: bool,", "type: uint16, adress: 4, unit: kWh,").replace(
        "default: 3", "default: 8"
    )

    assert _messages(_load(tmp_path, text)[1]) == [
        (12, 48, "unknown key 'adress' - did you mean 'address'?"),
    ]
    assert _messages(_load(tmp_path, text.replace("adress: 4, ", ""))[1]) == [
        (12, 40, "table discrete has single bits; write type: bool, not uint16"),
        (12, 54, "'kWh' is not a UCUM unit; write kW.h"),
    ]


def test_what_only_some_members_have_wrong_is_told_of_the_first_of_them(tmp_path: Path) -> None:
    text = RACK.replace('"1{n+1:04}"', '"1{n*40000+1:05}"')

    assert _messages(_load(tmp_path, text)[1]) == [
        (12, 21, "'180001' is not a modicon address; write it as printed: \"00001\", 10001, 30001 or 40001")
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"0..{channels-1}"', "5", (12, 55, "5 is not a range; write for example \"0..7\"")),
        ('"0..{channels-1}"', '"7"', (12, 55, "'7' is not a range; write for example \"0..7\"")),
        ('"0..{channels-1}"', '"7..0"', (12, 55, "the range 7..0 has no number in it; the smaller one comes first")),
        ('"0..{channels-1}"', '"0..-1"', (12, 55, "the range 0..-1 has no number in it; the smaller one comes first")),
        ('"0..{channels-1}"', '"0..{channel-1}"', (12, 55, "unknown name 'channel' in a placeholder - did you mean 'channels'?")),
        ('"0..{channels-1}"', '"0..99999"', (12, 46, "with this family the file has more than 10000 entries of families")),
        ('{n: "0..{channels-1}"}', "{}", (12, 46, 'a mapping does not count; write for example for: {n: "0..7"}')),
        ('{n: "0..{channels-1}"}', "3", (12, 46, '3 does not count; write for example for: {n: "0..7"}')),
        ("for: {n:", "for: {1:", (12, 52, "1 cannot be counted with; write a name such as n")),
        ("for: {n:", "for: {channels:", (12, 52, "'channels' is a parameter already; take another name")),
        ("  di_{n}:", "  di:", (12, 3, "every member needs a name of its own, with {n}; write for example di_{n}")),
        ("  di_{n}:", "  di_{n:", (12, 3, "'di_{n': a '{' stands alone; write '{{' for the brace")),
        ("  di_{n}:", "  di_{n*0}:", (12, 3, "'di_0' is made twice; it stands in rack.yaml:12 already")),
        ("  rest:", "  di_{channels-1}:", (13, 3, "'di_2' is made twice; it stands in rack.yaml:12 already")),
        ("  rest:", "  rest_{chnnels}:", (13, 3, "unknown name 'chnnels' in a placeholder - did you mean 'channels'?")),
        ("{n+1:04}", "{m+1:04}", (12, 21, "unknown name 'm' in a placeholder; there are: channels, n (a brace that stands for itself is written {{)")),
        ("type: uint16", "type: uint16, unit: '{cycles}'", (13, 46, "unknown name 'cycles' in a placeholder; there is: channels")),
        ("  di_{n}:", "  di.{n}:", (12, 3, "'di.0' cannot name a tag: the dot stands between a tag and its parts; use '_'")),
    ],
)  # fmt: skip
def test_a_family_is_refused_with(tmp_path: Path, old: str, new: str, problem: tuple[int, int, str]) -> None:
    profile, problems = _load(tmp_path, RACK.replace(old, new))

    assert profile is None
    line, column, message = _messages(problems)[0]
    assert (line, column) == problem[:2]
    assert message.startswith(problem[2])
    assert len(problems) == 1


def test_who_expects_something_of_a_broken_family_is_not_blamed(tmp_path: Path) -> None:
    text = RACK.replace('"0..{channels-1}"', '"7"')

    _, problems = _load(
        tmp_path, text + "tests: [{name: x, registers: {discrete: {1: 1}}, expect: {di_1: true}}]\n"
    )

    assert len(problems) == 1


# --- devices ----------------------------------------------------------------------------


def test_devices_come_in_families_too(tmp_path: Path) -> None:
    gateway = _gateway(tmp_path, GATEWAY).gateway

    assert gateway is not None
    assert [(name, device.unit, dict(device.labels)) for name, device in gateway.devices.items()] == [
        ("meter-1", 1, {"field": "01"}),
        ("meter-2", 2, {"field": "02"}),
        ("meter-3", 3, {"field": "03"}),
        ("last", 9, {"text": "{n}"}),
    ]
    first, second, *_ = gateway.devices.values()
    assert first.tags[0] is second.tags[0]
    assert b"placeholders" not in pickle.dumps(gateway)  # plain numbers and texts, whatever they came from


def test_what_is_wrong_in_a_family_of_devices_is_told_once(tmp_path: Path) -> None:
    loaded = _gateway(tmp_path, GATEWAY.replace('unit: "{n}"', 'unti: "{n}", groups: {fats: {}}'))

    assert _messages(loaded.problems) == [(6, 80, "unknown key 'unti' - did you mean 'unit'?")]


def test_a_family_and_a_device_of_one_name_are_told_with_both_places(tmp_path: Path) -> None:
    loaded = _gateway(tmp_path, GATEWAY.replace("  last:", "  meter-2:"))

    assert _messages(loaded.problems) == [
        (7, 3, "'meter-2' is made twice; it stands in agent.yaml:6 already")
    ]


def test_a_topic_that_lacks_a_label_of_a_family_is_told_once(tmp_path: Path) -> None:
    loaded = _gateway(tmp_path, GATEWAY.replace('example"}', 'example"}, topic: "{line}/{device}/{group}"'))

    assert [message for _, _, message in _messages(loaded.problems)] == [
        "{line} has no value for device 'meter-1' and 3 more; there is: field"
    ]


def test_families_of_several_files_must_not_meet(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.yaml").write_text(
        'schema: edge-agent/gateway/1\ndevices:\n  meter-{k}: {for: {k: "3..5"}, profile: eastron/sdm630-v2@1, connection: bus, unit: "{k}"}\n'
    )

    loaded = _gateway(tmp_path, GATEWAY)

    assert [(each.file.name, each.line, each.column, each.message) for each in loaded.problems] == [
        ("a.yaml", 3, 3, "'meter-3' is defined twice; it stands in agent.yaml:6 already")
    ]


@pytest.mark.parametrize("disable", ['["di_{n}"]', "[di_0, di_1, di_2]"])
def test_a_device_leaves_out_a_family_or_members_of_it(tmp_path: Path, disable: str) -> None:
    _shelved(tmp_path)

    gateway = _gateway(
        tmp_path,
        GATEWAY.replace(
            "sdm630-v2@1, connection: bus, unit: 9",
            f"sdm630-v2@1, connection: bus, unit: 9, disable: {disable}",
        ).replace("  last: {profile: eastron/sdm630-v2@1", "  last: {profile: acme/rack@1"),
    ).gateway

    assert gateway is not None
    assert [tag.name for tag in gateway.devices["last"].tags] == ["rest"]


def test_a_family_that_is_misspelt_is_not_left_out_silently(tmp_path: Path) -> None:
    _shelved(tmp_path)

    loaded = _gateway(
        tmp_path,
        GATEWAY.replace(
            "last: {profile: eastron/sdm630-v2@1,", 'last: {profile: acme/rack@1, disable: ["dj_{n}"],'
        ),
    )

    assert _messages(loaded.problems) == [
        (7, 42, "profile acme/rack has no tag 'dj_{n}' - did you mean 'di_{n}'?")
    ]


def _shelved(folder: Path) -> None:
    vendor = folder / "profiles" / "acme"
    vendor.mkdir(parents=True)
    (vendor / "rack.yaml").write_text(RACK)


def _gateway(folder: Path, text: str) -> Loaded:
    path = folder / "agent.yaml"
    path.write_text(text)
    return load(path, kinds(), surroundings=Surroundings({}, "box7"))


def _load(folder: Path, text: str) -> tuple[Profile | None, tuple[Problem, ...]]:
    path = folder / "rack.yaml"
    path.write_text(text)
    return load_profile(path, kinds())


def _right(folder: Path, text: str) -> Profile:
    profile, problems = _load(folder, text)
    assert profile is not None, render(problems)
    return profile


def _messages(problems: tuple[Problem, ...]) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in problems]
