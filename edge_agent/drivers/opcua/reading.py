"""The present values of a group, in as many requests as it takes."""

import asyncio
from collections.abc import Sequence

from asyncua import ua

from edge_agent.config.settings import Device, Group, NodeLimits
from edge_agent.core.model import Scan, bad
from edge_agent.drivers.opcua.answer import Answer, answer_of
from edge_agent.drivers.opcua.columns import Columns, timestamps
from edge_agent.drivers.opcua.session import Session, reading
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock

NO_SUCH_NODE = bad("BadNodeIdUnknown")


def limits_of(device: Device) -> NodeLimits:
    """What the server of a device bears in one call, as its profile says."""
    limits = device.profile.limits
    if not isinstance(limits, NodeLimits):
        raise TypeError("limits of another protocol")
    return limits


async def read(
    session: Session,
    nodes: Sequence[ua.NodeId | None],
    columns: Columns,
    group: Group,
    limits: NodeLimits,
    clock: Clock,
) -> Scan:
    """The present values of a group in as many requests as it takes, the time in the middle of the first.

    Nodes that the server does not have (None) are not asked for. Raises DeviceError.
    """
    loop = asyncio.get_running_loop()
    asked = [node for node in nodes if node is not None]
    middle: list[float] = []

    async def part_of(part: list[ua.NodeId]) -> list[Answer]:
        sent = loop.time()
        read_now = await session.read(reading(part, timestamps(group)))
        middle.append((sent + loop.time()) / 2)
        return [answer_of(each) for each in read_now]

    answers = await session.bears.reads.ask(asked, part_of, _refused, limits.nodes_per_read)
    first = middle[0] if middle else loop.time()
    rest = iter(answers)
    whole = [NO_SUCH_NODE if node is None else next(rest) for node in nodes]
    return columns.whole(whole, clock() - round((loop.time() - first) * 1e9))


def code_of(error: DeviceError) -> int:
    """The status code of a reason."""
    code: int = getattr(ua.StatusCodes, error.reason, ua.StatusCodes.Bad)
    return code


def _refused(error: DeviceError) -> Answer:
    return Answer(0, None, code_of(error))
