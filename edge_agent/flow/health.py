"""How a device is doing: one event per change of state, and the document that tells the cloud."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

import structlog

from edge_agent.core.claims import Identified
from edge_agent.core.model import Scan, Schema, bad
from edge_agent.errors import DeviceError
from edge_agent.ports import Clock

State = Literal["starting", "ok", "failing", "down"]
"""ok: every request was answered; failing: some were not; down: none was."""

log = structlog.get_logger("device")


FAILED = ("bad:exception", "bad:timeout", "bad:short", "bad:Bad")
"""Qualities that a device gives what it was asked for; others say something of the process."""


AWAY = (
    *("disconnected", "unit_open", "BadSession", "BadSecureChannel", "BadCertificate", "BadSecurity"),
    *("BadApplicationSignature", "BadIdentityToken", "BadTooManySessions", "BadServerHalted", "BadShutdown"),
)
"""How reasons begin that hold for all groups of a device, also for those that are not due for a while."""


def trouble(qualities: Sequence[str]) -> str:
    """The first of some qualities that says the device did not give what it was asked for; else empty."""
    return next((quality for quality in qualities if quality.startswith(FAILED)), "")


def unanswered(schema: Schema, error: DeviceError, now_ns: int) -> Scan:
    """The scan that says so when a device did not answer."""
    count = len(schema.columns)
    return Scan(schema, now_ns, (None,) * count, (bad(error.reason),) * count)


class Health:
    """The state of one device over all its groups; `changed` is called after each change."""

    def __init__(self, device: str, clock: Clock, changed: Callable[[str], None]) -> None:
        self.device = device
        self.state: State = "starting"
        self.since_ns = clock()
        self.last_good_ns: int | None = None
        self.why = ""
        self.identified = Identified()
        self.refused: Sequence[str] = ()
        self.clock_offset_s: Callable[[], float | None] = lambda: None
        self._appeared = asyncio.Event()
        self._clock = clock
        self._changed = changed
        self._groups: dict[str, tuple[State, str]] = {}
        self._away = ""

    def note(self, group: str, state: State, why: str = "") -> bool:
        """Enter how a group was read just now; true when that group came back from being down."""
        before = self._groups.get(group, ("starting", ""))[0]
        self._groups[group] = (state, why)
        self._away = why if state == "down" and why.startswith(AWAY) else ""
        now_ns = self._clock()
        if state == "ok":
            self.last_good_ns = now_ns
        overall = self._overall()
        if overall != self.state:
            first = next((w for s, w in self._groups.values() if s != "ok" and not w.startswith(AWAY)), "")
            self._change(overall, self._away or first, now_ns)
        return before == "down" and state != "down"

    async def appeared(self) -> None:
        """Wait until it has first answered, or is back after being down: it may be another one now."""
        await self._appeared.wait()
        self._appeared.clear()

    def identify(self, told: Identified) -> None:
        """Enter what it has said it is."""
        before, self.identified = self.identified, told
        if told == before:
            return
        if told.mismatch is not None and told.mismatch != before.mismatch:
            log.warning(
                "device is another one",
                device=self.device,
                place=told.mismatch.place,
                expected=told.mismatch.expected,
                found=told.mismatch.found,
            )
        elif told.confirmed and before.mismatch is not None:
            log.info("device is the right one again", device=self.device)
        self._changed(self.device)

    def refuse(self, tags: Sequence[str]) -> None:
        """Enter which tags the device is known not to give."""
        if tags != self.refused:
            self.refused = tags
            self._changed(self.device)

    def document(self, gateway: str) -> dict[str, object]:
        """The device's retained message. Times in ms UTC."""
        return {
            "v": 1,
            "gw": gateway,
            "d": self.device,
            "state": self.state,
            "since": self.since_ns // 1_000_000,
            "last_good": None if self.last_good_ns is None else self.last_good_ns // 1_000_000,
            "why": self.why,
            "identity": self.identified.says or None,
            "confirmed": self.identified.confirmed,
            "mismatch": None if self.identified.mismatch is None else self.identified.mismatch.words,
            "clock_offset_s": self.clock_offset_s(),
            "refused": list(self.refused),
        }

    def _overall(self) -> State:
        if self._away:
            return "down"
        # Groups that met it while it was away have not been read since, and say nothing of it now.
        states = {state for state, why in self._groups.values() if not why.startswith(AWAY)}
        if states == {"ok"}:
            return "ok"
        return "down" if states == {"down"} else "failing"

    def _change(self, state: State, why: str, now_ns: int) -> None:
        silent_s = round((now_ns - self.since_ns) / 1e9, 1)
        before, self.state, self.since_ns, self.why = self.state, state, now_ns, "" if state == "ok" else why
        if state == "ok" and before == "starting":
            log.info("device answers", device=self.device)
        elif state == "ok":
            log.info("device back", device=self.device, was=before, for_s=silent_s)
        else:
            event = "device down" if state == "down" else "device answers in part"
            log.warning(event, device=self.device, why=why)
        if state != "down" and before in ("starting", "down"):
            self._appeared.set()
        self._changed(self.device)
