"""The terminal in front of the demo: takes keys as they are pressed, shows whole frames.

However the context is left, the terminal is as it was found: lines, echo, cursor, and what stood on it.
"""

import asyncio
import os
import re
import signal
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from edge_agent.demo.screen import Line, Style, text

ENTER = "\x1b[?1049h\x1b[?25l"  # alternate screen, no cursor
LEAVE = "\x1b[?25h\x1b[?1049l"
CLEAR = "\x1b[2J"

COLOURS: dict[Style, str] = {
    "plain": "",
    "head": "\x1b[1m",
    "good": "\x1b[32m",
    "fresh": "\x1b[1;36m",
    "warn": "\x1b[33m",
    "bad": "\x1b[1;31m",
    "dim": "\x1b[2m",
}
PLAIN = "\x1b[0m"

ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]?|O.?|.?)", re.DOTALL)
"""What keys with a name, or pressed with Alt, send (ECMA-48, 5.4)."""

INTERRUPT, SUSPEND = "\x03", "\x1a"

AGAIN_S = 0.2
"""By then a process that was told to stop has stopped."""

SIZE = (80, 24)
"""Where the terminal does not tell."""


class Terminal:
    """A screen, and a keyboard unless it is None: both descriptors of terminals.

    `pressed` is called on the loop with each key, Ctrl-C among them. Use it inside a running loop.
    """

    def __init__(
        self, screen: int, keyboard: int | None, pressed: Callable[[str], None], *, colours: bool
    ) -> None:
        self._screen = screen
        self._keyboard = keyboard
        self._pressed = pressed
        self._colours = colours
        self._found: list[Any] | None = None
        self._fresh = True
        self._again: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._take()
        loop.add_signal_handler(signal.SIGWINCH, self._clear)
        loop.add_signal_handler(signal.SIGCONT, self._take)
        if self._keyboard is not None:
            loop.add_reader(self._keyboard, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        if self._again is not None:
            self._again.cancel()
        if self._keyboard is not None:
            loop.remove_reader(self._keyboard)
        loop.remove_signal_handler(signal.SIGCONT)
        loop.remove_signal_handler(signal.SIGWINCH)
        self._give_back()

    @property
    def takes_keys(self) -> bool:
        """Whether there is a keyboard."""
        return self._keyboard is not None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        try:
            size = os.get_terminal_size(self._screen)
        except OSError:
            return SIZE
        return (size.columns, size.lines) if size.columns and size.lines else SIZE

    def show(self, lines: Sequence[Line]) -> None:
        """Draw a frame over the one before, in one write."""
        start, self._fresh = (CLEAR if self._fresh else ""), False
        # Each line is told its row: terminals differ in what they make of line ends and of their last column.
        rows = (f"\x1b[{row}H{self._drawn(line)}" for row, line in enumerate(lines, 1))
        self._write(start + "".join(rows))

    def _drawn(self, line: Line) -> str:
        if not self._colours:
            return text(line)
        return "".join(
            f"{COLOURS[style]}{words}{PLAIN}" if COLOURS[style] else words for words, style in line
        )

    def _write(self, words: str) -> None:
        left = memoryview(words.encode(errors="replace"))
        while left:
            left = left[os.write(self._screen, left) :]

    # Taking and giving back

    def _take(self) -> None:
        """Also after the shell has put us to the front again, which gave the terminal its own settings."""
        if self._keyboard is not None:
            if self._found is None:
                self._found = termios.tcgetattr(self._keyboard)
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, _raw(termios.tcgetattr(self._keyboard)))
        self._write(ENTER)
        self._clear()

    def _give_back(self) -> None:
        with suppress(OSError, termios.error):  # a terminal that has gone needs nothing
            self._write(LEAVE)
            if self._keyboard is not None and self._found is not None:
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._found)

    def _clear(self) -> None:
        self._fresh = True

    # Keys

    def _read(self) -> None:
        assert self._keyboard is not None  # noqa: S101 - there is a reader only where there is a keyboard
        try:
            chunk = os.read(self._keyboard, 1024)
        except OSError:
            chunk = b""
        if not chunk:  # the terminal has gone
            asyncio.get_running_loop().remove_reader(self._keyboard)
            self._pressed(INTERRUPT)
        for key in keys(chunk):
            if key == SUSPEND:
                self._suspend()
            else:
                self._pressed(key)

    def _suspend(self) -> None:
        """Stop like any program at Ctrl-Z, and with us the agent and the broker that belong to this job."""
        self._give_back()
        # Where no shell could put us to the front again, the signal is ignored, and we go on.
        self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._take)
        os.killpg(0, signal.SIGTSTP)


def keys(chunk: bytes) -> str:
    """The keys of what a terminal sent at once, in small letters.

    An escape sequence, such as of an arrow key, is none of ours; its letters must not be taken for keys.
    """
    return ESCAPE.sub("", chunk.decode(errors="replace")).lower()


def _raw(settings: list[Any]) -> list[Any]:
    """Keys one by one, without echo, signals or flow control; output stays as it is."""
    iflag, oflag, cflag, lflag, *rest = settings
    assert isinstance(iflag, int)  # noqa: S101 - termios(3)
    assert isinstance(lflag, int)  # noqa: S101 - termios(3)
    iflag &= ~(termios.IXON | termios.ICRNL)
    lflag &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
    return [iflag, oflag, cflag, lflag, *rest]
