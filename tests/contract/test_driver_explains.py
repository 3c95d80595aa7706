"""Every driver says what it will ask before it asks, and what a device says it is."""

import asyncio

from edge_agent.config.settings import Device
from edge_agent.core.claims import Identified
from edge_agent.drivers.driver import driver
from edge_agent.sim.faults import Faults
from tests.contract.test_driver_cancel import ModbusStage, Stage, every_driver, right


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
async def test_device_says_what_it_is_and_without_claims_nothing_is_confirmed(stage: Stage) -> None:
    async with stage.answering() as plc, stage.device(plc.port) as device:
        assert await device.identify() == Identified("edge_agent simulated PLC 1.0")


@every_driver
async def test_device_that_is_absent_says_nothing(stage: Stage) -> None:
    async with stage.answering() as plc, stage.device(plc.port) as device:
        await plc.switch(Faults(refuse=True))

        assert await device.identify() == Identified()


@every_driver
async def test_device_that_is_asked_what_it_is_is_read_right_all_the_while(stage: Stage) -> None:
    async with stage.answering() as plc, stage.device(plc.port) as device:
        told = asyncio.gather(*(device.identify() for _ in range(5)))

        scans = [await device.read("fast") for _ in range(5)]

        assert all(right(stage, scan) for scan in scans)
        assert {each.says for each in await told} == {"edge_agent simulated PLC 1.0"}


@every_driver
async def test_device_that_gives_everything_refuses_nothing(stage: Stage) -> None:
    async with stage.answering() as plc, stage.device(plc.port) as device:
        assert list(device.refused) == []

        await device.read("fast")

        assert list(device.refused) == []
