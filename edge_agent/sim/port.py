"""The port of a simulated PLC."""

import asyncio
import socket


async def bound(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket that has its port and does not listen yet: connections are refused, and the port stays ours.

    `port` 0 lets the kernel choose. OSError when the address cannot be had.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    family, _, _, _, address = found[0]
    opened = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:  # of datagrams it would let others take the port as well
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened
