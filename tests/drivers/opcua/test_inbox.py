"""The order of notifications at the end of their numbers, and numbers that begin anew."""

from edge_agent.drivers.opcua.inbox import LAST_SEQUENCE, Inbox
from edge_agent.drivers.opcua.notification import Notification

SUBSCRIPTION = 7


def news(sequence: int) -> Notification:
    return Notification(SUBSCRIPTION, sequence, has_news=True)


def sign_of_life(following: int) -> Notification:
    return Notification(SUBSCRIPTION, following)


def inbox_of(*told: Notification, newest: int = 0) -> Inbox:
    inbox = Inbox()
    inbox.newest = newest
    for each in told:
        inbox.take(each)
    return inbox


async def test_number_1_comes_behind_the_last_one() -> None:
    inbox = inbox_of(news(1), news(LAST_SEQUENCE), news(2))

    assert inbox.pop(LAST_SEQUENCE) == news(LAST_SEQUENCE)
    assert inbox.pop(1) == news(1)
    assert inbox.pop(2) == news(2)


async def test_last_number_is_lacking_where_number_1_has_come() -> None:
    assert inbox_of(news(1)).lacks(LAST_SEQUENCE)


async def test_sign_of_life_before_the_numbers_began_again_says_nothing_of_those_that_follow() -> None:
    inbox = inbox_of(sign_of_life(LAST_SEQUENCE))

    assert not inbox.lacks(LAST_SEQUENCE)
    assert not inbox.lacks(1)


async def test_sign_of_life_with_number_0_names_nothing() -> None:
    inbox = inbox_of(sign_of_life(0), newest=5)

    assert not inbox.lacks(6)
    assert not inbox.anew


async def test_numbers_that_begin_anew_are_of_another_subscription() -> None:
    assert inbox_of(news(1), newest=57).anew
    assert inbox_of(sign_of_life(3), newest=57).anew


async def test_notifications_that_change_places_do_not_begin_anew() -> None:
    assert not inbox_of(news(57), news(41), sign_of_life(57)).anew
    assert not inbox_of(news(1), news(LAST_SEQUENCE)).anew
    assert not inbox_of(sign_of_life(1), newest=LAST_SEQUENCE).anew
