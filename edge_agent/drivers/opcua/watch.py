"""The certificates of one connection while it lasts: what is odd about them, and when they end."""

import asyncio
from dataclasses import dataclass

import structlog

from edge_agent.drivers.opcua.certificate import Certificate, day, ends_soon
from edge_agent.ports import Clock

EVERY_S = 3600.0

log = structlog.get_logger("opcua")


@dataclass(frozen=True, slots=True)
class Secured:
    """Both sides of a channel: what the server has shown, what we have, and what we would rather have shown.

    `doubts` is what is odd about the server's.
    """

    server: Certificate
    own: Certificate
    newest: Certificate
    doubts: tuple[str, ...] = ()


class Watch:
    """Tells each thing once; `clock` gives UTC in ns."""

    def __init__(self, connection: str, clock: Clock) -> None:
        self._log = log.bind(connection=connection)
        self._clock = clock
        self._told: set[tuple[str, str]] = set()
        self._secured: Secured | None = None

    def opened(self, secured: Secured | None) -> None:
        """A session has begun, with these certificates."""
        self._secured = secured
        if secured is None:
            return
        for doubt in secured.doubts:
            if self._is_news(doubt, secured.server):
                self._log.warning("server certificate is odd", why=doubt)
        if secured.own != secured.newest and self._is_news("before", secured.own):
            self._log.warning(
                "server takes the old certificate only",
                fingerprint=secured.newest.fingerprint,
                until=day(secured.own.not_after_s),
                advice="accept the new one on the server",
            )
        self.look()

    def look(self) -> None:
        """Tell of certificates that end within 30 days."""
        if self._secured is None:
            return
        for whose, each in (("server", self._secured.server), ("own", self._secured.own)):
            if ends_soon(each, self._clock() / 1e9) and self._is_news("ends", each):
                until = day(each.not_after_s)
                self._log.warning("certificate ends", whose=whose, until=until, fingerprint=each.fingerprint)

    async def repeat(self) -> None:
        """Look every hour, for ever: sessions last for months."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.look()

    def document(self) -> dict[str, object]:
        """The certificates of the last session, as JSON has them; times in ms UTC."""
        if self._secured is None:
            return {}
        now_s = self._clock() / 1e9
        return {
            whose: {
                "subject": each.subject,
                "fingerprint": each.fingerprint,
                "until": round(each.not_after_s * 1000),
                "ends_soon": ends_soon(each, now_s),
            }
            for whose, each in (("server", self._secured.server), ("own", self._secured.own))
        }

    def _is_news(self, what: str, certificate: Certificate) -> bool:
        news = (what, certificate.fingerprint) not in self._told
        self._told.add((what, certificate.fingerprint))
        return news
