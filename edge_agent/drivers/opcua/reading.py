"""The present values of a group, in as many requests as it takes."""

import asyncio
from collections.abc import Sequence
from functools import reduce
from operator import or_

from asyncua import ua

from edge_agent.config.settings import Device, Group, NodeLimits
from edge_agent.core.model import Scan
from edge_agent.drivers.opcua.answer import Answer, answer_of
from edge_agent.drivers.opcua.columns import Columns, timestamps
from edge_agent.drivers.opcua.questions import Questions
from edge_agent.drivers.opcua.session import Session, reading_of
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock


def limits_of(device: Device) -> NodeLimits:
    """What the server of a device bears in one call, as its profile says."""
    limits = device.profile.limits
    if not isinstance(limits, NodeLimits):
        raise TypeError("limits of another protocol")
    return limits


async def read(
    session: Session,
    nodes: Sequence[ua.NodeId | str],
    columns: Columns,
    group: Group,
    limits: NodeLimits,
    clock: Clock,
) -> tuple[Scan, int]:
    """The present values of a group in as many requests as it takes, the time in the middle of the first.

    Beside them the bits of all status codes. What has a text instead of a node is not asked for; that is its
    quality. Raises DeviceError.
    """
    loop = asyncio.get_running_loop()
    asked = [
        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value, IndexRange=each.place.range or None)
        for node, each in zip(nodes, columns.asked, strict=True)
        if not isinstance(node, str)
    ]
    middle: list[float] = []

    async def part_of(part: list[ua.ReadValueId]) -> list[Answer]:
        sent = loop.time()
        read_now = await session.read(reading_of(part, timestamps(group)))
        middle.append((sent + loop.time()) / 2)
        return [answer_of(each) for each in read_now]

    answers = await session.bears.reads.ask(asked, part_of, _refused, limits.nodes_per_read)
    first = middle[0] if middle else loop.time()
    rest = iter(answers)
    whole = [node if isinstance(node, str) else next(rest) for node in nodes]
    scan = columns.whole(whole, clock() - round((loop.time() - first) * 1e9))
    if columns.structures.wanted:
        await columns.structures.learn(Questions(session))
        scan = columns.whole(whole, clock() - round((loop.time() - first) * 1e9))
    return scan, reduce(or_, (answer.status for answer in answers), 0)


def code_of(error: DeviceError) -> int:
    """The status code of a reason."""
    code: int = getattr(ua.StatusCodes, error.reason, ua.StatusCodes.Bad)
    return code


def _refused(error: DeviceError) -> Answer:
    return Answer(0, None, code_of(error))
