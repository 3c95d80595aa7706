"""Every driver tells how a connection is doing, in numbers of the same names."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge_agent.config.settings import Device
from edge_agent.drivers.driver import Driver, PolledDevice, driver
from edge_agent.errors import DeviceError
from edge_agent.sim.faults import Faults
from tests.contract.test_driver_cancel import PlayedDevice, Stage, every_driver


@every_driver
async def test_connection_that_nobody_has_used_is_not_open(stage: Stage) -> None:
    async with stage.answering() as played, used(stage, played) as (protocol, wire, _):
        assert told(protocol, wire) == {"connected": False, "opened": 0, "failures": {}}


@every_driver
async def test_connection_over_which_a_device_was_read_is_open(stage: Stage) -> None:
    async with stage.answering() as played, used(stage, played) as (protocol, wire, device):
        await device.read("fast")

        assert told(protocol, wire) == {"connected": True, "opened": 1, "failures": {}}


@every_driver
async def test_connection_that_ends_and_comes_back_is_counted(stage: Stage) -> None:
    async with stage.answering() as played, used(stage, played) as (protocol, wire, device):
        await device.read("fast")
        await played.switch(Faults(refuse=True))
        with pytest.raises(DeviceError):
            await device.read("fast")
        assert told(protocol, wire)["connected"] is False

        await played.switch(Faults())
        await protocol.reach(wire)

        assert told(protocol, wire)["opened"] == 2


@every_driver
async def test_connection_that_cannot_be_opened_says_why_until_it_can(stage: Stage) -> None:
    async with stage.answering() as played, used(stage, played) as (protocol, wire, _):
        await played.switch(Faults(refuse=True))
        with pytest.raises(DeviceError):
            await protocol.reach(wire)
        assert protocol.statistics(wire)["why"]

        await played.switch(Faults())
        await protocol.reach(wire)

        assert protocol.statistics(wire)["why"] == ""


@every_driver
async def test_all_of_it_is_json(stage: Stage) -> None:
    async with stage.answering() as played, used(stage, played) as (protocol, wire, device):
        await device.read("fast")

        statistics = protocol.statistics(wire)

        assert json.loads(json.dumps(statistics)) == statistics


def told(protocol: Driver, wire: object) -> Mapping[str, object]:
    """What every driver tells."""
    statistics = protocol.statistics(wire)
    return {name: statistics[name] for name in ("connected", "opened", "failures")}


@asynccontextmanager
async def used(stage: Stage, played: PlayedDevice) -> AsyncIterator[tuple[Driver, Any, PolledDevice]]:
    """A connection with a device behind it."""
    protocol = driver(stage.profile.protocol)
    device = Device("d", stage.profile, "plc", 1, stage.profile.groups, stage.profile.tags)
    async with protocol.connect(stage.at(played.port)) as wire:
        yield protocol, wire, protocol.device(wire, device, b"{}", lambda: 0)
