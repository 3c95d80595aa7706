"""Where events go: JSON lines with a priority for journald, or readable lines on a terminal."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
"""syslog priorities (RFC 5424, 6.2.1), as `<N>` in front of a line for journald (sd-daemon(3))."""


def set_up(level: Literal["debug", "info", "warning", "error"], *, json: bool | None = None) -> None:
    """Send events of `level` and above to stderr: JSON unless stderr is a terminal (or as `json` says)."""
    plain = sys.stderr.isatty() if json is None else not json
    renderer = _console() if plain else [structlog.processors.format_exc_info, _prioritised]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries tell of each attempt; we tell of each change.
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(logging.WARNING)
    for library in ("pymodbus", "asyncua"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)


@contextmanager
def silent() -> Iterator[None]:
    """No events: for a command that tells its user by itself what the parts it uses would tell a log."""
    before = structlog.get_config()
    nothing = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=nothing, cache_logger_on_first_use=False)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)


class _Forward(logging.Handler):
    """What libraries log becomes an event like ours."""

    def emit(self, record: logging.LogRecord) -> None:  # type: ignore[explicit-override]  # typing has it from 3.12 on
        level = "error" if record.levelno >= logging.ERROR else "warning"
        log = structlog.get_logger("library")
        getattr(log, level)(record.getMessage(), library=record.name, exc_info=record.exc_info)


def _console() -> list[structlog.typing.Processor]:
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _prioritised(logger: WrappedLogger, name: str, event: EventDict) -> str:
    text = structlog.processors.JSONRenderer(sort_keys=False)(logger, name, event)
    line = text if isinstance(text, str) else text.decode()
    return f"<{PRIORITY.get(name, 6)}>{line}"
