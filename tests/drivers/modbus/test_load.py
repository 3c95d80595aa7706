"""What `check` says of connections that are asked for too much."""

import time
from pathlib import Path

from edge_agent.config.gateway import Loaded, load
from edge_agent.drivers.kinds import kinds

LINE = "{modbus: {serial: /dev/serial/by-id/usb-FTDI-if00}}"
METER = "profile: eastron/sdm630-v2@1, connection: bus"


def test_a_line_that_is_asked_for_more_than_all_its_time_is_refused(tmp_path: Path) -> None:
    # A character takes 1.1458 ms, a request 13 of them and 9.01 ms of pause. Fast has 24 + 40 bytes of data:
    # for certain 121.1 ms; energy 8 + 4: 61.6 ms. 12 x (0.1211 + 0.0616 / 30) = 1.478. With 10 ms for each
    # answer they are 141.1 and 81.6 ms: 12 x (0.1411 + 0.0816 / 30) = 1.726.
    loaded = checked(tmp_path, f"bus: {LINE}", meters(12))

    message = (
        "connection bus is asked for 1.73 s of every second, 1.48 s even if devices answered at once: "
        "12 devices x fast (2 requests, 141 ms) every 1 s, 12 devices x energy (2 requests, 81.6 ms) every "
        "30 s; make intervals longer, the baudrate higher, or split the line"
    )
    assert said(loaded) == [(4, 3, "error", message)]
    assert loaded.gateway is None


def test_what_an_assumption_makes_too_much_is_a_warning(tmp_path: Path) -> None:
    probably_too_much = checked(tmp_path, f"bus: {LINE}", meters(12, ", groups: {fast: {interval: 1600ms}}"))
    busy = checked(tmp_path, f"bus: {LINE}", meters(12, ", groups: {fast: {interval: 2s}}"))
    bearable = checked(tmp_path, f"bus: {LINE}", meters(12, ", groups: {fast: {interval: 2500ms}}"))

    message = (
        "connection bus is asked for 1.09 s of every second, if an answer takes 10 ms to begin: "
        "12 devices x fast (2 requests, 141 ms) every 1.6 s, 12 devices x energy (2 requests, 81.6 ms) every "
        "30 s; make intervals longer, the baudrate higher, or split the line"
    )
    assert said(probably_too_much) == [(4, 3, "warning", message)]
    assert probably_too_much.gateway is not None
    assert said(busy)[0][3].startswith("connection bus is asked for 0.879 s of every second")
    assert said(bearable) == []


def test_a_group_that_takes_longer_than_its_interval_is_refused_where_that_is_written(tmp_path: Path) -> None:
    loaded = checked(tmp_path, f"bus: {LINE}", meters(2, ", groups: {fast: {interval: 120ms}}"))

    message = (
        "group fast of meter-1 and of 1 device like it is read every 0.12 s and keeps bus busy for 141 ms "
        "(2 requests), for 121 ms even if the device answered at once; make the interval longer"
    )
    assert said(loaded) == [(6, 102, "error", message)]


def test_a_group_of_the_profile_is_refused_at_the_device(tmp_path: Path) -> None:
    loaded = checked(tmp_path, "bus: {modbus: {tcp: '10.3.7.20:502', turnaround: 600ms}}", f"m: {{{METER}}}")

    message = (
        "group fast of m is read every 1 s and keeps bus busy for 1.2 s (2 requests), for 1.2 s even if the "
        "device answered at once; make the interval longer"
    )
    assert said(loaded) == [(6, 3, "error", message)]


def test_what_takes_just_its_time_is_not_refused(tmp_path: Path) -> None:
    devices = f"m: {{{METER}, disable: [energy_import, energy_export, energy_total]}}"

    loaded = checked(tmp_path, "bus: {modbus: {tcp: '10.3.7.20:502', turnaround: 500ms}}", devices)

    assert [severity for _, _, severity, _ in said(loaded)] == ["warning"]


def test_a_pause_of_the_device_counts_in_place_of_the_connections(tmp_path: Path) -> None:
    devices = f"m: {{{METER}, turnaround: 450ms, groups: {{energy: {{interval: 900ms}}}}}}"

    loaded = checked(tmp_path, "bus: {modbus: {tcp: '10.3.7.20:502'}}", devices)

    message = (
        "connection bus is asked for 1.91 s of every second, 1.9 s even if devices answered at once: "
        "m x energy (2 requests, 904 ms) every 0.9 s, m x fast (2 requests, 904 ms) every 1 s; make "
        "intervals longer or use another connection"
    )
    assert said(loaded) == [(4, 3, "error", message)]


def test_requests_under_way_at_a_time_share_the_time(tmp_path: Path) -> None:
    bus = "bus: {modbus: {tcp: '10.3.7.20:502', turnaround: 100ms, max_in_flight: 4}}"

    alone = checked(tmp_path, bus.replace(", max_in_flight: 4", ""), meters(6))
    shared = checked(tmp_path, bus, meters(6))

    assert said(alone)[0][3].startswith("connection bus is asked for 1.27 s of every second, 1.24 s even if")
    assert said(shared) == []


def test_a_line_behind_a_converter_is_told_what_is_assumed_of_it(tmp_path: Path) -> None:
    bus = "bus: {modbus: {tcp: '10.3.7.20:4001', mode: rtu}}"

    loaded = checked(tmp_path, bus, meters(20))

    [(_, _, severity, message)] = said(loaded)
    assert severity == "warning"
    assert message.startswith(
        "connection bus is asked for 1.46 s of every second, if an answer takes 10 ms to begin and the line "
        "behind it has 19200 bit/s: 20 devices x fast"
    )


def test_the_longest_users_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    devices = "\n  ".join(
        f"m{at}: {{{METER}, unit: {at}, groups: {{fast: {{interval: {at * 100 + 100}ms}}}}}}"
        for at in (1, 2, 3, 4)
    )

    loaded = checked(tmp_path, f"bus: {LINE}", devices)

    [(_, _, _, message)] = said(loaded)
    assert message.partition("once: ")[2] == (
        "m1 x fast (2 requests, 141 ms) every 0.2 s, m2 x fast (2 requests, 141 ms) every 0.3 s, m3 x fast "
        "(2 requests, 141 ms) every 0.4 s, and 2 more; make intervals longer, "
        "the baudrate higher, or split the line"
    )


def test_ordinary_networks_are_not_spoken_of(tmp_path: Path) -> None:
    fifty = checked(tmp_path, "bus: {modbus: {tcp: '10.3.7.20:502'}}", meters(50))
    alone = checked(
        tmp_path,
        "\n  ".join(f"bus{at}: {{modbus: {{tcp: '10.3.7.{at}:502'}}}}" for at in range(1, 201)),
        "\n  ".join(f"m{at}: {{{METER}{at}}}" for at in range(1, 201)),
    )

    assert said(fifty) == said(alone) == []


def test_devices_of_a_type_are_planned_once(tmp_path: Path) -> None:
    # Planned one by one, 500 devices with 100 tags would take more than a second of this.
    folder = tmp_path / "profiles" / "acme"
    folder.mkdir(parents=True)
    tags = "".join(f"  t{at}: {{address: {3 * at}}}\n" for at in range(100))
    (folder / "press.yaml").write_text(
        "schema: edge-agent/profile/1\nid: acme/press\nversion: 1.0.0\nprotocol: modbus\ntitle: A press\n"
        "defaults: {table: holding, type: uint16, group: fast}\ngroups: {fast: {interval: 1s}}\ntags:\n"
        + tags
    )
    loaded = checked(
        tmp_path,
        "\n  ".join(f"bus{at}: {{modbus: {{tcp: '10.3.7.20:{at}'}}}}" for at in range(1, 501)),
        "\n  ".join(f"m{at}: {{profile: acme/press@1, connection: bus{at}}}" for at in range(1, 501)),
    )
    assert loaded.gateway is not None
    gateway = loaded.gateway

    began = time.process_time()
    found = kinds()["modbus"].overloads(gateway.connections, list(gateway.devices.values()))

    assert list(found) == []
    assert time.process_time() - began < 0.5  # measured 0.02 s


def test_what_could_not_be_made_is_not_judged(tmp_path: Path) -> None:
    bus = "bus: {modbus: {tcp: 5}}\n  plc: {opcua: {endpoint: 5}}"

    loaded = checked(tmp_path, bus, f"m: {{{METER}}}\n  n: {{{METER.replace('bus', 'plc')}}}")

    assert {severity for _, _, severity, _ in said(loaded)} == {"error"}
    assert not [text for _, _, _, text in said(loaded) if "is asked" in text]


def meters(count: int, more: str = "") -> str:
    return f"meter-{{n}}: {{{METER}, unit: '{{n}}', for: {{n: '1..{count}'}}{more}}}"


def checked(folder: Path, connections: str, devices: str) -> Loaded:
    """The configuration with these entries, the first connection in line 4."""
    path = folder / "agent.yaml"
    path.write_text(
        "schema: edge-agent/gateway/1\ngateway: {id: gw17}\n"
        f"connections:\n  {connections}\ndevices:\n  {devices}\n"
    )
    return load(path, kinds())


def said(loaded: Loaded) -> list[tuple[int, int, str, str]]:
    return [(each.line, each.column, each.severity, each.message) for each in loaded.problems]
