"""mbpoll: a Modbus client that is not ours."""

import asyncio
from collections.abc import Sequence


async def mbpoll(where: Sequence[str], *what: str, write: Sequence[str] = ()) -> dict[int, str]:
    """What mbpoll prints of unit 1, by address; with `write` it writes these values.

    `where` are its words for a place, the place itself the last. AssertionError, with what it says, when it
    fails.
    """
    *how, place = where
    process = await asyncio.create_subprocess_exec(
        "mbpoll", *how, "-1", "-0", "-a", "1", "-o", "5", *what, place, *write,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    rows = [line.split() for line in out.decode().splitlines() if line.startswith("[")]
    return {int(address.strip("[]:")): value for address, value in rows}
