"""Who reads a device for a person: the agent that runs, over its connection, or this command, when none does.

Many devices take one client only, and two masters on one line spoil each other's answers. So nothing is
opened while an agent with the same buffer runs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from edge_agent.buffer.buffer import owner
from edge_agent.config.settings import Device, Gateway
from edge_agent.drivers.driver import Driver, driver
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import calling, control, logs, reading, writing
from edge_agent.ops.calling import Outcome, Request
from edge_agent.ops.reading import Reading
from edge_agent.ops.writing import Order, Result

T = TypeVar("T")


def runs(gateway: Gateway) -> bool:
    """Whether the agent of this configuration runs.

    Raises EdgeAgentError when one runs, or may run, and cannot be asked.
    """
    try:
        control.ask(control.socket_path(gateway.buffer.path.parent), "status")
    except control.NoAgent as error:
        _refuse_beside(gateway, error)
        return False
    return True


def latency_s(gateway: Gateway, connection: str) -> float | None:
    """What devices behind a connection take to answer, as a running agent has measured it; else None."""
    try:
        told = control.ask(control.socket_path(gateway.buffer.path.parent), "status")
    except EdgeAgentError:
        return None
    latency_ms = told.get("connections", {}).get(connection, {}).get("latency_ms")
    return None if latency_ms is None else float(latency_ms) / 1000


def _refuse_beside(gateway: Gateway, unheard: control.NoAgent) -> None:
    try:
        process = owner(gateway.buffer.path)
    except OSError as error:
        msg = (
            f"whether an agent runs cannot be told: {gateway.buffer.path}: {error.strerror}; "
            "ask as the user of the agent or as one of its group"
        )
        raise EdgeAgentError(msg) from error
    if process is not None:
        msg = (
            f"an agent runs (process {process}), but not with its control socket there: {unheard}; "
            "set RUNTIME_DIRECTORY as its service has it (/run/edge-agent)"
        )
        raise EdgeAgentError(msg)


def by_agent(
    gateway: Gateway, device: Device, names: Collection[str] = (), *, identity: bool = False
) -> Reading:
    """The reading of the running agent. Raises EdgeAgentError when it gives none."""
    path = control.socket_path(gateway.buffer.path.parent)
    asked = {"device": device.name, "tags": list(names), "identity": identity}
    return Reading.of(control.ask(path, "read", within_s=reading.WITHIN_S, **asked))


def written_by_agent(gateway: Gateway, order: Order) -> Result:
    """What came of an order that the running agent carried out. Raises EdgeAgentError."""
    path = control.socket_path(gateway.buffer.path.parent)
    within_s = order.within_s + reading.WITHIN_S
    return Result(**control.ask(path, "write", within_s=within_s, **_asked(order)))


def called_by_agent(gateway: Gateway, request: Request) -> Outcome:
    """What came of a call that the running agent has made. Raises EdgeAgentError."""
    path = control.socket_path(gateway.buffer.path.parent)
    within_s = request.within_s + reading.WITHIN_S
    asked = {
        "device": request.device,
        "method": request.method,
        "arguments": list(request.arguments),
        "take_s": request.within_s,
    }
    return Outcome.of(control.ask(path, "call", within_s=within_s, **asked))


def _asked(order: Order) -> dict[str, object]:
    return {"device": order.device, "column": order.column, "text": order.text, "take_s": order.within_s}


def quietly(asked: Coroutine[None, None, T]) -> T:
    """Run what asks devices; of what goes wrong on the way the command tells, not the log."""
    with logs.silent():
        return asyncio.run(asked)


def differs(gateway: Gateway, read: Reading) -> bool:
    """Whether the agent that read it runs with another configuration."""
    return read.config != _config(gateway)


def _config(gateway: Gateway) -> str:
    return gateway.digest[:12]


@dataclass(frozen=True, slots=True)
class OwnConnection:
    """A connection that this command has opened, while no agent runs."""

    gateway: Gateway
    driver: Driver
    wire: Any

    async def reach(self) -> None:
        """Connect. Raises DeviceError."""
        await self.driver.reach(self.wire)

    async def read(self, device: Device, names: Collection[str] = (), *, identity: bool = False) -> Reading:
        """Read a device that is behind it, and on request what it says it is."""
        poller = self.driver.device(self.wire, device, b"{}", time.time_ns)
        read = await reading.read(device, poller, names, time.time_ns, _config(self.gateway))
        if identity and read.failure is None:
            return read.identified(await reading.identify(poller))
        return read

    async def write(self, device: Device, order: Order) -> Result:
        """Write to a device that is behind it. Raises EdgeAgentError."""
        return await writing.written(order, self.driver.device(self.wire, device, b"{}", time.time_ns))

    async def call(self, device: Device, request: Request) -> Outcome:
        """Call a method of a device that is behind it. Raises EdgeAgentError."""
        return await calling.called(request, self.driver.device(self.wire, device, b"{}", time.time_ns))


@asynccontextmanager
async def opened(gateway: Gateway, device: Device) -> AsyncIterator[OwnConnection]:
    """The connection of a device for as long as the context lasts."""
    its = driver(device.profile.protocol)
    async with its.connect(gateway.connections[device.connection]) as wire:
        yield OwnConnection(gateway, its, wire)


async def directly(gateway: Gateway, device: Device, names: Collection[str]) -> Reading:
    """The reading over a connection of our own."""
    async with opened(gateway, device) as connection:
        return await connection.read(device, names)


async def written_directly(gateway: Gateway, device: Device, order: Order) -> Result:
    """What came of an order over a connection of our own. Raises EdgeAgentError."""
    async with opened(gateway, device) as connection:
        return await connection.write(device, order)


async def called_directly(gateway: Gateway, device: Device, request: Request) -> Outcome:
    """What came of a call over a connection of our own. Raises EdgeAgentError."""
    async with opened(gateway, device) as connection:
        return await connection.call(device, request)
