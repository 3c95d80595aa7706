"""Who reads a device for a person: the agent that runs, over its connection, or this command, when none does.

Many devices take one client only, and two masters on one line spoil each other's answers. So nothing is
opened while an agent with the same buffer runs.
"""

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from edge_agent.buffer.buffer import owner
from edge_agent.config.settings import Connection, Device, Gateway
from edge_agent.drivers.driver import Driver, driver
from edge_agent.errors import EdgeAgentError
from edge_agent.ops import control, logs, reading
from edge_agent.ops.reading import Reading


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


def by_agent(gateway: Gateway, device: Device, names: Collection[str]) -> Reading:
    """The reading of the running agent. Raises EdgeAgentError when it gives none."""
    path = control.socket_path(gateway.buffer.path.parent)
    answer = control.ask(path, "read", within_s=reading.WITHIN_S, device=device.name, tags=list(names))
    return Reading.of(answer)


@asynccontextmanager
async def opened(connection: Connection, protocol: str) -> AsyncIterator[tuple[Driver, Any]]:
    """A connection of our own for as long as the context lasts: its driver and its wire."""
    with logs.silent():
        its = driver(protocol)
        async with its.connect(connection) as wire:
            yield its, wire


async def directly(gateway: Gateway, device: Device, names: Collection[str]) -> Reading:
    """The reading over a connection of our own."""
    async with opened(gateway.connections[device.connection], device.profile.protocol) as (its, wire):
        poller = its.device(wire, device, b"{}", time.time_ns)
        return await reading.read(device, poller, names, time.time_ns, gateway.digest[:12])
