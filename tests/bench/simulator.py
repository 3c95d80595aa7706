"""The simulator for machines without a C compiler: as simulator.c in all that it does, but slower.

usage: python -m tests.bench.simulator PORTS SECONDS LOG
"""

import asyncio
import resource
import signal
import struct
import sys
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

REQUEST = struct.Struct(">HHHBBHH")
"""Transaction, protocol, length, unit, function, address, count."""
HEAD = struct.Struct(">HHHBBB")
"""Transaction, protocol, length, unit, function, bytes (or exception code)."""
RECORD = struct.Struct("=QHBBHH")
LONGEST = 125
TICK_NS = 100_000_000


def words(address: int, count: int, time_ns: int) -> bytes:
    """Registers as simulator.c gives them."""
    tick = time_ns // TICK_NS
    return struct.pack(
        f">{count}H",
        *[
            (tick + at) * 40503 & 0xFFFF if at % 2 else 0x4100 + at % 0x180
            for at in range(address, address + count)
        ],
    )


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, log: BinaryIO) -> None:
    """Answer the requests of one connection until it is closed."""
    try:
        while True:
            request = REQUEST.unpack(await reader.readexactly(REQUEST.size))
            log.write(RECORD.pack(time.monotonic_ns(), port, *request[3:]))
            writer.write(answer(*request))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the subject went
    finally:
        writer.close()


def answer(
    transaction: int, protocol: int, _length: int, unit: int, function: int, address: int, count: int
) -> bytes:
    """The answer to a request to read; an exception response to any other."""
    if function not in (3, 4) or not 1 <= count <= LONGEST or address + count > 65536:
        refusal = 2 if function in (3, 4) else 1
        return HEAD.pack(transaction, protocol, 3, unit, function | 0x80, refusal)
    head = HEAD.pack(transaction, protocol, 3 + 2 * count, unit, function, 2 * count)
    return head + words(address, count, time.monotonic_ns())


async def main(ports: int, seconds: float, log: Path) -> None:
    """Serve until the time is over, SIGTERM comes, or standard input closes."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin, stop.set)
    with log.open("wb") as file:
        servers = [
            await asyncio.start_server(partial(serve, port=port, log=file), "127.0.0.1", 0)
            for port in range(ports)
        ]
        print(*[server.sockets[0].getsockname()[1] for server in servers], flush=True)
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            pass  # the end that was agreed


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
