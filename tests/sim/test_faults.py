import pytest

from edge_agent.sim.faults import FOR_ALL, FOR_MODBUS, FOR_OPCUA, Faults, seconds, switched

FRAME = bytes.fromhex("000700000007 01 03 04 0001 0002")
BITS = bytes.fromhex("000700000005 01 01 02 ffff")
REFUSED = bytes.fromhex("000700000003 01 83 02")


def test_without_a_fault_a_frame_leaves_as_it_is() -> None:
    assert Faults().spoil(FRAME) == FRAME


def test_silence_leaves_nothing() -> None:
    assert Faults(silence=True).spoil(FRAME) is None


@pytest.mark.parametrize(
    ("frame", "spoiled"),
    [
        (FRAME, "000700000005 01 03 02 0001"),
        (BITS, "000700000004 01 01 01 ff"),
        (REFUSED, "000700000003 01 83 02"),
    ],
)
def test_short_takes_one_register_or_byte_away(frame: bytes, spoiled: str) -> None:
    assert Faults(short=True).spoil(frame) == bytes.fromhex(spoiled)


@pytest.mark.parametrize("frame", [FRAME, REFUSED])
def test_an_exception_takes_the_place_of_any_answer(frame: bytes) -> None:
    assert Faults(exception=6).spoil(frame) == bytes.fromhex("000700000003 01 83 06")


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ("silence on", Faults(silence=True, exception=1)),
        ("refuse on\n", Faults(refuse=True, exception=1)),
        ("slow 200ms", Faults(slow_s=0.2, exception=1)),
        ("slow off", Faults(exception=1)),
        ("short  on", Faults(short=True, exception=1)),
        ("short off", Faults(exception=1)),
        ("exception 2", Faults(exception=2)),
        ("exception off", Faults()),
    ],
)
def test_a_command_switches_one_fault(command: str, faults: Faults) -> None:
    assert switched(Faults(exception=1), command, FOR_ALL + FOR_MODBUS) == faults


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ("frozen on", Faults(frozen=True, bad=frozenset("a"))),
        ("missing a", Faults(missing=frozenset("a"), bad=frozenset("a"))),
        ("missing a, b", Faults(missing=frozenset("ab"), bad=frozenset("a"))),
        ("missing off", Faults(bad=frozenset("a"))),
        ("bad b,c", Faults(bad=frozenset("bc"))),
        ("bad off", Faults()),
        ("slow 1s", Faults(slow_s=1.0, bad=frozenset("a"))),
    ],
)
def test_a_command_of_opcua_switches_one_fault(command: str, faults: Faults) -> None:
    assert switched(Faults(bad=frozenset("a")), command, FOR_ALL + FOR_OPCUA) == faults


@pytest.mark.parametrize("command", ["short on", "exception 2", "missing", "bad", "cut now", "restart off"])
def test_a_command_of_another_protocol_or_without_sense_is_refused(command: str) -> None:
    with pytest.raises(ValueError, match=r"known are: silence .* frozen on\|off, .* cut, restart, quit"):
        switched(Faults(), command, FOR_ALL + FOR_OPCUA)


@pytest.mark.parametrize("command", ["", "silence", "silence maybe", "exception 0", "exception x", "burn on"])
def test_an_unknown_command_says_what_is_known(command: str) -> None:
    with pytest.raises(ValueError, match="known are: silence on"):
        switched(Faults(), command, FOR_ALL + FOR_MODBUS)


@pytest.mark.parametrize(("text", "value"), [("200ms", 0.2), ("1.5s", 1.5), ("0s", 0.0)])
def test_a_duration_has_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["200", "fast", "-1s", "1 s"])
def test_a_duration_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 200ms"):
        seconds(text)
