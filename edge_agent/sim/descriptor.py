"""Something the kernel gives bytes from when it has some: a serial port, a socket of datagrams."""

import asyncio


async def readable(descriptor: int) -> None:
    """Come back when there is something to read, or when nothing ever will be."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def stop(serving: asyncio.Task[None]) -> None:
    """End a task that never ends by itself. Raises what went wrong in it."""
    serving.cancel()
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()
