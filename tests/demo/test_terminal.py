"""The terminal is taken and given back, on a pseudo-terminal of the kernel."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from edge_agent.demo.screen import Line
from edge_agent.demo.terminal import ENTER, LEAVE, Terminal, keys

WAIT_S = 5.0


@dataclass
class Desk:
    """A person at a terminal: `near` is what the program has, `far` the screen and keyboard themselves."""

    near: int
    far: int
    pressed: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def taken(self, *, colours: bool = True, keyboard: bool = True) -> AsyncIterator[Terminal]:
        with Terminal(
            self.near, self.near if keyboard else None, self.pressed.put_nowait, colours=colours
        ) as terminal:
            yield terminal

    async def key(self) -> str:
        async with asyncio.timeout(WAIT_S):
            return await self.pressed.get()

    def type(self, words: bytes) -> None:
        os.write(self.far, words)

    def seen(self) -> str:
        return os.read(self.far, 65536).decode()

    @property
    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.near)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)


@pytest.fixture
def desk() -> Iterator[Desk]:
    far, near = pty.openpty()
    yield Desk(near, far)
    for descriptor in (far, near):
        with suppress(OSError):  # a test may have closed it
            os.close(descriptor)


async def test_keys_come_one_by_one_without_an_echo(desk: Desk) -> None:
    async with desk.taken():
        assert desk.seen() == ENTER
        desk.type(b"bP")
        assert [await desk.key(), await desk.key()] == ["b", "p"]
        desk.type(b"\x03")
        assert await desk.key() == "\x03"

    assert desk.seen() == LEAVE


async def test_terminal_is_given_back_as_it_was_also_after_an_error(desk: Desk) -> None:
    before = termios.tcgetattr(desk.near)

    async def fail() -> None:
        async with desk.taken() as terminal:
            assert terminal.takes_keys
            assert desk.is_raw
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert termios.tcgetattr(desk.near) == before
    assert desk.seen() == ENTER + LEAVE


async def test_frame_is_drawn_over_the_one_before(desk: Desk) -> None:
    lines: list[Line] = [(("a", "plain"), ("b", "bad")), (("c", "dim"),)]
    async with desk.taken() as terminal:
        desk.seen()
        terminal.show(lines)
        assert desk.seen() == "\x1b[2J\x1b[1Ha\x1b[1;31mb\x1b[0m\x1b[2H\x1b[2mc\x1b[0m"
        terminal.show(lines)
        assert desk.seen().startswith("\x1b[1Ha")


async def test_no_colours_where_none_are_wanted(desk: Desk) -> None:
    async with desk.taken(colours=False) as terminal:
        desk.seen()
        terminal.show([(("a", "bad"), ("b", "good"))])
        assert desk.seen() == "\x1b[2J\x1b[1Hab"


async def test_size_is_that_of_the_terminal_and_a_change_draws_anew(desk: Desk) -> None:
    async with desk.taken() as terminal:
        assert terminal.size == (80, 24)  # a pseudo-terminal begins with none
        terminal.show([(("a", "plain"),)])
        desk.seen()
        fcntl.ioctl(desk.near, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        os.kill(os.getpid(), signal.SIGWINCH)
        seen = ""
        async with asyncio.timeout(WAIT_S):
            while not seen.startswith("\x1b[2J"):
                await asyncio.sleep(0)
                terminal.show([(("a", "plain"),)])
                seen = desk.seen()

        assert terminal.size == (120, 40)


async def test_program_that_goes_on_takes_the_terminal_again(desk: Desk) -> None:
    before = termios.tcgetattr(desk.near)
    async with desk.taken():
        desk.seen()
        termios.tcsetattr(desk.near, termios.TCSANOW, before)  # as a shell does
        os.kill(os.getpid(), signal.SIGCONT)
        async with asyncio.timeout(WAIT_S):
            while not desk.is_raw:  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0)
        assert desk.seen() == ENTER

    assert termios.tcgetattr(desk.near) == before


async def test_without_a_keyboard_only_the_screen_is_taken(desk: Desk) -> None:
    async with desk.taken(keyboard=False) as terminal:
        assert not terminal.takes_keys
        assert not desk.is_raw
        assert desk.seen() == ENTER


async def test_terminal_that_has_gone_ends_the_demo(desk: Desk) -> None:
    async with desk.taken():
        os.close(desk.far)
        assert await desk.key() == "\x03"


async def test_screen_that_is_no_terminal_has_the_usual_size() -> None:
    reads, writes = os.pipe()
    with Terminal(writes, None, lambda _: None, colours=False) as terminal:
        assert terminal.size == (80, 24)
    os.close(reads)
    os.close(writes)


@pytest.mark.parametrize(
    ("chunk", "pressed"),
    [
        (b"bK", "bk"),
        (b"\x1b[B", ""),
        (b"\x1b[Bp\x1b[15~k", "pk"),
        (b"\x1bOPb", "b"),
        (b"q\x1bb", "q"),
        (b"\x1b", ""),
        (b"\xff", "\ufffd"),
        (b"", ""),
    ],
)
def test_letters_of_an_escape_sequence_are_no_keys(chunk: bytes, pressed: str) -> None:
    assert keys(chunk) == pressed
