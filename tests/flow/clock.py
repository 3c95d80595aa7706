"""An event loop whose clock jumps to the next timer when nothing else is left to do.

Tests of waits run at once and see exact times. A test that waits for what will never come fails instead of
hanging. Only for tests without threads and sockets.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from typing_extensions import override

P = ParamSpec("P")
T = TypeVar("T")


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop of asyncio with a clock of its own, in seconds."""

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__(_Jumping(self._jump))

    @override
    def time(self) -> float:
        """The seconds this loop has jumped through."""
        return self._now

    def _jump(self, seconds: float | None) -> None:
        if seconds is None:
            raise AssertionError("the test waits for something that will never come")
        self._now += seconds


def at_once(test: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """Make a plain test of an async one: it runs on a loop whose clock jumps."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        async def begin() -> T:
            return await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            return runner.run(begin())

    return run


class _Jumping(selectors.BaseSelector):
    """A selector that tells of a wait instead of waiting."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._jump = jump

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if not ready and timeout != 0:
            self._jump(timeout)
        return ready

    @override
    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    @override
    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    @override
    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    @override
    def close(self) -> None:
        self._real.close()
