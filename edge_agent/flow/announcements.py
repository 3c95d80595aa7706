"""What destinations are told of the agent and its devices beside the data: retained documents."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edge_agent import __version__
from edge_agent.config.settings import Gateway
from edge_agent.core import topics
from edge_agent.flow.health import Health
from edge_agent.flow.uplink import Uplink
from edge_agent.ports import Clock, Message

EVERY_S = 60.0

Lives = tuple[str, str | None]
"""The life of the log and the one before it."""


class Announcements:
    """The Presence of an agent. `uplinks` are those of its destinations, to be entered once they are made.

    `lives` is asked whenever it is told; `encode` makes JSON.
    """

    def __init__(
        self, gateway: Gateway, clock: Clock, lives: Callable[[], Lives], encode: Callable[[object], bytes]
    ) -> None:
        self.health = {name: Health(name, clock, self._changed) for name in gateway.devices}
        self.uplinks: dict[str, Uplink] = {}
        self._gateway = gateway
        self._lives = lives
        self._encode = encode
        own = {"gateway": gateway.id, **gateway.labels}
        self.topics = {name: topics.expand(e.agent_topic, own) for name, e in gateway.destinations.items()}
        """Where each destination is told of the agent."""

    def greeting(self, destination: str) -> Iterable[Message]:
        """State of the agent and of every device, as a destination is told after each connect."""
        yield self._agent(destination, "online")
        for health in self.health.values():
            yield self._device(destination, health)

    def farewell(self, destination: str) -> Iterable[Message]:
        """What a destination is told before an orderly end."""
        yield self._agent(destination, "offline", why="stopped")

    def will(self, destination: str) -> Message:
        """What the broker shall tell when the agent has gone without a word."""
        return self._agent(destination, "offline", why="connection lost")

    async def repeat(self) -> None:
        """Tell every destination again, every minute, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            for name, uplink in self.uplinks.items():
                for message in self.greeting(name):
                    uplink.post(message)

    def destinations(self) -> Mapping[str, Any]:
        """How the destinations are doing. Times in ms UTC, sizes in bytes."""
        return {
            name: {
                "connected": uplink.progress.connected,
                "why": uplink.progress.why,
                "delivered_until": _ms(uplink.progress.delivered_until_ns),
                "waiting": uplink.progress.waiting,
                "more": uplink.progress.more,
                "oldest": _ms(uplink.progress.oldest_ns),
                "messages": uplink.progress.messages,
                "scans": uplink.progress.scans,
                "bytes": uplink.progress.bytes,
                "gaps": uplink.progress.gaps,
                "connects": uplink.progress.reconnects,
            }
            for name, uplink in self.uplinks.items()
        }

    def _changed(self, device: str) -> None:
        for name, uplink in self.uplinks.items():
            uplink.post(self._device(name, self.health[device]))

    def _agent(self, destination: str, state: str, *, why: str = "") -> Message:
        life, previous = self._lives()
        document = {
            "v": 1,
            "gw": self._gateway.id,
            "state": state,
            "why": why,
            "b": life,
            "prev_b": previous,
            "version": __version__,
            "config": self._gateway.digest[:12],
            "destinations": {} if state == "offline" else self.destinations(),
        }
        return Message(f"{self.topics[destination]}/state", self._encode(document), retain=True)

    def _device(self, destination: str, health: Health) -> Message:
        topic = f"{self.topics[destination]}/device/{health.device}"
        return Message(topic, self._encode(health.document(self._gateway.id)), retain=True)


def _ms(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // 1_000_000
