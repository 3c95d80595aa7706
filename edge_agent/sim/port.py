"""The port of a simulated PLC."""

import asyncio
import socket


async def bound(host: str, port: int) -> socket.socket:
    """A socket that has its port and does not listen yet: connections are refused, and the port stays ours.

    `port` 0 lets the kernel choose. OSError when the address cannot be had.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, address = found[0]
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened
