"""What destinations are told of the agent: what is in it, where it goes, and when."""

import json
from pathlib import Path
from typing import Any, cast

from edge_agent.config.settings import BufferSettings, Destination, Device, Gateway, Limits, Profile
from edge_agent.core.claims import Identified, Mismatch
from edge_agent.flow.announcements import Announcements
from edge_agent.flow.uplink import Progress, Uplink
from edge_agent.ports import Message

NOW = 1_700_000_000_000_000_000
PROFILE = Profile("a/b", "1.0.0", "", "modbus", "", {}, (), Limits())
GATEWAY = Gateway(
    "gw17",
    {"site": "here"},
    {},
    {"meter": Device("meter", PROFILE, "plc", 1, {}, ())},
    {"cloud": Destination("cloud", "broker", 8883, "gw17", None, agent_topic="plants/{site}/{gateway}")},
    BufferSettings(Path("buffer")),
    digest="0123456789abcdef",
)


class Posted:
    """Takes what an uplink is given to send."""

    def __init__(self) -> None:
        self.progress = Progress(connected=True, why="", delivered_until_ns=NOW, waiting=3)
        self.messages: list[Message] = []

    def post(self, message: Message) -> None:
        self.messages.append(message)


def made() -> Announcements:
    return Announcements(GATEWAY, lambda: NOW, lambda: ("b2", "b1"), lambda each: json.dumps(each).encode())


def document(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.payload)
    return found


def test_greeting_tells_of_the_agent_and_of_each_device_and_is_retained() -> None:
    agent, meter = made().greeting("cloud")

    assert (agent.topic, agent.retain) == ("plants/here/gw17/state", True)
    assert (meter.topic, meter.retain) == ("plants/here/gw17/device/meter", True)
    told = document(agent)
    assert (told["state"], told["b"], told["prev_b"]) == ("online", "b2", "b1")
    assert told["config"] == "0123456789ab"
    assert document(meter)["state"] == "starting"


def test_destination_is_told_how_all_destinations_are_doing_while_the_agent_is_there() -> None:
    announcements = made()
    announcements.uplinks["cloud"] = cast("Uplink", Posted())

    told, _ = map(document, announcements.greeting("cloud"))

    assert told["destinations"]["cloud"]["delivered_until"] == NOW // 1_000_000
    assert told["destinations"]["cloud"]["waiting"] == 3
    (parting,) = map(document, announcements.farewell("cloud"))
    assert (parting["state"], parting["why"], parting["destinations"]) == ("offline", "stopped", {})


def test_will_says_that_nobody_ended_it() -> None:
    told = document(made().will("cloud"))

    assert (told["state"], told["why"], told["destinations"]) == ("offline", "connection lost", {})


def test_every_destination_is_told_when_a_device_is_another_one() -> None:
    announcements, posted = made(), Posted()
    announcements.uplinks["cloud"] = cast("Uplink", posted)

    announcements.health["meter"].identify(Identified("Acme", Mismatch("vendor", "'Eastron'", "'Acme'")))

    (message,) = posted.messages
    assert document(message)["identity"] == "Acme"
    assert document(message)["mismatch"] == "vendor is 'Acme' instead of 'Eastron'"


def test_every_destination_is_told_when_a_device_changes() -> None:
    announcements, posted = made(), Posted()
    announcements.uplinks["cloud"] = cast("Uplink", posted)

    announcements.health["meter"].note("fast", "down", "timeout")

    (message,) = posted.messages
    assert message.topic == "plants/here/gw17/device/meter"
    assert document(message)["state"] == "down"
