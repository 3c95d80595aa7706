# ruff: noqa: E501 - a table of mistakes is read one per line
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.gateway import Loaded, load
from edge_agent.config.problems import render
from edge_agent.config.settings import (
    BufferSettings,
    Destination,
    Gateway,
    Group,
    Login,
    ModbusConnection,
    Tls,
)
from edge_agent.config.shelf import shipped_profiles
from edge_agent.config.syntax import Surroundings
from edge_agent.drivers.kinds import kinds

GATEWAY = """\
schema: edge-agent/gateway/1
gateway: {id: gw17, labels: {site: wob}}
connections:
  plc: {modbus: {tcp: "10.3.7.20:502"}}
devices:
  m1: {profile: eastron/sdm630-v2@1, connection: plc}
destinations:
  cloud: {mqtt: {url: "mqtts://broker.example"}}
"""
PRESS = """\
schema: edge-agent/profile/1
id: acme/press
version: VERSION
protocol: modbus
title: A press
defaults: {table: holding, type: uint16, group: fast}
groups: {fast: {interval: 1s}, slow: {interval: 1min}}
tags: {force: {address: 1}, heat: {address: 2, group: slow}, name: {address: 3, deadband: 1}}
"""


def test_the_smallest_gateway_takes_defaults_for_the_rest(tmp_path: Path) -> None:
    gateway = _right(tmp_path, GATEWAY)

    assert (gateway.id, gateway.labels, gateway.log_level) == ("gw17", {"site": "wob"}, "info")
    assert gateway.connections == {"plc": ModbusConnection("plc", "10.3.7.20", 502)}
    assert gateway.destinations == {
        "cloud": Destination("cloud", "broker.example", 8883, "gw17-cloud", Tls())
    }
    assert gateway.buffer == BufferSettings(Path("/var/lib/edge-agent/buffer"))
    assert (gateway.devices["m1"].unit, list(gateway.devices["m1"].groups)) == (1, ["fast", "energy"])
    assert len(gateway.devices["m1"].tags) == 12


def test_a_gateway_that_does_nothing_is_right(tmp_path: Path) -> None:
    gateway = _right(tmp_path, "schema: edge-agent/gateway/1\ngateway: {id: x}\n")

    assert (gateway.devices, gateway.destinations) == ({}, {})


def test_everything_that_is_written_counts(tmp_path: Path) -> None:
    for name in ("ca.pem", "gw.pem", "gw.key"):
        (tmp_path / name).touch()
    text = GATEWAY.replace(
        '{mqtt: {url: "mqtts://broker.example"}}',
        """
    mqtt: {url: "mqtts://broker.example:9000", version: 5, ca: ca.pem, cert: gw.pem, key: "${file:gw.key}",
           user: {name: gw, password: "${env:PW}"}, keepalive: 1min}
    topic: "{site}/{device}/{group}"
    agent_topic: "{site}/{gateway}"
    payload: {format: json, batch: {max_age: 2s, max_bytes: 32KiB}}
    window: {messages: 10, bytes: 64KiB}
buffer: {path: buf, max_bytes: 1GiB, commit: 100ms, overflow: drop_oldest}
log: {level: debug}""",
    )

    gateway = _right(tmp_path, text, PW="geheim")

    assert gateway.destinations["cloud"] == Destination(
        "cloud",
        "broker.example",
        9000,
        "gw17-cloud",
        Tls(tmp_path / "ca.pem", tmp_path / "gw.pem", tmp_path / "gw.key"),
        Login("gw", "geheim"),
        keepalive_s=60,
        topic="{site}/{device}/{group}",
        agent_topic="{site}/{gateway}",
        batch_age_s=2.0,
        batch_bytes=32768,
        window_messages=10,
        window_bytes=65536,
    )
    assert gateway.buffer == BufferSettings(tmp_path / "buf", max_bytes=1 << 30, commit_s=0.1)
    assert gateway.log_level == "debug"


def test_one_image_serves_many_boxes(tmp_path: Path) -> None:
    gateway = _right(tmp_path, GATEWAY.replace("id: gw17", 'id: "${env:SITE}-${hostname}"'), SITE="wob")

    assert gateway.id == "wob-box7"
    assert gateway.destinations["cloud"].client_id == "wob-box7-cloud"


def test_a_device_changes_groups_and_leaves_out_tags(tmp_path: Path) -> None:
    _profile(tmp_path, "1.0.0")

    gateway = _right(
        tmp_path,
        GATEWAY.replace(
            "eastron/sdm630-v2@1, connection: plc",
            "acme/press@1, connection: plc, unit: 7, disable: [heat], labels: {line: l2},"
            " groups: {fast: {interval: 5s, report: on_change}}",
        ),
    )

    device = gateway.devices["m1"]
    assert device.groups == {"fast": Group("fast", 5.0, report="on_change")}
    assert [tag.name for tag in device.tags] == ["force", "name"]
    assert [tag.address.on_change for tag in device.tags] == [True, True]
    assert [tag.address.on_change for tag in device.profile.tags] == [False, False, True]
    assert (device.unit, device.labels) == (7, {"line": "l2"})


def test_devices_of_a_type_share_their_tags(tmp_path: Path) -> None:
    second = "  m2: {profile: eastron/sdm630-v2@1, connection: plc, unit: 2}\ndestinations"
    gateway = _right(tmp_path, GATEWAY.replace("destinations", second))

    pairs = zip(gateway.devices["m1"].tags, gateway.devices["m2"].tags, strict=True)
    assert all(one is other for one, other in pairs)


def test_files_of_conf_d_add_in_byte_order(tmp_path: Path) -> None:
    _addition(tmp_path, "b.yaml", "devices: {m3: {profile: eastron/sdm630-v2@1, connection: bus}}")
    _addition(tmp_path, "B.yaml", 'connections: {bus: {modbus: {tcp: "10.0.0.1"}}}')
    _addition(tmp_path, "a.yaml", "devices: {m2: {profile: eastron/sdm630-v2@1, connection: bus}}")

    gateway = _right(tmp_path, GATEWAY)

    assert list(gateway.devices) == ["m1", "m2", "m3"]
    assert list(gateway.connections) == ["plc", "bus"]


def test_a_second_definition_shows_both_places(tmp_path: Path) -> None:
    _addition(tmp_path, "a.yaml", "devices:\n  m1: {profile: eastron/sdm630-v2@1, connection: plc}")

    loaded = _load(tmp_path, GATEWAY)

    assert loaded.gateway is None
    assert [(each.file.name, each.line, each.column, each.message) for each in loaded.problems] == [
        ("a.yaml", 3, 3, "'m1' is defined twice; it stands in agent.yaml:6 already")
    ]


def test_files_of_conf_d_have_no_other_keys(tmp_path: Path) -> None:
    _addition(tmp_path, "a.yaml", "log: {level: debug}")

    assert _messages(_load(tmp_path, GATEWAY)) == [
        (2, 1, "unknown key 'log'; there are: schema, connections, devices, destinations")
    ]


@pytest.mark.parametrize(
    ("reference", "version"), [("@1", "1.10.2"), ("@1.2", "1.2.9"), ("@1.2.3", "1.2.3"), ("@2", "2.0.0")]
)
def test_the_newest_fitting_version_is_taken(tmp_path: Path, reference: str, version: str) -> None:
    for each in ("1.2.3", "1.2.9", "1.10.2", "2.0.0"):
        _profile(tmp_path, each, f"press@{each}.yaml")

    gateway = _right(tmp_path, GATEWAY.replace("eastron/sdm630-v2@1", f"acme/press{reference}"))

    assert gateway.devices["m1"].profile.version == version


def test_profiles_beside_the_gateway_come_before_shipped_ones(tmp_path: Path) -> None:
    folder = tmp_path / "profiles" / "eastron"
    folder.mkdir(parents=True)
    text = (shipped_profiles() / "eastron" / "sdm630-v2.yaml").read_text()
    (folder / "sdm630-v2.yaml").write_text(text.replace("version: 1.0.1", "version: 1.0.7"))

    gateway = _right(tmp_path, GATEWAY)

    assert gateway.devices["m1"].profile.version == "1.0.7"


def test_mistakes_of_a_profile_are_told_once_with_the_gateway(tmp_path: Path) -> None:
    _profile(tmp_path, "1.0.0", extra="tests: 5")
    text = GATEWAY.replace("eastron/sdm630-v2@1", "acme/press@1").replace(
        "destinations:", "  m2: {profile: acme/press@1, connection: plc}\ndestinations:"
    )

    loaded = _load(tmp_path, text)

    assert loaded.gateway is None
    assert [(each.file.name, each.line) for each in loaded.problems] == [("press.yaml", 9)]


def test_a_profile_without_a_readable_head_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    _profile(tmp_path, "one")

    loaded = _load(tmp_path, GATEWAY.replace("eastron/sdm630-v2@1", "acme/press@1"))

    assert _messages(loaded) == [(3, 10, "'one' is not a version; write three numbers such as 1.0.0")]


def test_the_digest_follows_every_file(tmp_path: Path) -> None:
    first = _right(tmp_path, GATEWAY).digest
    _addition(tmp_path, "a.yaml", "devices: {}")
    second = _right(tmp_path, GATEWAY).digest
    third = _right(tmp_path, GATEWAY + "# a comment\n").digest

    assert len({first, second, third}) == 3
    assert len(first) == 64


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("id: gw17", "id: gw 17", (2, 15, "'gw 17' cannot be a name; use letters, digits, '.', '_' and '-', at most 64")),
        ("id: gw17", 'id: "${env:NO}"', (2, 15, "environment variable 'NO' is not set")),
        ("id: gw17, ", "", (2, 1, "missing key 'id'")),
        ("gateway: {id: gw17, labels: {site: wob}}\n", "", (1, 1, "missing key 'gateway'")),
        ("site: wob", "device: wob", (2, 30, "'device' cannot name a label: topics use {device} for the device itself")),
        ("site: wob", "site: 3", (2, 36, '3 is not a text; write "3" in quotes')),
        ("modbus:", "modbsu:", (4, 9, "unknown protocol 'modbsu' - did you mean 'modbus'?")),
        ("modbus:", "bacnet: {}, modbus:", (4, 9, "unknown protocol 'bacnet'; there are: modbus, opcua")),
        ('{modbus: {tcp: "10.3.7.20:502"}}', "5", (4, 8, "connection 'plc' has no protocol; write for example modbus: {")),
        ("connection: plc", "connection: plcc", (6, 50, "unknown connection 'plcc' - did you mean 'plc'?")),
        ("connection: plc", "connection: plc, unit: 256", (6, 61, "256 is too large; at most 255")),
        ("sdm630-v2@1", "sdm630@1", (6, 17, "unknown profile 'eastron/sdm630' - did you mean 'eastron/sdm630-v2'?")),
        ("sdm630-v2@1", "sdm630-v2", (6, 17, "profile 'eastron/sdm630-v2' is named without a version; write eastron/sdm630-v2@1 for 1.0.1")),
        ("sdm630-v2@1", "sdm630-v2@3", (6, 17, "profile 'eastron/sdm630-v2' has no version 3; write eastron/sdm630-v2@1 for 1.0.1")),
        ("eastron/sdm630-v2@1", "sdm630", (6, 17, "'sdm630' is not a profile; write vendor/model@1, such as eastron/sdm630-v2@1")),
        ("connection: plc", "connection: plc, groups: {fats: {}}", (6, 64, "profile eastron/sdm630-v2 has no group 'fats' - did you mean 'fast'?")),
        ("connection: plc", "connection: plc, groups: {fast: {phase: 1s}}", (6, 78, "the phase is 1 s; it lies within the interval of 1 s")),
        ("connection: plc", "connection: plc, disable: [freq]", (6, 65, "profile eastron/sdm630-v2 has no tag 'freq' - did you mean 'frequency'?")),
        ('"mqtts:', '"mqtt:', (8, 23, "mqtt:// sends everything unencrypted to broker.example; write mqtts://, or insecure: true beside the url when that is wanted")),
        ('example"}', 'example", insecure: true}', (8, 49, "'insecure' has no effect with mqtts; leave it out")),
        ('"mqtts://broker.example"', '"mqtt://localhost", ca: agent.yaml', (8, 43, "'ca' has no effect with mqtt://; write mqtts:// in the url")),
        ("mqtts://b", "mqtts://u:p@b", (8, 23, "user and password do not belong into the url; write user: {name: ..., password: ...} beside it")),
        ('example"}', 'example", cert: agent.yaml}', (8, 49, "'cert' needs its private key; write key: beside it")),
        ('example"}', 'example", key: agent.yaml}', (8, 49, "'key' needs its certificate; write cert: beside it")),
        ('example"}', 'example", version: 3}', (8, 58, "3 is not supported; write 5 or 3.1.1")),
        ('example"}', 'example", keepalive: 5500ms}', (8, 60, "keepalive is in whole seconds")),
        ('example"}', 'example"}, payload: {format: xml}', (8, 68, "'xml' cannot be used for 'format'; write json")),
        ('example"}', 'example"}, window: {bytes: 1KiB}', (8, 66, "the window of 1024 bytes cannot take one message of 65536 bytes")),
        ('example"}', 'example"}, payload: {batch: {max_bytes: 1MiB}}', (8, 79, "the window of 524288 bytes cannot take one message of 1048576 bytes")),
        ('example"}', 'example"}, topic: "a/{group}"', (8, 57, "{device} is missing; every stream has a topic of its own")),
        ('example"}', 'example"}, agent_topic: "a"', (8, 63, "{gateway} is missing; it names the gateway")),
        ('example"}', 'example"}, topic: "{siet}/{device}/{group}"', (8, 57, "{siet} has no value for device 'm1' - did you mean 'site'?")),
        ('example"}', 'example"}, agent_topic: "{line}/{gateway}"', (8, 63, "{line} has no value; there is: site")),
        ('example"}', 'example"}, topic: "{device}/#/{group}"', (8, 57, "'#' cannot stand in a topic that is published to")),
        ('example"}', 'example"}, topic: "edge/{gateway}/_agent/{device}/{group}"', (8, 57, "m1/fast would get 'edge/gw17/_agent/m1/fast', where the agent's own messages go")),
        ("destinations:", "buffer: {max_bytes: 1MiB}\ndestinations:", (7, 21, "'1MiB' is too small; at least 4194304B")),
        ("destinations:", "buffer: {overflow: thin}\ndestinations:", (7, 20, "'thin' cannot be used for 'overflow'; write drop_oldest")),
        ("destinations:", "log: {level: loud}\ndestinations:", (7, 14, "unknown level 'loud'; there are: debug, info, warning, error")),
        ("destinations:", "log:\ndestinations:", (7, 1, "'log' has no value; write one, or leave it out")),
        ("destinations:", "log: {}\nlog: {}\ndestinations:", (8, 1, "duplicate key 'log'; it stands in line 7 already")),
        ("destinations:", "\tdestinations:", (7, 1, "a tab stands here; YAML is indented with spaces")),
    ],
)  # fmt: skip
def test_a_mistake_has_its_message(tmp_path: Path, old: str, new: str, problem: tuple[int, int, str]) -> None:
    loaded = _load(tmp_path, GATEWAY.replace(old, new))

    assert loaded.gateway is None
    line, column, message = _messages(loaded)[0]
    assert (line, column) == problem[:2]
    assert message.startswith(problem[2])


def test_a_label_that_breaks_a_topic_is_shown_where_it_stands(tmp_path: Path) -> None:
    text = GATEWAY.replace("site: wob", "site: a/b").replace(
        'example"}', 'example"}, topic: "{site}/{device}/{group}"'
    )

    assert _messages(_load(tmp_path, text)) == [
        (2, 36, "'a/b' cannot stand in a topic as {site}: '/' has a meaning of its own in topics")
    ]


def test_a_label_of_a_device_that_breaks_a_topic_is_shown_there(tmp_path: Path) -> None:
    text = GATEWAY.replace("connection: plc}", "connection: plc, labels: {site: a+b}}")
    text = text.replace('example"}', 'example"}, topic: "{site}/{device}/{group}"')

    assert _messages(_load(tmp_path, text)) == [
        (6, 70, "'a+b' cannot stand in a topic as {site}: '+' has a meaning of its own in topics")
    ]


def test_two_streams_on_one_topic_are_refused(tmp_path: Path) -> None:
    text = GATEWAY.replace('example"}', 'example"}, topic: "{device}{group}"').replace(
        "destinations:", "  m1f: {profile: acme/press@1, connection: plc}\ndestinations:"
    )
    _profile(tmp_path, "1.0.0", renamed="ast")

    messages = _messages(_load(tmp_path, text))

    assert messages == [(9, 57, "m1/fast and m1f/ast would share the topic 'm1fast'")]


def test_a_password_in_the_file_is_a_warning_that_does_not_show_it(tmp_path: Path) -> None:
    text = GATEWAY.replace('example"}', 'example", user: {name: a, password: geheim}}')

    loaded = _load(tmp_path, text)

    assert loaded.gateway is not None
    assert [problem.severity for problem in loaded.problems] == ["warning"]
    assert "geheim" not in render(loaded.problems)
    assert "geheim" not in repr(loaded)


def test_unencrypted_is_for_this_machine_or_on_purpose(tmp_path: Path) -> None:
    _right(tmp_path, GATEWAY.replace("mqtts://broker.example", "mqtt://localhost:1883"))
    gateway = _right(
        tmp_path, GATEWAY.replace('mqtts://broker.example"', 'mqtt://broker.example", insecure: true')
    )

    assert gateway.destinations["cloud"].tls is None


def test_a_device_speaks_the_protocol_of_its_connection(tmp_path: Path) -> None:
    modbus = kinds()["modbus"]
    (tmp_path / "agent.yaml").write_text(GATEWAY.replace("{modbus:", "{other:"))

    loaded = load(tmp_path / "agent.yaml", {"modbus": modbus, "other": replace(modbus, name="other")})

    assert _messages(loaded) == [
        (6, 17, "profile eastron/sdm630-v2 speaks modbus, connection 'plc' is other")
    ]


def test_a_connection_has_one_protocol(tmp_path: Path) -> None:
    modbus = kinds()["modbus"]
    (tmp_path / "agent.yaml").write_text(GATEWAY.replace("{modbus:", "{other: {}, modbus:"))

    loaded = load(tmp_path / "agent.yaml", {"modbus": modbus, "other": replace(modbus, name="other")})

    assert (4, 20, "a connection has one protocol; this is the second after 'other'") in _messages(loaded)


def test_a_device_without_any_tag_is_refused(tmp_path: Path) -> None:
    _profile(tmp_path, "1.0.0")
    text = GATEWAY.replace(
        "eastron/sdm630-v2@1, connection: plc", "acme/press@1, connection: plc, disable: [force, heat, name]"
    )

    assert _messages(_load(tmp_path, text)) == [
        (6, 48, "every tag is disabled; leave the device out instead")
    ]


def test_a_label_that_is_missing_says_where_to_write_it(tmp_path: Path) -> None:
    text = GATEWAY.replace(", labels: {site: wob}", "").replace(
        'example"}', 'example"}, agent_topic: "{line}/{gateway}"'
    )

    assert _messages(_load(tmp_path, text)) == [
        (8, 63, "{line} has no value; write it under labels of the gateway")
    ]


def test_a_file_that_is_not_there_is_not_a_problem_of_its_contents(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "agent.yaml", kinds())


LINES = st.lists(
    st.sampled_from(
        [*GATEWAY.splitlines(), "  m1: 5", "  plc:", "gateway: 5", "devices: [a]", "destinations: {a: {mqtt: {url: 5}}}",
         "buffer: {path: on}", "log: [", "  cloud: {mqtt: {url: 'mqtts://a', user: {name: 1, password: 2}}, topic: '{'}"]
    ),
    max_size=12,
).map("\n".join)  # fmt: skip


@settings(max_examples=150)
@given(text=LINES | st.text(max_size=60))
def test_any_file_gives_a_gateway_or_problems(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "agent.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))

    loaded = load(path, kinds(), surroundings=Surroundings({}, "box7"))

    errors = [problem for problem in loaded.problems if problem.severity == "error"]
    assert (loaded.gateway is None) == bool(errors)


def _load(folder: Path, text: str, **environ: str) -> Loaded:
    path = folder / "agent.yaml"
    path.write_text(text)
    return load(path, kinds(), surroundings=Surroundings(environ, "box7"))


def _right(folder: Path, text: str, **environ: str) -> Gateway:
    loaded = _load(folder, text, **environ)
    assert loaded.problems == (), render(loaded.problems)
    assert loaded.gateway is not None
    return loaded.gateway


def _messages(loaded: Loaded) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in loaded.problems]


def _addition(folder: Path, name: str, text: str) -> None:
    (folder / "conf.d").mkdir(exist_ok=True)
    (folder / "conf.d" / name).write_text(f"schema: edge-agent/gateway/1\n{text}\n")


def _profile(
    folder: Path, version: str, name: str = "press.yaml", *, extra: str = "", renamed: str = "fast"
) -> None:
    vendor = folder / "profiles" / "acme"
    vendor.mkdir(parents=True, exist_ok=True)
    (vendor / name).write_text(PRESS.replace("VERSION", version).replace("fast", renamed) + extra)


def test_two_connections_to_one_place_are_refused_with_both_lines(tmp_path: Path) -> None:
    _addition(tmp_path, "a.yaml", 'connections:\n  again: {modbus: {tls: "10.3.7.20:502"}}')

    loaded = _load(tmp_path, GATEWAY)

    message = "'again' leads to 10.3.7.20:502, as 'plc' in agent.yaml:4 does; devices behind one place share one connection"
    assert loaded.gateway is None
    assert [(each.file.name, each.line, each.message) for each in loaded.problems] == [("a.yaml", 3, message)]


def test_the_pace_of_a_device_can_be_its_own(tmp_path: Path) -> None:
    text = GATEWAY.replace("connection: plc}", "connection: plc, timeout: 2s, turnaround: 50ms}")

    device = _right(tmp_path, text).devices["m1"]

    assert (device.timeout_s, device.turnaround_s) == (2.0, 0.05)


def test_tags_that_can_be_left_out_are_named_once(tmp_path: Path) -> None:
    _profile(tmp_path, "1.0.0")
    loaded = _load(tmp_path, GATEWAY.replace("eastron/sdm630-v2@1, connection: plc", "acme/press@1, connection: plc, disable: [x]"))  # fmt: skip

    assert [each.message for each in loaded.problems] == [
        "profile acme/press has no tag 'x'; there are: force, heat, name"
    ]


@pytest.mark.parametrize("key", ["unit: 3", "timeout: 2s", "turnaround: 50ms"])
def test_what_only_modbus_has_is_refused_elsewhere(key: str, tmp_path: Path) -> None:
    loaded = _load(
        tmp_path,
        GATEWAY.replace(
            'plc: {modbus: {tcp: "10.3.7.20:502"}}',
            'plc: {opcua: {endpoint: "opc.tcp://10.3.7.20", security: {policy: None, mode: none}}}',
        ).replace("eastron/sdm630-v2@1, connection: plc", f"siemens/s7-1500-press@1, connection: plc, {key}"),
    )

    errors = [each.message for each in loaded.problems if each.severity == "error"]
    assert errors == [f"'{key.partition(':')[0]}' is for devices that speak Modbus; leave it out"]
