"""The methods of a profile, as a simulated server has them."""

from asyncua import ua

from edge_agent.core.nodes import Method, Spot
from edge_agent.sim.opcua import OpcUaPlc
from tests.sim.test_opcua import PRESS, TAGS, Session

ELSEWHERE = "urn:acme:orders"
START = Method("start", Spot(PRESS, "s=press"), Spot(ELSEWHERE, "i=7"))
STOP = Method("stop", Spot(PRESS, "s=press"), Spot(PRESS, "s=press.stop"))


async def test_methods_of_a_profile_are_where_it_says_and_go_well() -> None:
    plc = OpcUaPlc(TAGS)
    plc.callable = [START, STOP]

    async with plc, Session(plc.endpoint) as session:
        press = ua.NodeId.from_string(f"ns={await session.index(PRESS)};s=press")
        start = ua.NodeId.from_string(f"ns={await session.index(ELSEWHERE)};i=7")
        stop = ua.NodeId.from_string(f"ns={await session.index(PRESS)};s=press.stop")
        orders = [ua.CallMethodRequest(ObjectId=press, MethodId=each) for each in (start, stop, press)]
        results = await session.client.uaclient.call(orders)

    assert [each.StatusCode.is_good() for each in results] == [True, True, False]
