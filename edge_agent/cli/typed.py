"""The lines somebody types while a command runs."""

import asyncio
import os
from collections.abc import AsyncIterator


async def lines(descriptor: int) -> AsyncIterator[str]:
    """The lines of a pipe, a terminal or a file as they come; ends with it."""
    held = b""
    while True:
        await _readable(descriptor)
        try:
            chunk = os.read(descriptor, 4096)
        except OSError:  # closed, or a terminal that this process may not read from the background
            return
        *whole, held = (held + chunk).split(b"\n")
        for line in whole if chunk else [held]:
            yield line.decode(errors="replace")
        if not chunk:
            return


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except OSError:  # a file or /dev/null, which are always readable
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
