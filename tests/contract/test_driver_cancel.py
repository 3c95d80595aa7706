"""Every driver can be cancelled at any moment: no task survives, no descriptor leaks, values stay right."""

import asyncio
import atexit
import importlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest
from typing_extensions import override

from edge_agent.config.settings import (
    Connection,
    Device,
    Group,
    Home,
    Limits,
    ModbusConnection,
    NodeLimits,
    OpcUaConnection,
    Profile,
    Security,
    Tag,
)
from edge_agent.core.model import Scan, Value
from edge_agent.core.nodes import Node
from edge_agent.core.registers import Field
from edge_agent.drivers.driver import PolledDevice, driver
from edge_agent.drivers.kinds import kinds
from edge_agent.sim import opcua_security as simulated
from edge_agent.sim.faults import Faults
from edge_agent.sim.modbus import ModbusPlc
from edge_agent.sim.opcua import OpcUaPlc
from edge_agent.sim.truth import Truth

CANCELS = 300
CLIENTS = 10
NOW = 1_760_000_000_000_000_000
GROUPS: Mapping[str, Group] = {"fast": Group("fast", 1.0)}


def shown(tags: Sequence[Tag]) -> tuple[Value, ...]:
    """What a simulated device says of its tags at this moment."""
    truth = Truth(tags)
    return tuple(truth.expected(tag.name, NOW) for tag in tags)


class Stage(Protocol):
    """A simulated device of one connection, how to make it fail, and what it says when it does not.

    `opens_s` is about how long it takes until a device behind it is read for the first time, `openings` how
    often that is interrupted.
    """

    profile: Profile
    expected: tuple[Value, ...]
    opens_s: float
    openings: int

    def answering(self) -> AbstractAsyncContextManager["PlayedDevice"]:
        """A device that answers, until it is told otherwise."""
        ...

    def at(self, port: int) -> Connection:
        """How that device is reached."""
        ...

    def device(self, port: int) -> AbstractAsyncContextManager[PolledDevice]:
        """The driver's view of a device behind a connection of its own."""
        ...


class ModbusStage:
    """Registers of a PLC."""

    tags = tuple(
        Tag(f"t{i}", "fast", "float32", Field(f"t{i}", "holding", 2 * i, "float32")) for i in range(80)
    )
    profile = Profile("a/b", "1.0.0", "", "modbus", "", GROUPS, tags, Limits())
    connection = ModbusConnection("plc", "127.0.0.1", 502)
    expected = shown(tags)
    opens_s = 0.003
    openings = CANCELS

    @asynccontextmanager
    async def answering(self) -> AsyncIterator["PlayedDevice"]:
        async with ModbusPlc(self.tags, clock=lambda: NOW) as plc:
            yield PlayedDevice(plc.port, plc.switch)

    @asynccontextmanager
    async def device(self, port: int) -> AsyncIterator[PolledDevice]:
        modbus = driver("modbus")
        async with modbus.connect(self.at(port)) as wire:
            device = Device("d", self.profile, "plc", 1, GROUPS, self.tags)
            yield modbus.device(wire, device, b"{}", lambda: NOW)

    def at(self, port: int) -> ModbusConnection:
        return ModbusConnection("plc", "127.0.0.1", port, timeout_s=5.0)


class OpcUaStage:
    """Variables of a PLC that is a server."""

    tags = tuple(
        Tag(f"t{i}", "fast", "Float", Node(f"t{i}", "urn:plc", f"s=GVL.t{i}", "Float")) for i in range(80)
    )
    profile = Profile("a/b", "1.0.0", "", "opcua", "", GROUPS, tags, NodeLimits())
    connection = OpcUaConnection("plc", "opc.tcp://127.0.0.1:4840")
    expected = shown(tags)
    opens_s = 0.012
    openings = CANCELS

    @asynccontextmanager
    async def answering(self) -> AsyncIterator["PlayedDevice"]:
        async with OpcUaPlc(self.tags, clock=lambda: NOW) as plc:
            yield PlayedDevice(plc.port, plc.switch)

    @asynccontextmanager
    async def device(self, port: int) -> AsyncIterator[PolledDevice]:
        opcua = driver("opcua")
        async with opcua.connect(self.at(port)) as wire:
            device = Device("d", self.profile, "plc", 1, GROUPS, self.tags)
            yield opcua.device(wire, device, b"{}", lambda: NOW)

    def at(self, port: int) -> OpcUaConnection:
        return OpcUaConnection("plc", f"opc.tcp://127.0.0.1:{port}")


class PlayedDevice:
    """Where it listens, and `switch`, which makes it fail from now on."""

    def __init__(self, port: int, switch: Callable[[Faults], Awaitable[None]]) -> None:
        self.port = port
        self.switch = switch


@asynccontextmanager
async def unreachable() -> AsyncIterator[PlayedDevice]:
    """More connections than fit into its queue: the kernel answers no further ones."""
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for each in (one, two):
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield PlayedDevice(full.getsockname()[1], _ignored)


async def _ignored(_faults: Faults) -> None:
    return


class SecuredStage(OpcUaStage):
    """The same behind an encrypted channel, which takes longer to open."""

    opens_s = 0.1
    openings = 40

    def __init__(self) -> None:
        self._guard = simulated.Security()
        folder = TemporaryDirectory(prefix="secured-stage-")
        atexit.register(folder.cleanup)
        self._home = Home("urn:gw17:edge-agent", "box17", Path(folder.name) / "pki")

    @override
    @asynccontextmanager
    async def answering(self) -> AsyncIterator["PlayedDevice"]:
        async with OpcUaPlc(self.tags, clock=lambda: NOW, security=self._guard) as plc:
            yield PlayedDevice(plc.port, plc.switch)

    @override
    def at(self, port: int) -> OpcUaConnection:
        pins = (self._guard.certificate.fingerprint,)
        security = Security("Basic256Sha256", "sign_and_encrypt", pins=pins)
        return replace(super().at(port), security=security, home=self._home)


STAGES: Mapping[str, Stage] = {
    "modbus": ModbusStage(),
    "opcua": OpcUaStage(),
    "opcua-secured": SecuredStage(),
}
LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]

every_driver = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
every_loop = pytest.mark.parametrize("loop", LOOPS)


def test_every_driver_is_under_this_contract() -> None:
    assert {stage.profile.protocol for stage in STAGES.values()} == set(kinds())


@every_loop
@every_driver
def test_a_cancel_while_connecting_leaves_nothing(stage: Stage, loop: str) -> None:
    async def test() -> None:
        async with unreachable() as played, nothing_left_behind():
            for _ in range(CANCELS):
                async with stage.device(played.port) as device:
                    await cancelled([poll(stage, device)])

    run(loop, test())


@every_loop
@every_driver
def test_a_cancel_while_opening_leaves_nothing(stage: Stage, loop: str) -> None:
    async def test() -> None:
        async with stage.answering() as played, nothing_left_behind():
            for _ in range(stage.openings):
                async with stage.device(played.port) as device:
                    await cancelled([poll(stage, device)], within_s=stage.opens_s)
            async with stage.device(played.port) as device:
                assert right(stage, await device.read("fast"))

    run(loop, test())


@every_loop
@every_driver
def test_a_cancel_of_a_first_read_that_is_never_answered_leaves_nothing(stage: Stage, loop: str) -> None:
    async def test() -> None:
        async with stage.answering() as played:
            await played.switch(Faults(silence=True))
            async with nothing_left_behind():
                for _ in range(CANCELS):
                    async with stage.device(played.port) as device:
                        await cancelled([device.read("fast")])
                await played.switch(Faults())
                async with stage.device(played.port) as device:
                    assert right(stage, await device.read("fast"))

    run(loop, test())


@every_loop
@every_driver
def test_a_cancel_of_clients_that_read_without_pause_leaves_nothing(stage: Stage, loop: str) -> None:
    async def test() -> None:
        async with (
            stage.answering() as played,
            nothing_left_behind(),
            stage.device(played.port) as one,
            stage.device(played.port) as two,
        ):
            for _ in range(CANCELS // CLIENTS):
                await cancelled([poll(stage, device) for device in (one, two) for _ in range(CLIENTS // 2)])

                # The very connections that were interrupted go on, with the right values.
                assert right(stage, await one.read("fast"))
                assert right(stage, await two.read("fast"))

    run(loop, test())


@every_loop
@every_driver
def test_a_cancel_of_some_clients_does_not_disturb_the_others(stage: Stage, loop: str) -> None:
    async def test() -> None:
        async with (
            stage.answering() as played,
            nothing_left_behind(),
            stage.device(played.port) as device,
        ):
            staying = asyncio.create_task(poll(stage, device))
            for _ in range(CANCELS // CLIENTS):
                await cancelled([poll(stage, device) for _ in range(CLIENTS)])
            assert not staying.done()
            await cancelled([staying])

    run(loop, test())


@every_loop
@every_driver
def test_a_cancel_of_who_asks_what_a_device_is_leaves_nothing(stage: Stage, loop: str) -> None:
    async def test() -> None:
        async with (
            stage.answering() as played,
            nothing_left_behind(),
            stage.device(played.port) as device,
        ):
            for _ in range(CANCELS // CLIENTS):
                await cancelled([identify(device) for _ in range(CLIENTS)])
                assert right(stage, await device.read("fast"))

    run(loop, test())


async def poll(stage: Stage, device: PolledDevice) -> None:
    """Read for ever; fails at the first value that is not right."""
    while True:
        assert right(stage, await device.read("fast"))


async def identify(device: PolledDevice) -> None:
    """Ask for ever what it is; fails when it says something else."""
    while True:
        assert (await device.identify()).says in ("edge_agent simulated PLC 1.0", "")


async def cancelled(clients: Sequence[Awaitable[object]], within_s: float = 0.003) -> None:
    """Cancel all of them at some moment within a time; each has to end by it, and soon."""
    tasks = [asyncio.ensure_future(client) for client in clients]
    await asyncio.sleep(random.random() * within_s)  # the moment of the cancel, not a wait
    for task in tasks:
        task.cancel()
    _, alive = await asyncio.wait(tasks, timeout=2)
    assert not alive
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
            raise AssertionError("the cancel was lost")


def right(stage: Stage, scan: Scan) -> bool:
    """The scan has all values of this moment, and all are good."""
    return scan.quality is None and scan.values == stage.expected


@asynccontextmanager
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fails unless tasks and sockets are soon those of the beginning, and no error went unseen."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    tasks, sockets = asyncio.all_tasks(), _sockets()
    yield
    async with asyncio.timeout(5):
        # Also the simulated device needs a few turns to see that its clients have gone.
        while asyncio.all_tasks() - tasks or _sockets() - sockets:  # noqa: ASYNC110 - nobody tells of them
            await asyncio.sleep(0)
    assert told == []


def _sockets() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor that lists this folder
            target = str(entry.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return found


def run(loop: str, test: Coroutine[None, None, None]) -> None:
    factory = importlib.import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(test)
