"""What is measured, under which load, and the figures that come of it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many devices with so many float32 tags each, all read once per interval, or told by the server."""

    name: str
    devices: int
    tags: int
    interval_s: float
    protocol: Literal["modbus", "opcua"] = "modbus"


SCENARIOS = (
    Scenario("50x100", 50, 100, 1.0),
    Scenario("500x100", 500, 100, 1.0),
    Scenario("opcua-1000-1Hz", 1, 1000, 1.0, "opcua"),
    Scenario("opcua-5000-1Hz", 1, 5000, 1.0, "opcua"),
    Scenario("opcua-10000-1Hz", 1, 10000, 1.0, "opcua"),
    Scenario("opcua-1000-10Hz", 1, 1000, 0.1, "opcua"),
    Scenario("opcua-5000-10Hz", 1, 5000, 0.1, "opcua"),
)


@dataclass(frozen=True, slots=True)
class Received:
    """What reached a subscriber of the broker in the window.

    Scans are counted once each by stream and number: `repeated` came again, `missing` are holes between the
    first and the last number of a stream. `not_good` values travelled with a quality instead of good.
    """

    messages: int
    payload_bytes: int
    values: int
    not_good: int
    repeated: int
    missing: int


@dataclass(frozen=True, slots=True)
class Requests:
    """What reached the simulator in the window.

    Jitter is | time between two requests of one address of one device - interval |, in ms.
    """

    count: int
    jitter_p50_ms: float
    jitter_p99_ms: float
    jitter_max_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One subject in one window: CPU of all its threads, user and system; its highest RSS since start."""

    subject: str
    seconds: float
    cpu_s: float
    peak_rss_mb: float
    received: Received
    requests: Requests

    @property
    def values_per_s(self) -> float:
        """Values delivered per second."""
        return self.received.values / self.seconds

    @property
    def messages_per_s(self) -> float:
        """Data messages delivered per second."""
        return self.received.messages / self.seconds

    @property
    def bytes_per_value(self) -> float:
        """Payload bytes per delivered value."""
        return self.received.payload_bytes / max(self.received.values, 1)

    @property
    def cpu_s_per_million(self) -> float:
        """CPU seconds per million delivered values."""
        return self.cpu_s * 1e6 / max(self.received.values, 1)

    @property
    def requests_per_s(self) -> float:
        """Modbus requests per second."""
        return self.requests.count / self.seconds
