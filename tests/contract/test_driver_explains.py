"""Every driver says what it will ask before it asks, and what a device says it is."""

from edge_agent.config.settings import Device
from edge_agent.drivers.driver import driver
from edge_agent.sim.faults import Faults
from tests.contract.test_driver_cancel import ModbusStage, Stage, every_driver


@every_driver
def test_every_tag_comes_of_some_request_of_its_group(stage: ModbusStage) -> None:
    profile = stage.profile
    device = Device("d", profile, "plc", 1, profile.groups, profile.tags)

    asked = driver(profile.protocol).explain(stage.connection, device)

    said = {(each.group, tag) for each in asked for tag in each.tags}
    assert said == {(tag.group, tag.name) for tag in profile.tags}
    assert len({tuple(each.facts) for each in asked}) == 1
    assert all(each.requests_per_s > 0 for each in asked)
    assert all((each.cost_s is None) == (each.share is None) for each in asked)


@every_driver
async def test_device_says_what_it_is(stage: Stage) -> None:
    async with stage.answering() as plc, stage.device(plc.port) as device:
        assert await device.identity() == "edge_agent simulated PLC 1.0"


@every_driver
async def test_device_that_is_absent_says_nothing(stage: Stage) -> None:
    async with stage.answering() as plc, stage.device(plc.port) as device:
        await plc.switch(Faults(refuse=True))

        assert not await device.identity()
