"""Who applies a deadband: the server, or we, and never both against different values."""

from asyncua import ua

from edge_agent.config.settings import Group, Tag
from edge_agent.core.model import Schema
from edge_agent.core.nodes import Node
from edge_agent.drivers.opcua.answer import Answer
from edge_agent.drivers.opcua.columns import Columns, column
from edge_agent.drivers.opcua.filters import Filters
from edge_agent.drivers.opcua.meanings import Meanings


def tag(name: str, *, deadband: float = 0.0, percent: float = 0.0, field: tuple[str, ...] = ()) -> Tag:
    node = Node(
        name, "", f"s={name}", "Double", deadband=deadband, on_change=True, percent=percent, field=field
    )
    return Tag(name, "fast", "Double", node, deadband=deadband, percent=percent)


TAGS = (
    tag("plain"),
    tag("absolute", deadband=0.5),
    tag("share", percent=2.0),
    tag("part", deadband=1.0, field=("a",)),
)
RANGES = {2: (0.0, 200.0)}


def test_a_server_is_asked_for_what_the_tag_says() -> None:
    filters, _ = made(RANGES)

    assert filters.filter_of(0) is None
    assert filters.filter_of(1) == asked(ua.DeadbandType.Absolute, 0.5)
    assert filters.filter_of(2) == asked(ua.DeadbandType.Percent, 2.0)
    assert filters.filter_of(3) is None  # what a structure has is no number


def test_a_share_of_an_unknown_range_is_not_asked_for() -> None:
    assert made({})[0].filter_of(2) is None


def test_a_profile_can_forbid_to_ask() -> None:
    assert made(RANGES, allowed=False)[0].filter_of(1) is None


def test_a_filter_that_is_refused_is_not_asked_for_again() -> None:
    filters, _ = made(RANGES)

    assert filters.refused(1, "BadFilterNotAllowed")
    assert filters.filter_of(1) is None
    assert not filters.refused(1, "BadFilterNotAllowed")  # now it is the item


def test_another_refusal_is_about_the_item() -> None:
    assert not made(RANGES)[0].refused(1, "BadNodeIdUnknown")


def test_until_a_server_has_told_its_first_value_every_value_counts() -> None:
    filters, columns = made(RANGES)
    filters.begin()
    assert deadbands(columns) == [0.0, 0.5, 4.0, 1.0]

    filters.made(1)
    filters.made(2)
    assert deadbands(columns) == [0.0, 0.0, 0.0, 1.0]

    filters.heard([1])
    assert filters.waits
    filters.heard([2, 0])
    assert not filters.waits
    assert deadbands(columns) == [0.0, 0.5, 4.0, 1.0]


def test_what_a_server_does_not_filter_is_left_out_here_at_once() -> None:
    filters, columns = made(RANGES)
    filters.refused(1, "BadMonitoredItemFilterUnsupported")

    filters.made(1)

    assert deadbands(columns)[1] == 0.5


def test_a_subscription_that_goes_on_compares_with_what_nobody_knows_any_more() -> None:
    filters, columns = made(RANGES)

    filters.taken_over()

    assert deadbands(columns) == [0.0, 0.0, 0.0, 1.0]


def made(ranges: dict[int, tuple[float, float]], *, allowed: bool = True) -> tuple[Filters, Columns]:
    schema = Schema("d", "fast", tuple(column(each.opcua) for each in TAGS), b"{}", "0")
    columns, meanings = Columns(schema, TAGS, Group("fast", 1.0)), Meanings("d", TAGS)
    meanings.ranges = ranges
    return Filters(TAGS, columns, meanings, allowed=allowed), columns


def deadbands(columns: Columns) -> list[float]:
    scan = columns.whole([Answer(0, None)] * 4, 1)
    return [each.deadband for each in scan.schema.columns]


def asked(kind: ua.DeadbandType, value: float) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.UInt32(kind), value)
