"""Compose the agent from its settings and own its tasks.

    TaskGroup
    ├ buffer     ends the process when the log breaks its own rules
    ├ control    the local socket
    ├ status     state and device documents, every minute and at each change
    ├ uplink     one per destination
    └ devices    one supervised task per device, in it one per group

A stop goes from the source to the sink: devices, last commit, what is left to send, CLOSE, DISCONNECT.
"""

import asyncio
import gc
import random
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import orjson
import structlog

from edge_agent import __version__
from edge_agent.buffer.buffer import Buffer
from edge_agent.config.metadata import device_document
from edge_agent.config.settings import Destination, Device, Gateway, Group
from edge_agent.core import topics
from edge_agent.core.backoff import Backoff
from edge_agent.core.cadence import Cadence
from edge_agent.core.counters import Counters
from edge_agent.core.events import Everything
from edge_agent.core.follow import Follower
from edge_agent.core.metadata import short_name
from edge_agent.core.model import Schema
from edge_agent.core.report import Reporter
from edge_agent.drivers.driver import FollowedDevice, PolledDevice, driver
from edge_agent.errors import DeviceError, EdgeAgentError
from edge_agent.flow.announcements import Announcements, Lives
from edge_agent.flow.identification import identify
from edge_agent.flow.intake import Intake
from edge_agent.flow.poller import Polling, poll
from edge_agent.flow.subscriber import Following, Follows, follow
from edge_agent.flow.uplink import Sending, Uplink, Wording
from edge_agent.mqtt.link import MqttLink
from edge_agent.ops import calling, control, reading, writing
from edge_agent.ops.machine import machine_name
from edge_agent.ports import Link, Message
from edge_agent.supervise import supervise

DEVICES_STOP_S = 2.0
GRACE_S = 5.0  # two satellite round trips of 2 s for the last PUBACKs, one second to close

log = structlog.get_logger("agent")


class App:
    """One running agent. Nothing starts before `run`."""

    def __init__(
        self, gateway: Gateway, *, link: Callable[[Destination, Message], Link] | None = None
    ) -> None:
        self._gateway = gateway
        self._link = link or (lambda destination, will: MqttLink(destination, will=will))
        self._documents = {name: device_document(gateway, each) for name, each in gateway.devices.items()}
        self._announcements = Announcements(gateway, time.time_ns, self._lives, orjson.dumps)
        self._intakes: dict[tuple[str, str], Intake] = {}
        self._pollers: dict[str, PolledDevice] = {}
        self._reach: dict[str, Callable[[], Awaitable[None]]] = {}
        self._connections: dict[str, Callable[[], Mapping[str, object]]] = {}
        self._asked: set[str] = set()
        self._buffer: Buffer | None = None
        self._stop = asyncio.Event()
        self._started = time.monotonic()

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stop.set()

    async def run(self) -> None:
        """Run until stopped. Raises StorageError when the buffer cannot be opened at the start."""
        gateway = self._gateway
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        async with Buffer.open(
            gateway.buffer,
            gateway.destinations,
            machine=machine_name(),
            new_life=lambda: secrets.token_hex(8),
            clock=time.time_ns,
        ) as buffer:
            self._buffer = buffer
            self._announcements.uplinks |= {
                name: self._uplink(each) for name, each in gateway.destinations.items()
            }
            path = control.socket_path(gateway.buffer.path.parent)
            async with control.serve(path, self._answers()):
                log.info(
                    "agent runs",
                    gateway=gateway.id,
                    version=__version__,
                    devices=len(gateway.devices),
                    destinations=list(gateway.destinations),
                )
                # All that lives as long as the agent is there now: a collection need not look at it again.
                gc.collect()
                gc.freeze()
                await self._serve(buffer)
        log.info("agent ended")

    async def _serve(self, buffer: Buffer) -> None:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(buffer.watch(), name="buffer")
            status = group.create_task(self._announcements.repeat(), name="status")
            sending = self._announcements.uplinks
            uplinks = [group.create_task(each.run(), name=f"uplink {name}") for name, each in sending.items()]
            devices = group.create_task(self._devices(buffer), name="devices")
            await self._stop.wait()
            log.info("agent stops")
            devices.cancel()
            await asyncio.wait((devices,), timeout=DEVICES_STOP_S)
            status.cancel()
            await buffer.flush()
            for each in sending.values():
                each.stop()
            if uplinks:
                _, late = await asyncio.wait(uplinks, timeout=GRACE_S)
                for task in late:
                    task.cancel()
            watch.cancel()

    async def _devices(self, buffer: Buffer) -> None:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            protocols = {each.profile.protocol for each in self._gateway.devices.values()}
            drivers = {name: driver(name, control.runtime_folder()) for name in protocols}
            for name, connection in self._gateway.connections.items():
                users = [each for each in self._gateway.devices.values() if each.connection == name]
                if not users:
                    continue
                protocol = drivers[users[0].profile.protocol]
                wire = await stack.enter_async_context(protocol.connect(connection))
                self._connections[name] = partial(protocol.statistics, wire)
                for device in users:
                    poller = protocol.device(wire, device, self._documents[device.name], time.time_ns)
                    self._pollers[device.name] = poller
                    self._reach[device.name] = partial(protocol.reach, wire)
                    run = self._groups(device, poller, buffer)
                    group.create_task(
                        supervise(device.name, run, Backoff(random.uniform)), name=f"device {device.name}"
                    )

    def _groups(self, device: Device, poller: PolledDevice, buffer: Buffer) -> Callable[[], Any]:
        """What runs for a device: one task per group that has anything to say, and who asks what it is."""
        groups = [(group, poller.schemas[name]) for name, group in device.groups.items()]
        if isinstance(poller, FollowedDevice):
            followed = poller
            self._announcements.health[device.name].clock_offset_s = lambda: followed.clock_offset_s
        works = [
            self._following(group, schema, poller, buffer)
            if group.mode != "read" and isinstance(poller, FollowedDevice)
            else self._polling(group, schema, poller, buffer)
            for group, schema in groups
            if schema.columns
        ]

        async def run() -> None:
            async with asyncio.TaskGroup() as tasks:
                for work in works:
                    tasks.create_task(work(), name=f"device {device.name}")
                if works:
                    # Supervised on its own: whatever goes wrong with it, the polls go on.
                    asks = partial(identify, poller, self._announcements.health[device.name])
                    name = f"identity of {device.name}"
                    tasks.create_task(supervise(name, asks, Backoff(random.uniform)), name=name)

        return run

    def _polling(
        self, group: Group, schema: Schema, poller: PolledDevice, buffer: Buffer
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        reporter = Reporter(schema, heartbeat_ns=round(group.heartbeat_s * 1e9))
        intake = self._intakes[schema.stream] = Intake(schema, reporter, buffer.append, buffer.lose)
        at = group.phase(self._gateway.id, schema.device)

        def work() -> Coroutine[Any, Any, None]:
            intake.renew()
            cadence = Cadence(group.interval_s, at)
            health = self._announcements.health[schema.device]
            counters = Counters(schema.columns)
            return poll(Polling(poller, schema, cadence, intake, health, time.time_ns, buffer.life, counters))

        return work

    def _following(
        self, group: Group, schema: Schema, device: FollowedDevice, buffer: Buffer
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        follower: Follows = (
            Everything()
            if schema.events
            else Follower(
                schema,
                heartbeat_ns=round(group.heartbeat_s * 1e9),
                resolution_ns=round(group.time_resolution_s * 1e9),
            )
        )
        intake = self._intakes[schema.stream] = Intake(schema, follower, buffer.append, buffer.lose)
        following = Following(
            device.subscriber(group.name),
            schema,
            follower,
            intake,
            self._announcements.health[schema.device],
            time.time_ns,
            buffer.life,
            partial(buffer.mark, schema.stream),
            buffer.marks.get(schema.stream),
        )
        return partial(follow, following)

    # Where it goes, and what the operator is told

    def _uplink(self, destination: Destination) -> Uplink:
        gateway = self._gateway
        own = {"gateway": gateway.id, **gateway.labels}
        labels = {name: {**own, **each.labels, "device": name} for name, each in gateway.devices.items()}

        def topic(device: str, group: str) -> str:
            # A device that is no longer configured keeps the gateway's labels: its backlog still has a place.
            return topics.expand(
                destination.topic, {**labels.get(device, {**own, "device": device}), "group": group}
            )

        wording = Wording(
            destination.name,
            gateway.id,
            topic,
            self._announcements.topics[destination.name],
            orjson.dumps,
            orjson.loads,
            {name: short_name(document) for name, document in self._documents.items()},
            frozenset(
                (device.name, group.name)
                for device in gateway.devices.values()
                for group in device.groups.values()
                if group.lane == "alarm"
            ),
        )
        will = self._announcements.will(destination.name)
        return Uplink(
            self._link(destination, will),
            self._log,
            wording,
            Sending(
                destination.window_messages,
                destination.window_bytes,
                destination.batch_age_s,
                destination.batch_bytes,
            ),
            Backoff(random.uniform),
            self._announcements,
        )

    @property
    def _log(self) -> Buffer:
        assert self._buffer is not None  # noqa: S101 - set before anything runs
        return self._buffer

    def _lives(self) -> Lives:
        stats = self._log.stats
        return stats.life, stats.previous_life

    def _answers(self) -> Mapping[str, control.Answering]:
        async def status(_request: Mapping[str, Any]) -> Mapping[str, Any]:
            return self.status()

        return {
            "status": control.Answering(status),
            "read": control.Answering(self._read, reading.WITHIN_S),
            "write": control.Answering(self._write, writing.LONGEST_S + reading.WITHIN_S),
            "call": control.Answering(self._call, calling.LONGEST_S + reading.WITHIN_S),
        }

    async def _read(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read a device between its polls for whoever asks; nothing of it enters the log."""
        name, names = request.get("device"), request.get("tags", [])
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise EdgeAgentError('ask with a line like {"do": "read", "device": "meter-1", "tags": []}')
        if not isinstance(name, str) or name not in self._pollers:
            raise EdgeAgentError(f"the running agent has no device '{name}'; was it configured later?")
        if name in self._asked:
            raise EdgeAgentError(f"{name} is being read for somebody else; ask again")
        device = self._gateway.devices[name]
        self._asked.add(name)
        try:
            # Whoever asks has perhaps just switched it on: polls would wait for their next attempt.
            with suppress(DeviceError):  # the reading tells of it
                await self._reach[name]()
            read = await reading.read(
                device, self._pollers[name], names, time.time_ns, self._gateway.digest[:12]
            )
            if request.get("identity") is True and read.failure is None:
                told = await reading.identify(self._pollers[name])
                self._announcements.health[name].identify(told)
                read = read.identified(told)
        except KeyError as error:
            raise EdgeAgentError(f"the running agent has no tag {error} in {name}") from error
        finally:
            self._asked.remove(name)
        return read.document()

    async def _write(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write one value for whoever asks, before all polls."""
        order = writing.Order.of(request)
        return (await writing.written(order, await self._reached(order.device))).document()

    async def _call(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a method for whoever asks."""
        wanted = calling.Request.of(request)
        return (await calling.called(wanted, await self._reached(wanted.device))).document()

    async def _reached(self, name: str) -> PolledDevice:
        """A device that is to do something, over its connection, opened if need be. Raises EdgeAgentError."""
        device = self._pollers.get(name)
        if device is None:
            raise EdgeAgentError(f"the running agent has no device '{name}'; was it configured later?")
        with suppress(DeviceError):  # the result tells of it
            await self._reach[name]()
        return device

    def status(self) -> Mapping[str, Any]:
        """Everything `edge-agent status` shows. Times in ms UTC, sizes in bytes."""
        stats = self._log.stats
        return {
            "gateway": self._gateway.id,
            "version": __version__,
            "config": self._gateway.digest[:12],
            "now": time.time_ns() // 1_000_000,
            "up_s": round(time.monotonic() - self._started, 1),
            "connections": {
                name: {"place": self._gateway.connections[name].place, **statistics()}
                for name, statistics in self._connections.items()
            },
            "devices": {
                name: health.document(self._gateway.id) for name, health in self._announcements.health.items()
            },
            "buffer": {
                "b": stats.life,
                "prev_b": stats.previous_life,
                "bytes": stats.stored_bytes,
                "segments": stats.segments,
                "evicted_segments": stats.evicted,
                "appended": stats.appended,
                "failing": stats.failing,
            },
            "read": {
                "scans": sum(intake.read for intake in self._intakes.values()),
                "unchanged": sum(intake.unchanged for intake in self._intakes.values()),
            },
            "destinations": self._announcements.destinations(),
        }
