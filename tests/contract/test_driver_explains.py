"""Every driver says what it will ask before it asks: nothing left out, alike for all its requests."""

from edge_agent.config.settings import Device
from edge_agent.drivers.driver import driver
from tests.contract.test_driver_cancel import ModbusStage, every_driver


@every_driver
def test_every_tag_comes_of_some_request_of_its_group(stage: ModbusStage) -> None:
    profile = stage.profile
    device = Device("d", profile, "plc", 1, profile.groups, profile.tags)

    asked = driver(profile.protocol).explain(device)

    said = {(each.group, tag) for each in asked for tag in each.tags}
    assert said == {(tag.group, tag.name) for tag in profile.tags}
    assert len({tuple(each.facts) for each in asked}) == 1
    assert all(each.requests_per_s > 0 for each in asked)
