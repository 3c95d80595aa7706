"""Where nodes are in a session: by their ids, by paths, and again when a server has changed."""

from dataclasses import replace
from typing import Any

import pytest
from asyncua import ua

from edge_agent.core.nodes import Place, Step
from edge_agent.drivers.opcua.places import LOOK_S, Places, located
from edge_agent.drivers.opcua.resolve import node_id
from tests.drivers.opcua.fake_server import OBJECTS, STANDARD, FakeServer

MAKE: Any = ua  # which has types of its own for texts and numbers
LINE, SPEED = node_id("Line1", 2), node_id("Speed", 2)
PATH = Place("", "i=85", (Step("urn:plc", "Line1"), Step("urn:plc", "Speed")))
BELOW = {(OBJECTS, "2:Line1"): [LINE], (LINE, "2:Speed"): [SPEED]}


async def test_a_path_leads_from_the_objects_to_a_node() -> None:
    assert await located(FakeServer(below=BELOW), [PATH]) == [SPEED]


async def test_a_path_may_begin_at_another_node() -> None:
    place = Place("urn:plc", "s=Line1", (Step("urn:plc", "Speed"),))

    assert await located(FakeServer(below=BELOW), [place]) == [SPEED]


async def test_a_path_to_nowhere_is_bad_by_the_word_of_the_server_and_harms_no_other() -> None:
    nowhere = replace(PATH, path=(Step("urn:plc", "Line2"),))

    assert await located(FakeServer(below=BELOW), [nowhere, PATH]) == ["bad:BadNoMatch", SPEED]


async def test_a_path_through_a_namespace_that_is_not_there_leads_nowhere() -> None:
    assert await located(FakeServer(below=BELOW), [Place("", "i=85", (Step("urn:x", "a"),))]) == [
        "bad:BadNoMatch"
    ]


async def test_a_start_in_a_namespace_that_is_not_there_is_no_node() -> None:
    assert await located(FakeServer(), [Place("urn:x", "i=1", PATH.path), Place("urn:x", "i=1")]) == [
        "bad:BadNodeIdUnknown",
        "bad:BadNodeIdUnknown",
    ]


async def test_a_path_with_two_ends_is_neither() -> None:
    server = FakeServer(below={**BELOW, (LINE, "2:Speed"): [SPEED, node_id("Other", 2)]})

    assert await located(server, [PATH]) == ["bad:BadTooManyMatches"]


async def test_an_end_that_is_told_twice_is_one() -> None:
    twice = [SPEED, MAKE.ExpandedNodeId("Speed", 0, NamespaceUri="urn:plc")]

    assert await located(FakeServer(below={**BELOW, (LINE, "2:Speed"): twice}), [PATH]) == [SPEED]


async def test_an_end_in_another_server_is_none() -> None:
    far = MAKE.ExpandedNodeId("Speed", 2, ServerIndex=1)

    assert await located(FakeServer(below={**BELOW, (LINE, "2:Speed"): [far]}), [PATH]) == ["bad:BadNoMatch"]


@pytest.mark.parametrize(
    ("limit", "bears", "calls"), [(10, 1000, [10, 10, 5]), (0, 7, [25, 12, 6, 6, 6, 6, 1])]
)
async def test_paths_are_asked_for_as_many_at_a_time_as_the_server_bears(
    limit: int, bears: int, calls: list[int]
) -> None:
    server = FakeServer(below=BELOW, limit=limit, bears=bears)

    assert await located(server, [PATH] * 25) == [SPEED] * 25
    assert server.asked == calls


async def test_places_are_looked_for_once_in_a_session() -> None:
    server, places = FakeServer(below=BELOW), Places([PATH])

    assert await places.find(server) == await places.find(server) == [SPEED]
    assert server.asked == [1]
    assert places.ends == (str(SPEED),)


async def test_what_appears_late_is_found_when_it_is_looked_for_again() -> None:
    server, places = FakeServer(), Places([PATH, Place("urn:late", "i=7")])
    assert await places.find(server) == ["bad:BadNoMatch", "bad:BadNodeIdUnknown"]

    server.below, server.become = BELOW, (*server.namespaces, "urn:late")
    assert await places.find(server) == ["bad:BadNoMatch", "bad:BadNodeIdUnknown"]  # not before its time
    assert await places.find(server, again=True) == [SPEED, node_id(7, 3)]


async def test_another_session_is_looked_through_anew() -> None:
    places = Places([Place("urn:plc", "i=7")])

    assert await places.find(FakeServer()) == [node_id(7, 2)]
    assert await places.find(FakeServer(namespaces=(STANDARD, "urn:plc"))) == [node_id(7, 1)]


async def test_namespaces_that_move_within_a_session_are_noticed_in_time() -> None:
    server, places = FakeServer(), Places([Place("urn:plc", "i=7")])
    await places.find(server)
    server.become = (STANDARD, "urn:server", "urn:other", "urn:plc")

    assert not await places.moved(server)  # it is not time yet
    places.look_at -= LOOK_S
    assert await places.moved(server)
    assert await places.find(server) == [node_id(7, 3)]


async def test_namespaces_that_somebody_else_has_seen_move_are_noticed_at_once() -> None:
    server, places = FakeServer(), Places([Place("urn:plc", "i=7")])
    await places.find(server)
    server.namespaces = (STANDARD, "urn:server", "urn:other", "urn:plc")

    assert await places.find(server) == [node_id(7, 3)]
    assert await places.moved(server)
    assert not await places.moved(server)


async def test_what_was_there_before_moves_too_when_something_appears() -> None:
    server, places = FakeServer(), Places([Place("urn:plc", "i=7"), Place("urn:late", "i=8")])
    await places.find(server)
    server.become = (STANDARD, "urn:server", "urn:late", "urn:plc")

    # Never a moment with the index of before, which is another namespace's now.
    assert await places.find(server, again=True) == [node_id(7, 3), node_id(8, 2)]
    assert await places.moved(server)
    assert not await places.moved(server)


async def test_the_end_of_a_path_that_moves_is_noticed_in_time() -> None:
    server, places = FakeServer(below=BELOW), Places([PATH])
    await places.find(server)
    places.look_at -= LOOK_S
    assert not await places.moved(server)

    server.below = {**BELOW, (LINE, "2:Speed"): [node_id("New", 2)]}
    places.look_at -= LOOK_S
    assert await places.moved(server)
    assert await places.find(server) == [node_id("New", 2)]


async def test_a_node_that_goes_has_not_moved() -> None:
    server, places = FakeServer(below=BELOW), Places([PATH])
    await places.find(server)
    server.below = {}
    places.look_at -= LOOK_S

    assert not await places.moved(server)
    assert await places.find(server) == [SPEED]


async def test_nothing_has_moved_in_a_session_that_nobody_has_looked_through() -> None:
    assert not await Places([PATH]).moved(FakeServer())
